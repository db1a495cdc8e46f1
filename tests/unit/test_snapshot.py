"""The snapshot's file and fingerprint, and the counts that need no memory of every vote."""

from collections.abc import Iterable
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from common import feedback
from common.errors import StoreError
from task.snapshot import ROW_GROUP, SCHEMA, SnapshotWriter
from task.tally import PAIRS, Counts, Tally, group_numbers

NOW = datetime(2026, 3, 1, tzinfo=UTC)
GROUPS = [feedback.group(None, f"photo-{i}", 0) for i in range(100)]


def votes(count: int, *, first: int = 0, group: str | None = None, style: str = "a") -> pa.Table:
    """`count` votes with ids from `first` on; some values are null."""
    ids = range(first, first + count)
    columns = {
        "analysis_id": list(ids),
        "style_index": [1] * count,
        "group": [group or GROUPS[i % len(GROUPS)] for i in ids],
        "split": ["train"] * count,
        "face_shape": [None if i % 3 else "긴형" for i in ids],
        "skin_tone": ["웜톤"] * count,
        "hairstyle": [f"{style} {i % 7}" for i in ids],
        "score": [None if i % 5 == 0 else i % 100 / 100 for i in ids],
        "feedback": ["like" if i % 4 else "dislike" for i in ids],
        "naver_clicked": [i % 2 == 0 for i in ids],
        "reason": [None if i % 2 else f"이유 {i}" for i in ids],
        "created_at": [None] * count,
        "feedback_at": [NOW] * count,
    }
    arrays = []
    for field in SCHEMA:
        kind = pa.string() if pa.types.is_dictionary(field.type) else field.type
        array = pa.array(columns[field.name], kind)
        arrays.append(array.dictionary_encode() if kind != field.type else array)
    return pa.Table.from_arrays(arrays, schema=SCHEMA)


def write(path: Path, tables: Iterable[pa.Table]) -> tuple[Counts, str]:
    with SnapshotWriter(path, Tally(since=None, cutoff=NOW)) as writer:
        for table in tables:
            writer.add(table)
        return writer.close()


def counted(*tables: pa.Table) -> Counts:
    tally = Tally(since=None, cutoff=NOW)
    for table in tables:
        tally.add(table)
    return tally.counts()


def test_row_groups_are_of_equal_size_however_the_votes_come(tmp_path: Path) -> None:
    table = votes(2 * ROW_GROUP + 10)

    write(tmp_path / "one.parquet", [table])
    write(tmp_path / "many.parquet", [table[i : i + 10_007] for i in range(0, len(table), 10_007)])

    for name in ("one", "many"):
        file = pq.ParquetFile(tmp_path / f"{name}.parquet")
        sizes = [file.metadata.row_group(i).num_rows for i in range(file.num_row_groups)]
        assert sizes == [ROW_GROUP, ROW_GROUP, 10]
        assert file.read().equals(table.unify_dictionaries())


def test_the_fingerprint_does_not_depend_on_batches_or_dictionaries(tmp_path: Path) -> None:
    table = votes(1_000)
    names = table.schema.get_field_index("hairstyle")
    reordered = pa.array(table["hairstyle"].to_pylist()[::-1]).dictionary_encode().dictionary
    codes = {name: code for code, name in enumerate(reordered.to_pylist())}
    column = pa.DictionaryArray.from_arrays(
        pa.array([codes[name] for name in table["hairstyle"].to_pylist()], pa.int32()), reordered
    )

    _, whole = write(tmp_path / "a", [table])
    _, pieces = write(tmp_path / "b", [table[:1], table[1:1], table[1:999], table[999:]])
    _, other = write(tmp_path / "c", [table.set_column(names, SCHEMA.field(names), column)])

    assert whole == pieces == other


@pytest.mark.parametrize("name", SCHEMA.names)
def test_a_change_of_any_value_changes_the_fingerprint(tmp_path: Path, name: str) -> None:
    # Given a table whose last value in one column is another row's, or null
    table = votes(30)
    place = SCHEMA.get_field_index(name)
    values = table[name].to_pylist()
    now_null = SCHEMA.field(name).nullable and values[-1] is not None
    values[-1] = None if now_null else next((v for v in values if v != values[-1]), "x")
    if pa.types.is_integer(SCHEMA.field(name).type):
        values[-1] = 99
    if name == "created_at":
        values[-1] = NOW
    kind = SCHEMA.field(name).type
    changed = pa.array(values, pa.string() if pa.types.is_dictionary(kind) else kind)
    if pa.types.is_dictionary(kind):
        changed = changed.dictionary_encode()

    _, before = write(tmp_path / "before", [table])
    _, after = write(tmp_path / "after", [table.set_column(place, SCHEMA.field(place), changed)])

    assert before != after


