"""The rehearsal's hand: starts the emulated cloud, makes things happen in it, and looks.

    with Cloud.start(folder, database=sqlite_database(path)) as cloud:
        cloud.fire("weekly", datetime(2026, 11, 22, 2, tzinfo=UTC))
        cloud.wait()
        print(cloud.state()["tasks"])

The demo and the tests use it alike. Everything goes over HTTP to the one process.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from functools import cached_property
from pathlib import Path
from typing import Any
from urllib.error import HTTPError
from urllib.request import ProxyHandler, Request, build_opener

from local.cloud.calls import SETTING_UP
from local.cloud.setup import READER, Resources
from local.cloud.stack import ROOT, SERVICE_URL, Stack
from local.cloud.template import Template

TEMPLATE = ROOT / "infra" / "template.json"
OPERATOR = "operator"
_DIRECT = build_opener(ProxyHandler({}))  # a proxy for the rest of the world is not for us
PATIENCE = 120.0
"""Seconds after which something is taken for hung."""
LOOK_SECONDS = 0.03
"""Pause between two looks at the state: each costs the one process that does all the work."""


@dataclass(frozen=True, kw_only=True)
class Database:
    """The votes' database of a rehearsal, in place of RDS."""

    url: str
    ca: str | None = None
    password: str | None = None
    """Given to the processes by the emulated Secrets Manager."""


@dataclass(frozen=True, kw_only=True)
class Done:
    """How an operator's command ended."""

    exit: int
    out: str
    err: str

    @property
    def result(self) -> dict[str, Any]:
        """The one JSON object on standard output."""
        found: dict[str, Any] = json.loads(self.out)
        return found


