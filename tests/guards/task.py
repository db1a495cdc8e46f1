"""The guards of a run on AWS: claiming, stopping, and telling the service."""

from tests.guards.mutant import Mutant

LAUNCHED = "tests/unit/test_attempt_launched.py"
INTERRUPT = "tests/unit/test_interrupt.py"
ROLLOUT = "tests/unit/test_rollout.py"
SERVICE = "tests/unit/test_deploy_service.py"
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
        name="promoted-after-a-signal",
        guards="nothing is promoted after SIGTERM, even if its exception got lost",
        file="task/deploy.py",
        old='    attempt.check()\n    if published and state == "promoted":',
        new='    if published and state == "promoted":',
        tests=(SERVICE,),
    ),
    Mutant(
        name="service-not-looked-at",
        guards="the service is there before the pointer moves",
        file="task/deploy.py",
        old='if loop.service and state == "promoted":',
        new="if False:",
        tests=(f"{SERVICE}::test_a_service_that_is_not_there_leaves_the_champion",),
    ),
    Mutant(
        name="draining-service-is-fine",
        guards="only an ACTIVE service can deploy",
        file="task/rollout.py",
        old='if found != "ACTIVE":',
        new='if found == "MISSING":',
        tests=(ROLLOUT,),
    ),
    Mutant(
        name="another-deployment-recorded",
        guards="the deployment on record is the one that was forced",
        file="task/rollout.py",
        old='if d.get("status") == "PRIMARY"]',
        new="if d]",
        tests=(ROLLOUT,),
    ),
    Mutant(
        name="untold-service-keeps-the-pointer",
        guards="promise 5: a version of which the service cannot be told is taken back",
        file="task/rollout.py",
        old="        restore(registry, entry, now=now, run=ended)",
        new="        pass",
        tests=(
            f"{ROLLOUT}::test_if_the_service_cannot_be_told_the_version_before_is_active_again",
        ),
    ),
    Mutant(
        name="person-overruled-by-a-restoration",
        guards="promise 9: what a person made active meanwhile is not taken back",
        file="task/rollout.py",
        old="expected_serial=entry.serial,",
        new="expected_serial=registry.history()[-1].serial,",
        tests=(f"{ROLLOUT}::test_whoever_changed_the_active_version_meanwhile_is_right",),
    ),
    Mutant(
        name="rolled-back-to-nothing",
        guards="a run that leaves no version active has failed",
        file="task/rollout.py",
        old="    if entry.previous is not None:\n        ended",
        new="    if True:\n        ended",
        tests=(f"{ROLLOUT}::test_without_a_version_before_none_is_active_and_the_run_failed",),
    ),
    Mutant(
        name="promoted-by-hand-unseen",
        guards="a person's promotion, too, needs a service that is there",
        file="task/operate.py",
        old=(
            "    _, sha = publish.checked(store, version)\n    if service:\n"
            "        service.check()\n"
        ),
        new="    _, sha = publish.checked(store, version)\n",
        tests=(BY_HAND,),
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