def test_texts_cannot_shift_from_one_vote_to_the_next(tmp_path: Path) -> None:
    table = votes(2)
    place = SCHEMA.get_field_index("reason")

    def with_reasons(*reasons: str | None) -> str:
        column = pa.array(reasons, pa.string())
        return write(tmp_path / "x", [table.set_column(place, SCHEMA.field(place), column)])[1]

    found = {
        with_reasons("ab", "c"),
        with_reasons("a", "bc"),
        with_reasons("abc", ""),
        with_reasons("abc", None),
    }

    assert len(found) == 4


def test_a_full_disk_is_an_error_with_a_remedy_and_leaves_nothing(tmp_path: Path) -> None:
    # Given a disk on which every write fails
    target = tmp_path / "votes.parquet"
    (tmp_path / "votes.parquet.partial").symlink_to("/dev/full")

    with pytest.raises(StoreError, match=r"No space left on device.*free some space"):
        write(target, [votes(3 * ROW_GROUP)])

    assert list(tmp_path.iterdir()) == []


def test_a_failure_of_the_reader_leaves_nothing(tmp_path: Path) -> None:
    def broken() -> Iterable[pa.Table]:
        yield votes(ROW_GROUP + 1)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        write(tmp_path / "votes.parquet", broken())

    assert list(tmp_path.iterdir()) == []


def test_an_earlier_snapshot_stays_until_the_new_one_is_complete(tmp_path: Path) -> None:
    path = tmp_path / "votes.parquet"
    write(path, [votes(10)])

    with SnapshotWriter(path, Tally(since=None, cutoff=NOW)) as writer:
        writer.add(votes(20))
        assert len(pq.read_table(path)) == 10
        writer.close()

    assert len(pq.read_table(path)) == 20


def test_a_groups_number_is_its_first_eight_bytes() -> None:
    numbers = group_numbers(votes(100)["group"])

    assert numbers.tolist() == [int(group[:16], 16) for group in GROUPS]
    assert group_numbers(votes(100)["group"][30:40]).tolist() == numbers.tolist()[30:40]
    assert group_numbers(SCHEMA.empty_table()["group"]).dtype == np.uint64


def test_repeated_votes_are_counted_exactly_while_there_are_few() -> None:
    # 700 votes are 100 groups times 7 styles; the second 700 repeat them all
    table = votes(1_400)

    assert counted(table[:700]).duplicate_share == 0
    assert counted(table).duplicate_share == 0.5
    assert counted(table[:700], table[700:]).duplicate_share == 0.5


def test_repeated_votes_are_estimated_when_there_are_many() -> None:
    # Given four times as many pairs as are remembered, the first half of them twice
    distinct = [votes(PAIRS // 2, style=f"style {i}") for i in range(8)]
    for number, table in enumerate(distinct):
        groups = pa.array(
            [feedback.group(None, None, number * PAIRS + i) for i in range(PAIRS // 2)]
        )
        distinct[number] = table.set_column(2, SCHEMA.field(2), groups)

    share = counted(*distinct, *distinct[:4]).duplicate_share

    assert share == pytest.approx(1 / 3, abs=0.01)
    assert counted(*distinct).duplicate_share == 0


def test_the_busiest_group_is_found() -> None:
    crowd, one = votes(1_000), votes(250, group=GROUPS[0])

    assert counted(crowd).busiest_share == pytest.approx(10 / 1_000)
    assert counted(crowd, one).busiest_share == pytest.approx(260 / 1_250)


def test_a_tally_of_nothing_is_nought() -> None:
    counts = counted(SCHEMA.empty_table())

    assert (counts.votes, counts.duplicate_share, counts.busiest_share) == (0, 0.0, 0.0)
    assert (counts.score_low, counts.score_high, counts.newest) == (None, None, None)
