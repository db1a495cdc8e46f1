"""Faults beside the mean are found by name, and equal models are rarely accused of any."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from numpy.typing import NDArray

from task.evaluate import Evaluation, evaluate
from task.faults import LEVEL, SLICE_GROUPS, TOP_STYLES, Slice, holm
from task.judging import Version
from task.prepare import Prepared
from tests.compared import suspicion, version
from tests.learning import score_table, unseen, vocabulary

KNOWN = vocabulary(*(f"s{i:02}" for i in range(20)))
NOW = 10**9
Floats = NDArray[np.float64]


def everyone(votes: int = 1_200, seed: int = 1, *, heavy: bool = False) -> Prepared:
    """Votes over all faces and tones and a few styles; 3 of 4 are likes.

    heavy: most people vote once, a few vote very often, and who votes often has a leaning.
    """
    rng = np.random.default_rng(seed)
    group, leaning = np.arange(votes), np.zeros(votes)
    if heavy:
        sizes = np.minimum(rng.zipf(1.8, votes), votes // 20)
        group = np.repeat(np.arange(votes), sizes)[:votes]
        leaning = rng.normal(0.0, 0.1, votes)[group]
    like = rng.random(votes) < np.clip(0.75 + leaning, 0.0, 1.0)
    prepared = unseen(
        KNOWN, rng.integers(1, 6, votes).tolist(), like.tolist(), group=group.tolist()
    )
    face, tone = rng.integers(0, 6, votes), rng.integers(0, 3, votes)
    votes_ = replace(prepared.examples, face=face.astype(np.int8), tone=tone.astype(np.int8))
    return replace(prepared, examples=votes_)


def tasteful(worse_for_face: int | None = None, noise: float = 0.0, seed: int = 0) -> Floats:
    """Like probabilities .75, with noise on the logits; .3 for all of one face, if asked."""
    logits = np.log(3.0) + np.random.default_rng(seed).normal(0.0, 1.0, KNOWN.sizes) * noise
    table = 1 / (1 + np.exp(-logits))
    if worse_for_face is not None:
        table[worse_for_face] = 0.3
    return np.asarray(table)


def model(like: Floats | float, score: float = 0.5, threshold: float = 0.5) -> Version:
    return version(score_table(KNOWN, like, score=score, threshold=threshold))


def compared(prepared: Prepared, challenger: Version, champion: Version) -> Evaluation:
    return evaluate(prepared, challenger, champion, cutoff=NOW, report=False)


def of(slices: tuple[Slice, ...], by: str) -> list[Slice]:
    return [one for one in slices if one.by == by]


def shown(found: Evaluation) -> set[str]:
    return {each.name for each in found.suspicions if each.shown}


def p_of(found: Evaluation, name: str) -> float | None:
    return next(each.p for each in found.suspicions if each.name == name)


def test_a_slice_that_became_worse_is_found_and_named_and_the_others_are_not() -> None:
    found = compared(everyone(), model(tasteful(worse_for_face=2)), model(tasteful()))

    worse = [each for each in found.suspicions if each.name == "slices" and each.shown]
    assert f"{KNOWN.faces[2]} (face_shape)" in [each.says for each in worse]
    assert not [
        each for each in worse if "face_shape" in each.says and KNOWN.faces[2] not in each.says
    ]
    (slice_,) = [one for one in of(found.slices, "face_shape") if one.name == KNOWN.faces[2]]
    assert (
        slice_.difference.low is not None
    )  # challenger − champion, in log-loss: worse is positive
    assert slice_.difference.low > 0


def test_every_face_and_tone_with_votes_is_a_slice_and_so_are_the_top_styles() -> None:
    prepared, rng = everyone(), np.random.default_rng(2)
    style = np.minimum(rng.geometric(0.12, 1_200), 20).astype(np.int32)
    prepared = replace(prepared, examples=replace(prepared.examples, style=style))

    found = compared(prepared, model(0.9), model(0.8)).slices

    assert [one.name for one in of(found, "face_shape")] == list(KNOWN.faces)
    assert [one.name for one in of(found, "skin_tone")] == list(KNOWN.tones)
    styles, counts = of(found, "hairstyle"), np.bincount(style, minlength=21)
    assert [one.votes for one in styles] == sorted(counts, reverse=True)[:TOP_STYLES]
    assert sum(one.votes for one in of(found, "face_shape")) == 1_200


@pytest.mark.parametrize("groups, tested", [(SLICE_GROUPS, True), (SLICE_GROUPS - 1, False)])
def test_a_slice_of_few_groups_is_shown_but_not_tested(groups: int, tested: bool) -> None:
    # Given one face on all of whose four votes a person the challenger is worse
    prepared = everyone(1_200)
    face, group = np.full(1_200, 1, dtype=np.int8), np.arange(1_200) + 10**6
    face[: 4 * groups], group[: 4 * groups] = 2, np.arange(4 * groups) // 4
    votes = replace(prepared.examples, face=face, group=group.astype(np.uint64))

    found = compared(
        replace(prepared, examples=votes), model(tasteful(worse_for_face=2)), model(tasteful())
    )

    (slice_,) = [one for one in of(found.slices, "face_shape") if one.votes == 4 * groups]
    assert slice_.groups == groups
    assert (slice_.p_worse is not None) is tested
    assert (slice_.difference.value or 0.0) > 0.2


@pytest.mark.parametrize(
    "ps, expected",
    [
        ([0.9, 0.012, 0.3, 0.5], [False, True, False, False]),  # .05 / 4
        ([0.9, 0.013, 0.3, 0.5], [False] * 4),
        ([0.012, 0.016, 0.024, 0.05], [True] * 4),  # each at its own step
        ([0.012, 0.017, 0.001, 0.001], [True] * 4),
        ([0.012, 0.026, 0.04, 0.001], [True, False, False, True]),  # nothing after a step missed
        ([None, 0.05, None], [False, True, False]),  # what cannot be tested is no test
        ([], []),
    ],
)
def test_shown_is_decided_by_holms_procedure(ps: list[float | None], expected: list[bool]) -> None:
    found = holm([suspicion(str(i), False, p) for i, p in enumerate(ps)])

    assert [each.shown for each in found] == expected
    assert [each.name for each in found] == [str(i) for i in range(len(ps))]


@pytest.mark.parametrize("heavy", [False, True])
def test_equal_challengers_are_accused_of_anything_in_at_most_5_percent(heavy: bool) -> None:
    # Given 200 pairs that err alike, by noise of their own on the same truth
    accused, worst = 0, 0
    for seed in range(200):
        tables = [model(tasteful(noise=0.15, seed=2 * seed + i)) for i in (0, 1)]
        found = compared(everyone(400, seed, heavy=heavy), *tables)
        accused += bool(shown(found))
        worst += any((each.p or 1.0) < LEVEL for each in found.suspicions)

    # Then few are accused, though each look alone would have raised many more alarms
    assert accused <= 10 + 2 * 3.1  # 5 % and two standard errors
    assert worst > accused


def stretched(factor: float) -> Floats:
    """Chances that differ between styles, their logits stretched."""
    logits = np.linspace(-2.0, 2.0, len(KNOWN.styles)) * factor
    return np.broadcast_to(1 / (1 + np.exp(-logits)), KNOWN.sizes).copy()


def voted(votes: int = 3_000) -> Prepared:
    """Votes on all styles by the chances of `stretched(1)`."""
    rng = np.random.default_rng(8)
    style = rng.integers(1, 21, votes)
    like = rng.random(votes) < stretched(1.0)[0, 0, style]
    return unseen(KNOWN, style.tolist(), like.tolist())


@pytest.mark.parametrize("factor, caught", [(1.0, False), (1.1, False), (2.0, True), (0.5, True)])
def test_logits_that_are_stretched_are_caught(factor: float, caught: bool) -> None:
    # Given a champion that is worse on the whole, so that the mean says nothing against it
    found = compared(voted(), model(stretched(factor)), model(0.5))

    assert ("calibration" in shown(found)) is caught
    assert found.faults is not None
    assert found.faults.slope is not None
    assert (found.faults.slope < 0.75 or found.faults.slope > 1.25) is caught


def test_chances_that_are_all_too_high_are_caught() -> None:
    logits = np.log(stretched(1.0) / (1 - stretched(1.0))) + 0.6

    found = compared(voted(), model(1 / (1 + np.exp(-logits))), model(0.5))

    assert found.faults is not None
    assert (found.faults.bias or 0.0) < -0.05
    assert "calibration" in shown(found)


def scored(prepared: Prepared) -> Prepared:
    """Scores around .6, with a deviation of .1."""
    score = np.random.default_rng(9).normal(0.6, 0.1, len(prepared.examples)).astype(np.float32)
    return replace(prepared, examples=replace(prepared.examples, score=score))


@pytest.mark.parametrize("score, caught", [(0.6, False), (0.62, False), (0.75, True)])
def test_a_score_head_that_got_worse_is_caught(score: float, caught: bool) -> None:
    found = compared(scored(everyone()), model(0.76, score), model(0.74, 0.6))

    assert ("score" in shown(found)) is caught


def test_a_score_head_of_noise_is_caught() -> None:
    challenger, rng = model(0.76), np.random.default_rng(10)
    assert challenger.folds is not None
    noise = rng.random(challenger.folds.score.shape).astype(np.float32)
    challenger = replace(challenger, folds=replace(challenger.folds, score=noise))

    found = compared(scored(everyone()), challenger, model(0.74, 0.6))

    assert found.faults is not None
    assert (found.faults.score_ratio or 0.0) > 5
    assert "score" in shown(found)


def test_votes_without_scores_say_nothing_of_the_score() -> None:
    prepared = everyone()
    score = np.full(1_200, np.nan, dtype=np.float32)
    prepared = replace(prepared, examples=replace(prepared.examples, score=score))

    found = compared(prepared, model(0.76, 0.1), model(0.74, 0.9))

    assert p_of(found, "score") is None
    assert "score" not in shown(found)


@pytest.mark.parametrize("share, caught", [(0.05, False), (0.10, False), (0.16, True)])
def test_right_answers_that_turn_wrong_have_a_budget(share: float, caught: bool) -> None:
    # Given a champion that is always right, and a challenger that turns a share of its answers
    n = 1_200
    like = np.tile([True, False], n // 2)
    style = np.where(like, 1, 2)
    turned = np.arange(n) < share * n
    style = np.where(turned, style + 2, style)  # the same tastes, under names of their own
    prepared = unseen(KNOWN, style.tolist(), like.tolist())
    right = np.full(KNOWN.sizes, 0.5)
    right[..., [1, 3]], right[..., [2, 4]] = 0.51, 0.49
    wrong = right.copy()
    wrong[..., 3], wrong[..., 4] = 0.49, 0.51

    found = compared(prepared, model(wrong), model(right))

    assert found.faults is not None
    assert found.faults.negative_flips == pytest.approx(share)
    assert ("negative_flips" in shown(found)) is caught


def test_the_budget_of_flips_is_a_setting() -> None:
    prepared = voted()
    tables = model(1 - stretched(1.0)), model(stretched(1.0))

    strict, lenient = (
        evaluate(prepared, *tables, cutoff=NOW, max_negative_flips=share, report=False)
        for share in (0.1, 1.0)
    )

    assert "negative_flips" in shown(strict)
    assert "negative_flips" not in shown(lenient)


def late(prepared: Prepared) -> Prepared:
    """All of these votes came in the last weeks."""
    at = np.full(len(prepared.examples), NOW - 1)
    return replace(prepared, examples=replace(prepared.examples, feedback_at=at))


@pytest.mark.parametrize(
    "champion, tested",
    [
        (0.6, True),  # better than the challenger: the base rate may speak against the challenger
        (0.05, False),  # worse still: keeping it would mend nothing
    ],
)
def test_worse_than_the_last_weeks_like_rate_is_a_fault_unless_the_champion_is_worse_still(
    champion: float, tested: bool
) -> None:
    # Given votes of which 3 in 4 are likes, and a challenger that is far off
    found = compared(late(everyone()), model(0.2), model(champion))

    assert ("base_rate" in {each.name for each in found.suspicions}) is tested
    assert ("base_rate" in shown(found)) is tested


def test_the_share_of_first_places_that_changed_is_weighted_by_votes() -> None:
    # Given three styles first for everybody, and another one first for the first face alone
    champion = np.full(KNOWN.sizes, 0.2)
    champion[..., [1, 2, 3]] = 0.9
    challenger = champion.copy()
    challenger[1, :, 3], challenger[1, :, 4] = 0.1, 0.95
    prepared = everyone()

    found = compared(prepared, model(challenger), model(champion)).faults

    share = float((prepared.examples.face == 1).mean())
    assert found is not None
    assert found.first_places == pytest.approx(share / 3)
