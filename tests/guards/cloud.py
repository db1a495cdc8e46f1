"""The guards of the emulated cloud: where it is as strict as the real one, and keeps things apart.

A rehearsal that forgives more than AWS does proves nothing.
"""

from tests.guards.mutant import Mutant

LIKE_ECS = "tests/cloud/test_tasks_like_ecs.py"
DEPLOYS = "tests/cloud/test_service_deploys.py"
SERVICES = "tests/cloud/test_service_like_ecs.py"
LIKE_LAMBDA = "tests/cloud/test_functions_like_lambda.py"

MUTANTS = (
    Mutant(
        name="token-forgotten-by-the-rehearsal",
        guards="rehearsal: the same client token is the same task",
        file="local/cloud/tasks.py",
        old="if token and token in self._tokens:",
        new="if token in ():",
        tests=(LIKE_ECS,),
    ),
    Mutant(
        name="bad-launch-forgiven",
        guards="rehearsal: RunTask refuses what ECS refuses",
        file="local/cloud/task_requests.py",
        old="MAX_OVERRIDES = 64, 128, 8192",
        new="MAX_OVERRIDES = 640, 128, 8192",
        tests=(LIKE_ECS,),
    ),
    Mutant(
        name="task-inherits-the-desk",
        guards="rehearsal: a task has the template's environment and nothing of the caller's",
        file="local/cloud/task_process.py",
        old="    return given | {",
        new="    return dict(__import__('os').environ) | given | {",
        tests=(LIKE_ECS,),
    ),
    Mutant(
        name="bundle-beside-the-project",
        guards="rehearsal: a function sees its bundle and not the project",
        file="local/cloud/functions.py",
        old='"TZ": ":UTC",',
        new='"TZ": ":UTC", "PYTHONPATH": os.getcwd(),',
        tests=(LIKE_LAMBDA,),
    ),
    Mutant(
        name="event-delivered-once-only",
        guards="rehearsal: a failed event comes twice again, and then to the failure queue",
        file="local/cloud/functions.py",
        old="range(function.spec.retries + 1)",
        new="range(1)",
        tests=(LIKE_LAMBDA,),
    ),
    Mutant(
        name="every-event-to-every-rule",
        guards="rehearsal: the template's own pattern decides what the watcher hears",
        file="local/cloud/events.py",
        old="is not None and matches(rule.pattern, event)",
        new="is not None",
        tests=(LIKE_ECS,),
    ),
    Mutant(
        name="call-of-the-dead-carried-out",
        guards="rehearsal: who was killed before its transaction has made none",
        file="local/cloud/server.py",
        old="if _has_gone(environ):",
        new="if environ is None:",
        tests=("tests/cloud/test_killed_tasks.py",),
    ),
    Mutant(
        name="another-database-than-the-rehearsals",
        guards="rehearsal: only the database is replaced, and wholly",
        file="local/cloud/stack.py",
        old="in replaced.items() if k not in DATABASE}",
        new='in replaced.items() if k != "DB_CA"}',
        tests=("tests/cloud/test_database_fails.py",),
    ),
    Mutant(
        name="old-task-goes-before-the-new-one-serves",
        guards="rehearsal: a deployment keeps as many healthy tasks as are desired",
        file="local/cloud/service_steps.py",
        old="spare = primary.healthy + sum",
        new="spare = primary.live + sum",
        tests=("tests/cloud/test_service_steps.py",),
    ),
    Mutant(
        name="one-crash-fails-a-deployment",
        guards="rehearsal: three failed tasks at least fail a deployment",
        file="local/cloud/service_steps.py",
        old="min(max(least,",
        new="min(max(1,",
        tests=("tests/cloud/test_service_steps.py",),
    ),
    Mutant(
        name="stopped-while-it-answers",
        guards="rehearsal: a task is drained before it is told to stop",
        file="local/cloud/task_record.py",
        old="            self.drain()",
        new="            pass",
        tests=(f"{DEPLOYS}::test_a_request_under_way_is_answered_before_its_task_is_stopped",),
    ),
    Mutant(
        name="request-sent-twice",
        guards="rehearsal: as behind an ALB, a request that was sent is not sent again",
        file="local/cloud/balancer.py",
        old="                return self._exchanged(target, connection, method, path, request)",
        new="                answer = self._exchanged(target, connection, method, path, request)\n"
        "                if answer.status < 500:\n"
        "                    return answer",
        tests=("tests/cloud/test_balancer.py",),
    ),
    Mutant(
        name="service-counted-as-a-run",
        guards="rehearsal: a service's tasks are no runs, which come to an end",
        file="local/cloud/tasks.py",
        old="for task in self._tasks.values() if not task.service]",
        new="for task in self._tasks.values()]",
        tests=(f"{SERVICES}::test_a_services_tasks_are_no_runs_of_the_task",),
    ),
    Mutant(
        name="breaker-nobody-configured",
        guards="rehearsal: only a service with a circuit breaker is rolled back by ECS",
        file="local/cloud/service.py",
        old=' or not breaker.get("enable"):',
        new=":",
        tests=(
            "tests/cloud/test_service_fails.py::test_without_a_breaker_a_deployment_goes_on_trying",
        ),
    ),
    Mutant(
        name="every-version-goes-wrong",
        guards="rehearsal: a fault of one version leaves the one before it right",
        file="local/bad_api.py",
        old="self.version in (None, version) and",
        new="bool(version) and",
        tests=("tests/cloud/test_bad_api.py",),
    ),
)
