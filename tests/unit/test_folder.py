"""A run's folder: files that are whole or not there, and stages that do not mix."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from safetensors import SafetensorError

from common.errors import NotDoneError, RetrainError, UsageError
from task import folder
from task.folder import STAGE_FILES, RunFolder, read_record
from tests.unit.full_disk import full_disk


@pytest.fixture
def here(tmp_path: Path) -> RunFolder:
    return folder.of(str(tmp_path), "m-one").make()


def test_the_record_grows_and_names_its_run_and_format(here: RunFolder) -> None:
    assert here.record() == {}

    here.update(seed=7, state="running")
    here.update(state="failed")

    expected = {"format_version": 1, "run_id": "m-one", "seed": 7, "state": "failed"}
    assert here.record() == expected


def test_what_is_no_json_is_never_written(here: RunFolder) -> None:
    with pytest.raises(ValueError, match="nan"):
        here.write("verdict.json", {"value": float("nan")})

    assert here.read_if_there("verdict.json") is None


def test_a_full_disk_leaves_the_record_of_before(here: RunFolder) -> None:
    here.update(seed=7)
    before = here.record()

    with full_disk(), pytest.raises(RetrainError, match="free some space"):
        here.update(seed=8)

    assert here.record() == before
    assert [path.name for path in here.path.iterdir()] == ["run.json"]


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (b"", "must be a JSON object with a format_version"),
        (b'{"format_version": 1', "must be a JSON object with a format_version"),
        (b'{"seed": 7}', "must be a JSON object with a format_version"),
        (b"[1]", "must be a JSON object with a format_version"),
        (b'"text"', "must be a JSON object with a format_version"),
        (b'{"format_version": 2}', "a newer release wrote it"),
    ],
    ids=["empty", "cut", "no format", "a list", "a text", "newer"],
)
def test_a_record_that_is_none_of_ours_is_a_clear_error(data: bytes, says: str) -> None:
    with pytest.raises(RetrainError, match=says):
        read_record(data, "m-one")


def test_a_cut_file_names_itself(here: RunFolder) -> None:
    here.write("verdict.json", {"decision": "promote"})
    here.file("verdict.json").write_bytes(b'{"decision": "prom')

    with pytest.raises(RetrainError, match=r"verdict.json of m-one must be whole") as refused:
        here.read("verdict.json")
    assert "redo it with `python -m task evaluate --run m-one`" in str(refused.value)


def test_a_stage_needs_what_an_earlier_one_left(here: RunFolder) -> None:
    here.file("cells.safetensors").write_bytes(b"x")

    here.needs("cells.safetensors", made_by="prepare")
    with pytest.raises(NotDoneError, match="`python -m task train --run m-one` first"):
        here.needs("cells.safetensors", "model/table.safetensors", made_by="train")


@pytest.mark.parametrize("stage", [*STAGE_FILES, "publish"])
def test_a_stage_begins_without_what_it_and_the_later_ones_left(
    here: RunFolder, stage: str
) -> None:
    # Given everything that the stages leave, and what they do not own
    for name in (*sum(STAGE_FILES.values(), ()), "run.json", "training_data.csv"):
        if name == "model":
            here.model.mkdir()
            (here.model / "table.safetensors").write_bytes(b"x")
        else:
            here.file(name).write_bytes(b"x")

    # When
    here.begin(stage)

    # Then the earlier stages' files and the others are still there
    order = list(STAGE_FILES)
    earlier = order[: order.index(stage)] if stage in order else order
    kept = {name for each in earlier for name in STAGE_FILES[each]}
    assert {path.name for path in here.path.iterdir()} == kept | {"run.json", "training_data.csv"}


@pytest.mark.parametrize(
    "error", [OSError(28, "No space left on device"), SafetensorError("No space left on device")]
)
def test_what_the_disk_refuses_says_what_to_do(here: RunFolder, error: Exception) -> None:
    with pytest.raises(RetrainError, match="No space left on device: free some space"), here.disk():
        raise error


def test_a_work_folder_that_cannot_be_one_is_a_clear_error(tmp_path: Path) -> None:
    (tmp_path / "work").write_text("a file")

    with pytest.raises(RetrainError, match="set WORK_DIR to another place"):
        folder.of(str(tmp_path / "work"), "m-one").make()


def test_the_newest_run_is_the_one_whose_record_changed_last(tmp_path: Path) -> None:
    # Given runs whose names are in another order than their times, and what is no run
    for age, run_id in enumerate(["m-b", "s-20261122T020000Z", "a-c"]):
        made = folder.of(str(tmp_path), run_id).make()
        made.update(seed=age)
        os.utime(made.file("run.json"), (1_000 - age, 1_000 - age))
    (tmp_path / "m-without-a-record").mkdir()
    (tmp_path / "real_user_data_latest.csv").write_text("")
    (tmp_path / "m-a-file").write_text("")

    assert folder.find(str(tmp_path), None).run_id == "m-b"
    assert folder.find(str(tmp_path), "a-c").run_id == "a-c"


def test_a_run_that_is_not_there_is_wrong_usage(tmp_path: Path) -> None:
    for run_id in (None, "m-one", "../up"):
        with pytest.raises(UsageError):
            folder.find(str(tmp_path), run_id)
