"""The paired bootstrap by group: as right as a loop over groups, whatever the groups look like."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import NDArray

from task.bootstrap import Draws, paired_f1, profiles
from task.metrics import weighted_f1

LOW_HIGH = [5, 95]


@dataclass(frozen=True, kw_only=True)
class Answers:
    """N votes: group, truth, and both models' answers."""

    group: NDArray[np.int32]
    truth: NDArray[np.bool_]
    champion: NDArray[np.bool_]
    challenger: NDArray[np.bool_]

    def at(self, index: NDArray[np.int64]) -> Answers:
        return Answers(**{name: values[index] for name, values in vars(self).items()})

    @property
    def profiles(self) -> NDArray[np.int64]:
        return profiles(self.group, self.truth, self.champion, self.challenger)


def answers(groups: int = 80, seed: int = 1, worse: float = 0.4) -> Answers:
    """People with a geometric number of votes; the challenger is right more often."""
    rng = np.random.default_rng(seed)
    group = np.repeat(np.arange(groups, dtype=np.int32), rng.geometric(0.4, groups))
    truth = rng.random(len(group)) < 0.7
    return Answers(
        group=group,
        truth=truth,
        champion=truth ^ (rng.random(len(group)) < worse),
        challenger=truth ^ (rng.random(len(group)) < 0.25),
    )


def table(*rows: tuple[int, list[int]]) -> NDArray[np.int64]:
    """Profiles (truth × champion × challenger) with how many groups have them."""
    return np.array([row for times, row in rows for _ in range(times)])


def f1(votes: Answers, answer: NDArray[np.bool_]) -> float:
    counts = np.bincount(votes.truth * 2 + answer, minlength=4)
    return float(weighted_f1(counts.reshape(2, 2)))


def ends(draws: Draws) -> NDArray[np.float64]:
    return np.percentile(draws.difference, LOW_HIGH)


def test_the_values_are_those_of_the_votes_themselves() -> None:
    votes = answers()

    drawn = paired_f1(votes.profiles, seed=0)

    assert drawn.challenger_value == pytest.approx(f1(votes, votes.challenger), abs=1e-12)
    assert drawn.champion_value == pytest.approx(f1(votes, votes.champion), abs=1e-12)
    assert drawn.difference_value == drawn.challenger_value - drawn.champion_value


def test_the_interval_is_that_of_a_loop_that_draws_groups() -> None:
    # Given groups drawn one by one, with all of their votes, 2,000 times
    votes, rng, differences = answers(), np.random.default_rng(9), []
    members = [np.flatnonzero(votes.group == g) for g in range(80)]
    for _ in range(2_000):
        part = votes.at(np.concatenate([members[g] for g in rng.integers(0, 80, 80)]))
        differences.append(f1(part, part.challenger) - f1(part, part.champion))

    drawn = paired_f1(votes.profiles, seed=0, smooth=False)

    spread = float(np.std(differences))
    assert np.std(drawn.difference) == pytest.approx(spread, rel=0.06)
    assert ends(drawn) == pytest.approx(np.percentile(differences, LOW_HIGH), abs=0.2 * spread)


def test_neither_the_order_of_votes_nor_the_names_of_groups_matter() -> None:
    votes, rng = answers(), np.random.default_rng(2)
    shuffled = votes.at(rng.permutation(len(votes.group)))
    names = rng.permutation(500).astype(np.int32)
    renamed = Answers(**(vars(shuffled) | {"group": names[shuffled.group]}))

    expected = paired_f1(votes.profiles, seed=0).difference

    assert np.array_equal(paired_f1(shuffled.profiles, seed=0).difference, expected)
    assert np.array_equal(paired_f1(renamed.profiles, seed=0).difference, expected)


def test_the_same_seed_gives_the_same_draws_and_another_seed_others() -> None:
    counts = answers().profiles

    assert np.array_equal(paired_f1(counts, seed=1).champion, paired_f1(counts, seed=1).champion)
    assert not np.array_equal(
        paired_f1(counts, seed=1).champion, paired_f1(counts, seed=2).champion
    )


