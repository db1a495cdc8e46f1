"""ECS's calls about services, and the services that there are.

Those of the template are there from the start. After a reset they are without tasks, with a
desired count of 0: who wants to be served says so (`Cloud.serve`), when what is to be served is
in its place. A load balancer keeps its address for as long as the emulation lives.
"""

from __future__ import annotations

import threading
from collections.abc import Mapping, Sequence
from dataclasses import asdict, fields, replace
from typing import Any

from common.errors import UsageError
from local.cloud import balancer_server
from local.cloud.answers import AwsError
from local.cloud.balancer import Balancer
from local.cloud.events import Bus
from local.cloud.health import Pace
from local.cloud.service import ACTIVE, INACTIVE, Service, Surroundings
from local.cloud.setup import Resources
from local.cloud.stack import Rehearsal
from local.cloud.task_record import Task
from local.cloud.tasks import Tasks

MOST_DESCRIBED = 10
OPERATIONS = {
    "CreateService",
    "DeleteService",
    "DescribeServices",
    "ListServices",
    "UpdateService",
}


class Services:
    """All services. `answer` raises AwsError as ECS does."""

    def __init__(
        self,
        resources: Resources,
        tasks: Tasks,
        bus: Bus,
        rehearsal: Rehearsal,
        *,
        pace: Pace,
        desired: int | None,
    ) -> None:
        """desired: count in place of the template's at the start."""
        self._resources, self._tasks, self._bus = resources, tasks, bus
        self._rehearsal = rehearsal
        self._normal, self.pace, self._desired = pace, replace(pace), desired
        self._services: dict[str, Service] = {}
        self._balancers: dict[str, Balancer] = {}
        self._words: dict[str, dict[str, Any]] = {}
        self._lock = threading.RLock()

    def begin(self) -> None:
        """Create those of the template; who is told where the service is, is told our address."""
        for given in self._resources.stack.services:
            desired = given.get("desiredCount", 1) if self._desired is None else self._desired
            made = self._create(given | {"desiredCount": desired}, settled=not desired)
            if made.runs_processes:
                self._rehearsal.service_url = made.balancer.url

    def reset(self, *, at_rest: bool) -> None:
        """The services of the template without tasks, and no others; or at rest, as they are."""
        with self._lock:
            self._words.clear()
            self.set_pace(asdict(self._normal))
            for service in self._services.values():
                service.events.clear()
                if not at_rest:
                    service.close()
                    service.balancer.reset()
            if at_rest:
                return
            self._services.clear()
            for given in self._resources.stack.services:
                self._create(given | {"desiredCount": 0}, settled=True)

    def is_ours(self, operation: str, given: Mapping[str, Any]) -> bool:
        """Whether a call of ECS is about services."""
        return operation in OPERATIONS or (operation == "ListTasks" and "serviceName" in given)

    def answer(self, operation: str, given: Mapping[str, Any]) -> dict[str, Any]:
        """The answer to one of ECS's operations on services."""
        if operation == "CreateService":
            return {"service": self._create(given).as_json()}
        cluster = self._tasks.cluster(given)
        if operation == "DescribeServices":
            return self._describe(given, cluster)
        if operation == "ListServices":
            found = [s.arn for s in self._services.values() if s.arn.startswith(_base(cluster))]
            return {"serviceArns": found}
        if operation == "ListTasks":
            name = self._find(str(given["serviceName"]), cluster).name
            return self._tasks.answer(operation, {**given, "serviceName": name}, None)
        service = self._find(str(given["service"]), cluster)
        if service.status != ACTIVE:
            raise AwsError("ServiceNotActiveException", "Service was not ACTIVE.")
        if operation == "DeleteService":
            if service.desired and not given.get("force"):
                raise _invalid("The service cannot be stopped while it is scaled above 0.")
            service.delete()
        else:
            self._update(service, given)
        return {"service": service.as_json()}

    def change(
        self,
        service: str = "",
        words: Sequence[str] | None = None,
        environment: Mapping[str, str] | None = None,
    ) -> None:
        """Until the next reset new tasks of a service have other words, and further variables."""
        self._words[self.named(service).name] = {"words": words, "environment": environment}

    def set_pace(self, given: Mapping[str, Any]) -> None:
        """Until the next reset the life of services goes as fast as this."""
        known = {each.name for each in fields(Pace)}
        if unknown := given.keys() - known:
            raise UsageError(
                f"a pace must be one of {', '.join(sorted(known))}, got {min(unknown)!r}"
            )
        for name, value in given.items():
            setattr(self.pace, name, value)

    def named(self, name: str) -> Service:
        """The service with this name; for an empty text the only one that runs processes."""
        with self._lock:
            found = [each for each in self._services.values() if each.name == name]
            if not name:
                found = [each for each in self._services.values() if each.runs_processes]
        if len(found) != 1:
            known = ", ".join(each.name for each in self._services.values())
            raise UsageError(f"a service must be one of {known or 'none'}, got {name!r}: name it")
        return found[0]

    def state(self) -> list[dict[str, Any]]:
        """Each service as ECS tells it, with its address, its traffic and its tasks."""
        with self._lock:
            services = list(self._services.values())
        return [
            {
                **service.as_json(),
                "runs_processes": service.runs_processes,
                "url": service.balancer.url,
                "requests": service.balancer.counts.requests,
                "failed": service.balancer.counts.failed,
                "statuses": service.balancer.counts.by_target,
                "own": service.balancer.counts.by_balancer,
                "tasks": [task.as_json() for task in self._tasks.of_service(service.name)],
            }
            for service in services
        ]

    def _create(self, given: Mapping[str, Any], *, settled: bool = False) -> Service:
        cluster, name = self._tasks.cluster(given), str(given["serviceName"])
        definition = self._definition(str(given.get("taskDefinition", "")))
        with self._lock:
            before = self._services.get(name)
            if before is not None and before.status != INACTIVE:
                raise _invalid("Creation of service was not idempotent.")
            groups = [each.get("targetGroupArn", "") for each in given.get("loadBalancers", [])]
            service = Service(
                arn=_base(cluster) + name,
                name=name,
                request=given,
                health_path=self._resources.stack.health_path(groups[0] if groups else ""),
                balancer=self._balancer(name),
                around=self._around(),
                desired=int(given.get("desiredCount", 1)),
            )
            self._services[name] = service
            (service.settle if settled else service.deploy)(definition)
        service.begin()
        return service

    def _around(self) -> Surroundings:
        return Surroundings(start=self._start, stop=self._stop, tell=self._tell, pace=self.pace)

    def _balancer(self, name: str) -> Balancer:
        if name not in self._balancers:
            self._balancers[name] = balancer_server.start()
        return self._balancers[name]

    def _update(self, service: Service, given: Mapping[str, Any]) -> None:
        """UpdateService: another count; a new deployment if it is forced or has another program."""
        before = service.primary.definition
        definition = before
        if "taskDefinition" in given:
            definition = self._definition(str(given["taskDefinition"]))
        service.request = {**service.request, **given}
        if "desiredCount" in given:
            service.scale(int(given["desiredCount"]))
        other = definition["taskDefinitionArn"] != before["taskDefinitionArn"]
        if other or given.get("forceNewDeployment"):
            service.deploy(definition)

    def _describe(self, given: Mapping[str, Any], cluster: str) -> dict[str, Any]:
        asked = [str(each) for each in given["services"]]
        if len(asked) > MOST_DESCRIBED:
            raise _invalid("Services cannot have more than 10 elements")
        found: dict[str, list[dict[str, Any]]] = {"services": [], "failures": []}
        for which in asked:
            try:
                found["services"].append(self._find(which, cluster).as_json())
            except AwsError:
                arn = which if which.startswith("arn:") else _base(cluster) + which
                found["failures"].append({"arn": arn, "reason": "MISSING"})
        return found

    def _find(self, which: str, cluster: str) -> Service:
        with self._lock:
            for service in self._services.values():
                in_cluster = service.arn == _base(cluster) + service.name
                if which in (service.arn, service.name) and in_cluster:
                    return service
        raise AwsError("ServiceNotFoundException", "Service not found.")

    def _definition(self, which: str) -> Mapping[str, Any]:
        found = self._resources.task_definition(which)
        if found is None:
            raise AwsError("ClientException", "TaskDefinition not found.")
        return found

    def _start(self, name: str, deployment: str, definition: Mapping[str, Any]) -> Task:
        words = self._words.get(name)
        cluster = self._services[name].arn.replace(":service/", ":cluster/").rpartition("/")[0]
        changed = _with_words(definition, words) if words else definition
        return self._tasks.serve(name, deployment, changed, cluster)

    def _stop(self, task: Task, reason: str) -> None:
        self._tasks.stop(task, reason, "ServiceSchedulerInitiated")

    def _tell(self, arn: str, deployment: Any) -> None:
        self._bus.deployment_changed(arn, deployment)


def _base(cluster: str) -> str:
    return cluster.replace(":cluster/", ":service/") + "/"


def _with_words(definition: Mapping[str, Any], words: Mapping[str, Any]) -> dict[str, Any]:
    """The definition with other words, and further variables, for its container."""
    (container,) = definition["containerDefinitions"]
    changed = dict(container)
    if words["words"] is not None:
        changed |= {"entryPoint": list(words["words"]), "command": []}
    further = [{"name": n, "value": v} for n, v in (words["environment"] or {}).items()]
    changed["environment"] = [*container.get("environment", []), *further]
    return {**definition, "containerDefinitions": [changed]}


def _invalid(message: str) -> AwsError:
    return AwsError("InvalidParameterException", message)
