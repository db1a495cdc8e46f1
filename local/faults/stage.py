"""The emulated cloud in which a new version comes into service: at rest, and from there on.

A first version serves, and by now a better one has been trained, evaluated and judged: its folder
is kept, so that a scenario is one real process, `python -m task deploy`, of the task's own role.
Whatever is played begins at the same bytes.
"""

from __future__ import annotations

import json
import os
import shutil
import sqlite3
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

from common.registry import Registry, open_registry
from common.registry.records import Run
from common.serving.answers import Api, Model
from common.store import Store, open_store
from local import minds, points
from local.cloud.calls import SETTING_UP
from local.cloud.client import Cloud, Database, Done, Fault
from local.points import Point

FIRST, NEXT, AFTER = "m-first", "m-next", "m-after"
"""Runs, and the versions that they make: the one that serves, the better one, a run after it."""
QUICK: Mapping[str, str] = {
    "RETRAIN_CANDIDATES": "hierarchical",
    "RETRAIN_BASE_ROWS": "500",
    "RETRAIN_ROLLOUT_SECONDS": "45",
}
SETTINGS: Mapping[str, object] = {"auto_deploy": True, "bake_seconds": 0, "rollout_seconds": 45}
"""Of the roll-out that is played."""
PACE = {"check_seconds": 0.1, "retry_seconds": 0.05}
BAD_API = ("/opt/venv/bin/python", "-m", "local.bad_api", "--host", "0.0.0.0", "--port", "8080")


@dataclass(kw_only=True)
class Stage:
    """Where scenarios are played, one after the other."""

    cloud: Cloud
    registry: Registry
    store: Store
    votes: Path
    fresh: Point
    """Votes, and no version."""
    ready: Point
    """The first version is active."""
    folders: Path
    """The runs' folders as they are before their versions are published."""
    sha: str
    """Of the first version's manifest."""
    bad: bool = False
    """Whether the service has been told to start a program that goes wrong."""

    # ---------------------------------------------------------------------------- at rest

    def begin(self, run_id: str, *, desired: int, settings: Mapping[str, object]) -> None:
        """At rest: what serves before the run's version does, by so many tasks."""
        point, at_rest = (
            self.ready if run_id == NEXT else self.fresh,
            self._at_rest(run_id, desired),
        )
        points.put_back(self.cloud, self.votes, point, at_rest=at_rest)
        shutil.rmtree(self.work, ignore_errors=True)
        shutil.copytree(self.folders / run_id, self.work / run_id)
        record = self.work / run_id / "run.json"
        content = json.loads(record.read_text("utf-8"))
        content["settings"] |= {**SETTINGS, **settings}
        record.write_text(json.dumps(content), "utf-8")
        self.cloud.order("pace", **PACE)
        if not at_rest:
            self.bad = False
            if desired:
                self.cloud.serve(desired)
        self.cloud.wait()

    def _at_rest(self, run_id: str, desired: int) -> bool:
        """Whether the service is already as it must be, and was never told otherwise."""
        service = self.service
        done = [each["rolloutState"] for each in service["deployments"]] == ["COMPLETED"]
        if self.bad or not done or run_id != NEXT or service["desiredCount"] != desired:
            return False
        served = [(model.version, model.sha) for model in self.models()]
        return served == [(FIRST, self.sha)] * desired

    @property
    def work(self) -> Path:
        """Where tasks keep their runs' folders."""
        return self.cloud.folder / "work"

    # -------------------------------------------------------------------------- what happens

    def deploy(self, run_id: str, environment: Mapping[str, str]) -> None:
        """ECS starts the task that publishes the run's version and rolls it out."""
        self.run_task(run_id, ["deploy", "--run", run_id], environment)

    def run_task(
        self, run_id: str, command: list[str], environment: Mapping[str, str] | None = None
    ) -> None:
        """RunTask as the trigger asks for it, with another command."""
        variables = [{"name": n, "value": v} for n, v in (environment or {}).items()]
        container = {"name": "task", "command": command, "environment": variables}
        network = {"subnets": ["subnet-0123456789abcdef0"], "assignPublicIp": "DISABLED"}
        self.cloud.client("ecs", SETTING_UP).run_task(
            cluster=self.service["clusterArn"],
            taskDefinition=self.cloud.stack.task_definition["family"],
            launchType="FARGATE",
            startedBy=run_id,
            networkConfiguration={"awsvpcConfiguration": network},
            overrides={"containerOverrides": [container]},
        )

    def fault(self, role: str, service: str, operation: str, kind: str, **more: Any) -> Fault:
        """Something goes wrong with a role's calls: of the task, the healer or the api."""
        principal = self.principal(role)
        return self.cloud.fault(service, operation, kind, principal=principal, **more)

    def principal(self, role: str) -> str:
        """The access key of a role."""
        stack = self.cloud.stack
        for definition in stack.task_definitions:
            if definition["containerDefinitions"][0]["name"] == role:
                return stack.principal(definition["taskRoleArn"])
        (found,) = [each for name, each in stack.functions.items() if name.endswith(role)]
        return found.principal

    def bad_api(self, **fault: object) -> None:
        """From now on a task of the service that starts has this fault (`local.bad_api`)."""
        self.bad = True
        self.cloud.program(BAD_API, BAD_API=json.dumps({"version": NEXT, **fault}))

    def update(self, **changes: Any) -> None:
        """Somebody else calls UpdateService."""
        service = self.service
        self.ecs.update_service(
            cluster=service["clusterArn"], service=service["serviceArn"], **changes
        )

    def operator(self, *words: str, **changes: str) -> Done:
        """An operator's command on the cloud's addresses."""
        return self.cloud.task(*words, **changes)

    # --------------------------------------------------------------------------- what is seen

    @property
    def ecs(self) -> Any:
        """ECS for whoever is no part of the stack."""
        return self.cloud.client("ecs", SETTING_UP)

    @property
    def service(self) -> dict[str, Any]:
        """The service as it stands."""
        return self.cloud.service()

    def serving(self) -> list[dict[str, Any]]:
        """The service's tasks that people's requests go to."""
        return [
            task
            for task in self.service["tasks"]
            if (task["lastStatus"], task["desiredStatus"], task["healthStatus"])
            == ("RUNNING", "RUNNING", "HEALTHY")
        ]

    def models(self) -> list[Model]:
        """What each of them says that it serves."""
        ports = [
            binding["hostPort"]
            for task in self.serving()
            for binding in task["containers"][0]["networkBindings"]
        ]
        return [Api(f"http://127.0.0.1:{port}").model() for port in ports]

    def record(self, run_id: str) -> Run:
        """What the registry knows of a run."""
        found = self.registry.run(run_id)
        assert found is not None, f"no record of {run_id}"
        return found

    def healed(self) -> list[str]:
        """The runs that the function has ended, as it says."""
        answers = [
            attempt["answer"]
            for event in self.cloud.state()["events"]
            if event["function"].endswith("healer")
            for attempt in event["attempts"]
        ]
        return [each["run_id"] for one in answers for each in (one or {}).get("healed", [])]


