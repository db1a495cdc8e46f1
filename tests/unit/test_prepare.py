"""Votes to cells: counted exactly, in any order, with no name learned where it must not be."""

from __future__ import annotations

import hashlib
import random
from collections import Counter
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from common.errors import RetrainError
from common.feedback import FACE_SHAPES, style_key
from local.world import make_world
from task import prepare
from task.base import BaseRows
from task.prepare import BASE, REAL, SCORE_UNIT, Prepared, train_vocabulary
from task.recency import NO_TIME
from tests.learning import (
    NO_BASE,
    Vote,
    drawn,
    small_base,
    vocabulary,
    write_votes,
)

WORLD = make_world("rules", styles=12, seed=3)
VOTES = drawn(WORLD, 600, seed=3)


def prepared(folder: Path, votes: list[Vote], base: BaseRows = NO_BASE, **how: int) -> Prepared:
    return prepare.prepare(write_votes(folder / "votes.parquet", votes, **how), base)


def assert_equal(one: Prepared, other: Prepared, *, examples_too: bool = True) -> None:
    assert (one.levels, one.unit) == (other.levels, other.unit)
    for name, values in vars(one.cells).items():
        assert np.array_equal(values, vars(other.cells)[name]), name
        assert values.dtype == vars(other.cells)[name].dtype, name
    for name, values in vars(one.examples).items() if examples_too else []:
        assert np.array_equal(values, vars(other.examples)[name], equal_nan=name == "score"), name
        assert values.dtype == vars(other.examples)[name].dtype, name


def test_every_vote_is_in_its_cell(tmp_path: Path) -> None:
    got = prepared(tmp_path, VOTES)

    expected: Counter[tuple[int, str, str, str]] = Counter()
    likes, scores = expected.copy(), expected.copy()
    for vote in VOTES:
        key = (vote.fold, vote.face or "", vote.tone, style_key(vote.style))
        expected[key] += 1
        likes[key] += vote.like
        scores[key] += round((vote.score or 0) * SCORE_UNIT)
    cells, levels = got.cells, got.levels
    found = {
        (int(s), levels.faces[f], levels.tones[t], levels.styles[x]): (int(a), int(a + b), int(c))
        for s, f, t, x, a, b, c in zip(
            cells.fold,
            cells.face,
            cells.tone,
            cells.style,
            cells.n_like,
            cells.n_dislike,
            cells.score_sum,
            strict=True,
        )
    }
    assert found == {key: (likes[key], n, scores[key]) for key, n in expected.items()}
    assert cells.votes == 600
    assert set(cells.source.tolist()) == {REAL}


def test_neither_the_order_of_rows_nor_the_batches_nor_the_base_rows_order_change_a_cell(
    tmp_path: Path,
) -> None:
    base = small_base()
    order = np.random.default_rng(1).permutation(300)
    turned = BaseRows(
        face_shape=[base.face_shape[i] for i in order],
        skin_tone=[base.skin_tone[i] for i in order],
        hairstyle=[base.hairstyle[i] for i in order],
        score=base.score[order],
        like=base.like[order],
        rejected={},
    )
    shuffled = random.Random(1).sample(VOTES, len(VOTES))

    expected = prepared(tmp_path, VOTES, base)

    assert_equal(expected, prepared(tmp_path, VOTES, base, row_group=37))
    assert_equal(expected, prepared(tmp_path, shuffled, turned, row_group=100), examples_too=False)


def test_base_rows_are_no_part_of_any_fold(tmp_path: Path) -> None:
    base = small_base()

    cells = prepared(tmp_path, VOTES, base).cells

    assert cells.of(BASE).votes == 300
    assert set(cells.of(BASE).fold.tolist()) == {0}
    assert int(cells.of(BASE).n_like.sum()) == int(base.like.sum())
    assert cells.of(REAL).votes == len(VOTES)
    assert set(cells.of(REAL).fold.tolist()) == set(range(10))