@dataclass(kw_only=True)
class Cloud:
    """A running emulation."""

    url: str
    folder: Path
    stack: Stack
    server: subprocess.Popen[str]
    variables: dict[str, str | None]
    """What replaces the template's variables."""

    @classmethod
    @contextmanager
    def start(
        cls,
        folder: Path,
        *,
        template: Path = TEMPLATE,
        parameters: Mapping[str, str] | None = None,
        database: Database | None = None,
        variables: Mapping[str, str | None] | None = None,
        options: Sequence[str] = (),
    ) -> Iterator[Cloud]:
        """A cloud of one's own in a new folder; it is gone at the end.

        variables: further ones that replace the template's; options: of `python -m local.cloud`.
        """
        given = dict(parameters or {})
        command = [sys.executable, "-m", "local.cloud", "--folder", str(folder)]
        command += ["--template", str(template), "--parameters", json.dumps(given), *options]
        server = subprocess.Popen(
            command,
            cwd=ROOT,
            env=os.environ | {"PYTHONPATH": str(ROOT)},
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert server.stdout is not None, "it was asked for"
        with server:  # in the end its standard input is closed, which ends it
            line = server.stdout.readline()
            assert line, "the emulated cloud did not start; its own words stand above"
            cloud = cls(
                url=json.loads(line)["url"],
                folder=folder,
                stack=Stack(template=Template.load(template, parameters=given)),
                server=server,
                variables=dict(variables or {}),
            )
            with closing(cloud._resources):
                cloud.use(database)
                yield cloud

    # ------------------------------------------------------------------ what the stack works with

    @property
    def addresses(self) -> dict[str, str]:
        """The four addresses, and where the processes of an operator find the cloud."""
        environment = self.stack.task_environment
        known = ("STORE_URL", "REGISTRY_URL", "SERVING_URL")
        own = {
            "AWS_ENDPOINT_URL": self.url,
            "AWS_REGION": self.stack.template.region,
            "AWS_DEFAULT_REGION": self.stack.template.region,
            "AWS_ACCESS_KEY_ID": OPERATOR,
            "AWS_SECRET_ACCESS_KEY": "local",
        }
        given = {name: environment[name] for name in known} | own
        if SERVICE_URL in environment and self._serving():
            given[SERVICE_URL] = self.service_url
        return given | {name: text for name, text in self.variables.items() if text is not None}

    def use(self, database: Database | None, **variables: str | None) -> None:
        """Put a database in RDS's place, and further variables in the template's."""
        if database is not None:
            self.variables["DATABASE_URL"] = database.url
            self.variables["DB_CA"] = database.ca
            self.variables["DB_SECRET_ARN"] = self._secret(database)
        self.variables |= variables
        self.order("variables", values=self.variables)

    def password(self, text: str, user: str = "reader") -> str:
        """Put a database password into the emulated Secrets Manager; the secret's ARN."""
        known = self.stack.task_environment.get("DB_SECRET_ARN", "rehearsal-database-AbCdEf")
        secret = json.dumps({"username": user, "password": text})
        return self._resources.keep_secret(known, secret)

    def client(self, service: str, principal: str = OPERATOR) -> Any:
        """A client of boto3 that acts for a principal."""
        return self._resources.client(service, principal)

    # --------------------------------------------------------------------------- what happens

    def order(self, command: str, /, **given: Any) -> Any:
        """One command to the emulation."""
        request = Request(f"{self.url}/_local/{command}", json.dumps(given).encode())
        try:
            with _DIRECT.open(request, timeout=PATIENCE) as answer:
                return json.load(answer)
        except HTTPError as error:
            raise AssertionError(f"{command}: {error.read().decode()}") from error

    def fire(self, schedule: str, at: datetime, *, times: int = 1) -> list[str]:
        """The clock strikes; the request ids of what it set off."""
        sent: list[str] = self.order(
            "fire", schedule=schedule, time=at.astimezone(UTC).isoformat(), times=times
        )
        return sent

    def invoke(self, function: str, event: Mapping[str, Any]) -> dict[str, Any]:
        """Invoke a function and wait: its answer, or {errorType, errorMessage, …}."""
        names = [name for name in self.stack.functions if function.lower() in name.lower()]
        (name,) = names
        answer = self.client("lambda").invoke(FunctionName=name, Payload=json.dumps(event))
        found: dict[str, Any] = json.load(answer["Payload"])
        return found

    def fault(self, service: str, operation: str, kind: str, **more: Any) -> Fault:
        """Something goes wrong from now on; see `local.cloud.faults`."""
        number = self.order("fault", service=service, operation=operation, kind=kind, **more)
        return Fault(cloud=self, number=number)

    def task(self, *words: str, **changes: str) -> Done:
        """An operator's command, `python -m task WORDS --json`, on the cloud's four addresses."""
        kept = {name: os.environ[name] for name in ("PATH", "HOME") if name in os.environ}
        kept |= {k: v for k, v in os.environ.items() if k.startswith("COVERAGE_")}
        here = self.folder / "operator"
        here.mkdir(exist_ok=True)
        done = subprocess.run(
            [sys.executable, "-m", "task", *words, "--json"],
            cwd=here,
            env=kept | {"PYTHONPATH": str(ROOT)} | self.addresses | changes,
            capture_output=True,
            text=True,
            timeout=PATIENCE,
        )
        return Done(exit=done.returncode, out=done.stdout, err=done.stderr)

    # ------------------------------------------------------------------------------- the service

    def service(self, name: str = "") -> dict[str, Any]:
        """A service as it stands; without a name the only one that runs processes."""
        (found,) = self._serving(name)
        return found

    @property
    def service_url(self) -> str:
        """Where the only service that runs processes is reached, now and after every reset."""
        return str(self.service()["url"])

    def serve(self, desired: int, name: str = "") -> dict[str, Any]:
        """Deploy a service anew with so many tasks, and wait; the service then."""
        service = self.service(name)
        updated = self.client("ecs", SETTING_UP).update_service(
            cluster=service["clusterArn"],
            service=service["serviceArn"],
            desiredCount=desired,
            forceNewDeployment=True,
        )["service"]
        done = self.deployed(service["serviceName"])
        last = done["deployments"][0]
        assert last["rolloutState"] == "COMPLETED", brief(self.state())
        assert last["id"] == updated["deployments"][0]["id"], "nobody else deploys meanwhile"
        return done

    def program(
        self, words: Sequence[str] | None = None, *, service: str = "", **environment: str
    ) -> None:
        """From now on new tasks of a service have these words and these further variables.

        The words name the container's port as the task definition does. Nothing given is nothing
        changed, so that without anything the service is what it was.
        """
        self.order("service", service=service, words=words, environment=environment)

    def deployed(self, name: str = "") -> dict[str, Any]:
        """The service once its last deployment is complete, or has failed for good."""
        self.until(lambda _: _has_ended(self.service(name)))
        return self.service(name)

    def _serving(self, name: str = "") -> list[dict[str, Any]]:
        services = self.state()["services"]
        wanted = [s for s in services if name in ("", s["serviceName"])]
        return [s for s in wanted if name or s["runs_processes"]]

    # ------------------------------------------------------------------------------ what is seen

    def state(self) -> dict[str, Any]:
        """Faults, tasks, services and events as they stand."""
        found: dict[str, Any] = self.order("state")
        return found

    def wait(self) -> dict[str, Any]:
        """Until every event is handled and every task has ended; the state then."""
        return self.until(is_quiet)

    def until(self, true: Callable[[dict[str, Any]], bool]) -> dict[str, Any]:
        """Until the state is as wanted; the state then."""
        deadline = time.monotonic() + PATIENCE
        while not true(state := self.state()):
            assert time.monotonic() < deadline, f"waited in vain:\n{brief(state)}"
            time.sleep(LOOK_SECONDS)
        return state

    def calls(self) -> list[dict[str, Any]]:
        """Every call so far, but those that set the stack up."""
        text = (self.folder / "calls.jsonl").read_text("utf-8")
        return [json.loads(line) for line in text.splitlines()]

    def alerts(self) -> list[dict[str, str]]:
        """What the alert topic told since the last look: {Subject, Message}."""
        queues, url = self.client("sqs", SETTING_UP), f"{self.url}/queue/{READER}"
        with suppress(KeyError):
            found = queues.receive_message(QueueUrl=url, MaxNumberOfMessages=10)["Messages"]
            for message in found:
                queues.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
            return [json.loads(message["Body"]) for message in found]
        return []

    def function_log(self, function: str) -> str:
        """What a function has printed."""
        logs = (self.folder / "functions").glob("*.log")
        return "".join(log.read_text("utf-8") for log in logs if function in log.name.lower())

    def task_log(self, task: str) -> str:
        """What a task has printed, by its ARN or id."""
        return (self.folder / "tasks" / task.rpartition("/")[2] / "log").read_text("utf-8")

    @cached_property
    def _resources(self) -> Resources:
        return Resources(stack=self.stack, url=self.url)

    def _secret(self, database: Database) -> str | None:
        return None if database.password is None else self.password(database.password)


@dataclass(frozen=True, kw_only=True)
class Fault:
    """A fault in force."""

    cloud: Cloud
    number: int

    @property
    def met(self) -> int:
        """How many calls it has met."""
        return int(self.cloud.state()["faults"][str(self.number)]["met"])

    def reached(self) -> None:
        """Wait until a call is held; if all is quiet before, it never came."""
        state = self.cloud.until(lambda state: self._holds(state) or is_over(state))
        assert self._holds(state), f"the call that is held never came:\n{brief(state)}"

    def _holds(self, state: Mapping[str, Any]) -> bool:
        return bool(state["faults"][str(self.number)]["reached"])

    def release(self) -> None:
        """Let the held call go on."""
        self.cloud.order("release", fault=self.number)


def is_quiet(state: Mapping[str, Any]) -> bool:
    """Whether every event is handled and every task has ended."""
    ended = all(task["told"] for task in state["tasks"])
    return ended and all(event["done"] for event in state["events"])


def is_over(state: Mapping[str, Any]) -> bool:
    """Whether something has happened, and has come to its end."""
    return bool(state["events"] or state["tasks"]) and is_quiet(state)


def _has_ended(service: Mapping[str, Any]) -> bool:
    return bool(service["deployments"][0]["rolloutState"] != "IN_PROGRESS")


def brief(state: Mapping[str, Any]) -> str:
    """The state in a few lines, for whoever waited for another one."""
    lines = [f"fault {number}: {how}" for number, how in state["faults"].items()]
    for task in state["tasks"]:
        code = task["containers"][0].get("exitCode")
        lines.append(f"task {task['taskArn'][-8:]}: {task['lastStatus']}, exit {code}")
    for service in state["services"]:
        lines += [told["message"] for told in service["events"][:10]]
    for event in state["events"]:
        answers = [str(attempt["answer"])[:300] for attempt in event["attempts"]]
        lines.append(f"{event['function']}: {'done' if event['done'] else 'busy'} {answers}")
    return "\n".join(lines)
