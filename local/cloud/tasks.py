"""ECS on this machine: RunTask starts a real process, StopTask sends it real signals.

How a process is made of a task stands in `task_process.py`. A requester finds out as on ECS that
a request is wrong (`task_requests.py`), and a task's end becomes an event. The tasks of services
(`service.py`) are kept here too, since the calls about tasks are the same for them.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any
from uuid import uuid4

from common.errors import UsageError
from local.cloud import task_process
from local.cloud.answers import AwsError
from local.cloud.faults import Fault
from local.cloud.stack import Rehearsal
from local.cloud.task_process import Place
from local.cloud.task_record import Task
from local.cloud.task_requests import Definitions, check_run

DEFAULT_STOP_SECONDS = 30
OUT_OF_MEMORY = "OutOfMemoryError: Container killed due to memory usage"


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
        cluster = self.cluster(given)
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
            and given.get("serviceName") in (None, task.service)
        ]
        return {"taskArns": arns}

    def run(self, given: Mapping[str, Any], fault: Fault | None) -> dict[str, Any]:
        """RunTask: check the request, then start a process for each task of `count`."""
        cluster = self.cluster(given)
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
                    self._begin(task, fault)
            return {"tasks": [task.as_json() for task in tasks], "failures": []}

    def serve(
        self, service: str, deployment: str, definition: Mapping[str, Any], cluster: str
    ) -> Task:
        """Start a task of a service."""
        with self._lock:
            task = self._made({"startedBy": deployment}, definition, cluster)
            task.service, task.host_port = service, task_process.free_port()
            self._begin(task, None)
            return task

    def stop(self, task: Task, reason: str, code: str = "UserInitiated") -> None:
        """SIGTERM, once it is drained, and SIGKILL when the task has not ended in time."""
        with self._lock:
            if task.process is None or task.stopped_at or task.desired_status == "STOPPED":
                return
            task.stopping(code, reason)
        limit = float(task.container.get("stopTimeout", DEFAULT_STOP_SECONDS))
        seconds = min(limit, self.stop_seconds)
        threading.Thread(target=task.end, args=(seconds,), daemon=True).start()

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
        """The task with this ARN or id; for an empty text the only one that runs of no service."""
        with self._lock:
            live = [t for t in self._tasks.values() if not (t.stopped_at or t.service)]
            found = [task for task in self._tasks.values() if task.arn.endswith(which)]
        (task,) = found if which else live
        return task

    def all(self) -> list[Task]:
        """Every task of no service since the last reset, oldest first."""
        with self._lock:
            return [task for task in self._tasks.values() if not task.service]

    def of_service(self, service: str) -> list[Task]:
        """Every task of a service since the last reset, oldest first."""
        with self._lock:
            return [task for task in self._tasks.values() if task.service == service]

    def kill_all_of(self, principal: str) -> None:
        """Kill the tasks of a role."""
        with self._lock:
            found = list(self._tasks.values())
        for task in found:
            its = self._place.principal(task.role)
            if principal == its and task.process and not task.stopped_at:
                task.process.kill()

    def reset(self, *, at_rest: bool) -> None:
        """Kill what runs and forget everything; the ends are not told.

        at_rest: but for the tasks of services that run.
        """
        self.stop_seconds = self._place.stop_seconds
        with self._lock:
            stay = {t.arn: t for t in self._tasks.values() if t.service and not t.stopped_at}
            stay = stay if at_rest else {}
            gone = [task for arn, task in self._tasks.items() if arn not in stay]
            self._tasks, self._tokens = stay, {}
        for task in gone:
            task.forgotten = True
            if task.process and not task.stopped_at:
                task.process.kill()
                task.process.wait()

    def cluster(self, given: Mapping[str, Any]) -> str:
        """The ARN of the cluster that a request is about."""
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
        self._tasks[task.arn] = task
        task.folder.mkdir(parents=True)
        (task.folder / "cwd").mkdir()
        (task.folder / "tmp").mkdir()
        self._changed(task)
        why = fault.message if fault and fault.kind == "no_start" else ""
        try:
            if not why:
                task.process = task_process.start(task, self._place, self._rehearsal)
        except (OSError, UsageError) as error:  # no such program, or no words for a port
            why = f"CannotStartContainerError: {error}"
        if why:
            task.never_started(why)
            self._changed(task)
            task.told = True
            return
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


def _count(given: Mapping[str, Any]) -> int:
    return int(given.get("count", 1))