def test_scores_are_summed_exactly_and_missing_ones_take_no_part(tmp_path: Path) -> None:
    votes = [Vote(score=0.1)] * 10_000 + [Vote(score=None)] * 3 + [Vote(score=1.0)]

    cells = prepared(tmp_path, votes).cells

    assert cells.n_scored.tolist() == [10_001]
    assert cells.score_sum.tolist() == [10_000 * 1_000 + SCORE_UNIT]
    assert cells.score_square.tolist() == [10_000 * 1_000**2 + SCORE_UNIT**2]
    assert cells.votes == 10_004


def test_a_face_that_was_not_recognised_is_the_unknown_class(tmp_path: Path) -> None:
    got = prepared(tmp_path, [Vote(face=None), Vote(face="긴형")])

    assert [got.levels.faces[code] for code in got.cells.face] == ["", "긴형"]


def test_near_duplicate_names_are_one_style_under_its_commonest_spelling(tmp_path: Path) -> None:
    votes = [Vote(style="가일 컷")] * 2 + [Vote(style="가일컷")] * 3 + [Vote(style="가일  컷")] * 2

    got = prepared(tmp_path, votes)

    assert got.levels.styles == ("", "가일컷")
    assert got.levels.names == ("", "가일 컷")  # 2 + 2, inner white space counts once
    assert got.cells.n_like.tolist() == [7]


def test_a_model_may_know_every_name_that_it_learns_from_and_no_other(tmp_path: Path) -> None:
    votes = [
        Vote(style="a", face="긴형"),
        Vote(style="b", face="둥근형", split="validation"),
        Vote(style="c", face="하트형", split="test", group="another"),
    ]

    known = train_vocabulary(prepared(tmp_path, votes))

    assert known.styles == ("", "a", "b", "c")
    assert known.faces == ("", "긴형", "둥근형", "하트형")
    assert len(known.tones) == 3


def test_a_style_of_the_base_data_is_known_without_a_real_vote(tmp_path: Path) -> None:
    known = train_vocabulary(prepared(tmp_path, [Vote()], small_base()))

    assert {style_key(name) for name in small_base().hairstyle} <= set(known.styles)


def test_cells_in_a_models_own_codes_send_unlearned_names_to_unknown(tmp_path: Path) -> None:
    got = prepared(tmp_path, [Vote(style="a"), Vote(style="b", face="긴형")])
    known = vocabulary("b", "z", faces=["긴형"])

    face, tone, style = prepare.encode(got.cells, got.levels, known)

    assert [known.styles[code] for code in style] == ["", "b"]
    assert [known.faces[code] for code in face] == ["", "긴형"]
    assert tone.tolist() == got.cells.tone.tolist()


def test_the_real_votes_are_kept_one_by_one_in_their_order(tmp_path: Path) -> None:
    votes = [
        Vote(split="test", group="p", at=5, style="a", like=False, score=None),
        Vote(split="train", group="q", at=6),
        Vote(split="test", group="r", at=None, face=None, tone="쿨톤"),
        Vote(split="test", group="p", at=7, style="b", score=0.25),
    ]

    got = prepared(tmp_path, votes, small_base())

    kept, levels = got.examples, got.levels
    assert len(kept) == 4  # base rows are none of them
    assert kept.group.tolist() == [number(vote.group, 0) for vote in votes]
    assert kept.fold.tolist() == [vote.fold for vote in votes]
    assert kept.test.tolist() == [True, False, True, True]
    assert kept.like.tolist() == [False, True, True, True]
    assert kept.feedback_at.tolist() == [5_000_000, 6_000_000, NO_TIME, 7_000_000]
    assert [levels.styles[code] for code in kept.style] == ["a", "댄디컷", "댄디컷", "b"]
    assert [levels.faces[code] for code in kept.face] == ["계란형", "계란형", "", "계란형"]
    assert [levels.tones[code] for code in kept.tone] == ["웜톤", "웜톤", "쿨톤", "웜톤"]
    assert np.isnan(kept.score[0])
    assert kept.score.tolist()[1:] == [0.5, 0.5, 0.25]
    assert kept.where(kept.like).group.tolist() == kept.group.tolist()[1:]


