"""The CSV files for people: what a spreadsheet shows, and what it must never run."""

from __future__ import annotations

import csv
from pathlib import Path

import numpy as np
import pytest

from common.errors import StoreError
from task import people
from task.base import BaseRows
from tests.history import SqliteHistory, analysis, read, styles
from tests.unit.full_disk import full_disk

FORMULAS = ("=1+1", "+1", "-1", "@SUM(A1)", "＝1", " =1", "\t=1")
BASE = BaseRows(
    face_shape=["계란형", None],
    skin_tone=["웜톤", "중간톤"],
    hairstyle=["가일 컷", "=cmd()"],
    score=np.array([0.9, np.nan]),
    like=np.array([True, False]),
    rejected={},
)


@pytest.fixture
def votes(sqlite_history: SqliteHistory, tmp_path: Path) -> Path:
    """Two votes a row, on a style and on one whose name a spreadsheet would run."""
    sqlite_history.store(
        *(
            analysis(n, "like", "bad", recommended_styles=styles("가일 컷", FORMULAS[n % 5], n=n))
            for n in range(1, 41)
        )
    )
    return read(sqlite_history, tmp_path / "votes.parquet").path


def rows(path: Path) -> list[dict[str, str]]:
    with path.open(encoding="utf-8-sig", newline="") as file:
        return list(csv.DictReader(file))


@pytest.mark.parametrize("text", FORMULAS)
def test_a_formula_is_made_plain_text(text: str) -> None:
    assert people.harmless(text) == f"'{text}"


@pytest.mark.parametrize("text", ["가일 컷", "", "a=b", "1-2", "C컬 펌", "(=1)"])
def test_plain_text_stays_as_it_is(text: str) -> None:
    assert people.harmless(text) == text


def test_every_vote_stands_in_the_file_and_no_formula(votes: Path, tmp_path: Path) -> None:
    path = people.write_people_csv(votes, "m-one", tmp_path / "work" / "m-one")

    lines = rows(path)
    assert list(lines[0]) == people.COLUMNS
    assert len(lines) == 80
    assert [line["hairstyle"] for line in lines[::2]] == ["가일 컷"] * 40
    assert {line["hairstyle"][:2] for line in lines[1::2]} == {"'=", "'+", "'-", "'@", "'＝"}
    assert path.read_bytes().startswith(b"\xef\xbb\xbf")
    latest = tmp_path / "work" / people.LATEST
    assert latest.read_bytes() == path.read_bytes()


def test_the_training_file_holds_each_vote_once_with_its_fold_and_then_the_base_rows(
    votes: Path, tmp_path: Path
) -> None:
    lines = rows(people.write_training_csv(tmp_path / "m-one", votes, BASE))

    real = [row for row in lines if row["source"] == "real"]
    keys = {(row["analysis_id"], row["style_index"]) for row in real}
    assert len(keys) == len(real) == 80
    assert all(row["fold"] == str(int(row["group"][16:32], 16) % 10) for row in real)
    assert len({row["fold"] for row in real}) > 5
    kept = ("face_shape", "skin_tone", "hairstyle", "score", "feedback", "group", "source", "fold")
    assert [tuple(row[name] for name in kept) for row in lines[-2:]] == [
        ("계란형", "웜톤", "가일 컷", "0.9", "like", "", "base", ""),
        ("", "중간톤", "'=cmd()", "", "dislike", "", "base", ""),
    ]
    assert len(real) + 2 == len(lines)


def test_without_base_data_it_holds_the_votes_alone(votes: Path, tmp_path: Path) -> None:
    lines = rows(people.write_training_csv(tmp_path / "m-one", votes, None))

    assert {row["source"] for row in lines} == {"real"}


def test_no_votes_give_files_with_their_header(
    sqlite_history: SqliteHistory, tmp_path: Path
) -> None:
    votes = read(sqlite_history, tmp_path / "votes.parquet").path

    paths = [
        people.write_training_csv(tmp_path / "m-one", votes, None),
        people.write_people_csv(votes, "m-one", tmp_path / "m-one"),
    ]

    for path in paths:
        assert rows(path) == []
        assert path.read_text("utf-8-sig").startswith("face_shape,skin_tone,hairstyle,score")


def test_a_full_disk_leaves_no_part_of_a_file(votes: Path, tmp_path: Path) -> None:
    folder = tmp_path / "work" / "m-one"

    with full_disk(after=1_000):
        with pytest.raises(StoreError, match="free some space"):
            people.write_people_csv(votes, "m-one", folder)
        with pytest.raises(StoreError, match="free some space"):
            people.write_training_csv(folder, votes, BASE)

    assert list(folder.iterdir()) == []
