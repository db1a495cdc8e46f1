"""The guards of what does not come into service: refused, taken back, healed."""

from tests.guards.mutant import Mutant

BY_HAND = "tests/unit/test_commands_serving.py"
DEPLOY = "tests/unit/test_deploy_service.py"
HEALER = "tests/unit/test_trigger_healer.py"
HEALING = "tests/unit/test_healing.py"
RACES = "tests/unit/test_healing_races.py"
REGISTRY = "tests/contract/test_registry_rollout.py"

MUTANTS = (
    # --- deploying
    Mutant(
        name="altered-files-published",
        guards="fault 8: what is published is what was judged",
        file="task/deploy.py",
        old="            _refuse_unless_evaluated(folder)\n",
        new="",
        tests=(
            "tests/unit/test_deploy.py::test_a_model_that_was_altered_after_its_verdict_is_not_even_published",
        ),
    ),
    Mutant(
        name="altered-files-with-the-same-loss",
        guards="fault 8: files that pass their own self-test are not thereby those judged",
        file="task/deploy.py",
        old='if stages.reproduced(folder.model) != folder.record().get("sha256"):',
        new="if not questions.of(folder.model):",
        tests=(
            "tests/unit/test_deploy.py::test_a_model_that_was_altered_after_its_verdict_is_not_even_published",
        ),
    ),
    Mutant(
        name="promoted-after-a-signal",
        guards="nothing is promoted after SIGTERM, even if its exception got lost",
        file="task/deploy.py",
        old="    attempt.check()\n    if published and state in PROMOTING:",
        new="    if published and state in PROMOTING:",
        tests=(DEPLOY,),
    ),
    Mutant(
        name="service-not-looked-at",
        guards="the service is there before the pointer moves",
        file="task/deploy.py",
        old="if loop.service and state in PROMOTING:",
        new="if False:",
        tests=(f"{DEPLOY}::test_a_service_that_is_not_there_leaves_the_champion",),
    ),
    Mutant(
        name="heals-after-the-count",
        guards="promise 5: the next run heals before anything else",
        file="task/pipeline.py",
        old="            deploy.heal_left_open(loop, attempt)\n",
        new="",
        tests=(
            f"{DEPLOY}::test_the_next_run_heals_before_it_counts_votes_also_when_it_is_then_skipped",
        ),
    ),
    Mutant(
        name="deploys-over-an-open-roll-out",
        guards="promise 5: a deployment by hand heals first",
        file="task/commands.py",
        old="            deploy.heal_left_open(loop, attempt)\n",
        new="",
        tests=(f"{DEPLOY}::test_a_deployment_by_hand_heals_first",),
    ),
    Mutant(
        name="cut-short-is-failed",
        guards="promise 5: a roll-out that is cut short is left to a healer",
        file="task/attempt.py",
        old='        if self.ended.state == "rolling_out":\n            self._leave_open()\n',
        new='        if self.ended.state == "rolling_out":\n'
        "            self.ended = None\n            self._fail(error)\n            return False\n"
        "        if self.ended.state == self.ended.reason:\n",
        tests=("tests/unit/test_attempt_rollout.py",),
    ),
    Mutant(
        name="promoted-by-hand-unseen",
        guards="a person's promotion, too, needs a service that is there",
        file="task/operate.py",
        old="    if healer.service:\n        healer.service.check()\n",
        new="",
        tests=(BY_HAND,),
    ),
    Mutant(
        name="unserved-promotion-kept",
        guards="a person's promotion that does not serve is undone",
        file="task/operate.py",
        old='    if entry.action == "rollback":\n        stays',
        new="    if entry:\n        stays",
        tests=(BY_HAND,),
    ),
    # --- healing
    Mutant(
        name="untold-is-ended",
        guards="promise 5: whoever heals next tells the service, if it could not be told",
        file="common/healing.py",
        old="    except UntoldError as error:",
        new="    except NotServedError as error:",
        tests=(HEALING,),
    ),
    Mutant(
        name="late-tasks-not-asked",
        guards="promise 5: a task that came during the bake serves it too",
        file="task/rollout.py",
        old="as when the service is scaled out, serves it too.\n    serving = ",
        new="as when the service is scaled out, serves it too.\n    healer or ",
        tests=("tests/unit/test_rollout_bake.py",),
    ),
    Mutant(
        name="person-overruled-by-a-restoration",
        guards="promise 9: what a person made active meanwhile is not taken back",
        file="common/healing.py",
        old="        expected_serial=serial,",
        new="        expected_serial=healer.registry.history()[-1].serial,",
        tests=(HEALING,),
    ),
    Mutant(
        name="ended-roll-out-undone",
        guards="promise 5: what has ended `served` is not undone by a healer that came late",
        file="common/registry/registry.py",
        old="                rules.refuse_if_ended(items.get(Run, run_key(run.run_id)))",
        new="                pass",
        tests=(f"{REGISTRY}::test_a_roll_out_that_has_ended_is_not_undone_any_more",),
    ),
    Mutant(
        name="anothers-restoration-is-ours",
        guards="promise 9: only the run's own restoration is gone on with",
        file="common/healing.py",
        old="    return last if mine else None",
        new="    return last",
        tests=(HEALING,),
    ),
    Mutant(
        name="restored-and-not-deployed",
        guards="promise 5: the version before is brought back into every task",
        file="common/healing.py",
        old="        return service.force()\n",
        new="        return service.stage(None)\n",
        tests=(HEALING, RACES),
    ),
    Mutant(
        name="late-deployment-forced",
        guards="promise 5: whoever heals late does not get in the way of the next run's roll-out",
        file="common/healing.py",
        old="        if restoration(healer.registry.history(), run) is None:",
        new="        if False:",
        tests=(HEALING,),
    ),
    Mutant(
        name="unproved-restoration-is-rolled-back",
        guards="promise 8: rolled_back is said of what was proved alone",
        file="common/healing.py",
        old='return _ended(healer, run, "failed", FAILED_EXIT, says)\n    if back',
        new='return _ended(healer, run, "rolled_back", ROLLED_BACK_EXIT, says)\n    if back',
        tests=(HEALING,),
    ),
    Mutant(
        name="rolled-back-to-nothing",
        guards="a run that leaves no version active has failed",
        file="common/healing.py",
        old="    if back.version is None:",
        new="    if back is None:",
        tests=(HEALING,),
    ),
    Mutant(
        name="live-roll-out-healed",
        guards="promise 1: a roll-out that goes on is its run's own",
        file="common/healing.py",
        old='if run.state == "rolling_out" and run.run_id != held_by]',
        new='if run.state == "rolling_out"]',
        tests=(HEALING, HEALER),
    ),
    Mutant(
        name="healed-twice",
        guards="promise 1: a roll-out ends once",
        file="common/registry/rules.py",
        old='    if known is None or known.state != "rolling_out":',
        new="    if known is None:",
        tests=(REGISTRY,),
    ),
    Mutant(
        name="healers-end-overwritten",
        guards="promise 8: what a healer has ended stays as it ended",
        file="common/registry/rules.py",
        old="    if known is not None and known.ended_at is not None:\n        return known\n",
        new="",
        tests=(REGISTRY,),
    ),
    Mutant(
        name="rolling-out-closed-as-failed",
        guards="promise 5: a roll-out whose owner died is healed, not closed",
        file="common/registry/rules.py",
        old="    if run is None or run.state not in LIVE_STATES:",
        new="    if run is None or run.state not in OPEN_STATES:",
        tests=(REGISTRY,),
    ),
    Mutant(
        name="dead-tasks-roll-out-waits",
        guards="promise 5: the end of its task lets a roll-out be healed at once",
        file="lambda/retrain_trigger/healing.py",
        old="        if run.run_id == end.started_by:",
        new="        if run.run_id == end.task_arn:",
        tests=(HEALER,),
    ),
    Mutant(
        name="another-clusters-task-lets-go",
        guards="a task of another cluster ends no roll-out of ours",
        file="lambda/retrain_trigger/healing.py",
        old="    if end is None or end.cluster != own.cluster:",
        new="    if end is None:",
        tests=(HEALER,),
    ),
)
