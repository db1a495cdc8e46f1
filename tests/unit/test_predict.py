"""Scoring a CSV file: the answers of the table, line by line, whatever the file looks like."""

from __future__ import annotations

import csv
import tracemalloc
import unicodedata
from collections.abc import Iterable, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from common.errors import RetrainError, UsageError
from task.artifact import ScoreTable
from task.features import vocabulary
from task.predict import OUTPUTS, Predicted, predict
from tests.unit.full_disk import full_disk

KNOWN = vocabulary(["계란형", "둥근형"], {"가일컷": "가일 컷", "댄디컷": "댄디 컷"})
_RNG = np.random.default_rng(5)
TABLE = ScoreTable(
    version="m-a",
    vocabulary=KNOWN,
    score=_RNG.random(KNOWN.sizes, dtype=np.float32),
    like=_RNG.random(KNOWN.sizes, dtype=np.float32),
    threshold=0.5,
    metadata={},
)
HEADER = "face_shape,skin_tone,hairstyle"
GOOD = "계란형,웜톤,가일 컷"


def scored(folder: Path, data: bytes | str) -> tuple[Predicted, list[dict[str, str]]]:
    """What came of a file with this content, and the lines that were written."""
    source, target = folder / "in.csv", folder / "out.csv"
    source.write_bytes(data.encode() if isinstance(data, str) else data)
    found = predict(TABLE, source, target)
    return found, rows(target)


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


def csv_text(lines: Iterable[Sequence[str]]) -> str:
    return "\n".join([HEADER, *(",".join(line) for line in lines)]) + "\n"


def test_each_line_gets_the_tables_answer_in_its_order(tmp_path: Path) -> None:
    # Given every combination of known and unknown names
    asked = [
        (face, tone, style)
        for face in ("둥근형", "계란형", "하트형", "")
        for tone in ("중간톤", "웜톤", "쿨톤", "봄웜")
        for style in ("댄디컷", "가일 컷", "가 일 컷", "울프 컷", "")
    ]

    # When
    found, lines = scored(tmp_path, csv_text(asked))

    # Then
    assert found.lines == len(asked)
    assert list(lines[0]) == list(OUTPUTS)
    assert [(line["face_shape"], line["skin_tone"], line["hairstyle"]) for line in lines] == asked
    for names, line in zip(asked, lines, strict=True):
        at = TABLE.lookup(*names)
        assert np.float32(line["score"]) == TABLE.score[at]
        assert np.float32(line["like_probability"]) == TABLE.like[at]
        assert line["model_version"] == "m-a"


@pytest.mark.parametrize(
    ("line", "flags"),
    [
        pytest.param("계란형,웜톤,가일컷", ("true", "true", "true"), id="all known"),
        pytest.param(" 계란형 ,웜톤 ,가 일컷", ("true", "true", "true"), id="spaces do not matter"),
        pytest.param("긴형,웜톤,가일컷", ("false", "true", "true"), id="a face not learned"),
        pytest.param("계란형,중간톤,가일컷", ("true", "true", "true"), id="the neutral tone"),
        pytest.param("계란형,봄웜,가일컷", ("true", "false", "true"), id="a colour is no tone"),
        pytest.param("계란형,,가일컷", ("true", "false", "true"), id="no tone"),
        pytest.param("계란형,웜톤,울프컷", ("true", "true", "false"), id="a style never seen"),
        pytest.param(",,", ("false", "false", "false"), id="nothing at all"),
    ],
)
def test_what_the_model_has_not_learned_is_flagged_and_counted(
    tmp_path: Path, line: str, flags: tuple[str, ...]
) -> None:
    found, (answer,) = scored(tmp_path, f"{HEADER}\n{line}\n")

    names = ("face_shape", "skin_tone", "hairstyle")
    assert tuple(answer[f"known_{name}"] for name in names) == flags
    assert found.unknown == {
        name: int(flag == "false") for name, flag in zip(names, flags, strict=True)
    }


def test_names_in_decomposed_letters_are_the_same_names(tmp_path: Path) -> None:
    _, (line,) = scored(tmp_path, f"{HEADER}\n{unicodedata.normalize('NFD', GOOD)}\n")

    assert [line[f"known_{name}"] for name in HEADER.split(",")] == ["true"] * 3


@pytest.mark.parametrize("mark", [b"", b"\xef\xbb\xbf"], ids=["plain", "byte-order mark"])
@pytest.mark.parametrize("end", [b"\n", b"\r\n"], ids=["LF", "CRLF"])
def test_a_byte_order_mark_is_read_and_kept(tmp_path: Path, mark: bytes, end: bytes) -> None:
    data = mark + end.join([HEADER.encode(), GOOD.encode()])

    found, (line,) = scored(tmp_path, data)

    assert (found.lines, line["known_hairstyle"]) == (1, "true")
    assert (tmp_path / "out.csv").read_bytes().startswith(mark + b"face_shape,")


