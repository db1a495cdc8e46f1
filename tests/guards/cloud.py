"""The guards of the emulated cloud: where it is as strict as the real one, and keeps things apart.

A rehearsal that forgives more than AWS does proves nothing.
"""

from tests.guards.mutant import Mutant

LIKE_ECS = "tests/cloud/test_tasks_like_ecs.py"
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
        file="local/cloud/tasks.py",
        old='if k.startswith("COVERAGE_")}',
        new='if not k.startswith("AWS_")}',
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
        old="if k not in DATABASE}",
        new='if k != "DB_CA"}',
        tests=("tests/cloud/test_database_fails.py",),
    ),
)
