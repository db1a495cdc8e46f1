"""The command `replay`: the same bytes again, or how far they are off."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.unit.place import Place

PARTS = ("model", "metadata", "table", "folds", "self_test")


def change_record(place: Place, run_id: str, **values: Any) -> None:
    path = place.folder / "store/runs" / run_id / "run.json"
    path.write_text(json.dumps(json.loads(path.read_text("utf-8")) | values), "utf-8")


def recorded(place: Place, run_id: str) -> dict[str, Any]:
    path = place.folder / "store/runs" / run_id / "run.json"
    found: dict[str, Any] = json.loads(path.read_text("utf-8"))
    return found


def test_a_replay_gives_the_same_bytes(learned: Place) -> None:
    before = learned.everything()

    found = learned.json("replay", "m-a")

    assert found["agrees"] is True
    assert found["same"] == dict.fromkeys(PARTS, True)
    assert found["largest_difference"] == 0.0
    assert learned.everything() == before


def test_a_replay_needs_neither_the_settings_of_today_nor_the_database(learned: Place) -> None:
    changed = {"RETRAIN_SEED": "7", "RETRAIN_REAL_DATA_WEIGHT": "1", "DATABASE_URL": ""}

    assert learned.json("replay", "m-a", **changed)["agrees"] is True


def test_a_replay_of_a_run_with_its_own_base_data_uses_them(unlearned: Place) -> None:
    # Given a run with base data from a file, which is gone since
    given = unlearned.folder / "given.csv"
    given.write_text(
        "face_shape,skin_tone,hairstyle,score,feedback\n" + "계란형,웜톤,가일 컷,0.9,like\n" * 50,
        "utf-8",
    )
    unlearned.json("run", "--run-id", "m-b", "--base-csv", str(given))
    given.unlink()

    assert unlearned.json("replay", "m-b")["agrees"] is True


@pytest.mark.parametrize("part", ["table", "folds"])
def test_one_other_byte_is_told_with_the_file_that_it_is_in(learned: Place, part: str) -> None:
    # Given a run that recorded another one
    sha = recorded(learned, "m-a")["sha256"]
    change_record(learned, "m-a", sha256=sha | {part: "0" * 64})

    # When
    answer = learned.task("replay", "m-a", "--json")

    # Then only that part differs
    assert answer.exit == 1
    same = dict.fromkeys(PARTS, True) | {part: False}
    assert (answer.result["agrees"], answer.result["same"]) == (False, same)


def test_another_training_is_told_with_the_largest_difference(learned: Place) -> None:
    # Given a record that names other settings than the model was made with
    settings = recorded(learned, "m-a")["settings"]
    change_record(learned, "m-a", settings=settings | {"real_data_weight": 0.0})

    # When
    answer = learned.task("replay", "m-a", "--json")

    # Then
    assert answer.exit == 1
    assert answer.result["same"]["table"] is False
    assert 0.001 < answer.result["largest_difference"] <= 1.0


def test_a_run_that_published_nothing_is_compared_by_its_digests_alone(learned: Place) -> None:
    # Given a run that was rejected, because more was asked than any model can
    learned.vote(20, seed=3)
    assert learned.json("run", "--run-id", "m-b", RETRAIN_MIN_F1="0.99")["state"] == "rejected"

    found = learned.json("replay", "m-b")

    assert (found["agrees"], found["largest_difference"]) == (True, None)


def test_a_replay_that_cannot_be_is_a_clear_error(learned: Place) -> None:
    # Given a run that never was, one whose votes are gone, and one that trained nothing
    learned.like_everything()
    assert learned.task("run", "--run-id", "m-stopped").exit == 3
    (learned.folder / "store/runs/m-a/votes.parquet").unlink()

    # When
    answers = [learned.task("replay", run) for run in ("m-none", "m-a", "m-stopped")]

    # Then
    assert [answer.exit for answer in answers] == [1, 1, 1]
    assert "must be a run that read votes" in answers[0].err
    assert "retention (keep_snapshots) has removed it" in answers[1].err
    assert "ended as data_stopped before" in answers[2].err


def test_a_replay_refuses_an_altered_snapshot(learned: Place) -> None:
    votes = learned.folder / "store/runs/m-a/votes.parquet"
    data = bytearray(votes.read_bytes())
    data[len(data) // 2] ^= 1
    votes.write_bytes(data)

    answer = learned.task("replay", "m-a")

    assert answer.exit == 1
    assert "the snapshot of m-a must have the sha256" in answer.err


def test_a_replay_refuses_a_run_of_another_split_or_format(learned: Place) -> None:
    sha = recorded(learned, "m-a")["sha256"]
    parts = {part: digest for part, digest in sha.items() if part != "folds"}
    change_record(learned, "m-a", sha256=parts)
    older = learned.task("replay", "m-a")
    change_record(learned, "m-a", split_version="2", sha256=sha)
    other_split = learned.task("replay", "m-a")
    change_record(learned, "m-a", split_version="1", format_version=2)
    newer = learned.task("replay", "m-a")

    assert (older.exit, other_split.exit, newer.exit) == (1, 1, 1)
    assert "made one of format 1" in older.err
    assert "use the release that made it" in older.err
    assert "a replay needs split_version '1'" in other_split.err
    assert "a newer release wrote it" in newer.err
