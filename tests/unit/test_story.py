"""The demo's folder: only what a demo has made is ever emptied."""

from __future__ import annotations

from pathlib import Path

import pytest

from local.story import MARK, clear


def test_a_folder_of_somebody_elses_is_left_as_it_is(tmp_path: Path) -> None:
    # Given a person's folder, with a file that is called as one of the demo's
    kept = [tmp_path / "votes.sqlite", tmp_path / "thesis.txt"]
    for file in kept:
        file.write_text("precious")

    with pytest.raises(SystemExit, match="--folder must be new, empty or of an earlier demo"):
        clear(tmp_path)

    assert [file.read_text() for file in kept] == ["precious"] * 2


def test_a_demos_own_folder_is_emptied_for_the_next(tmp_path: Path) -> None:
    folder = tmp_path / "new" / "demo"
    clear(folder)
    (folder / "votes.sqlite").touch()

    clear(folder)

    assert [file.name for file in folder.iterdir()] == [MARK]
