"""The guards of the trigger, the watcher and their bundle."""

from tests.guards.mutant import Mutant

MUTANTS = (
    Mutant(
        name="outage-counts-as-no-votes",
        guards="fault 9: an outage of the database is never 'no votes'",
        file="lambda/retrain_trigger/handler.py",
        old=(
            "    with open_votes(settings) as database:\n        return database.count_votes(since)"
        ),
        new=(
            "    try:\n"
            "        with open_votes(settings) as database:\n"
            "            return database.count_votes(since)\n"
            "    except Exception:\n"
            "        return VoteCounts(total=0, new=0)"
        ),
        tests=("tests/unit/test_trigger_handlers.py",),
    ),
    Mutant(
        name="trigger-takes-no-lease",
        guards="promise 1: the lease is taken before ECS is asked",
        file="lambda/retrain_trigger/trigger.py",
        old="            launched = _take(trigger, record)",
        new='            launched = replace(record, state="launched")',
        tests=("tests/unit/test_trigger_story.py",),
    ),
    Mutant(
        name="token-from-the-clock",
        guards="promise 1: a repeated request gets the same task",
        file="lambda/retrain_trigger/launch.py",
        old='hashlib.sha256(f"{run_id}|{attempt}".encode())',
        new="hashlib.sha256(f\"{run_id}|{attempt}|{__import__('time').time_ns()}\".encode())",
        tests=(
            "tests/unit/test_trigger_launch.py",
            "tests/unit/test_trigger_again.py",
        ),
    ),
    Mutant(
        name="every-attempt-has-one-token",
        guards="promise 8: another attempt is another request",
        file="lambda/retrain_trigger/launch.py",
        old='hashlib.sha256(f"{run_id}|{attempt}".encode())',
        new="hashlib.sha256(run_id.encode())",
        tests=("tests/unit/test_trigger_launch.py",),
    ),
    Mutant(
        name="failures-of-run-task-ignored",
        guards="promise 8: RunTask answers 200 when it starts nothing",
        file="lambda/retrain_trigger/launch.py",
        old=('    raise LaunchError(\n        f"ECS must start the task of'),
        new=('    return "none"\n    raise LaunchError(\n        f"ECS must start the task of'),
        tests=(
            "tests/unit/test_trigger_launch.py",
            "tests/unit/test_trigger_story.py",
        ),
    ),
    Mutant(
        name="lease-kept-after-a-failed-launch",
        guards="promise 8: a launch that failed closes its run and frees the lease",
        file="lambda/retrain_trigger/trigger.py",
        old=(
            "        closed = trigger.registry.close(\n"
            "            run.run_id,\n"
            "            task_arn=NO_TASK,\n"
            "            exit_code=LAUNCH_FAILED_EXIT,\n"
            "            reason=str(error),\n"
            "            now=trigger.now(),\n"
            "        )"
        ),
        new="        closed = run",
        tests=("tests/unit/test_trigger_story.py",),
    ),
    Mutant(
        name="failed-launch-is-a-success-when-repeated",
        guards="promise 8: a retry of a failed launch is no success",
        file="lambda/retrain_trigger/trigger.py",
        old="    if _unbegun(run) and not run.task_arn:",
        new="    if _unbegun(run) and run.task_arn:",
        tests=("tests/unit/test_trigger_again.py",),
    ),
    Mutant(
        name="error-closes-a-run-at-work",
        guards="promise 1: an answer that got lost does not end a task",
        file="lambda/retrain_trigger/trigger.py",
        old="            task_arn=NO_TASK,",
        new="            task_arn=None,",
        tests=("tests/unit/test_trigger_again.py",),
    ),
    Mutant(
        name="unknown-key-accepted",
        guards="promise 8: a misspelt key is not a run with other settings",
        file="lambda/retrain_trigger/request.py",
        old="values = {key: _value(key, value) for key, value in event.items()}",
        new=("values = {key: _value(key, value) for key, value in event.items() if key in KEYS}"),
        tests=("tests/unit/test_trigger_request.py",),
    ),
    Mutant(
        name="quoted-number-accepted",
        guards="promise 8: ill-typed values are refused",
        file="lambda/retrain_trigger/request.py",
        old="    if not _is_a(kind, value):",
        new="    if not _is_a(kind, value) and not isinstance(value, str):",
        tests=("tests/unit/test_trigger_request.py",),
    ),
    Mutant(
        name="run-id-from-the-clock",
        guards="promise 1: the same event is the same run",
        file="lambda/retrain_trigger/request.py",
        old='f"{found:{_SLOT}}"',
        new='f"{datetime.now(UTC):{_SLOT}}"',
        tests=("tests/unit/test_trigger_request.py",),
    ),
    Mutant(
        name="forced-over-a-lease",
        guards="promise 1: nobody takes a lease that is held",
        file="lambda/retrain_trigger/decide.py",
        old="if lease is not None and lease.held(now):",
        new="if lease is not None and lease.held(now) and not policy.force:",
        tests=("tests/unit/test_trigger_decide.py",),
    ),
    Mutant(
        name="forced-from-no-votes",
        guards="nothing is learned from no votes",
        file="lambda/retrain_trigger/decide.py",
        old="if votes.total == 0:",
        new="if votes.total == 0 and not policy.force:",
        tests=("tests/unit/test_trigger_decide.py",),
    ),
    Mutant(
        name="dry-run-writes",
        guards="a dry run only says what would happen",
        file="lambda/retrain_trigger/trigger.py",
        old=("    if request.dry_run:\n        word"),
        new=(
            "    if request.dry_run:\n"
            '        trigger.registry.record_skip(record, reason="", now=now)\n'
            "        word"
        ),
        tests=("tests/unit/test_trigger_story.py",),
    ),
    Mutant(
        name="dry-run-stops-a-task",
        guards="a dry run only says what would happen",
        file="lambda/retrain_trigger/trigger.py",
        old="    if not request.dry_run:\n",
        new="    if True:\n",
        tests=("tests/unit/test_trigger_heal.py",),
    ),
    Mutant(
        name="retry-starts-a-second-task",
        guards="promise 1: the retry adopts the running task",
        file="lambda/retrain_trigger/trigger.py",
        old=("    if known is not None:\n        return _again(trigger, request, known)\n"),
        new="",
        tests=("tests/unit/test_trigger_again.py",),
    ),
    Mutant(
        name="hung-task-left-running",
        guards="a hung task past its deadline is stopped",
        file="lambda/retrain_trigger/heal.py",
        old="now - _begun(run) > allowed",
        new="now - _begun(run) > 2 * allowed",
        tests=(
            "tests/unit/test_trigger_heal.py",
            "tests/unit/test_trigger_watch.py",
        ),
    ),
    Mutant(
        name="foreign-task-closes-the-run",
        guards="promise 1: only its own task's end closes a run",
        file="lambda/retrain_trigger/watch.py",
        old="        task_arn=end.task_arn,",
        new="        task_arn=None,",
        tests=("tests/unit/test_trigger_watch.py",),
    ),
    Mutant(
        name="second-task-alarms",
        guards="one message a failed run",
        file="lambda/retrain_trigger/watch.py",
        old="    if not is_its_task(run, end) or run.state in LIVE_STATES:",
        new="    if not is_its_task(run, end) and run.state not in LIVE_STATES:",
        tests=("tests/unit/test_trigger_watch.py",),
    ),
    Mutant(
        name="two-messages-for-one-run",
        guards="one message a failed run",
        file="lambda/retrain_trigger/watch.py",
        old="if not failed or run.alerted_at is not None:",
        new="if not failed:",
        tests=("tests/unit/test_trigger_watch.py",),
    ),
    Mutant(
        name="message-noted-before-it-is-sent",
        guards="promise 8: a message that was not sent is sent again",
        file="lambda/retrain_trigger/watch.py",
        old="    alert = alerts.of_run(",
        new=("    watcher.registry.mark_alerted(run, watcher.now())\n    alert = alerts.of_run("),
        tests=("tests/unit/test_trigger_watch.py",),
    ),
    Mutant(
        name="death-after-the-promotion-untold",
        guards="promise 8: people hear that the service was perhaps not told",
        file="lambda/retrain_trigger/watch.py",
        old="failed = run.exit or end is None or end.failed",
        new="failed = run.exit",
        tests=("tests/unit/test_trigger_watch.py",),
    ),
    Mutant(
        name="late-launch-stopped-as-hung",
        guards="a slot that is launched again has its whole deadline",
        file="lambda/retrain_trigger/trigger.py",
        old="_take(trigger, replace(run, created_at=trigger.now()))",
        new="_take(trigger, run)",
        tests=("tests/unit/test_trigger_heal.py",),
    ),
    Mutant(
        name="queue-counts-as-work",
        guards="a task has its whole deadline from its claim on",
        file="lambda/retrain_trigger/heal.py",
        old="    return run.started_at or run.created_at",
        new="    return run.created_at",
        tests=("tests/unit/test_trigger_heal.py",),
    ),
    Mutant(
        name="abandoned-run-left-open",
        guards="a run that never began is closed and told of",
        file="lambda/retrain_trigger/heal.py",
        old="if run.state in LIVE_STATES and not run.task_arn and not holds(lease, run, now)",
        new="if run.state in LIVE_STATES and run.task_arn and not holds(lease, run, now)",
        tests=("tests/unit/test_trigger_heal.py",),
    ),
    Mutant(
        name="launch-closed-while-a-retry-may-come",
        guards="a run whose lease is held is nobody's to close",
        file="lambda/retrain_trigger/heal.py",
        old=" and not run.task_arn and not holds(lease, run, now)",
        new=" and not run.task_arn",
        tests=("tests/unit/test_trigger_heal.py",),
    ),
    Mutant(
        name="passing-failure-uses-the-slot-up",
        guards="promise 8: an outage of ECS is over when the event is repeated",
        file="lambda/retrain_trigger/trigger.py",
        old="    if is_open(error):",
        new="    if False:",
        tests=("tests/unit/test_trigger_again.py",),
    ),
    Mutant(
        name="attempts-without-a-pause",
        guards="promise 8: capacity is given time to come back",
        file="lambda/retrain_trigger/launch.py",
        old="            sleep(pause)",
        new="            pass",
        tests=("tests/unit/test_trigger_story.py",),
    ),
    Mutant(
        name="missing-exit-code-is-0",
        guards="promise 8: a task that never started is a failure",
        file="lambda/retrain_trigger/stopped.py",
        old='exit_code = container.get("exitCode")',
        new='exit_code = container.get("exitCode", 0)',
        tests=("tests/unit/test_trigger_watch.py",),
    ),
    Mutant(
        name="failed-run-counts-as-success",
        guards="the dead-man alarm: a failure is no success",
        file="lambda/retrain_trigger/watch.py",
        old='{"skipped", "rejected", "inconclusive", "approved", "promoted", "served"}',
        new=('{"skipped", "rejected", "inconclusive", "approved", "promoted", "served", "failed"}'),
        tests=("tests/unit/test_trigger_figures.py",),
    ),
    Mutant(
        name="family-instead-of-revision",
        guards="aws: a task is run by its revision's ARN",
        file="lambda/retrain_trigger/settings.py",
        old=':task-definition/[^:\\s]+:\\d+"',
        new=':task-definition/[^:\\s]+(:\\d+)?"',
        tests=("tests/unit/test_trigger_settings.py",),
    ),
    Mutant(
        name="public-ip",
        guards="aws: no public address on a task",
        file="lambda/retrain_trigger/launch.py",
        old='"DISABLED"',
        new='"ENABLED"',
        tests=("tests/unit/test_trigger_launch.py",),
    ),
    Mutant(
        name="bundle-with-times-of-its-own",
        guards="the bundle is the same to the byte",
        file="infra/bundle.py",
        old="        os.utime(path, (EPOCH, EPOCH))",
        new="        pass",
        tests=("tests/lambda/test_bundle.py",),
    ),
    Mutant(
        name="altered-library-bundled",
        guards="a bundled library is as its wheel brought it",
        file="infra/bundle.py",
        old="        _check(file, path, name)\n",
        new="",
        tests=("tests/lambda/test_bundle.py",),
    ),
)
