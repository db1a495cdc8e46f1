"""Slices: no face, tone or frequent style may be shown to have become worse."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from task.evaluate import SLICE_VOTES, TOP_STYLES, WORSE_LEVEL, Slice, evaluate
from task.prepare import Prepared
from tests.learning import score_table, unseen, vocabulary

KNOWN = vocabulary(*(f"s{i:02}" for i in range(20)))


def everyone(votes: int = 1_200, seed: int = 1) -> Prepared:
    """Votes over all faces and tones and a few styles; 3 of 4 are likes."""
    rng = np.random.default_rng(seed)
    prepared = unseen(
        KNOWN, rng.integers(1, 6, votes).tolist(), (rng.random(votes) < 0.75).tolist()
    )
    return replace(
        prepared,
        test=replace(
            prepared.test,
            face=rng.integers(0, 6, votes).astype(np.int32),
            tone=rng.integers(0, 3, votes).astype(np.int32),
        ),
    )


def tasteful(worse_for_face: int | None = None, noise: float = 0.0, seed: int = 0) -> np.ndarray:
    """Like probabilities .9, with some cells turned around; all of one face's, if asked."""
    rng = np.random.default_rng(seed)
    table = np.where(rng.random(KNOWN.sizes) < noise, 0.1, 0.9)
    if worse_for_face is not None:
        table[worse_for_face] = 0.1
    return table


def of(slices: tuple[Slice, ...], by: str) -> list[Slice]:
    return [one for one in slices if one.by == by]


def test_a_slice_that_became_worse_is_found_and_named_and_the_others_are_not() -> None:
    champion = score_table(KNOWN, tasteful())
    challenger = score_table(KNOWN, tasteful(worse_for_face=2))

    found = evaluate(everyone(), challenger, champion).slices

    assert [(one.by, one.name) for one in of(found, "face_shape") if one.worse] == [
        ("face_shape", KNOWN.faces[2])
    ]
    (worse,) = [one for one in of(found, "face_shape") if one.worse]
    assert worse.difference is not None
    assert worse.difference.high is not None
    assert worse.difference.high < 0


def test_every_face_and_tone_with_votes_is_a_slice_and_so_are_the_top_styles() -> None:
    prepared, rng = everyone(), np.random.default_rng(2)
    style = np.minimum(rng.geometric(0.12, 1_200), 20).astype(np.int32)
    prepared = replace(prepared, test=replace(prepared.test, style=style))
    model = score_table(KNOWN, 0.9)

    found = evaluate(prepared, model, None).slices

    assert [one.name for one in of(found, "face_shape")] == list(KNOWN.faces)
    assert [one.name for one in of(found, "skin_tone")] == list(KNOWN.tones)
    styles = of(found, "hairstyle")
    counts = np.bincount(style, minlength=21)
    assert [one.votes for one in styles] == sorted(counts, reverse=True)[:TOP_STYLES]
    assert sum(one.votes for one in of(found, "face_shape")) == 1_200


def test_a_slice_of_few_votes_is_shown_but_not_tested() -> None:
    # Given one face with one vote too few, on all of which the challenger is worse
    prepared = everyone(200)
    face = np.full(200, 1, dtype=np.int32)
    face[: SLICE_VOTES - 1] = 2
    prepared = replace(prepared, test=replace(prepared.test, face=face))
    champion, challenger = (score_table(KNOWN, tasteful(worse_for_face=at)) for at in (None, 2))

    one, other = of(evaluate(prepared, challenger, champion).slices, "face_shape")

    assert (one.votes, other.votes) == (151, 49)
    assert one.p_worse is not None
    assert (other.p_worse, other.worse) == (None, False)
    assert other.difference is not None
    assert other.difference.value is not None
    assert other.difference.value < -0.3


@pytest.mark.parametrize("seed", range(4))
def test_worse_is_decided_by_holms_procedure(seed: int) -> None:
    # Given a challenger that is worse here and there
    champion = score_table(KNOWN, tasteful())
    challenger = score_table(KNOWN, tasteful(noise=0.08, seed=seed))

    found = evaluate(everyone(seed=seed), challenger, champion).slices

    # Then those are worse whose p stands below its own bound, and every smaller p as well
    tested = sorted(one.p_worse for one in found if one.p_worse is not None)
    passed = [p <= WORSE_LEVEL / (len(tested) - rank) for rank, p in enumerate(tested)]
    shown = tested[: passed.index(False)] if False in passed else tested
    assert sorted(one.p_worse or 0 for one in found if one.worse) == shown
    assert len(tested) > 0


def test_equal_challengers_are_rarely_accused() -> None:
    # Given 40 challengers that are as good as the champion, and differ on a tenth of the cells
    accused = 0
    for seed in range(40):
        tables = [score_table(KNOWN, tasteful(noise=0.06, seed=2 * seed + i)) for i in (0, 1)]
        slices = evaluate(everyone(600, seed), tables[0], tables[1]).slices
        accused += any(one.worse for one in slices)

    assert accused <= 6
