"""The guards of the loop, each with a small change that takes it away and the tests that notice.

A test that passes with its guard removed is a decoration. `tests/mutants.py` applies each change
to a copy of the project and expects red. To add one: the shortest `old` that occurs once in the
file, the change a tired person could make, and the fewest tests that must catch it.
"""

from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class Mutant:
    """One change: `old` (once in `file`) becomes `new`; then one of `tests` must fail."""

    name: str
    guards: str  # "promise 4" or "fault 9", and what would go wrong
    file: str
    old: str
    new: str
    tests: tuple[str, ...]


MUTANTS = (
    Mutant(
        name="misspelt-setting-ignored",
        guards="promise 8: a setting that is misspelt is an error, not a default",
        file="common/setting_sources.py",
        old="if name is None and variable.startswith(PREFIX):",
        new="if name is None and variable == PREFIX:",
        tests=("tests/unit/test_settings.py",),
    ),
    Mutant(
        name="nan-bound-accepted",
        guards="promise 4: no comparison of the gate is with NaN",
        file="common/setting_rules.py",
        old="return number if math.isfinite(number) else None",
        new="return number",
        tests=("tests/unit/test_settings.py",),
    ),
    Mutant(
        name="missing-address-accepted",
        guards="fault 9: no address is never an empty database",
        file="common/settings.py",
        old="strict=True) if value is None]",
        new='strict=True) if value == ""]',
        tests=("tests/unit/test_settings.py",),
    ),
    Mutant(
        name="unscorable-champion-is-none",
        guards='fault 1: a champion that cannot be scored is never "no champion"',
        file="task/evaluate.py",
        old="if champion else None\n    drawn",
        new="if champion and champion.like.shape == champion.vocabulary.sizes else None\n    drawn",
        tests=("tests/unit/test_evaluate.py::test_a_champion_that_cannot_be_scored_raises",),
    ),
    Mutant(
        name="last-epoch-kept",
        guards="fault 4: the best weights are a copy, not the ones trained on",
        file="task/models/embedding.py",
        old="value.detach().numpy().copy()",
        new="value.detach().numpy()",
        tests=(
            "tests/model/test_embedding.py::test_the_weights_of_the_best_epoch_are_kept_not_those_of_the_last",
        ),
    ),
    Mutant(
        name="unknown-style-is-the-last",
        guards="fault 6: a style that was not learned is not some other style",
        file="task/features.py",
        old="self.style_codes.get(style_key(name), 0) if name else 0",
        new="self.style_codes.get(style_key(name), -1) if name else 0",
        tests=("tests/unit/test_features.py",),
    ),
    Mutant(
        name="unknown-name-of-a-champion-is-another",
        guards="fault 6: another model's unknown is its unknown class",
        file="task/features.py",
        old="codes.get(name, 0) for name in names",
        new="codes.get(name, 1) for name in names",
        tests=("tests/unit/test_evaluate.py::test_a_champion_with_other_names_is_asked_by_name",),
    ),
    Mutant(
        name="network-of-a-fixed-size",
        guards="fault 7: a model with more styles loads and answers",
        file="task/models/embedding.py",
        old="self.style = nn.Embedding(styles, STYLE_DIM)",
        new="self.style = nn.Embedding(64, STYLE_DIM)",
        tests=(
            "tests/unit/test_train.py::test_a_model_that_learned_more_styles_loads_and_answers",
        ),
    ),
    Mutant(
        name="vocabulary-of-all-votes",
        guards="fault 10: the vocabulary is that of train",
        file="task/prepare.py",
        old="train = prepared.cells.where(prepared.cells.split == TRAIN)",
        new="train = prepared.cells",
        tests=("tests/unit/test_train.py::test_test_votes_reach_nothing_that_is_learned",),
    ),
    Mutant(
        name="names-of-all-votes",
        guards="fault 10: so are the names that people read",
        file="task/prepare.py",
        old="self._count_spellings(batch, split == TRAIN)",
        new="self._count_spellings(batch, split >= TRAIN)",
        tests=("tests/unit/test_prepare.py::test_readable_names_are_those_of_train",),
    ),
    Mutant(
        name="threshold-fitted-on-test",
        guards="fault 10: threshold and calibration are those of validation",
        file="task/train.py",
        old="    validation = cells.of(REAL, VALIDATION)\n    enough",
        new="    validation = cells.where(cells.split > TRAIN)\n    enough",
        tests=("tests/unit/test_train.py::test_test_votes_reach_nothing_that_is_learned",),
    ),
    Mutant(
        name="class-weights-of-all-votes",
        guards="fault 10: the network and its class weights see train alone",
        file="task/train.py",
        old="network_batch(cells.where(cells.split == TRAIN), options",
        new="network_batch(cells, options",
        tests=("tests/unit/test_train.py::test_test_votes_reach_nothing_that_is_learned",),
    ),
    Mutant(
        name="base-rows-on-every-side",
        guards="promise 3: base rows are only ever in train",
        file="task/prepare.py",
        old="split = np.full(face.shape, TRAIN)",
        new="split = np.arange(len(face)) % len(SPLITS)",
        tests=("tests/unit/test_prepare.py::test_base_rows_are_only_ever_in_train",),
    ),
    Mutant(
        name="trained-on-test-votes",
        guards="promise 3: what is tested on was not trained on",
        file="task/train.py",
        old="base, real = cells.of(BASE, TRAIN), cells.of(REAL, TRAIN)",
        new="base, real = cells.of(BASE, TRAIN), cells.where(cells.source == REAL)",
        tests=("tests/unit/test_train.py::test_test_votes_reach_nothing_that_is_learned",),
    ),
    Mutant(
        name="equality-promotes",
        guards="promise 4: a challenger that is as good is not better",
        file="task/gate.py",
        old="if f1.low > bound:",
        new="if f1.low >= bound:",
        tests=("tests/unit/test_gate.py",),
    ),
    Mutant(
        name="undecided-promotes",
        guards="promise 4: missing evidence keeps the champion",
        file="task/gate.py",
        old='return "inconclusive" if "undecided" in answers else "promote"',
        new='return "promote"',
        tests=("tests/unit/test_gate.py",),
    ),
    Mutant(
        name="votes-drawn-one-by-one",
        guards="promise 4: votes of one person are no independent evidence",
        file="task/evaluate.py",
        old="return paired_f1(profiles(votes.group, votes.like,",
        new="return paired_f1(profiles(np.arange(len(other)), votes.like,",
        tests=("tests/unit/test_evaluate.py",),
    ),
    Mutant(
        name="every-slice-at-the-full-level",
        guards="promise 4: many slices are many chances to err",
        file="task/evaluate.py",
        old="if p > WORSE_LEVEL / (len(tested) - rank):",
        new="if p > WORSE_LEVEL:",
        tests=("tests/unit/test_evaluate_slices.py",),
    ),
    Mutant(
        name="seed-ignored",
        guards="promise 7: the seed decides the first weights",
        file="task/models/embedding.py",
        old="torch.manual_seed(options.seed)",
        new="torch.seed()",
        tests=("tests/model/test_determinism.py",),
    ),
    Mutant(
        name="order-of-a-set",
        guards="promise 7: no order depends on the process",
        file="task/features.py",
        old="faces=(UNKNOWN, *sorted({face for face in faces if face})),",
        new="faces=(UNKNOWN, *{face for face in faces if face}),",
        tests=("tests/model/test_determinism.py",),
    ),
    Mutant(
        name="votes-copied-into-train",
        guards="fault 2: a vote is counted once, on its side",
        file="task/prepare.py",
        old="self._add(_address(split, face, tone, style), like, score)",
        new="for side in (split, 0 * split):\n"
        "            self._add(_address(side, face, tone, style), like, score)",
        tests=(
            "tests/e2e/test_no_vote_on_both_sides.py::test_a_vote_is_counted_once_and_base_rows_only_in_train",
        ),
    ),
    Mutant(
        name="split-drawn-at-random",
        guards="fault 3: a growing table moves no vote",
        file="task/votes.py",
        old="[feedback.split(group) for group in groups]",
        new='__import__("random").Random(0).choices(feedback.SPLITS, k=len(groups))',
        tests=(
            "tests/e2e/test_no_vote_on_both_sides.py::test_a_person_or_photo_stands_on_one_side_and_stays_there",
        ),
    ),
    Mutant(
        name="person-split-by-row",
        guards="promise 3: all votes of a person stand on one side",
        file="common/feedback.py",
        old='identity = f"{SPLIT_VERSION}|user:{user_id}"',
        new='identity = f"{SPLIT_VERSION}|row:{row_id}"',
        tests=("tests/unit/test_feedback.py",),
    ),
    Mutant(
        name="good-is-a-dislike",
        guards="fault 5: good is a like",
        file="common/feedback.py",
        old='"good": LIKE,',
        new='"good": DISLIKE,',
        tests=("tests/unit/test_feedback.py",),
    ),
    Mutant(
        name="name-under-a-key-nobody-writes",
        guards="fault 5: names are read where the application writes them",
        file="common/feedback.py",
        old='NAME_KEYS = ("style_name", "style", "hairstyle")',
        new='NAME_KEYS = ("recommended_style",)',
        tests=("tests/unit/test_feedback.py",),
    ),
    Mutant(
        name="mixed-pair-believed",
        guards="fault 8: the files of a version belong together",
        file="task/artifact.py",
        old="if found != digest:",
        new='if found == "no such file":',
        tests=("tests/e2e/test_damaged_champion.py::test_a_truncated_champion_fails_the_run",),
    ),
    Mutant(
        name="manifest-before-the-files",
        guards="fault 8: a version exists once all of it is there",
        file="task/publish.py",
        old="    for name in artifact.digests(folder):",
        new="    store.create(key, manifest)\n    for name in artifact.digests(folder):",
        tests=(
            "tests/e2e/test_interrupted_runs.py::test_a_run_stopped_in_any_stage_leaves_the_champion_and_the_next_one_promotes[publish]",
        ),
    ),
    Mutant(
        name="outage-is-nothing-to-do",
        guards="fault 9: only a held lease skips a run",
        file="task/pipeline.py",
        old="except LeaseHeldError as error:",
        new="except RetrainError as error:",
        tests=("tests/e2e/test_outages.py::test_an_outage_fails_the_run_and_its_record_says_so",),
    ),
    Mutant(
        name="lost-promotion-is-approved",
        guards="fault 9: a promotion that failed is no success",
        file="task/deploy.py",
        old="except NotDoneError as error:",
        new="except RetrainError as error:",
        tests=(
            "tests/e2e/test_decisions_of_people.py::test_a_promotion_by_hand_under_a_run_is_not_overwritten",
        ),
    ),
    Mutant(
        name="second-run-let-in",
        guards="promise 1: one run at a time",
        file="common/registry/rules.py",
        old="    if lease.held(now):",
        new="    if lease.held(now) and not lease.owner:",
        tests=("tests/e2e/test_one_at_a_time.py::test_a_second_run_is_skipped_and_names_who_runs",),
    ),
    Mutant(
        name="old-owner-promotes",
        guards="promise 1: a lost lease makes the promotion fail",
        file="common/registry/registry.py",
        old="rules.refuse_if_expired(rules.own_lease(items.get(Lease, LEASE), lease), now)",
        new="rules.refuse_if_expired(lease, now)",
        tests=(
            "tests/contract/test_registry_lease.py::test_a_lost_lease_neither_renews_nor_finishes_nor_promotes",
        ),
    ),
    Mutant(
        name="dead-run-left-open",
        guards="promise 1: whoever takes over closes the dead run",
        file="common/registry/runs.py",
        old="items.put_run(rules.dead_run(before, lease, taker=run.run_id, now=now))",
        new="rules.dead_run(before, lease, taker=run.run_id, now=now)",
        tests=(
            "tests/e2e/test_interrupted_runs.py::test_a_run_stopped_in_any_stage_leaves_the_champion_and_the_next_one_promotes[count]",
        ),
    ),
    Mutant(
        name="pointer-without-history",
        guards="promise 2: pointer and history move in one transaction",
        file="common/registry/registry.py",
        old="    items.put(ACTIVE, active)\n",
        new='    items.put(ACTIVE, active)\n    items._rows._db.executescript("BEGIN")\n',
        tests=(
            "tests/e2e/test_interrupted_runs.py::test_a_promotion_that_is_killed_never_happened",
        ),
    ),
    Mutant(
        name="promoted-before-the-pointer",
        guards="promise 2: no evidence runs ahead of the pointer",
        file="task/deploy.py",
        old='_record(folder, "running" if state == "promoted" else state, reason)',
        new="_record(folder, state, reason)",
        tests=(
            "tests/e2e/test_interrupted_runs.py::test_a_promotion_that_is_killed_never_happened",
        ),
    ),
    Mutant(
        name="loser-overwrites",
        guards="promise 2: a promotion is conditional on the champion it was compared with",
        file="common/registry/rules.py",
        old="if serial != expected_serial:",
        new="if serial < expected_serial:",
        tests=(
            "tests/e2e/test_decisions_of_people.py::test_a_promotion_by_hand_under_a_run_is_not_overwritten",
        ),
    ),
    Mutant(
        name="error-exits-with-0",
        guards="promise 8: a failure has its exit status",
        file="task/__main__.py",
        old="redact(str(error)), error.exit_code)",
        new="redact(str(error)), 0)",
        tests=("tests/e2e/test_outages.py::test_a_registry_that_cannot_be_reached_fails_the_run",),
    ),
    Mutant(
        name="full-disk-is-a-crash",
        guards="promise 8: what the disk refuses is said with its remedy",
        file="task/folder.py",
        old="except (OSError, SafetensorError) as error:",
        new="except UnicodeError as error:",
        tests=(
            "tests/e2e/test_full_disk.py::test_a_full_disk_fails_the_run_and_says_what_to_do[train]",
        ),
    ),
    Mutant(
        name="rollback-without-hold",
        guards="promise 9: a rollback holds promotion",
        file="task/operate.py",
        old="        hold=hold,",
        new="        hold=None,",
        tests=(
            "tests/e2e/test_decisions_of_people.py::test_after_a_rollback_nothing_is_promoted_until_resume",
        ),
    ),
    Mutant(
        name="promoted-on-hold",
        guards="promise 9: nothing is promoted on hold, not even in the last moment",
        file="common/registry/registry.py",
        old="rules.refuse_if_on_hold(items.get(Hold, HOLD))",
        new="items.get(Hold, HOLD)",
        tests=(
            "tests/contract/test_registry_promotion.py::test_nothing_is_promoted_on_hold_and_the_refusal_names_the_way_out",
        ),
    ),
    Mutant(
        name="rollback-to-one-that-was-left",
        guards="promise 9: a rollback never leads to a version that was rolled back from",
        file="common/registry/records.py",
        old="return next((version for version in below if version not in left), None)",
        new="return next(below, None)",
        tests=("tests/unit/test_records_rollback.py",),
    ),
    Mutant(
        name="strange-store-accepted",
        guards="fault 1: a lost or mistaken registry must not look like one before the first model",
        file="task/publish.py",
        old="    if strangers:",
        new="    if strangers and store is None:",
        tests=(
            "tests/unit/test_commands_run.py::test_a_store_whose_versions_the_registry_does_not_know_is_refused",
        ),
    ),
)