@contextmanager
def started(folder: Path) -> Iterator[Stage]:
    """A stage in a cloud of its own, in a new folder."""
    votes = folder / "votes.sqlite"
    folder.mkdir(parents=True, exist_ok=True)
    minds.with_votes(votes)
    options = ["--stop-seconds", "30", "--retry-seconds", "0.05", "--desired", "0"]
    database = Database(url=f"sqlite:///{votes}")
    with Cloud.start(folder / "cloud", database=database, options=options) as cloud:
        yield built(cloud, votes)


def built(cloud: Cloud, votes: Path) -> Stage:
    """A stage in a cloud that holds votes and nothing else; it is reached by two real runs."""
    made = cloud.folder / "made"
    cloud.use(None, **QUICK, WORK_DIR=str(cloud.folder / "work"))
    fresh = points.keep(cloud, votes)
    by_hand = {"WORK_DIR": str(made), "SERVING_URL": "none"}
    _run(cloud, FIRST, "promoted", **by_hand)
    with closing(sqlite3.connect(votes)) as table, table:
        minds.change(table)
    ready = points.keep(cloud, votes)
    _run(cloud, NEXT, "approved", "--no-auto-deploy", **by_hand)
    with mock.patch.dict(os.environ, cloud.addresses):
        registry = open_registry(cloud.addresses["REGISTRY_URL"])
        store = open_store(cloud.addresses["STORE_URL"])
    return Stage(
        cloud=cloud,
        registry=registry,
        store=store,
        votes=votes,
        fresh=fresh,
        ready=ready,
        folders=made,
        sha=registry.history()[-1].sha,
    )


def _run(cloud: Cloud, run_id: str, state: str, *words: str, **changes: str) -> None:
    done = cloud.task("run", "--run-id", run_id, *words, **changes)
    assert (done.exit, done.result["state"]) == (0, state), done
