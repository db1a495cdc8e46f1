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
)
