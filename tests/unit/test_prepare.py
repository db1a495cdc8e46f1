"""Votes to cells: counted exactly, in any order, with no name learned where it must not be."""

from __future__ import annotations

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
from task.prepare import (
    BASE,
    NO_TIME,
    REAL,
    SCORE_UNIT,
    TEST,
    TRAIN,
    VALIDATION,
    Prepared,
    train_vocabulary,
)
from tests.learning import NO_BASE, Vote, drawn, side, small_base, vocabulary, write_votes

WORLD = make_world("rules", styles=12, seed=3)
VOTES = drawn(WORLD, 600, seed=3)


def prepared(folder: Path, votes: list[Vote], base: BaseRows = NO_BASE, **how: int) -> Prepared:
    return prepare.prepare(write_votes(folder / "votes.parquet", votes, **how), base)


def assert_equal(one: Prepared, other: Prepared, *, test_too: bool = True) -> None:
    assert one.levels == other.levels
    for name, values in vars(one.cells).items():
        assert np.array_equal(values, vars(other.cells)[name]), name
        assert values.dtype == vars(other.cells)[name].dtype, name
    for name, values in vars(one.test).items() if test_too else []:
        assert np.array_equal(values, vars(other.test)[name], equal_nan=name == "score"), name


def test_every_vote_is_in_its_cell(tmp_path: Path) -> None:
    got = prepared(tmp_path, VOTES)

    expected: Counter[tuple[int, str, str, str]] = Counter()
    likes, scores = expected.copy(), expected.copy()
    for vote in VOTES:
        key = (side(vote.split), vote.face or "", vote.tone, style_key(vote.style))
        expected[key] += 1
        likes[key] += vote.like
        scores[key] += round((vote.score or 0) * SCORE_UNIT)
    cells, levels = got.cells, got.levels
    found = {
        (int(s), levels.faces[f], levels.tones[t], levels.styles[x]): (int(a), int(a + b), int(c))
        for s, f, t, x, a, b, c in zip(
            cells.split,
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
    assert_equal(expected, prepared(tmp_path, shuffled, turned, row_group=100), test_too=False)


def test_base_rows_are_only_ever_in_train(tmp_path: Path) -> None:
    base = small_base()

    cells = prepared(tmp_path, VOTES, base).cells

    assert cells.of(BASE, TRAIN).votes == 300
    assert cells.of(BASE, VALIDATION).votes == cells.of(BASE, TEST).votes == 0
    assert cells.of(REAL, TRAIN).votes == sum(vote.split == "train" for vote in VOTES)
    liked = int(cells.of(BASE, TRAIN).n_like.sum())
    assert liked == int(base.like.sum())


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


def test_a_model_may_know_only_what_occurs_in_train(tmp_path: Path) -> None:
    votes = [
        Vote(style="a", face="긴형"),
        Vote(style="b", face="둥근형", split="validation"),
        Vote(style="c", face="하트형", split="test"),
    ]

    got = prepared(tmp_path, votes)
    known = train_vocabulary(got)

    assert got.levels.styles == ("", "a", "b", "c")
    assert (known.styles, known.faces) == (("", "a"), ("", "긴형"))
    assert len(known.tones) == 3


def test_a_style_of_the_base_data_is_known_without_a_real_vote(tmp_path: Path) -> None:
    known = train_vocabulary(prepared(tmp_path, [Vote(split="test")], small_base()))

    assert {style_key(name) for name in small_base().hairstyle} <= set(known.styles)


def test_readable_names_are_those_of_train(tmp_path: Path) -> None:
    votes = [Vote(style="Two Block")] + [Vote(style="two BLOCK", split="test")] * 5

    assert train_vocabulary(prepared(tmp_path, votes)).names == ("", "Two Block")


def test_cells_in_a_models_own_codes_send_unlearned_names_to_unknown(tmp_path: Path) -> None:
    got = prepared(tmp_path, [Vote(style="a"), Vote(style="b", split="test", face="긴형")])
    known = vocabulary("b", "z", faces=["긴형"])

    face, tone, style = prepare.encode(got.cells, got.levels, known)

    assert [known.styles[code] for code in style] == ["", "b"]
    assert [known.faces[code] for code in face] == ["", "긴형"]
    assert tone.tolist() == got.cells.tone.tolist()


def test_the_test_votes_are_kept_one_by_one_with_their_groups(tmp_path: Path) -> None:
    votes = [
        Vote(split="test", group="p", at=5, style="a", like=False, score=None),
        Vote(split="train", group="q"),
        Vote(split="test", group="r", at=None, face=None, tone="쿨톤"),
        Vote(split="test", group="p", at=7, style="b", score=0.25),
    ]

    got = prepared(tmp_path, votes)

    test, levels = got.test, got.levels
    first, second, third = test.group.tolist()
    assert first == third != second
    assert {first, second} == {0, 1}
    assert test.like.tolist() == [False, True, True]
    assert test.feedback_at.tolist() == [5_000_000, NO_TIME, 7_000_000]
    assert [levels.styles[code] for code in test.style] == ["a", "댄디컷", "b"]
    assert [levels.faces[code] for code in test.face] == ["계란형", "", "계란형"]
    assert [levels.tones[code] for code in test.tone] == ["웜톤", "쿨톤", "웜톤"]
    assert np.isnan(test.score[0])
    assert test.score.tolist()[1:] == [0.5, 0.25]


def test_a_group_that_spans_batches_stays_one_group(
    tmp_path: Path,
) -> None:
    # Given row groups, which are read one by one
    votes = [Vote(split="test", group=f"person {i % 7}") for i in range(50)]

    test = prepared(tmp_path, votes, row_group=20).test

    first = test.group[:7].tolist()
    assert sorted(first) == list(range(7))
    assert test.group.tolist() == [first[i % 7] for i in range(50)]


def test_a_snapshot_without_votes_has_no_cells(tmp_path: Path) -> None:
    got = prepared(tmp_path, [])

    assert got.cells.votes == 0
    assert len(got.test.like) == len(got.test.group) == 0
    assert got.levels.sizes == (len(FACE_SHAPES) + 1, 3, 1)
    with_base = prepared(tmp_path, [], small_base())
    assert with_base.cells.of(BASE, TRAIN).votes == 300


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
