"""The guards of a run on AWS: claiming, stopping, and what `status` tells of it."""

from tests.guards.mutant import Mutant

LAUNCHED = "tests/unit/test_attempt_launched.py"
INTERRUPT = "tests/unit/test_interrupt.py"
BY_HAND = "tests/unit/test_commands_serving.py"

MUTANTS = (
    Mutant(
        name="launched-run-launched-again",
        guards="promise 1: a task claims what a trigger launched, and launches nothing",
        file="task/attempt.py",
        old="if not self.launched:",
        new="if True:",
        tests=(LAUNCHED,),
    ),
    Mutant(
        name="minimum-applied-again",
        guards="whoever launched the run has counted; the task does not judge it again",
        file="task/pipeline.py",
        old="if settings.skip_data_check or counted:",
        new="if settings.skip_data_check:",
        tests=("tests/unit/test_commands_launched.py",),
    ),
    Mutant(
        name="launched-without-any-vote",
        guards="without any vote even a launched run is skipped",
        file="task/pipeline.py",
        old="if votes.total == 0:",
        new="if votes.total == 0 and not counted:",
        tests=("tests/unit/test_commands_launched.py",),
    ),
    Mutant(
        name="run-without-its-task",
        guards="the lease bears the ECS task's id, by which a stopped task finds its run",
        file="task/host.py",
        old="task=named[1],",
        new="task=here().task,",
        tests=("tests/integration/test_host.py",),
    ),
    Mutant(
        name="metadata-through-a-proxy",
        guards="the task asks its own machine who it is",
        file="task/host.py",
        old="build_opener(ProxyHandler({}))",
        new="build_opener(ProxyHandler())",
        tests=("tests/integration/test_host.py",),
    ),
    Mutant(
        name="no-deadline",
        guards="a run past its deadline stops by itself",
        file="task/attempt.py",
        old="self.interrupt.limit(self.deadline.total_seconds(), self._late())",
        new="self.interrupt.limit(0, self._late())",
        tests=(f"{LAUNCHED}::test_past_its_deadline_a_run_stops_by_itself_and_frees_the_lease",),
    ),
    Mutant(
        name="lease-of-a-hung-run",
        guards="a run that hangs past its deadline loses its lease",
        file="task/attempt.py",
        old="if self.now() > self._until:",
        new="if False:",
        tests=(f"{LAUNCHED}::test_a_run_that_hangs_past_its_deadline_loses_its_lease",),
    ),
    Mutant(
        name="signal-taken-for-a-failure",
        guards="no client of AWS tries again what a signal stopped",
        file="task/interrupt.py",
        old="class Stop(BaseException):",
        new="class Stop(Exception):",
        tests=("tests/integration/test_interrupt_aws.py",),
    ),
    Mutant(
        name="signal-lost-for-good",
        guards="a signal whose exception was swallowed is raised again",
        file="task/interrupt.py",
        old="            self._alarm(REMIND_SECONDS)\n",
        new="",
        tests=(f"{INTERRUPT}::test_what_was_swallowed_is_raised_again",),
    ),
    Mutant(
        name="reminder-tears-cleaning-up",
        guards="a reminder does not interrupt what cleans up",
        file="task/interrupt.py",
        old="if not self.shielded and not self._leaving():",
        new="if not self.shielded:",
        tests=(f"{INTERRUPT}::test_a_reminder_tears_nothing_apart_that_cleans_up",),
    ),
    Mutant(
        name="skips-drown-the-rest",
        guards="weeks without votes do not hide in `status` what happened before",
        file="task/operate.py",
        old='    skipped = [run for run in runs if run.state == "skipped"][:1]\n',
        new='    skipped = [run for run in runs if run.state == "skipped"]\n',
        tests=(BY_HAND,),
    ),
)
