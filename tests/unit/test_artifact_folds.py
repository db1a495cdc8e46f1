"""What a version's folds answer is kept with it: whole, of its table's sizes, or a clear error."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from safetensors.numpy import load_file, save_file

from common.errors import ArtifactError
from task import artifact
from task.artifact import FOLD_TABLES, METADATA, FoldTables
from task.folds import FOLDS
from tests.learning import folds_like, vocabulary, write_version

KNOWN = vocabulary("댄디컷", "Two Block", faces=["계란형", "긴형"])
Tensors = dict[str, NDArray[Any]]


@pytest.fixture
def version(tmp_path: Path) -> Path:
    return write_version(tmp_path / "m-a", KNOWN)


def read(version: Path) -> FoldTables | None:
    return artifact.read_folds(version, artifact.load(version))


def distinct(base: bool) -> FoldTables:
    """Folds of which no two numbers are the same."""
    rng = np.random.default_rng(1)
    folds = folds_like(np.full(KNOWN.sizes, 0.5))
    return replace(
        folds,
        like=rng.random(folds.like.shape).astype(np.float32),
        score=rng.random(folds.like.shape).astype(np.float32),
        threshold=rng.random(FOLDS),
        constant=rng.random(FOLDS),
        base=rng.random(KNOWN.sizes).astype(np.float32) if base else None,
    )


@pytest.mark.parametrize("base", [True, False])
def test_folds_read_back_as_they_were_written(version: Path, base: bool) -> None:
    written = distinct(base)
    artifact.write_folds(version, written)

    found = read(version)

    assert found is not None
    for name, values in vars(written).items():
        again = getattr(found, name)
        if values is None:
            assert again is None
        else:
            assert np.array_equal(again, values)
            assert again.dtype == values.dtype


def test_the_same_folds_are_the_same_bytes(version: Path, tmp_path: Path) -> None:
    for folder in (version, tmp_path):
        artifact.write_folds(folder, distinct(True))

    assert (version / FOLD_TABLES).read_bytes() == (tmp_path / FOLD_TABLES).read_bytes()


def put(name: str, change: Callable[[NDArray[Any]], NDArray[Any]]) -> Callable[[Tensors], object]:
    return lambda tensors: tensors.update({name: change(tensors[name])})


def spoilt(value: float) -> Callable[[NDArray[Any]], NDArray[Any]]:
    def change(values: NDArray[Any]) -> NDArray[Any]:
        values = values.copy()
        values.flat[0] = value
        return values

    return change


NAMES = ("like", "score", "threshold", "constant", "base")


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize(
    "change",
    [
        spoilt(float("nan")),
        spoilt(1.01),
        spoilt(-0.01),
        lambda values: values[..., 1:].copy(),  # a style, or a fold, is missing
        lambda values: values[None],
    ],
)
def test_folds_that_are_damaged_are_refused_by_name(
    version: Path, name: str, change: Callable[[NDArray[Any]], NDArray[Any]]
) -> None:
    artifact.write_folds(version, distinct(True))
    tensors = load_file(version / FOLD_TABLES)
    put(name, change)(tensors)
    save_file(tensors, version / FOLD_TABLES)

    with pytest.raises(ArtifactError, match=rf"must hold .* got {name} wrong; restore its files"):
        read(version)


@pytest.mark.parametrize("name", NAMES[:-1])
def test_folds_that_lack_a_part_are_refused(version: Path, name: str) -> None:
    tensors = load_file(version / FOLD_TABLES)
    del tensors[name]
    save_file(tensors, version / FOLD_TABLES)

    with pytest.raises(ArtifactError, match=f"got {name} wrong"):
        read(version)


@pytest.mark.parametrize("content", [None, b"", b"\xff" * 64])
def test_a_version_of_this_format_without_its_folds_is_an_error_and_not_an_older_one(
    version: Path, content: bytes | None
) -> None:
    if content is None:
        (version / FOLD_TABLES).unlink()
    else:
        (version / FOLD_TABLES).write_bytes(content)

    with pytest.raises(ArtifactError, match=rf"{FOLD_TABLES} must be a whole safetensors file"):
        read(version)


@pytest.mark.parametrize("folds", [None, 9, "ten", [10], {}])
def test_metadata_of_another_number_of_folds_are_refused(version: Path, folds: Any) -> None:
    metadata = json.loads((version / METADATA).read_bytes())
    (version / METADATA).write_text(json.dumps(metadata | {"folds": folds}))

    with pytest.raises(ArtifactError, match="folds wrong; restore its files"):
        read(version)


def test_a_version_of_format_1_has_none(version: Path) -> None:
    metadata = json.loads((version / METADATA).read_bytes())
    (version / METADATA).write_text(json.dumps(metadata | {"format_version": 1}))
    (version / FOLD_TABLES).unlink()

    assert read(version) is None
