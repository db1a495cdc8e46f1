"""What is asked of the directory store alone: its address, its folder, and what can befall it."""

import os
import signal
from collections.abc import Callable
from pathlib import Path, PurePath, PurePosixPath, PureWindowsPath
from typing import Any

import pytest

from common.errors import MissingError, StoreError, UsageError
from common.store import folder_of, open_store
from common.store.directory import DirectoryStore
from common.store.files import sync_folder

Racer = Callable[..., Any]
MEGABYTE = 1 << 20


@pytest.fixture
def root(tmp_path: Path) -> Path:
    return tmp_path / "store"


@pytest.fixture
def store(root: Path) -> DirectoryStore:
    return DirectoryStore(root)


def names(root: Path) -> list[str]:
    """Every file under the root, temporary ones included."""
    return sorted(str(path.relative_to(root)) for path in root.rglob("*") if path.is_file())


# --- the address


@pytest.mark.parametrize("name", ["store", "가일 #1 100%"])
def test_a_file_address_names_an_absolute_folder_whatever_characters_it_has(
    tmp_path: Path, name: str
) -> None:
    open_store((tmp_path / name).as_uri()).put("models/m-1/model.json", b"{}")

    assert (tmp_path / name / "models" / "m-1" / "model.json").read_bytes() == b"{}"


@pytest.mark.parametrize(
    "url",
    [
        "s3+https://key:hunter2@bucket/prefix",
        "file://store",
        "file://./store",
        "file:///",
        "file:///store?mode=ro",
        "/var/store",
        "store",
        "",
    ],
)
def test_an_address_of_another_kind_is_refused_without_repeating_its_secrets(url: str) -> None:
    with pytest.raises(UsageError, match="STORE_URL must be file:///ABSOLUTE/FOLDER") as refused:
        open_store(url)

    assert "hunter2" not in str(refused.value)


@pytest.mark.parametrize(
    ("flavour", "path", "folder"),
    [
        (PureWindowsPath, "/C:/store", "C:/store"),
        (PureWindowsPath, "//server/share/store", "//server/share/store"),
        (PurePosixPath, "/C:/store", "/C:/store"),
        (PurePosixPath, "/var/store", "/var/store"),
    ],
)
def test_the_folder_of_an_address_is_absolute_on_each_system(
    flavour: type[PurePath], path: str, folder: str
) -> None:
    found = folder_of(path, flavour)

    assert found == flavour(folder)
    assert found.is_absolute()


def test_a_folder_that_is_not_absolute_is_refused() -> None:
    with pytest.raises(UsageError, match="must be absolute, got store"):
        DirectoryStore(Path("store"))


# --- the folder


def test_a_folder_is_written_to_disk_where_the_system_can_open_one(tmp_path: Path) -> None:
    sync_folder(tmp_path / "missing", "nt")

    with pytest.raises(FileNotFoundError):
        sync_folder(tmp_path / "missing", "posix")


def test_neither_opening_nor_reading_makes_the_folder(store: DirectoryStore, root: Path) -> None:
    assert store.keys() == []
    assert store.exists("a") is False
    store.delete("a")

    assert not root.exists()


def test_a_store_whose_disk_is_not_there_is_an_error_and_not_an_empty_store(
    tmp_path: Path,
) -> None:
    store = DirectoryStore(tmp_path / "unmounted" / "store")

    actions: list[Callable[[], object]] = [
        lambda: store.put("a", b""),
        lambda: store.create("a", b""),
        lambda: store.read("a"),
        lambda: store.fetch("a", tmp_path / "fetched"),
        lambda: store.exists("a"),
        lambda: store.keys(),
        lambda: store.delete("a"),
    ]
    for action in actions:
        with pytest.raises(StoreError, match="make or mount it") as refused:
            action()
        assert not isinstance(refused.value, MissingError)


def test_a_file_where_a_folder_should_be_is_an_error(store: DirectoryStore) -> None:
    store.put("models", b"a file")

    actions: list[Callable[[], object]] = [
        lambda: store.put("models/m-1/a", b""),
        lambda: store.create("models/m-1/a", b""),
    ]
    for action in actions:
        with pytest.raises(StoreError, match="models/m-1/a"):
            action()
    assert store.keys("models/") == []


def test_a_folder_where_an_object_should_be_is_an_error(store: DirectoryStore) -> None:
    store.put("models/m-1/a", b"")

    actions: list[Callable[[], object]] = [
        lambda: store.put("models/m-1", b""),
        lambda: store.create("models/m-1", b""),
    ]
    for action in actions:
        with pytest.raises(StoreError, match="models/m-1"):
            action()
    assert store.keys() == ["models/m-1/a"]


def test_a_folder_that_may_not_be_listed_is_an_error_and_not_an_empty_one(
    store: DirectoryStore, root: Path
) -> None:
    # A ring of links is unreadable to everybody, also to one who may read every folder.
    root.mkdir()
    (root / "models").symlink_to(root / "models")

    with pytest.raises(StoreError, match="list 'models/'"):
        store.keys("models/")


def test_files_that_are_no_objects_are_not_listed(store: DirectoryStore, root: Path) -> None:
    store.put("models/m-1/a", b"")
    (root / "models" / "m-1" / ".0123.tmp").write_bytes(b"half")
    (root / "models" / "m-1" / "a person's notes.txt").write_bytes(b"")
    (root / ".hidden").mkdir()
    (root / ".hidden" / "a").write_bytes(b"")

    assert store.keys() == ["models/m-1/a"]


# --- the disk and other processes


@pytest.mark.parametrize("there", [False, True], ids=["a new object", "over an older one"])
def test_a_full_disk_leaves_what_was_there_and_no_temporary_file(
    store: DirectoryStore, root: Path, tmp_path: Path, race: Racer, there: bool
) -> None:
    if there:
        store.put("models/m-1/a", b"older")
    source = tmp_path / "source"
    source.write_bytes(b"x" * 3 * MEGABYTE)

    full = {"url": root.as_uri(), "key": "models/m-1/a", "path": str(source)}
    assert race("put", [full | {"file_bytes": 2 * MEGABYTE}]) == ["StoreError"]

    assert names(root) == (["models/m-1/a"] if there else [])
    assert not there or store.read("models/m-1/a") == b"older"
    assert race("put", [full]) == ["done"], "once there is room again"
    assert store.read("models/m-1/a") == source.read_bytes()


def test_what_a_killed_process_had_half_written_is_never_an_object(
    store: DirectoryStore, root: Path, tmp_path: Path, racer: Racer
) -> None:
    # Given a process in the middle of writing, because its source has not come to an end
    source = tmp_path / "endless"
    os.mkfifo(source)
    writer = racer("put", url=root.as_uri(), key="models/m-1/a", path=str(source))
    writer.ready()
    writer.go()
    with source.open("wb", buffering=0) as endless:
        endless.write(b"x" * 3 * MEGABYTE)
        # When it is killed
        writer.process.kill()
        assert writer.process.wait() == -signal.SIGKILL
    # Then only a temporary file shows it, and the object can be written
    assert [name for name in names(root) if name.endswith(".tmp")] == names(root) != []
    assert store.keys() == []
    assert store.exists("models/m-1/a") is False
    store.create("models/m-1/a", b"whole")
    assert store.read("models/m-1/a") == b"whole"


def test_an_object_can_be_read_by_whoever_may_read_a_plain_file_there(
    store: DirectoryStore, root: Path, tmp_path: Path
) -> None:
    (tmp_path / "plain").write_bytes(b"")
    store.put("a", b"")

    assert (root / "a").stat().st_mode == (tmp_path / "plain").stat().st_mode
