"""No vote ever changes sides: whatever else is in the table, and however it is read."""

import tempfile
from pathlib import Path
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from common import feedback
from tests.history import SqliteHistory, analysis, as_base, read, votes_in

USERS = st.sampled_from([None, "", "anonymous", "kim", "lee", "박", "'; DROP"])
IMAGES = st.sampled_from([None, " ", "aaa", "bbb", "ccc", "사진"])
ROWS = st.dictionaries(st.integers(1, 10**9), st.tuples(USERS, IMAGES), min_size=1, max_size=12)


def sides(history: SqliteHistory, folder: Path, name: str) -> dict[int, tuple[str, str]]:
    snapshot = read(history, folder / name)
    return {v["analysis_id"]: (v["group"], v["split"]) for v in votes_in(snapshot)}


@settings(max_examples=30, deadline=None)
@given(rows=ROWS, more=ROWS, seed=st.randoms(use_true_random=False))
def test_a_group_keeps_its_side_when_the_table_grows_or_is_reordered(
    rows: dict[int, tuple[str | None, str | None]],
    more: dict[int, tuple[str | None, str | None]],
    seed: Random,
) -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        # Given a table read once, and its rows in another order among others
        one, other = SqliteHistory(folder / "one.sqlite"), SqliteHistory(folder / "other.sqlite")
        stored = [analysis(i, "like", user_id=u, image_hash=h) for i, (u, h) in rows.items()]
        one.store(*stored)
        before = sides(one, folder, "before.parquet")
        others = {i: value for i, value in more.items() if i not in rows}
        mixed = stored + [
            analysis(i, "bad", user_id=u, image_hash=h) for i, (u, h) in others.items()
        ]
        seed.shuffle(mixed)
        other.store(*mixed)

        # When it is read whole, and when the rest comes as an increment
        after = sides(other, folder, "after.parquet")
        base = as_base(read(one, folder / "base.parquet"))
        one.store(
            *(row | {"feedback_at": "2999-01-01 00:00:00"} for row in mixed if row["id"] in others)
        )
        incremental = {
            v["analysis_id"]: (v["group"], v["split"])
            for v in votes_in(read(one, folder / "incremental.parquet", base=base))
        }

    # Then every row stands where it stood, and each group on one side alone
    assert before.items() <= after.items()
    assert incremental == after
    assert len({group for group, _ in after.values()}) == len(set(after.values()))


@given(user=st.text(max_size=20), image=st.text(max_size=20), row_id=st.integers(0, 2**31))
def test_the_split_depends_on_the_group_alone(user: str, image: str, row_id: int) -> None:
    group = feedback.group(user, image, row_id)

    known = user.strip() and user != "anonymous"
    assert (feedback.group(user, image + "x", row_id + 1) == group) == bool(known)
    assert feedback.split(group) == feedback.split(group[:16] + "0" * 48)


def test_the_sides_hold_70_15_and_15_percent() -> None:
    count = 20_000
    found: list[str] = [feedback.split(feedback.group(None, None, i)) for i in range(count)]

    for side, share in (("train", 0.70), ("validation", 0.15), ("test", 0.15)):
        # Five standard deviations of a binomial count.
        assert abs(found.count(side) - share * count) < 5 * (share * (1 - share) * count) ** 0.5
