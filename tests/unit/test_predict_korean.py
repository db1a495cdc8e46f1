"""Scoring what Korean spreadsheets save and what the table of votes calls its columns."""

from __future__ import annotations

from pathlib import Path

import pytest

from common.errors import UsageError
from task import encodings
from task.predict import predict
from tests.unit.test_predict import GOOD, HEADER, TABLE, scored


def test_a_file_of_which_nothing_can_be_scored_is_wrong_usage_that_names_the_encoding(
    tmp_path: Path,
) -> None:
    data = f"{HEADER}\n{GOOD}\n{GOOD}\n".encode("cp949")

    with pytest.raises(UsageError, match=r"2 invalid_utf8.*cp949 .*Korean Excel.*CSV UTF-8"):
        scored(tmp_path, data)

    assert not (tmp_path / "out.csv").exists()


def test_a_dry_run_tells_it_too(tmp_path: Path) -> None:
    source = tmp_path / "in.csv"
    source.write_text(f"{HEADER}\nonly,two\n", "utf-8")

    with pytest.raises(UsageError, match="1 wrong_number_of_fields"):
        predict(TABLE, source, None)


@pytest.mark.parametrize(
    ("data", "encoding"),
    [
        (f"{HEADER}\n{GOOD}\n".encode("utf-16"), "UTF-16"),
        (f"얼굴형,피부톤,머리\n{GOOD}\n".encode("cp949"), "cp949"),
    ],
)
def test_a_header_that_cannot_be_read_names_the_encoding(
    tmp_path: Path, data: bytes, encoding: str
) -> None:
    with pytest.raises(UsageError, match=rf"whose first line names.*seems to be {encoding} "):
        scored(tmp_path, data)


def test_bytes_that_tell_no_encoding_are_not_guessed_at() -> None:
    assert encodings.likely("가일 컷".encode()) is None
    assert encodings.likely(b"\xff\xff\xff") is None
    assert encodings.likely("naïve café".encode("latin-1")) is None


def test_a_personal_colour_stands_for_the_tone(tmp_path: Path) -> None:
    header = HEADER.replace("skin_tone", "personal_color")
    lines = [f"계란형,{colour},가일 컷\n" for colour in ("봄웜", "겨울쿨톤", "웜톤", "")]

    found, answers = scored(tmp_path, f"{header}\n{''.join(lines)}")
    _, tones = scored(tmp_path, f"{HEADER}\n{GOOD}\n계란형,쿨톤,가일 컷\n계란형,중간톤,가일 컷\n")

    warm, cool, neutral = (answer["score"] for answer in tones)
    assert [answer["score"] for answer in answers] == [warm, cool, neutral, neutral]
    assert [answer["known_skin_tone"] for answer in answers] == ["true", "true", "false", "false"]
    assert [answer["personal_color"] for answer in answers] == ["봄웜", "겨울쿨톤", "웜톤", ""]
    assert found.unknown["skin_tone"] == 2


def test_a_tone_wins_over_a_colour(tmp_path: Path) -> None:
    _, answers = scored(tmp_path, f"personal_color,{HEADER}\n겨울쿨,{GOOD}\n")
    _, plain = scored(tmp_path, f"{HEADER}\n{GOOD}\n")

    assert answers == plain
