"""Versions in the store: whole or not there, never half, never changed."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from common.errors import AlreadyExistsError, ArtifactError, NotDoneError, UsageError
from common.store import Store, open_store
from common.store.directory import DirectoryStore
from task import artifact, publish, versions
from task.folder import RunFolder
from tests.unit.place import Place

FILES = (
    *("model.safetensors", "model.json", "table.safetensors", "folds.safetensors"),
    *("self_test.json", "metrics.json", "report.html", "model_card.md"),
)


@pytest.fixture
def model(learned_place: Place, tmp_path: Path) -> Path:
    """A copy of the model folder of a run that was trained and judged."""
    return Path(shutil.copytree(learned_place.work / "m-a" / "model", tmp_path / "model"))


@pytest.fixture
def store(tmp_path: Path) -> Store:
    return open_store((tmp_path / "store").as_uri())


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in folder.iterdir()}


class Watched(DirectoryStore):
    """A store that notes in which order its objects are written."""

    def __init__(self, root: Path) -> None:
        super().__init__(root)
        self.written: list[tuple[str, str]] = []

    def put(self, key: str, source: bytes | Path) -> None:
        super().put(key, source)
        self.written.append(("put", key))

    def create(self, key: str, data: bytes) -> None:
        super().create(key, data)
        self.written.append(("create", key))


def test_the_manifest_is_written_last_and_names_every_file(tmp_path: Path, model: Path) -> None:
    # When
    store = Watched(tmp_path / "store")
    published = publish.publish(store, "m-a", model)

    # Then
    *before, last = store.written
    assert last == ("create", "models/m-a/manifest.json")
    assert sorted(before) == sorted(("put", f"models/m-a/{name}") for name in FILES)
    manifest = store.read("models/m-a/manifest.json")
    assert json.loads(manifest)["files"] == {n: artifact.sha256(model / n) for n in FILES}
    assert versions.published(store) == ["m-a"]
    with versions.opened(store, "m-a") as copy:
        assert published.sha == artifact.sha256(copy / "manifest.json")
        assert files(copy) == files(model) | {"manifest.json": manifest}


def test_a_version_without_a_manifest_does_not_exist(store: Store, model: Path) -> None:
    # Given a publication that was killed before its end
    publish.publish(store, "m-a", model)
    store.delete("models/m-a/manifest.json")

    # Then nobody can have it
    assert versions.published(store) == []
    with pytest.raises(NotDoneError, match="m-a must be a published version"):
        versions.checked(store, "m-a")


def test_until_the_manifest_is_there_the_same_run_may_write_again(
    store: Store, model: Path
) -> None:
    # Given half a publication, of which a file came out otherwise
    store.put("models/m-a/table.safetensors", b"half a file")

    # When
    publish.publish(store, "m-a", model)

    # Then
    table, _ = versions.checked(store, "m-a")
    assert table.version == "m-a"


def test_an_equal_version_is_adopted(store: Store, model: Path) -> None:
    first = publish.publish(store, "m-a", model)

    assert publish.publish(store, "m-a", model) == first


def test_a_different_version_of_the_same_name_is_refused_and_the_first_stays_whole(
    store: Store, model: Path, tmp_path: Path
) -> None:
    # Given a published version
    first = publish.publish(store, "m-a", model)
    before = files(tmp_path / "store/models/m-a")

    # When another model is published under its name
    (model / "metrics.json").write_text("{}")
    with pytest.raises(AlreadyExistsError):
        publish.publish(store, "m-a", model)

    # Then not one file of it was touched
    assert files(tmp_path / "store/models/m-a") == before
    assert versions.checked(store, "m-a")[1] == first.sha


def test_a_model_that_fails_its_self_test_is_neither_published_nor_believed(
    store: Store, model: Path
) -> None:
    # Given a model whose answers are not those that its self-test recorded
    path = model / "self_test.json"
    test = json.loads(path.read_text("utf-8"))
    test["golden"][0]["like_probability"] += 0.01
    path.write_text(json.dumps(test), "utf-8")

    # Then it is not published
    with pytest.raises(ArtifactError, match="golden request answered"):
        publish.publish(store, "m-a", model)
    assert store.keys() == []

    # And if somebody else had published it, it would not be believed
    for name in FILES:
        store.put(f"models/m-a/{name}", model / name)
    store.put("models/m-a/manifest.json", artifact.manifest(model))
    with pytest.raises(ArtifactError, match="golden request answered"):
        versions.checked(store, "m-a")


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def altered(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("spoil", [cut, altered, Path.unlink], ids=["cut", "altered", "gone"])
def test_a_damaged_file_is_refused(
    store: Store, model: Path, tmp_path: Path, name: str, spoil: Callable[[Path], None]
) -> None:
    publish.publish(store, "m-a", model)
    spoil(tmp_path / "store/models/m-a" / name)

    with pytest.raises(ArtifactError, match=f"{name} must have the sha256"):
        versions.checked(store, "m-a")


@pytest.mark.parametrize(
    ("change", "says"),
    [
        pytest.param(lambda _: b"{", "must be readable JSON", id="cut"),
        pytest.param(lambda _: b"\xff", "must be readable JSON", id="no text"),
        pytest.param(lambda _: b"[]", "must be a JSON object", id="a list"),
        pytest.param(lambda m: m | {"format_version": 3}, "a newer release wrote it", id="newer"),
        pytest.param(lambda m: m | {"files": []}, "must name the sha256", id="no files"),
        pytest.param(
            lambda m: (
                m | {"files": {n: s for n, s in m["files"].items() if n != "folds.safetensors"}}
            ),
            "must name the sha256",
            id="no folds",
        ),
        pytest.param(lambda m: m | {"files": {"a": "b"}}, "must name the sha256", id="no table"),
        pytest.param(
            lambda m: m | {"files": m["files"] | {"../../x": "0"}},
            "nothing outside the version",
            id="a way out",
        ),
        pytest.param(
            lambda m: m | {"files": m["files"] | {"model.json": 7}},
            "must name the sha256",
            id="no digest",
        ),
    ],
)
def test_a_manifest_that_is_none_of_ours_is_refused(
    store: Store, model: Path, change: Callable[[dict[str, object]], object], says: str
) -> None:
    publish.publish(store, "m-a", model)
    spoilt = change(json.loads(store.read("models/m-a/manifest.json")))
    data = spoilt if isinstance(spoilt, bytes) else json.dumps(spoilt).encode()
    store.put("models/m-a/manifest.json", data)

    with pytest.raises(ArtifactError, match=says):
        versions.checked(store, "m-a")


def test_a_name_that_is_none_is_wrong_usage(store: Store, model: Path) -> None:
    with pytest.raises(UsageError):
        publish.publish(store, "../up", model)
    with pytest.raises(UsageError):
        versions.checked(store, "../up")

    assert store.keys() == []


def test_a_runs_votes_are_kept_only_once_validated(store: Store, tmp_path: Path) -> None:
    # Given a run's folder
    folder = RunFolder(tmp_path / "m-a").make()
    folder.update(cutoff="2026-11-22T02:00:00+00:00")
    folder.votes.write_bytes(b"votes")
    folder.file("other.txt").write_text("of no interest")

    # When
    publish.save_run(store, folder, with_votes=False)
    before = store.keys()
    publish.save_run(store, folder, with_votes=True)

    # Then
    assert before == ["runs/m-a/run.json"]
    assert store.keys() == ["runs/m-a/run.json", "runs/m-a/votes.parquet"]
    assert [record["run_id"] for record in publish.snapshots(store)] == ["m-a"]
