"""ECS on this machine: RunTask starts a real process, StopTask sends it real signals.

A task gets exactly the command, the environment and the role that the request and the task
definition say. Its container's Python is ours, its `/tmp` a folder of its own. A requester finds
out as on ECS that a request is wrong (`task_requests.py`), and a task's end becomes an event.
"""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import uuid4

from local.cloud import processes
from local.cloud.answers import AwsError
from local.cloud.faults import Fault
from local.cloud.stack import ROOT, Rehearsal, image_entry
from local.cloud.task_record import Task
from local.cloud.task_requests import Definitions, check_run

DEFAULT_STOP_SECONDS = 30
OUT_OF_MEMORY = "OutOfMemoryError: Container killed due to memory usage"
PATIENCE = 60.0


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where tasks run, and what every one of them is given."""

    folder: Path
    url: str
    region: str
    principal: str
    stop_seconds: float
    """At most so long between SIGTERM and SIGKILL, whatever the task definition says."""


class Tasks:
    """All tasks of one cluster's account. Methods raise AwsError as ECS does."""

    def __init__(
        self,
        definitions: Definitions,
        clusters: Mapping[str, str],
        rehearsal: Rehearsal,
        place: Place,
        changed: Callable[[Task], None],
    ) -> None:
        self._definitions, self._clusters, self._place = definitions, clusters, place
        self._rehearsal, self._changed = rehearsal, changed
        self._tasks: dict[str, Task] = {}
        self._tokens: dict[str, tuple[Mapping[str, Any], list[Task]]] = {}
        self._lock = threading.RLock()
        self.stop_seconds = place.stop_seconds

    def answer(
        self, operation: str, given: Mapping[str, Any], fault: Fault | None
    ) -> dict[str, Any]:
        """The answer to one of ECS's operations on tasks."""
        if operation == "RunTask":
            return self.run(given, fault)
        cluster = self._cluster(given)
        if operation == "StopTask":
            task = self._find(str(given["task"]), cluster)
            self.stop(task, str(given.get("reason", "Task stopped by user")))
            return {"task": task.as_json()}
        if operation == "DescribeTasks":
            return self._describe(given, cluster)
        status = given.get("desiredStatus", "RUNNING")
        arns = [
            task.arn
            for task in self._tasks.values()
            if (task.cluster_arn, task.desired_status) == (cluster, status)
            and given.get("startedBy") in (None, task.started_by)
            and given.get("family") in (None, task.family)
        ]
        return {"taskArns": arns}

    def run(self, given: Mapping[str, Any], fault: Fault | None) -> dict[str, Any]:
        """RunTask: check the request, then start a process for each task of `count`."""
        cluster = self._cluster(given)
        definition = check_run(given, self._definitions)
        kind = fault.kind if fault else ""
        if fault and kind == "failures":
            arn = f"{cluster.replace(':cluster/', ':container-instance/')}"
            return {"tasks": [], "failures": [{"arn": arn, "reason": r} for r in fault.reasons]}
        token = given.get("clientToken")
        with self._lock:
            if token and token in self._tokens:
                before, tasks = self._tokens[token]
                if before != given:
                    raise AwsError(
                        "ConflictException",
                        "The RunTask request could not be processed due to conflicts.",
                        400,
                        {"resourceIds": [task.arn for task in tasks]},
                    )
            else:
                tasks = [self._made(given, definition, cluster) for _ in range(_count(given))]
                if token:
                    self._tokens[token] = given, tasks
                for task in tasks:
                    self._tasks[task.arn] = task
                    self._begin(task, fault)
            return {"tasks": [task.as_json() for task in tasks], "failures": []}

    def stop(self, task: Task, reason: str, code: str = "UserInitiated") -> None:
        """SIGTERM, and SIGKILL when the task has not ended in time."""
        with self._lock:
            if task.process is None or task.stopped_at or task.desired_status == "STOPPED":
                return
            task.stopping(code, reason)
            task.process.terminate()
        limit = float(task.container.get("stopTimeout", DEFAULT_STOP_SECONDS))
        seconds = min(limit, self.stop_seconds)
        threading.Thread(target=task.kill_after, args=(seconds,), daemon=True).start()

    def kill(self, which: str, *, out_of_memory: bool) -> None:
        """SIGKILL as from the kernel: for want of memory, or for no reason that ECS knows."""
        task = self.named(which)
        assert task.process is not None, "only a task that was started can be killed"
        task.container_reason = OUT_OF_MEMORY if out_of_memory else ""
        task.process.kill()

    def signal(self, which: str, number: int) -> None:
        """Any signal to the task's process."""
        task = self.named(which)
        assert task.process is not None, "only a task that was started gets signals"
        task.process.send_signal(number)

    def named(self, which: str) -> Task:
        """The task with this ARN or id; the only one that runs for an empty text."""
        with self._lock:
            live = [task for task in self._tasks.values() if not task.stopped_at]
            found = [task for task in self._tasks.values() if task.arn.endswith(which)]
        (task,) = found if which else live
        return task

    def all(self) -> list[Task]:
        """Every task since the last reset, oldest first."""
        with self._lock:
            return list(self._tasks.values())

    def kill_all_of(self, principal: str) -> None:
        """Kill the tasks of a role."""
        for task in self.all():
            if principal == self._place.principal and task.process and not task.stopped_at:
                task.process.kill()

    def reset(self) -> None:
        """Kill what runs and forget everything; the ends are not told."""
        self.stop_seconds = self._place.stop_seconds
        with self._lock:
            gone, self._tasks, self._tokens = list(self._tasks.values()), {}, {}
        for task in gone:
            task.forgotten = True
            if task.process and not task.stopped_at:
                task.process.kill()
                task.process.wait()

    def _cluster(self, given: Mapping[str, Any]) -> str:
        named = str(given.get("cluster", "default"))
        for name, arn in self._clusters.items():
            if named in (name, arn):
                return arn
        raise AwsError("ClusterNotFoundException", "Cluster not found.")

    def _find(self, which: str, cluster: str) -> Task:
        with self._lock:
            for task in self._tasks.values():
                if which in (task.arn, task.id) and task.cluster_arn == cluster:
                    return task
        raise AwsError("InvalidParameterException", "The referenced task was not found.")

    def _describe(self, given: Mapping[str, Any], cluster: str) -> dict[str, Any]:
        found: dict[str, list[dict[str, Any]]] = {"tasks": [], "failures": []}
        for which in given["tasks"]:
            try:
                found["tasks"].append(self._find(which, cluster).as_json())
            except AwsError:
                found["failures"].append({"arn": which, "reason": "MISSING"})
        return found

    def _made(self, given: Mapping[str, Any], definition: Mapping[str, Any], cluster: str) -> Task:
        identity = uuid4().hex
        base = cluster.replace(":cluster/", ":task/")
        return Task(
            arn=f"{base}/{identity}",
            cluster_arn=cluster,
            definition=definition,
            request=given,
            folder=self._place.folder / identity,
        )

    def _begin(self, task: Task, fault: Fault | None) -> None:
        """Start the container, or tell of a task whose container never started."""
        task.folder.mkdir(parents=True)
        (task.folder / "cwd").mkdir()
        (task.folder / "tmp").mkdir()
        self._changed(task)
        if fault and fault.kind == "no_start":
            task.never_started(fault.message)
            self._changed(task)
            task.told = True
            return
        task.process = processes.start(
            _command(task),
            env=self._environment(task),
            cwd=task.folder / "cwd",
            log=task.folder / "log",
        )
        task.running()
        self._changed(task)
        threading.Thread(target=self._watch, args=(task,), daemon=True).start()

    def _watch(self, task: Task) -> None:
        assert task.process is not None, "a task that was started"
        status = task.process.wait()
        with self._lock:
            task.ended(status if status >= 0 else 128 - status)
        if not task.forgotten:
            self._changed(task)
        task.told = True

    def _environment(self, task: Task) -> dict[str, str]:
        """The task definition's variables and the request's, and what Fargate adds of its own."""
        place, own = self._place, task.folder / "tmp"
        given = {
            name: str(own) + value.removeprefix("/tmp") if _in_tmp(value) else value
            for name, value in task.environment.items()
        }
        given = self._rehearsal.applied(given)
        measured = {k: v for k, v in os.environ.items() if k.startswith("COVERAGE_")}
        return (
            measured
            | given
            | {
                "PATH": "/usr/local/bin:/usr/bin:/bin",
                "HOME": str(own),
                "TMPDIR": str(own),
                "PYTHONPATH": str(ROOT),
                "AWS_REGION": place.region,
                "AWS_DEFAULT_REGION": place.region,
                "AWS_EXECUTION_ENV": "AWS_ECS_FARGATE",
                "AWS_ENDPOINT_URL": place.url,
                "AWS_ACCESS_KEY_ID": place.principal,
                "AWS_SECRET_ACCESS_KEY": "local",
                "ECS_CONTAINER_METADATA_URI_V4": f"{place.url}/_local/metadata/{task.id}",
            }
        )


def _count(given: Mapping[str, Any]) -> int:
    return int(given.get("count", 1))


def _in_tmp(value: str) -> bool:
    return value == "/tmp" or value.startswith("/tmp/")


def _command(task: Task) -> Sequence[str]:
    """The container's own words, its Python being ours."""
    entry = task.container.get("entryPoint") or image_entry()
    words = [*entry, *(task.override.get("command") or task.container.get("command") or [])]
    if words[0].rpartition("/")[2].startswith("python"):
        words = [sys.executable, *words[1:]]
    return words
