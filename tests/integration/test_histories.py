"""200 random histories: after each run, what is learned is what stands in the table."""

from itertools import count
from pathlib import Path

import pytest

from local.mariadb import Server
from tests.history import History, MysqlHistory, SqliteHistory
from tests.model.histories import Life, learned

HISTORIES = 100  # of each kind of database
RUNS = 3
STEPS = 3  # between two runs
_names = count(1)


def lives(history: History, folder: Path, seed: int) -> tuple[int, int]:
    """Live through one history; how many runs were increments, and how many read anew."""
    life = Life(history, folder, seed)
    increments = anew = 0
    for number in range(RUNS):
        life.steps(STEPS)
        snapshot = life.read(full=life.chance.random() < 0.1)
        says = f"seed {seed}, run {number}, {snapshot.mode}: {snapshot.missed}"
        assert learned(snapshot) == life.must_be_learned(), says
        assert (snapshot.differs, snapshot.repeated) == ((), 0), says
        increments += snapshot.mode == "incremental"
        anew += bool(snapshot.missed)
    return increments, anew


@pytest.mark.parametrize("kind", ["sqlite", "mysql"])
def test_never_a_vote_too_many_or_too_few_after_one_run(
    kind: str, tmp_path: Path, mariadb: Server
) -> None:
    made: History = MysqlHistory(mariadb, f"lives_{next(_names)}")
    if kind == "sqlite":
        made = SqliteHistory(tmp_path / "lives.sqlite")
    increments = anew = 0
    for seed in range(HISTORIES):
        more, others = lives(made, tmp_path, seed)
        increments, anew = increments + more, anew + others

    # Both ways were taken often enough to say something
    assert increments > HISTORIES / 2
    assert anew > HISTORIES / 2
