"""What every store promises, races between processes included."""

from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from common.errors import AlreadyExistsError, MissingError, StoreError, UsageError
from common.store import Store, open_store

WRONG_KEYS = {
    "empty": "",
    "above the root": "../model.json",
    "above the root, from below": "models/../../model.json",
    "here": "models/./model.json",
    "absolute": "/etc/passwd",
    "a folder": "models/v1/",
    "an empty name": "models//model.json",
    "hidden, as temporary files are": "models/.model.json",
    "like an option": "models/-rf",
    "another separator": "models\\model.json",
    "a blank": "models/my model.json",
    "a line's end": "model.json\n",
    "not ASCII": "models/가일.json",
    "a NUL": "model\0.json",
    "a query": "model.json?x=1",
}


def test_what_was_put_is_read_back(store: Store) -> None:
    store.put("models/m-1/model.json", b"\x00 bytes \xff")

    assert store.read("models/m-1/model.json") == b"\x00 bytes \xff"


def test_a_file_is_put_without_its_content_changing_and_stays_where_it_was(
    store: Store, tmp_path: Path
) -> None:
    source = tmp_path / "votes.parquet"
    source.write_bytes(bytes(range(256)) * 20_000)

    store.put("runs/m-1/votes.parquet", source)

    assert store.read("runs/m-1/votes.parquet") == source.read_bytes()


def test_a_second_put_replaces_the_first(store: Store) -> None:
    store.put("a", b"a longer first one")
    store.put("a", b"second")

    assert store.read("a") == b"second"


def test_a_file_that_is_not_there_is_not_put(store: Store, tmp_path: Path) -> None:
    store.put("a", b"first")

    with pytest.raises(StoreError, match="write 'a'"):
        store.put("a", tmp_path / "absent")

    assert store.read("a") == b"first"


def test_an_object_is_created_once(store: Store) -> None:
    store.create("models/m-1/manifest.json", b"first")

    with pytest.raises(AlreadyExistsError, match="models/m-1/manifest"):
        store.create("models/m-1/manifest.json", b"second")

    assert store.read("models/m-1/manifest.json") == b"first"


def test_an_equal_object_may_be_created_again(store: Store) -> None:
    store.create("a", b"same")
    store.create("a", b"same")

    assert store.keys() == ["a"]
    assert store.read("a") == b"same"


def test_an_object_that_was_put_is_not_replaced_by_creating_it(store: Store) -> None:
    store.put("a", b"put")

    with pytest.raises(AlreadyExistsError):
        store.create("a", b"created")

    assert store.read("a") == b"put"


def test_of_eight_that_create_one_object_at_once_one_wins_and_its_content_stands(
    store: Store, store_url: str, race: Callable[[str, list[dict[str, Any]]], list[str]]
) -> None:
    texts = [f"content {number}" for number in range(8)]

    outcomes = race(
        "create", [{"url": store_url, "key": "models/m-1/manifest.json", "text": t} for t in texts]
    )

    assert Counter(outcomes) == {"done": 1, "AlreadyExistsError": 7}
    assert store.read("models/m-1/manifest.json").decode() == texts[outcomes.index("done")]


def test_of_eight_that_create_the_same_at_once_all_succeed(
    store: Store, store_url: str, race: Callable[[str, list[dict[str, Any]]], list[str]]
) -> None:
    outcomes = race("create", [{"url": store_url, "key": "a", "text": "same"}] * 8)

    assert outcomes == ["done"] * 8
    assert store.read("a") == b"same"


def test_a_reader_sees_the_whole_of_one_writing_or_of_another(
    store: Store, store_url: str, racer: Callable[..., Any]
) -> None:
    # Given objects that each consist of one byte only, written over one another
    size, times = 300_000, 60
    store.put("a", b"\xff" * size)
    writer = racer("put_often", url=store_url, key="a", size=size, times=times)
    writer.ready()
    writer.go()
    # When somebody reads all the while
    seen = []
    while writer.process.poll() is None:
        data = store.read("a")
        seen.append((len(data), len(set(data))))
    # Then no reading was short or mixed
    assert set(seen) == {(size, 1)}
    assert writer.outcomes() == ["done"] * times


def test_what_is_missing_is_said_to_be_missing(store: Store, tmp_path: Path) -> None:
    store.put("models/m-1/model.json", b"{}")

    for key in ("b", "models/m-2/model.json", "models/m-1", "models/m-1/model.json/deeper"):
        assert store.exists(key) is False
        with pytest.raises(MissingError, match=key):
            store.read(key)
        with pytest.raises(MissingError, match=key):
            store.fetch(key, tmp_path / "fetched")
    assert not (tmp_path / "fetched").exists()


