"""A version on disk: whole and unchanged, or a clear error; never something in between."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import load_file, save_file
from safetensors.torch import save_file as save_torch

from common.errors import ArtifactError
from task import artifact
from task.artifact import FOLD_TABLES, MANIFEST, METADATA, MODEL, SELF_TEST, TABLE
from tests.learning import vocabulary, write_version

KNOWN = vocabulary("댄디컷", "Two Block", "💇 '컷' OR 1=1", faces=["계란형", "긴형"])


@pytest.fixture(scope="module")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = write_version(tmp_path_factory.mktemp("version") / "m-a", KNOWN)
    (folder / "report.html").write_text("<p>report</p>")
    (folder / MANIFEST).write_bytes(artifact.manifest(folder))
    return folder


@pytest.fixture
def version(pristine: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(pristine, tmp_path / "m-a"))


def edit(path: Path, **changes: Any) -> None:
    path.write_text(json.dumps(json.loads(path.read_bytes()) | changes), "utf-8")


def without(path: Path, key: str) -> None:
    content = json.loads(path.read_bytes())
    del content[key]
    path.write_text(json.dumps(content), "utf-8")


def retable(folder: Path, **changes: Callable[[np.ndarray], np.ndarray] | None) -> None:
    tables = load_file(folder / TABLE)
    for name, change in changes.items():
        if change is None:
            del tables[name]
        else:
            tables[name] = change(tables[name])
    save_file(tables, folder / TABLE)


def test_a_version_reads_back_as_it_was_written(version: Path) -> None:
    table = artifact.load(version)

    assert (table.version, table.vocabulary, table.threshold) == ("m-a", KNOWN, 0.5)
    expected = np.linspace(0.05, 0.95, int(np.prod(KNOWN.sizes))).reshape(KNOWN.sizes)
    assert table.like.dtype == table.score.dtype == np.float32
    assert np.array_equal(table.like, expected.astype(np.float32))
    assert np.allclose(table.score, 1 - expected)
    assert np.array_equal(table.answers(), table.like >= 0.5)
    assert table.metadata["format_version"] == artifact.FORMAT_VERSION


def test_the_same_content_is_the_same_bytes(version: Path, tmp_path: Path) -> None:
    again = write_version(tmp_path / "again", KNOWN)
    shutil.copyfile(version / "report.html", again / "report.html")

    assert artifact.digests(again) == artifact.digests(version)
    assert artifact.manifest(again) == (version / MANIFEST).read_bytes()


def test_a_whole_version_is_verified_by_its_manifest_alone(version: Path) -> None:
    assert artifact.verify(version) == artifact.sha256(version / MANIFEST)
    whole = {MODEL, METADATA, TABLE, FOLD_TABLES, SELF_TEST, "report.html"}
    assert set(artifact.files(version)) == whole


@pytest.mark.parametrize("name", [MODEL, METADATA, TABLE, FOLD_TABLES, SELF_TEST, "report.html"])
@pytest.mark.parametrize("damage", ["truncated", "altered", "missing"])
def test_a_damaged_file_is_named(version: Path, name: str, damage: str) -> None:
    whole = (version / name).read_bytes()
    if damage == "missing":
        (version / name).unlink()
    else:
        half = whole[: len(whole) // 2]
        changed = half if damage == "truncated" else half + b"~" + whole[len(half) + 1 :]
        (version / name).write_bytes(changed)

    with pytest.raises(ArtifactError, match=f"^{name} must have the sha256"):
        artifact.verify(version)


@pytest.mark.parametrize(
    "content, says",
    [
        ({"format_version": 3}, "must have format_version 2 or an older one, got 3: a newer"),
        ({"format_version": 0}, "must have format_version 2 or an older one, got 0"),
        ({"format_version": None}, "must have format_version 2 or an older one, got None"),
        # Names fewer files than a version has: the rest could be anything
        ({"files": {MODEL: "0" * 64}}, "must name the sha256 of"),
        ({"files": {}}, "must name the sha256 of"),
        ({"files": [MODEL]}, "must name the sha256 of"),
        ({"files": None}, "must name the sha256 of"),
    ],
)
def test_a_manifest_that_names_no_whole_version_is_refused(
    version: Path, content: dict[str, Any], says: str
) -> None:
    edit(version / MANIFEST, **content)

    with pytest.raises(ArtifactError, match=says):
        artifact.verify(version)


@pytest.mark.parametrize(
    "name", ["../secret", "/etc/passwd", "..", "a/b", "a\\..\\b", "", ".hidden", "x\n", "x\x00"]
)
def test_a_manifest_reaches_nothing_outside_the_version(version: Path, name: str) -> None:
    (version.parent / "secret").write_text("secret")
    named = artifact.files(version) | {name: artifact.sha256(version.parent / "secret")}
    edit(version / MANIFEST, files=named)

    with pytest.raises(ArtifactError, match="nothing outside the version"):
        artifact.verify(version)


def test_a_manifest_of_this_format_names_the_folds_and_one_of_format_1_has_none(
    version: Path,
) -> None:
    named = artifact.files(version)
    del named[FOLD_TABLES]

    edit(version / MANIFEST, files=named)
    with pytest.raises(ArtifactError, match=f"must name the sha256 of .*{FOLD_TABLES}"):
        artifact.verify(version)
    edit(version / MANIFEST, format_version=1)
    assert artifact.verify(version) == artifact.sha256(version / MANIFEST)


@pytest.mark.parametrize("name", [METADATA, SELF_TEST, MANIFEST])
@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"7", b"\xff\xfe", b'{"a": '])
def test_what_is_no_json_object_is_refused(version: Path, name: str, content: bytes) -> None:
    (version / name).write_bytes(content)
    read = artifact.verify if name == MANIFEST else artifact.self_test

    with pytest.raises(ArtifactError, match=f"{name} must be"):
        read(version)


@pytest.mark.parametrize("name", [METADATA, SELF_TEST, TABLE, MANIFEST])
def test_a_missing_file_is_a_clear_error(version: Path, name: str) -> None:
    (version / name).unlink()
    read = artifact.verify if name == MANIFEST else artifact.self_test

    with pytest.raises(ArtifactError, match=f"{name} must be"):
        read(version)


@pytest.mark.parametrize(
    "changes, says",
    [
        ({"format_version": 3}, "must have format_version 2 or an older one, got 3: a newer"),
        ({"format_version": "2"}, "must have format_version 2 or an older one, got '2'"),
        ({"threshold": "high"}, "must be whole"),
        ({"threshold": None}, "must be whole"),
        ({"threshold": float("nan")}, "threshold must be in 0..1, got nan"),
        ({"threshold": 1.5}, "threshold must be in 0..1, got 1.5"),
        ({"vocabulary": {"faces": [""]}}, "must be whole, got KeyError"),
        ({"vocabulary": [1, 2]}, "must be whole"),
        ({"vocabulary": KNOWN.as_dict() | {"names": []}}, "each style must have a name"),
        # One style fewer than the table has: every later style would be another one
        (
            {"vocabulary": vocabulary("댄디컷", "b", faces=["계란형", "긴형"]).as_dict()},
            r"like must be a \(3, 3, 3\) table|score must be a \(3, 3, 3\) table",
        ),
    ],
)
def test_metadata_that_do_not_fit_are_refused(
    version: Path, changes: dict[str, Any], says: str
) -> None:
    edit(version / METADATA, **changes)

    with pytest.raises(ArtifactError, match=says):
        artifact.load(version)


@pytest.mark.parametrize("key", ["vocabulary", "version", "threshold", "format_version"])
def test_missing_metadata_are_named(version: Path, key: str) -> None:
    without(version / METADATA, key)

    with pytest.raises(ArtifactError, match=key):
        artifact.load(version)


def spoilt(value: float) -> Callable[[np.ndarray], np.ndarray]:
    def change(table: np.ndarray) -> np.ndarray:
        table = table.copy()
        table[0, 0, 0] = value
        return table

    return change


@pytest.mark.parametrize("name", ["like", "score"])
@pytest.mark.parametrize(
    "change",
    [
        spoilt(float("nan")),
        spoilt(float("inf")),
        spoilt(1.0001),
        spoilt(-0.0001),
        lambda table: table[:, :, 1:],  # a style is missing
        lambda table: table.ravel(),
        lambda table: table.astype(np.float64),
        lambda table: table.astype(np.int32),
        None,  # the table is not there at all
    ],
)
def test_a_table_that_is_none_is_refused(
    version: Path, name: str, change: Callable[[np.ndarray], np.ndarray] | None
) -> None:
    retable(version, **{name: change})

    with pytest.raises(ArtifactError, match=name):
        artifact.load(version)


def test_a_table_of_a_kind_of_number_that_numpy_lacks_is_refused(version: Path) -> None:
    for kind in (torch.bfloat16, torch.float8_e4m3fn):
        save_torch({"like": torch.zeros(2, 2).to(kind)}, version / TABLE)

        with pytest.raises(ArtifactError, match=r"table\.safetensors must be a whole"):
            artifact.load(version)


@pytest.mark.parametrize("content", [b"", b"\x00" * 64, b"\xff" * 64, b"not a table"])
def test_a_table_file_that_is_none_is_refused(version: Path, content: bytes) -> None:
    (version / TABLE).write_bytes(content)

    with pytest.raises(ArtifactError, match=r"table\.safetensors must be a whole"):
        artifact.load(version)


def test_scores_are_kept_in_range_and_probabilities_are_not_bent(tmp_path: Path) -> None:
    # Given a linear score head that leaves 0..1, and a probability that must not
    shape = KNOWN.sizes
    metadata = {"version": "m-a", "vocabulary": KNOWN.as_dict(), "threshold": 0.5}
    score = np.linspace(-0.5, 1.5, int(np.prod(shape))).reshape(shape)
    weights: dict[str, np.ndarray] = {"w": np.zeros(1)}

    artifact.write(
        tmp_path, weights=weights, metadata=metadata, score=score, like=np.full(shape, 0.5)
    )
    assert artifact.load(tmp_path).score.min() == 0.0
    assert artifact.load(tmp_path).score.max() == 1.0
    artifact.write(
        tmp_path, weights=weights, metadata=metadata, score=score, like=np.full(shape, 1.5)
    )
    with pytest.raises(ArtifactError, match="like"):
        artifact.load(tmp_path)


def test_not_a_number_never_gets_into_a_file(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="JSON"):
        artifact.write_json(tmp_path / "x.json", {"threshold": float("nan")})
