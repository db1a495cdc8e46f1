"""The base data: readable rules, drawn rows, and a file in their place."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from common.errors import UsageError
from common.feedback import FACE_SHAPES, SKIN_TONES, style_key
from task.base import COLUMNS, BaseRows, generate, read_csv, write_csv
from task.base_rules import HIGHEST, LOWEST, RULES, STYLES, chances, matching, reason

HEADER = "face_shape,skin_tone,hairstyle,score,feedback,naver_clicked,reason\n"


def written(tmp_path: Path, text: str, encoding: str = "utf-8") -> Path:
    path = tmp_path / "base.csv"
    path.write_text(text, encoding)
    return path


def as_lists(rows: BaseRows) -> list[object]:
    score = np.nan_to_num(rows.score, nan=-1).tolist()
    return [rows.face_shape, rows.skin_tone, rows.hairstyle, score, rows.like.tolist()]


def test_every_rule_names_a_known_person_and_a_trait_that_some_style_has() -> None:
    traits = {trait for words in STYLES.values() for trait in words.split()}

    for rule in RULES:
        assert rule.who in (*FACE_SHAPES, *SKIN_TONES)
        assert rule.trait in traits
        assert rule.reason


def test_every_trait_of_a_style_is_spoken_of_by_some_rule() -> None:
    # A trait without a rule is a typing error: it would never change a chance.
    spoken_of = {rule.trait for rule in RULES}

    assert {trait for words in STYLES.values() for trait in words.split()} == spoken_of


def test_no_two_styles_are_the_same_style_under_two_names() -> None:
    assert len({style_key(name) for name in STYLES}) == len(STYLES) == 40


def test_a_chance_is_the_start_and_what_the_rules_add() -> None:
    # Given a long face and a soft perm with a fringe
    face, tone, style = (
        FACE_SHAPES.index("긴형"),
        SKIN_TONES.index("웜톤"),
        list(STYLES).index("쉐도우 펌"),
    )

    # When its chance is looked up
    chance = chances()[face, tone, style]

    # Then it is 0.66, plus 0.20 for the fringe, plus 0.06 for curls on a warm tone
    assert chance == pytest.approx(0.92)


def test_chances_stay_within_their_bounds_and_reach_both_likes_and_dislikes() -> None:
    table = chances()

    assert table.shape == (5, 3, 40)
    assert table.min() >= LOWEST
    assert table.max() <= HIGHEST
    assert (table < 0.5).mean() > 0.1


def test_the_reason_given_is_that_of_the_weightiest_rule() -> None:
    rules = matching("둥근형", "쿨톤", "일자 단발")

    assert [rule.trait for rule in rules] == ["jaw", "line"]
    assert reason("둥근형", "쿨톤", "일자 단발") == rules[0].reason
    assert reason(None, "중간톤", "일자 단발") == ""
    assert reason("둥근형", "쿨톤", "처음 보는 컷") == ""


def test_the_same_seed_draws_the_same_rows_and_another_seed_others() -> None:
    first, again, other = generate(500, 1), generate(500, 1), generate(500, 2)

    assert as_lists(first) == as_lists(again)
    assert as_lists(first) != as_lists(other)


def test_drawn_rows_follow_the_chances_of_their_cells() -> None:
    # Given many rows
    rows = generate(60_000, 3)
    face = np.array([FACE_SHAPES.index(name or "") for name in rows.face_shape])
    style = np.array([list(STYLES).index(name) for name in rows.hairstyle])

    # When likes are counted by face and style
    cell = face * len(STYLES) + style
    votes = np.bincount(cell, minlength=200)
    rate = np.bincount(cell, weights=rows.like, minlength=200) / votes

    # Then the shares lie within five standard errors of the rules
    expected = chances().mean(axis=1).ravel()
    assert np.all(np.abs(rate - expected) < 5 * np.sqrt(0.25 / votes))
    assert 0.60 < rows.like.mean() < 0.75


def test_drawn_scores_are_in_range_and_are_whole_ten_thousandths() -> None:
    score = generate(2_000, 4).score

    assert score.min() >= 0
    assert score.max() <= 1
    assert np.array_equal(score, np.round(score, 4))


def test_no_rows_at_all_can_be_asked_for() -> None:
    rows = generate(0, 0)

    assert rows.hairstyle == []
    assert rows.score.shape == rows.like.shape == (0,)


def test_rows_survive_being_written_and_read(tmp_path: Path) -> None:
    # Given rows, one with an unknown face and no score
    drawn = generate(200, 5)
    faces = [None, *drawn.face_shape[1:]]
    score = np.concatenate([[np.nan], drawn.score[1:]])
    rows = BaseRows(
        face_shape=faces,
        skin_tone=drawn.skin_tone,
        hairstyle=drawn.hairstyle,
        score=score,
        like=drawn.like,
        rejected={},
    )

    # When they are written and read again
    path = tmp_path / "base.csv"
    write_csv(path, rows)

    # Then nothing has changed
    assert as_lists(read_csv(path)) == as_lists(rows)


def test_a_written_file_opens_in_a_spreadsheet_and_gives_reasons(tmp_path: Path) -> None:
    path = tmp_path / "base.csv"
    write_csv(path, generate(50, 6))

    assert path.read_bytes().startswith(b"\xef\xbb\xbf")
    with path.open(encoding="utf-8-sig", newline="") as file:
        lines = list(csv.DictReader(file))
    assert tuple(lines[0]) == COLUMNS
    for line in lines:
        assert line["reason"] == reason(line["face_shape"], line["skin_tone"], line["hairstyle"])
        assert line["naver_clicked"] == "0"


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig"])
def test_a_file_is_read_with_and_without_a_byte_order_mark(tmp_path: Path, encoding: str) -> None:
    path = written(tmp_path, HEADER + "긴형,웜톤,가일 컷,0.8,like,0,x\n", encoding)

    rows = read_csv(path)

    assert as_lists(rows) == [["긴형"], ["웜톤"], ["가일 컷"], [0.8], [True]]
    assert rows.rejected == {}


def test_columns_may_stand_in_any_order_and_others_are_passed_over(tmp_path: Path) -> None:
    text = "feedback,score,note,hairstyle,skin_tone,face_shape\nbad,0.2,?,가일 컷,쿨톤,각진형\n"

    rows = read_csv(written(tmp_path, text))

    assert as_lists(rows) == [["각진형"], ["쿨톤"], ["가일 컷"], [0.2], [False]]


def test_bad_lines_are_rejected_for_a_reason_and_counted(tmp_path: Path) -> None:
    text = HEADER + (
        "긴형,웜톤,가일 컷,0.8,like,0,x\n"
        "\n"  # an empty line is nothing
        "긴형,웜톤,가일 컷\n"
        "긴형,웜톤,가일 컷,0.8,like,0,x,y\n"
        "긴형,웜톤,  ,0.8,like,0,x\n"
        "긴형,웜톤,가일 컷,0.8,Like,0,x\n"
        "긴형,웜톤,가일 컷,0.8,,0,x\n"
    )

    rows = read_csv(written(tmp_path, text))

    assert len(rows.hairstyle) == 1
    assert rows.rejected == {"wrong_number_of_fields": 2, "no_style_name": 1, "unknown_vote": 2}


@pytest.mark.parametrize(
    ("face", "tone", "score", "expected"),
    [
        ("", "중간톤", "0.5", (None, "중간톤", 0.5)),  # an unknown face is not an error
        ("마름모형", "웜톤", "0.5", (None, "웜톤", 0.5)),
        ("긴형", "가을웜톤", "0.5", ("긴형", "웜톤", 0.5)),  # a personal colour says the tone
        ("긴형", "?", "0.5", ("긴형", "중간톤", 0.5)),
        ("긴형", "쿨톤", "87", ("긴형", "쿨톤", 0.87)),  # a percentage
        ("긴형", "쿨톤", "250", ("긴형", "쿨톤", -1)),  # -1 stands for missing here
        ("긴형", "쿨톤", "nan", ("긴형", "쿨톤", -1)),
        ("긴형", "쿨톤", "", ("긴형", "쿨톤", -1)),
        ("긴형", "쿨톤", "high", ("긴형", "쿨톤", -1)),
    ],
)
def test_unknown_faces_and_tones_and_missing_scores_keep_their_vote(
    tmp_path: Path, face: str, tone: str, score: str, expected: tuple[object, ...]
) -> None:
    rows = read_csv(written(tmp_path, HEADER + f"{face},{tone},가일 컷,{score},good,0,x\n"))

    known_score = np.nan_to_num(rows.score, nan=-1)[0]
    assert (rows.face_shape[0], rows.skin_tone[0], known_score) == expected
    assert rows.like.tolist() == [True]


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"face_shape,skin_tone,score,feedback\n", "lacks hairstyle"),
        (b"", "lacks face_shape, skin_tone, hairstyle, score, feedback"),
        (HEADER.encode() + b",,x,1,maybe,0,\n", "unknown_vote"),
        (HEADER.encode() + b"\xb0\xa1,,x,1,like,0,\n", "UTF-8"),  # another Korean encoding
        (HEADER.encode() + b'"a,,x,1,like,0,\n', "save the file again"),  # an open quote
    ],
)
def test_an_unusable_file_is_wrong_usage_and_says_what_to_do(
    tmp_path: Path, content: bytes, says: str
) -> None:
    path = tmp_path / "base.csv"
    path.write_bytes(content)

    with pytest.raises(UsageError, match=says):
        read_csv(path)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (
            HEADER.replace("\n", ",score\n") + "긴형,웜톤,가일 컷,0.9,like,0,x,0.1\n",
            "more than once score",
        ),
        (
            HEADER + "긴형,웜톤,가일 컷,0.9,like,0,x\n" + "긴형,웜톤,가일 컷,0.9,love,0,x\n" * 9,
            "9 of 10",
        ),
        ((HEADER + "긴형,웜톤,가일 컷,0.9,like,0,x\n").encode("cp949"), "cp949 .*Korean Excel"),
        (HEADER + "긴형\n", "usable line"),
    ],
)
def test_a_file_that_is_refused_is_named_as_the_person_gave_it(
    tmp_path: Path, content: str | bytes, says: str
) -> None:
    copy = tmp_path / "copy.csv"
    copy.write_bytes(content if isinstance(content, bytes) else content.encode())

    with pytest.raises(UsageError, match=says) as refused:
        read_csv(copy, named="given.csv", most_rejected=0.2)

    assert "given.csv" in str(refused.value)
    assert "copy.csv" not in str(refused.value)


def test_a_few_bad_lines_are_no_reason_to_refuse_the_rest(tmp_path: Path) -> None:
    text = HEADER + "긴형,웜톤,가일 컷,0.9,like,0,x\n" * 8 + "긴형\n" * 2

    assert len(read_csv(written(tmp_path, text), most_rejected=0.2).hairstyle) == 8


def test_a_header_alone_is_an_empty_base(tmp_path: Path) -> None:
    rows = read_csv(written(tmp_path, HEADER))

    assert (rows.hairstyle, rows.rejected) == ([], {})
    assert (len(rows.score), len(rows.like)) == (0, 0)


def test_no_rows_asked_for_are_an_empty_base() -> None:
    assert as_lists(generate(0, seed=1)) == [[], [], [], [], []]


def test_a_missing_file_is_wrong_usage(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="base_csv must be a readable CSV"):
        read_csv(tmp_path / "nowhere.csv")


def test_quotes_emoji_and_sql_in_a_name_are_only_a_name(tmp_path: Path) -> None:
    text = HEADER + '긴형,웜톤,"가일 ""컷"" ✨, \'); DROP TABLE x;--",0.8,like,0,x\n'

    rows = read_csv(written(tmp_path, text))

    assert rows.hairstyle == ['가일 "컷" ✨, \'); DROP TABLE x;--']
