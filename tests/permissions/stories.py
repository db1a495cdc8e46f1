"""Everything that functions, task and API do, once each: what the rights are for.

Each story leaves its calls with the recorder and asserts how it went, so that a call which failed
early is not taken for one that was never made.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any
from unittest import mock

import pytest

from api import keys
from api.metrics import Metrics
from api.serving import Serving
from common.errors import LaunchError, MissingError, StoreError
from common.registry import open_registry
from common.registry.records import Run
from common.settings import load, require
from common.store import Store, open_store
from common.votes_writer import open_writer
from tests.permissions.emulated import Emulated
from tests.unit.place import CHANGED, WORLD

SLOT = "2025-11-23T02:00:00Z"
LONG_AGO = timedelta(days=2)
PART_BYTES = 8 * 1024 * 1024
"""What is larger goes to S3 in parts."""


def trigger_stories(cloud: Emulated) -> None:
    """Too few votes, a launch, the same again, a lost answer, a refusal by ECS, a hung task."""
    assert cloud.invoke("trigger", {})["decision"] == "skipped"
    cloud.vote(WORLD, 600)
    assert cloud.invoke("trigger", {"dry_run": True})["decision"] == "would_launch"
    slot = {"source": "aws.events", "time": SLOT}
    assert cloud.invoke("trigger", slot)["decision"] == "launched"
    assert cloud.invoke("trigger", slot)["decision"] == "adopted"
    end(cloud, "s-20251123T020000Z")

    unnoted(cloud, "s-20251130T020000Z")
    lost = {"time": "2025-11-30T02:00:00Z"}
    assert cloud.invoke("trigger", lost)["decision"] == "adopted"
    end(cloud, "s-20251130T020000Z")

    with cloud.recorder.unanswered("ecs.RunTask"), pytest.raises(LaunchError):
        cloud.invoke("trigger", {})
    end(cloud, cloud.registry.runs(limit=1)[0].run_id)

    hang(cloud, "s-20261115T020000Z")
    found = cloud.invoke("trigger", {"force": True})
    assert found["decision"] == "launched"
    end(cloud, found["run_id"])


def watcher_stories(cloud: Emulated) -> None:
    """A task that was killed, one that ended well, one nobody knows, and the daily look."""
    killed = running(cloud, "s-20261206T020000Z")
    event = stopped(cloud, killed, "s-20261206T020000Z", exitCode=137)
    assert cloud.invoke("watcher", event)["outcome"] == "closed"
    assert cloud.invoke("watcher", event)["alerted"] is False
    stranger = stopped(cloud, killed, "nobody", exitCode=1)
    assert cloud.invoke("watcher", stranger)["outcome"] == "ignored"
    hang(cloud, "s-20261213T020000Z")
    found = cloud.invoke("watcher", {"check": "daily"})
    assert found["stopped"] == ["s-20261213T020000Z"]


def task_stories(cloud: Emulated) -> None:
    """The first model, one that is better, one that is not, bad votes, an outage, a rival."""
    task_runs(cloud, "s-20270103T020000Z", code=0, state="served")
    again = cloud.task("run", "--run-id", "s-20270103T020000Z", "--launched")
    assert again.exit == 0, again

    cloud.vote(CHANGED, 1_800, seed=2)
    few = {"RETRAIN_MAX_BACKUPS": "1", "RETRAIN_KEEP_SNAPSHOTS": "1"}
    any_better = {"RETRAIN_MIN_IMPROVEMENT": "-0.9", **few}
    task_runs(cloud, "s-20270110T020000Z", code=0, state="served", **any_better)
    cloud.vote(WORLD, 600, seed=3)
    deaf = {"RETRAIN_REAL_DATA_WEIGHT": "0"}
    task_runs(cloud, "s-20270117T020000Z", code=0, state="rejected", **deaf, **few)
    task_runs(
        cloud, "s-20270124T020000Z", code=1, state="failed", DATABASE_URL="mysql://x@127.0.0.1:1/x"
    )
    cloud.mariadb.execute(
        "UPDATE analysis_history SET style_1_feedback = 'perhaps', style_2_feedback = 'perhaps'",
        database=cloud.database,
    )
    task_runs(cloud, "s-20270131T020000Z", code=3, state="data_stopped")
    large_snapshot(cloud)
    examined = cloud.task("doctor")
    assert examined.exit == 0, examined
    left_open(cloud, "s-20270214T020000Z", **any_better)


def left_open(cloud: Emulated, run_id: str, **changes: str) -> None:
    """A task that is stopped between promotion and proof; then the healer looks."""
    cloud.mariadb.execute(
        "UPDATE analysis_history SET style_1_feedback = NULL, style_2_feedback = NULL",
        database=cloud.database,
    )
    cloud.vote(CHANGED, 1_800, seed=4)
    before = cloud.registry.active()
    cloud.service.killed = True
    unnoted(cloud, run_id)
    answer = cloud.task("run", "--run-id", run_id, "--launched", **changes)
    assert answer.exit == 143, answer

    healed = cloud.invoke("healer", {"check": "daily"})["healed"]

    assert [(one["run_id"], one["state"]) for one in healed] == [(run_id, "rolled_back")]
    after = cloud.registry.active()
    assert before is not None
    assert after is not None
    assert after.version == before.version


def api_stories(cloud: Emulated) -> None:
    """It loads what is active, finds that a file of it is gone, and logs in to write votes."""
    with cloud.recorder.acting("api"), mock.patch.dict(os.environ, cloud.environment("api")):
        settings = load(yaml_path=None, env_file=None, environ=os.environ, flags={})
        database_url, store_url, registry_url = require(
            settings, "database_url", "store_url", "registry_url"
        )
        assert database_url
        api = Serving(open_registry(registry_url), open_store(store_url), Metrics(), follow=False)
        api.look()
        assert api.state.model is not None, api.state.why
        with pytest.raises(MissingError):
            open_store(store_url).read(f"models/{api.state.model.version}/gone.json")
        assert (keys.read(settings) is None) == (settings.api_key_secret_arn is None)
        writer = open_writer(settings)
        assert writer.votable() > 0
        writer.close()


def large_snapshot(cloud: Emulated) -> None:
    """A snapshot goes in parts; then one of them does not arrive, and the rest is cleared away."""
    key, data = "runs/s-20270207T020000Z/votes.parquet", bytes(PART_BYTES + 1)
    with in_store(cloud) as store:
        with pytest.raises(MissingError):
            store.read(key)
        store.put(key, data)
    with (
        cloud.recorder.unanswered("s3.UploadPart"),
        in_store(cloud) as store,
        pytest.raises(StoreError),
    ):
        store.put(key, data)


@contextmanager
def in_store(cloud: Emulated) -> Iterator[Store]:
    """The store as the task opens it."""
    environment = cloud.environment("task")
    with mock.patch.dict(os.environ, environment), cloud.recorder.acting("task"):
        yield open_store(environment["STORE_URL"])


def task_runs(cloud: Emulated, run_id: str, *, code: int, state: str, **changes: str) -> None:
    """A run that the trigger has launched, as its task carries it out."""
    unnoted(cloud, run_id)
    answer = cloud.task("run", "--run-id", run_id, "--launched", **changes)
    found = answer.result
    assert (answer.exit, found["state"]) == (code, state), found["reason"]


def unnoted(cloud: Emulated, run_id: str, since: timedelta = timedelta()) -> None:
    """A run that was launched, and whose task nobody has noted."""
    at = datetime.now(UTC)
    run = Run(run_id=run_id, created_at=at - since)
    cloud.registry.launch(run, owner="trigger/before", lease_seconds=600, now=at)


def running(cloud: Emulated, run_id: str) -> str:
    """A run whose task is at work; the task's ARN."""
    unnoted(cloud, run_id)
    task_arn = cloud.start_task()
    cloud.registry.note_task(run_id, task_arn)
    task = task_arn.rpartition("/")[2]
    cloud.registry.claim(run_id, task=task, lease_seconds=600, now=datetime.now(UTC))
    return task_arn


def hang(cloud: Emulated, run_id: str) -> None:
    """A run whose task goes on long after its deadline."""
    unnoted(cloud, run_id, since=LONG_AGO)
    cloud.registry.note_task(run_id, cloud.start_task())


def end(cloud: Emulated, run_id: str) -> None:
    """A run is over, and its lease free."""
    at = datetime.now(UTC)
    cloud.registry.close(run_id, task_arn=None, exit_code=1, reason="over", now=at)


def stopped(cloud: Emulated, task_arn: str, run_id: str, **container: Any) -> dict[str, Any]:
    """What ECS says of a task that ended."""
    return {
        "source": "aws.ecs",
        "detail-type": "ECS Task State Change",
        "detail": {
            "clusterArn": cloud.environment("watcher")["WATCH_CLUSTER"],
            "taskArn": task_arn,
            "lastStatus": "STOPPED",
            "startedBy": run_id,
            "stopCode": "EssentialContainerExited",
            "stoppedReason": "Essential container in task exited",
            "containers": [{"name": "task", "lastStatus": "STOPPED", **container}],
        },
    }
