"""A person's own offset: found where people differ, silent where they do not."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.typing import NDArray

from task.models.personal import LEAST_DEVIATION, fit

Floats = NDArray[np.float64]
GROUPS = 6_000


def people(
    deviation: float, seed: int, groups: int = GROUPS
) -> tuple[Floats, NDArray[np.bool_], NDArray[np.int64], Floats]:
    """Logits, likes and groups of votes, and the groups' true offsets; 3 votes each on average."""
    rng = np.random.default_rng(seed)
    group = rng.permutation(np.repeat(np.arange(groups), rng.geometric(1 / 3, groups)))
    offset = rng.normal(0.0, deviation, groups)
    logit = rng.normal(0.8, 1.0, len(group))
    like = rng.random(len(group)) < 1.0 / (1.0 + np.exp(-logit - offset[group]))
    return logit, like, group, offset


@pytest.mark.parametrize("deviation", [0.5, 1.0, 2.0])
@pytest.mark.parametrize("seed", [1, 2, 3])
def test_the_deviation_between_people_is_found_within_a_fifth(deviation: float, seed: int) -> None:
    logit, like, group, offset = people(deviation, seed)

    found = fit(logit, like, group, GROUPS)

    assert found.on
    assert found.deviation == pytest.approx(deviation, rel=0.2)
    # And offsets are shrunk: closer to the truth than none, and than they would be unshrunk.
    returned = np.bincount(group, minlength=GROUPS) >= 2
    assert np.mean((found.offset - offset)[returned] ** 2) < np.mean(offset[returned] ** 2)
    assert found.offset[returned].std() < deviation


@pytest.mark.parametrize("seed", range(10))
def test_where_people_do_not_differ_offsets_are_off(seed: int) -> None:
    logit, like, group, _ = people(0.0, seed)

    found = fit(logit, like, group, GROUPS)

    assert not found.on
    assert not found.offset.any()
    assert found.says.startswith("off: s = ")
    assert "does not show that the votes of a group hang together" in found.says


def test_who_voted_once_has_no_offset_and_tells_nothing() -> None:
    logit, like, group, _ = people(1.0, 1)
    once = np.bincount(group, minlength=GROUPS) == 1

    found = fit(logit, like, group, GROUPS)
    without = fit(logit[~once[group]], like[~once[group]], group[~once[group]], GROUPS)

    assert not found.offset[once].any()
    assert np.array_equal(found.offset, without.offset)
    assert found.groups == int((~once).sum())


@pytest.mark.parametrize("votes", [0, 5], ids=["no votes", "each once"])
def test_without_a_group_of_two_votes_nothing_can_be_told(votes: int) -> None:
    found = fit(np.zeros(votes), np.ones(votes, dtype=bool), np.arange(votes), 5)

    assert (found.on, found.deviation, found.p) == (False, None, None)
    assert found.says == "off: no group has 2 votes yet"


@pytest.mark.parametrize("like", [True, False])
def test_people_who_all_answer_alike_do_not_break_it(like: bool) -> None:
    group = np.repeat(np.arange(50), 4)

    found = fit(np.zeros(200), np.full(200, like), group, 50)

    assert np.isfinite(found.offset).all()
    assert found.deviation is not None
    assert LEAST_DEVIATION <= found.deviation <= 5.0


def test_the_order_of_votes_and_the_numbers_of_groups_change_nothing() -> None:
    logit, like, group, _ = people(1.0, 1)
    order = np.random.default_rng(1).permutation(len(group))
    number = np.random.default_rng(2).permutation(GROUPS)

    one = fit(logit, like, group, GROUPS)
    other = fit(logit[order], like[order], number[group][order], GROUPS)

    assert one.deviation == pytest.approx(other.deviation, rel=1e-6)
    assert np.allclose(one.offset, other.offset[number], atol=1e-5)


def test_many_votes_of_one_group_outweigh_the_prior() -> None:
    logit, like, group, _ = people(1.0, 1)
    busy = np.zeros(2_000, dtype=np.int64) + GROUPS
    rng = np.random.default_rng(3)
    likes = rng.random(2_000) < 1.0 / (1.0 + np.exp(2.0))

    found = fit(
        np.concatenate([logit, np.zeros(2_000)]),
        np.concatenate([like, likes]),
        np.concatenate([group, busy]),
        GROUPS + 1,
    )

    assert found.offset[GROUPS] == pytest.approx(-2.0, abs=0.2)
