"""Folds: constant, one for each group, in pairs that no fit of theirs has learned from."""

from __future__ import annotations

import hashlib

import numpy as np
import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from task import folds
from task.folds import FOLDS, PAIRS, fold_numbers, learned_from, partner


def hashed(name: str) -> str:
    return hashlib.sha256(name.encode()).hexdigest()


@settings(deadline=None)
@given(names=st.lists(st.text(max_size=9), min_size=1, max_size=30), chunks=st.integers(1, 4))
def test_a_fold_depends_on_the_groups_hash_alone(names: list[str], chunks: int) -> None:
    parts = np.array_split(np.array([hashed(name) for name in names], dtype=object), chunks)

    found = fold_numbers(pa.chunked_array([pa.array(part, pa.string()) for part in parts]))

    expected = [int(hashed(name)[16:32], 16) % 10 for name in names]
    assert found.tolist() == expected


def test_a_fold_is_the_one_it_has_always_been() -> None:
    # Versions of different weeks hold out the same groups: this must never change
    groups = pa.chunked_array([pa.array([hashed(f"person {i}") for i in range(12)])])

    assert fold_numbers(groups).tolist() == [5, 7, 2, 2, 4, 8, 7, 2, 5, 6, 0, 6]


def test_the_fold_knows_nothing_of_the_fixed_split() -> None:
    # Given groups whose first eight bytes, which decide the split, are the same
    groups = [hashed("one")[:16] + hashed(f"person {i}")[16:] for i in range(5_000)]

    shares = np.bincount(fold_numbers(pa.chunked_array([pa.array(groups)]))) / len(groups)

    assert len(shares) == FOLDS
    assert np.abs(shares - 0.1).max() < 5 * (0.1 * 0.9 / len(groups)) ** 0.5


def test_partners_are_a_pair() -> None:
    numbers = range(FOLDS)

    assert [partner(partner(fold)) for fold in numbers] == list(numbers)
    assert all(partner(fold) != fold for fold in numbers)
    assert all(folds.pair(partner(fold)) == folds.pair(fold) for fold in numbers)
    assert {int(folds.pair(fold)) for fold in numbers} == set(range(PAIRS))


def test_one_fit_learns_from_all_each_other_from_all_but_its_fold_or_pair() -> None:
    mask = learned_from()

    assert mask.shape == (1 + FOLDS + PAIRS, FOLDS)
    assert mask[0].all()
    for fold in range(FOLDS):
        assert np.flatnonzero(~mask[1 + fold]).tolist() == [fold]
        without = np.flatnonzero(~mask[1 + FOLDS + folds.pair(fold)]).tolist()
        assert without == sorted([fold, partner(fold)])
