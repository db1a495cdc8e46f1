"""Weeks of changed, withdrawn and late votes on a real server: increments equal a full read."""

import random
from pathlib import Path

from tests.history import MysqlHistory
from tests.model.test_incremental import WEEKS, State, agrees_with_a_full_read, live


def test_increments_add_up_to_a_full_read_on_a_real_server(
    mysql_history: MysqlHistory, tmp_path: Path
) -> None:
    chance = random.Random(7)
    votes = ["like", "bad", "GOOD?", None]

    def state() -> State:
        first, second, third = (chance.choice(votes) for _ in range(3))
        return first, second, third, chance.randrange(-1, 168)

    changes = [{row: state() for row in chance.sample(range(1, 60), 30)} for _ in range(WEEKS)]

    snapshot = live(mysql_history, tmp_path, changes)

    assert snapshot.votes > 50
    agrees_with_a_full_read(mysql_history, tmp_path, snapshot)