def test_groups_with_more_than_255_equal_votes_are_not_mistaken_for_smaller_ones() -> None:
    # Given the same groups with 300 times as many votes, which leaves every F1 as it is
    counts = answers().profiles

    few, many = paired_f1(counts, seed=0), paired_f1(counts * 300, seed=0)

    assert many.difference_value == pytest.approx(few.difference_value, abs=1e-12)
    assert np.std(many.difference) == pytest.approx(np.std(few.difference), rel=0.06)


def test_many_different_profiles_are_drawn_in_blocks() -> None:
    counts = np.random.default_rng(5).integers(0, 9, (3_000, 8))

    drawn = paired_f1(counts, seed=0)

    assert len(drawn.difference) == 2_000
    assert len(np.unique(drawn.difference)) > 1_900
    assert drawn.difference.mean() == pytest.approx(drawn.difference_value, abs=0.001)


def test_one_heavy_group_widens_the_interval() -> None:
    # Given 100 votes answered differently, half for each side, of 100 people or mostly of one
    agreed, better, worse = [5, 0, 0, 0, 0, 0, 0, 10], 5, 6
    each = np.zeros((100, 8), dtype=np.int64)
    each[:50, better], each[50:, worse] = 1, 1
    heavy = np.zeros((51, 8), dtype=np.int64)
    heavy[0, better], heavy[1:, worse] = 50, 1

    light = ends(paired_f1(np.concatenate([each, table((100, agreed))]), seed=0))
    wide = ends(paired_f1(np.concatenate([heavy, table((100, agreed))]), seed=0))

    assert wide[1] - wide[0] > 2 * (light[1] - light[0])


# Truth, champion, challenger: 5 is a like that only the challenger finds, 6 one that only the
# champion finds; 7 is a like that both find, 0 a dislike that both find.
@pytest.mark.parametrize("votes_each", [1, 2, 10])
@pytest.mark.parametrize(
    "better, worse, shown",
    [
        (3, 0, False),  # equal models do this once in eight times
        (4, 0, False),  # once in sixteen: .063
        (8, 0, True),  # .004
        (8, 1, True),  # .020
        (6, 2, False),  # .145
    ],
)
def test_few_discordant_groups_show_what_the_exact_sign_test_shows(
    better: int, worse: int, shown: bool, votes_each: int
) -> None:
    right, wrong = np.eye(8, dtype=int)[[5, 6]] * votes_each
    same = np.eye(8, dtype=int)[[0, 7]] * votes_each
    counts = table(
        (better, right.tolist()),
        (worse, wrong.tolist()),
        (60, same[0].tolist()),
        (90, same[1].tolist()),
    )

    low, _ = ends(paired_f1(counts, seed=0))

    assert (low > 0) == shown


def test_the_smoothing_vanishes_where_many_groups_are_answered_differently() -> None:
    counts = answers(groups=3_000).profiles

    smooth, plain = (paired_f1(counts, seed=0, smooth=on) for on in (True, False))

    spread = float(np.std(plain.difference))
    assert np.std(smooth.difference) == pytest.approx(spread, rel=0.06)
    assert ends(smooth) == pytest.approx(ends(plain), abs=0.2 * spread)


def test_one_group_alone_shows_nothing() -> None:
    one = table((1, [0, 0, 0, 0, 0, 40, 0, 0]))

    low, high = ends(paired_f1(one, seed=0))

    assert low < 0 < high


def test_no_votes_give_no_values() -> None:
    nobody, nothing = np.zeros(0, dtype=np.int32), np.zeros(0, dtype=bool)

    drawn = paired_f1(profiles(nobody, nothing, nothing, nothing), seed=0)

    assert np.isnan(drawn.challenger_value)
    assert np.isnan(drawn.difference).all()


def test_groups_without_votes_are_not_groups() -> None:
    # Given group numbers with gaps, as after a part of the votes was left out
    votes = answers(groups=5)
    gaps = Answers(**(vars(votes) | {"group": votes.group * 7 + 3}))

    assert gaps.profiles.tolist() == votes.profiles.tolist()
