"""Promise 3 through the real loop: a vote stands on one side, once, and stays there.

Models are compared on votes that neither has trained on, however the table has grown since.
"""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from task import prepare
from tests.e2e.conftest import change_minds
from tests.e2e.home import Home


@pytest.fixture(scope="module")
def grown(fresh_home: Home, tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """The folders of two runs: the second read what came and changed after the first."""
    home = fresh_home.copy(tmp_path_factory.mktemp("grown"))
    first = home.run()
    change_minds(home)
    second = home.run()
    assert [first.state, second.state] == ["promoted", "promoted"], second
    folders = [home.runs / done.result["run_id"] for done in (first, second)]
    record = json.loads((folders[1] / "run.json").read_text("utf-8"))
    assert record["mode"] == "incremental"
    return folders[0], folders[1]


def sides(folder: Path) -> dict[str, set[str]]:
    """The sides that each group's votes stand on."""
    votes = pq.read_table(folder / "votes.parquet", columns=["group", "split"]).to_pylist()
    found: dict[str, set[str]] = {}
    for vote in votes:
        found.setdefault(vote["group"], set()).add(vote["split"])
    return found


def test_a_person_or_photo_stands_on_one_side_and_stays_there(grown: tuple[Path, Path]) -> None:
    before, after = map(sides, grown)

    assert all(len(found) == 1 for found in after.values())
    assert set(before) < set(after)
    assert {group: after[group] for group in before} == before


def test_a_vote_is_counted_once_and_base_rows_only_in_train(grown: tuple[Path, Path]) -> None:
    for folder in grown:
        votes = pq.read_table(folder / "votes.parquet", columns=["split"])["split"].to_pylist()
        prepared = prepare.load(folder)
        real = {
            name: prepared.cells.of(prepare.REAL, code).votes
            for code, name in enumerate(prepare.SPLITS)
        }
        base = [prepared.cells.of(prepare.BASE, code).votes for code in range(3)]

        assert real == Counter(votes)
        assert len(prepared.test.like) == real["test"]
        assert base == [10_000, 0, 0]


def test_the_champion_is_tested_on_votes_that_it_has_not_trained_on(
    grown: tuple[Path, Path],
) -> None:
    before, after = map(sides, grown)

    trained_on = {group for group, found in before.items() if found & {"train", "validation"}}
    tested_on = {group for group, found in after.items() if "test" in found}
    assert not trained_on & tested_on
    evaluation = json.loads((grown[1] / "evaluation.json").read_text("utf-8"))
    assert evaluation["champion"]["f1"]["n"] == evaluation["challenger"]["f1"]["n"]
    assert evaluation["test"]["groups"] == len(tested_on)
