"""The command `predict`: which version answers, and what keeps it from answering."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest

from tests.unit.place import Place

INPUT = "face_shape,skin_tone,hairstyle,extra\n계란형,웜톤,가일 컷,1\nbroken\n둥근형,쿨톤,?,2\n"


def written(place: Place, data: str = INPUT) -> Path:
    path = place.folder / "in.csv"
    path.write_text(data, "utf-8")
    return path


def versions(path: Path) -> set[str]:
    with path.open(encoding="utf-8", newline="") as file:
        return {row["model_version"] for row in csv.DictReader(file)}


def test_the_active_version_answers_and_the_command_says_what_it_met(tall: Place) -> None:
    written(tall)

    found = tall.json("predict", "--input", "in.csv", "--output", "out.csv")

    assert found == {
        "version": "m-d",
        "lines": 2,
        "unknown": {"face_shape": 0, "skin_tone": 0, "hairstyle": 1},
        "rejected": {"wrong_number_of_fields": 1},
        "rejected_lines": [{"line": 3, "reason": "wrong_number_of_fields"}],
        "output": "out.csv",
    }
    assert versions(tall.folder / "out.csv") == {"m-d"}


def test_a_named_version_answers_without_a_registry(tall: Place) -> None:
    written(tall)

    answer = tall.task(
        *("predict", "--input", "in.csv", "--output", "out.csv", "--version", "m-a"),
        REGISTRY_URL="",
    )

    assert answer.exit == 0, answer
    assert "wrong_number_of_fields" in answer.out
    assert versions(tall.folder / "out.csv") == {"m-a"}


def test_a_person_at_a_terminal_sees_how_far_it_is(learned: Place) -> None:
    written(learned)
    words = ("predict", "--input", "in.csv", "--output", "out.csv")

    at_terminal = learned.task(*words, FORCE_COLOR="1")
    elsewhere = learned.task(*words)

    assert "predicting" in at_terminal.err
    assert elsewhere.err == ""


def test_a_dry_run_counts_and_writes_nothing(learned: Place) -> None:
    written(learned)
    before = learned.everything()

    found = learned.json("predict", "--input", "in.csv", "--output", "out.csv", "--dry-run")

    assert (found["lines"], found["output"]) == (2, None)
    assert learned.everything() == before


@pytest.mark.parametrize(
    ("words", "code", "says"),
    [
        pytest.param(["--version", "m-no"], 1, "must be a published version", id="unknown version"),
        pytest.param(["--version", "no/id"], 2, "a run id must be", id="no version's name"),
        pytest.param(["--input", "none.csv"], 2, "the input must be a file", id="no input"),
        pytest.param(["--input", "work"], 2, "the input must be a file", id="a folder"),
        pytest.param(["--output", "no/out.csv"], 1, "must be writable", id="no such folder"),
        pytest.param(["--output", "in.csv"], 2, "a file of its own", id="over the input"),
    ],
)
def test_what_cannot_be_scored_is_a_clear_error(
    learned: Place, words: list[str], code: int, says: str
) -> None:
    written(learned)
    before = learned.everything()

    answer = learned.task("predict", "--input", "in.csv", "--output", "out.csv", *words)

    assert answer.exit == code
    assert says in answer.err
    assert "Traceback" not in answer.err
    assert learned.everything() == before


def test_without_an_active_version_nothing_is_scored(unlearned: Place) -> None:
    written(unlearned)

    answer = unlearned.task("predict", "--input", "in.csv", "--output", "out.csv")

    assert answer.exit == 1
    assert "there must be an active version" in answer.err


@pytest.mark.parametrize("file", ["table.safetensors", "self_test.json", "manifest.json"])
def test_a_damaged_version_does_not_answer(learned: Place, file: str) -> None:
    # Given a version of which a file was cut
    path = learned.folder / "store/models/m-a" / file
    path.write_bytes(path.read_bytes()[:-3])
    written(learned)

    # When
    answer = learned.task("predict", "--input", "in.csv", "--output", "out.csv")

    # Then
    assert answer.exit == 1
    assert f"{file} must" in answer.err
    assert not (learned.folder / "out.csv").exists()