def test_further_columns_and_another_order_do_not_matter(tmp_path: Path) -> None:
    data = 'id,hairstyle,note,face_shape, skin_tone \n7,가일컷,"a, b\nc",계란형,웜톤\n'

    found, (line,) = scored(tmp_path, data)

    assert (found.lines, found.rejected) == (1, {})
    assert [line[f"known_{name}"] for name in HEADER.split(",")] == ["true"] * 3


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        pytest.param(b"one,two", "wrong_number_of_fields", id="too few fields"),
        pytest.param(b"a,b,c,d", "wrong_number_of_fields", id="too many fields"),
        pytest.param(b"\xff\xfe,b,c", "invalid_utf8", id="no UTF-8"),
        pytest.param(b"a,b\0,c", "nul_character", id="NUL"),
        pytest.param(b'a,b,"c', "not_csv", id="a quote that is never closed"),
        pytest.param(b'a,"b"x,c', "not_csv", id="text after a quote"),
        pytest.param(b"a,b\rb,c", "not_csv", id="a lone carriage return"),
        pytest.param(b'"\xff', "invalid_utf8", id="no UTF-8 within an open quote"),
        pytest.param(b"a,b," + b"c" * (1 << 20), "line_too_long", id="a megabyte in one line"),
        pytest.param(b"a,b," + b"c" * 200_000, "not_csv", id="a field without end"),
    ],
)
def test_a_malformed_line_is_rejected_with_its_number_and_the_rest_go_on(
    tmp_path: Path, bad: bytes, reason: str
) -> None:
    # Given good lines before and after a bad one, and another of its kind at the end
    good = GOOD.encode()
    data = b"\n".join([HEADER.encode(), good, bad, good, good, bad])

    # When
    found, lines = scored(tmp_path, data)

    # Then
    assert len(lines) == found.lines == 3
    assert found.rejected == {reason: 2}
    assert found.rejected_lines == [
        {"line": 3, "reason": reason},
        {"line": 6, "reason": reason},
    ]


def test_lines_are_numbered_as_an_editor_does_also_after_quoted_line_breaks(
    tmp_path: Path,
) -> None:
    data = f'note,{HEADER}\n"two\nlines",{GOOD}\n\nx\n"three\n\nlines",{GOOD}\ny\n'

    found, lines = scored(tmp_path, data)

    assert len(lines) == 2
    assert [each["line"] for each in found.rejected_lines] == [5, 9]


def test_of_many_rejected_lines_all_are_counted_and_the_first_are_listed(tmp_path: Path) -> None:
    found, lines = scored(tmp_path, "\n".join([HEADER, *["x"] * 50, GOOD]))

    assert (found.rejected, len(lines)) == ({"wrong_number_of_fields": 50}, 1)
    assert [each["line"] for each in found.rejected_lines] == list(range(2, 22))


def test_what_a_spreadsheet_would_run_stays_as_it_was_given(tmp_path: Path) -> None:
    # Given texts that must come back exactly, for a machine to join on
    names = ["=1+1", "@SUM(A1)", "-2", "+3", "\tx", '"quoted", twice', " 가일 컷 ", "line\nbreak"]
    source = tmp_path / "in.csv"
    with source.open("w", encoding="utf-8", newline="") as file:
        csv.writer(file).writerows([HEADER.split(","), *(["계란형", "웜톤", n] for n in names)])

    # When
    predict(TABLE, source, tmp_path / "out.csv")

    # Then
    assert [line["hairstyle"] for line in rows(tmp_path / "out.csv")] == names


words = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)


@settings(max_examples=50, deadline=None)
@given(st.lists(st.tuples(words, words, words).filter(any), max_size=8))
def test_any_text_comes_back_as_it_was_in_its_order(
    tmp_path_factory: pytest.TempPathFactory, asked: list[tuple[str, str, str]]
) -> None:
    folder = tmp_path_factory.mktemp("any")
    with (folder / "in.csv").open("w", encoding="utf-8", newline="") as file:
        csv.writer(file, quoting=csv.QUOTE_ALL).writerows([HEADER.split(","), *asked])

    found = predict(TABLE, folder / "in.csv", folder / "out.csv")

    assert found.rejected == {}
    lines = rows(folder / "out.csv")
    assert [tuple(line[name] for name in HEADER.split(",")) for line in lines] == asked