def test_an_empty_store_is_read_as_empty(store: Store) -> None:
    assert store.keys() == []
    assert store.keys("models/") == []
    assert store.exists("a") is False
    store.delete("a")


def test_a_fetched_object_replaces_the_file(store: Store, tmp_path: Path) -> None:
    store.put("a", b"new")
    (tmp_path / "here").write_bytes(b"an older one")

    store.fetch("a", tmp_path / "here")

    assert (tmp_path / "here").read_bytes() == b"new"


def test_a_fetch_that_meets_a_full_disk_leaves_the_file_as_it_was(
    store: Store,
    store_url: str,
    tmp_path: Path,
    race: Callable[[str, list[dict[str, Any]]], list[str]],
) -> None:
    store.put("a", b"x" * 300_000)
    (tmp_path / "to").mkdir()
    (tmp_path / "to" / "here").write_bytes(b"older")

    full = {"url": store_url, "key": "a", "path": str(tmp_path / "to" / "here")}
    assert race("fetch", [full | {"file_bytes": 200_000}]) == ["StoreError"]

    assert (tmp_path / "to" / "here").read_bytes() == b"older"
    assert [path.name for path in (tmp_path / "to").iterdir()] == ["here"]


def test_an_object_is_not_fetched_into_a_folder_that_is_not_there(
    store: Store, tmp_path: Path
) -> None:
    store.put("a", b"new")

    with pytest.raises(StoreError) as refused:
        store.fetch("a", tmp_path / "absent" / "here")

    assert not isinstance(refused.value, MissingError), "the object is there"


def test_keys_are_those_that_begin_so_and_sorted(store: Store) -> None:
    for key in ("models/m-10/b", "models/m-1/b", "models/m-1/a", "runs/m-1/run.json", "models-x"):
        store.put(key, b"")

    assert store.keys("models/m-1/") == ["models/m-1/a", "models/m-1/b"]
    assert store.keys("models/m-1") == ["models/m-1/a", "models/m-1/b", "models/m-10/b"]
    assert store.keys("models/") == ["models/m-1/a", "models/m-1/b", "models/m-10/b"]
    assert store.keys("m") == ["models-x", "models/m-1/a", "models/m-1/b", "models/m-10/b"]
    assert store.keys("absent/") == []
    assert len(store.keys()) == 5


def test_a_deleted_object_is_gone_and_deleting_it_again_is_no_error(store: Store) -> None:
    store.put("models/m-1/a", b"a")
    store.put("models/m-1/b", b"b")

    store.delete("models/m-1/a")
    store.delete("models/m-1/a")
    store.delete("models/m-1")
    store.delete("models/m-1/b/deeper")

    assert store.keys() == ["models/m-1/b"]


def test_a_deleted_object_may_be_created_anew(store: Store) -> None:
    store.create("a", b"first")
    store.delete("a")
    store.create("a", b"second")

    assert store.read("a") == b"second"


@pytest.mark.parametrize("key", WRONG_KEYS.values(), ids=WRONG_KEYS.keys())
def test_a_key_that_could_lead_elsewhere_is_refused_everywhere(
    store: Store, tmp_path: Path, key: str
) -> None:
    store.put("models/m-1/model.json", b"{}")
    before = sorted(tmp_path.rglob("*"))

    actions: list[Callable[[], object]] = [
        lambda: store.put(key, b""),
        lambda: store.create(key, b""),
        lambda: store.read(key),
        lambda: store.fetch(key, tmp_path / "fetched"),
        lambda: store.exists(key),
        lambda: store.delete(key),
    ]
    for action in actions:
        with pytest.raises(UsageError, match="a key must be"):
            action()

    assert sorted(tmp_path.rglob("*")) == before


@pytest.mark.parametrize("prefix", ["../", "/", "models/../", "models//", ".", "models/.x"])
def test_a_prefix_that_could_lead_elsewhere_is_refused(store: Store, prefix: str) -> None:
    with pytest.raises(UsageError, match="a key must be"):
        store.keys(prefix)


def test_what_was_put_is_read_by_who_opens_the_store_later(store: Store, store_url: str) -> None:
    store.put("a", b"kept")

    assert open_store(store_url).read("a") == b"kept"