def number(group: str, first: int) -> int:
    """Eight bytes of a group's hash from `first` on, big-endian."""
    return int.from_bytes(hashlib.sha256(group.encode()).digest()[first : first + 8], "big")


def test_a_votes_fold_is_bytes_8_to_15_of_its_groups_hash_modulo_10(tmp_path: Path) -> None:
    # Given row groups, which are read one by one, and groups that span them
    votes = [Vote(group=f"person {i % 70}") for i in range(500)]

    kept = prepared(tmp_path, votes, row_group=20).examples

    assert kept.fold.tolist() == [number(vote.group, 8) % 10 for vote in votes]
    assert kept.group.tolist() == [number(vote.group, 0) for vote in votes]


def test_the_votes_one_by_one_are_those_of_the_cells(tmp_path: Path) -> None:
    got = prepared(tmp_path, VOTES, small_base())

    kept, cells = got.examples, got.cells.of(REAL)
    seen = Counter(zip(kept.fold, kept.face, kept.tone, kept.style, strict=True))
    counted = {
        key: n
        for *key_, n in zip(
            cells.fold,
            cells.face,
            cells.tone,
            cells.style,
            cells.n_like + cells.n_dislike,
            strict=True,
        )
        for key in [tuple(key_)]
    }
    assert seen == counted


def test_a_snapshot_without_votes_has_no_cells(tmp_path: Path) -> None:
    got = prepared(tmp_path, [])

    assert got.cells.votes == 0
    assert len(got.examples) == 0
    assert got.levels.sizes == (len(FACE_SHAPES) + 1, 3, 1)
    with_base = prepared(tmp_path, [], small_base())
    assert with_base.cells.of(BASE).votes == 300


def test_ten_thousand_styles_are_counted(tmp_path: Path) -> None:
    votes = [Vote(style=f"style {i} 💇", like=i % 3 > 0) for i in range(10_000)]

    got = prepared(tmp_path, votes)

    assert got.levels.sizes[2] == 10_001
    assert got.cells.votes == len(got.cells.style) == 10_000


def test_what_was_prepared_comes_back_from_its_files(tmp_path: Path) -> None:
    expected = prepared(tmp_path, VOTES, replace(small_base(), rejected={"no_style_name": 2}))

    prepare.save(expected, tmp_path)

    found = prepare.load(tmp_path)
    assert_equal(expected, found)
    assert found.base_rejected == {"no_style_name": 2}


def test_what_was_prepared_is_replaced_whole_and_never_written_into(tmp_path: Path) -> None:
    # Given somebody who reads what an earlier preparation left
    prepare.save(prepared(tmp_path, VOTES[:1]), tmp_path)
    before = (tmp_path / "prepared.json").read_bytes()

    # When
    with (tmp_path / "prepared.json").open("rb") as reader:
        prepare.save(prepared(tmp_path, VOTES), tmp_path)

        # Then
        assert reader.read() == before != (tmp_path / "prepared.json").read_bytes()


@pytest.mark.parametrize("at", [0.0, 0.6])
def test_votes_that_were_altered_in_their_file_name_it(tmp_path: Path, at: float) -> None:
    votes = write_votes(tmp_path / "votes.parquet", VOTES)
    data = votes.read_bytes()
    place = int(at * len(data))
    votes.write_bytes(data[:place] + bytes(len(data) // 4) + data[place + len(data) // 4 :])

    with pytest.raises(RetrainError, match=r"votes.parquet of .* must be whole"):
        prepare.prepare(votes, NO_BASE)