@pytest.mark.parametrize(
    ("data", "names"),
    [
        pytest.param("", "face_shape, skin_tone, hairstyle", id="empty"),
        pytest.param("face_shape,hairstyle\n", "skin_tone", id="a column is missing"),
        pytest.param(f"{HEADER},hairstyle\n", "hairstyle", id="a column twice"),
        pytest.param(f"{HEADER.replace(',', ';')}\n", "face_shape", id="semicolons"),
        pytest.param(f"{HEADER}\n".encode("utf-16"), "face_shape", id="UTF-16"),
    ],
)
def test_an_input_without_the_columns_is_wrong_usage(
    tmp_path: Path, data: bytes | str, names: str
) -> None:
    with pytest.raises(UsageError, match=f"does not for {names}"):
        scored(tmp_path, data)

    assert not (tmp_path / "out.csv").exists()


def test_an_input_without_lines_gives_the_header_alone(tmp_path: Path) -> None:
    found, lines = scored(tmp_path, f"{HEADER}\n")

    assert (found.lines, lines) == (0, [])
    assert (tmp_path / "out.csv").read_bytes() == ",".join(OUTPUTS).encode() + b"\r\n"


def test_an_input_that_cannot_be_read_is_wrong_usage(tmp_path: Path) -> None:
    for source in (tmp_path / "none.csv", tmp_path):
        with pytest.raises(UsageError, match="the input must be a file that can be read"):
            predict(TABLE, source, tmp_path / "out.csv")


def test_an_output_in_a_place_that_is_none_is_refused(tmp_path: Path) -> None:
    source = tmp_path / "in.csv"
    source.write_text(f"{HEADER}\n{GOOD}\n", "utf-8")

    for target in (source, tmp_path):
        with pytest.raises(UsageError, match="the output must be a file of its own"):
            predict(TABLE, source, target)
    for target in (tmp_path / "none" / "out.csv", source / "out.csv"):
        with pytest.raises(RetrainError, match="the output must be writable"):
            predict(TABLE, source, target)
    assert list(tmp_path.iterdir()) == [source]
    assert source.read_text("utf-8") == f"{HEADER}\n{GOOD}\n"


def test_a_full_disk_leaves_the_earlier_output_whole(tmp_path: Path) -> None:
    # Given an output of before
    scored(tmp_path, f"{HEADER}\n{GOOD}\n")
    before = (tmp_path / "out.csv").read_bytes()

    # When the disk is full in the midst of the next one
    source = tmp_path / "more.csv"
    source.write_text(csv_text([GOOD.split(",")] * 2_000), "utf-8")
    with pytest.raises(RetrainError, match="free some space"), full_disk(after=1_000):
        predict(TABLE, source, tmp_path / "out.csv")

    # Then
    assert (tmp_path / "out.csv").read_bytes() == before
    assert sorted(p.name for p in tmp_path.iterdir()) == ["in.csv", "more.csv", "out.csv"]


def test_without_an_output_the_same_is_counted_and_nothing_written(tmp_path: Path) -> None:
    source = tmp_path / "in.csv"
    source.write_text(f"{HEADER}\n{GOOD}\nx\n", "utf-8")

    dry = predict(TABLE, source, None)

    assert list(tmp_path.iterdir()) == [source]
    assert dry == predict(TABLE, source, tmp_path / "out.csv")


def test_progress_is_told_in_bytes_up_to_the_end(tmp_path: Path) -> None:
    source = tmp_path / "in.csv"
    source.write_text(csv_text([GOOD.split(",")] * 20_000), "utf-8")
    told: list[int] = []

    predict(TABLE, source, None, told.append)

    assert told == sorted(told)
    assert len(told) == 3
    assert told[-1] == source.stat().st_size


@pytest.mark.parametrize("kind", ["the same line", "every line another"])
def test_more_lines_take_the_same_memory(tmp_path: Path, kind: str) -> None:
    peaks = []
    for lines in (25_000, 60_000):
        source = tmp_path / f"{lines}.csv"
        style = "가일컷" if kind == "the same line" else "{}컷"
        text = (f"{i},계란형,웜톤,{style.format(i % 5_000)},{'note ' * 10}" for i in range(lines))
        source.write_text("\n".join([f"id,{HEADER},note", *text]), "utf-8")
        tracemalloc.start()
        try:
            assert predict(TABLE, source, tmp_path / "out.csv").lines == lines
            peaks.append(tracemalloc.get_traced_memory()[1])
        finally:
            tracemalloc.stop()

    assert peaks[1] < peaks[0] * 1.3


def test_two_versions_do_not_share_their_answers(tmp_path: Path) -> None:
    other = replace(TABLE, version="m-b", like=1 - TABLE.like)
    _, (one,) = scored(tmp_path, f"{HEADER}\n{GOOD}\n")

    predict(other, tmp_path / "in.csv", tmp_path / "out.csv")

    (two,) = rows(tmp_path / "out.csv")
    assert (one["model_version"], two["model_version"]) == ("m-a", "m-b")
    assert float(one["like_probability"]) + float(two["like_probability"]) == pytest.approx(1)
