"""A model version as files, and the checks that it must pass before anything believes it.

A version's folder holds the weights with their metadata (`model.safetensors`, `model.json`),
the score and like probability of every face × tone × style (`table.safetensors`: all that is
needed to serve), the same of the models that were fitted without one fold each
(`folds.safetensors`: what judges the version), golden requests and labelled cells
(`self_test.json`), and last `manifest.json` with the sha256 of each file.
NumPy, safetensors and JSON only, so that the API can import this; never a pickle, which runs code
when it is read.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from safetensors import SafetensorError
from safetensors.numpy import load_file, save_file

from common.errors import ArtifactError
from common.feedback import FOLDS, SPLIT_VERSION
from task import features, metrics
from task.features import Vocabulary

FORMAT_VERSION = 2
"""1: fitted on 70 % of the groups of a fixed split, judged on 15 % of them, without folds."""
READABLE = (1, FORMAT_VERSION)
MODEL, METADATA, TABLE, SELF_TEST, FOLD_TABLES = (
    "model.safetensors",
    "model.json",
    "table.safetensors",
    "self_test.json",
    "folds.safetensors",
)
MANIFEST = "manifest.json"
REPRODUCED = {
    "model": MODEL,
    "metadata": METADATA,
    "table": TABLE,
    "folds": FOLD_TABLES,
    "self_test": SELF_TEST,
}
"""The files whose bytes must come out the same from the same inputs."""
GOLDEN = 24
"""Number of golden requests; enough to touch every face and tone."""

Table = NDArray[np.float32]
_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]*")


@dataclass(frozen=True, kw_only=True)
class ScoreTable:
    """What a version answers: score and like probability, each (F, T, S) float32 in 0..1."""

    version: str
    vocabulary: Vocabulary
    score: Table
    like: Table
    threshold: float
    metadata: Mapping[str, Any]

    def answers(self) -> NDArray[np.bool_]:
        """Whether `like` is the answer: (F, T, S)."""
        return self.like.astype(np.float64) >= self.threshold

    def lookup(self, face: str | None, tone: str | None, style: str | None) -> tuple[int, int, int]:
        known = self.vocabulary
        return known.face(face), known.tone(tone), known.style(style)


@dataclass(frozen=True, kw_only=True)
class FoldTables:
    """What a version's folds answer: like and score (FOLDS, F, T, S), threshold (FOLDS,).

    `constant` (FOLDS,) is the like rate of the votes outside each fold, `base` (F, T, S) the base
    data's own answer or None: what a first version is held against.
    """

    like: Table
    score: Table
    threshold: NDArray[np.float64]
    constant: NDArray[np.float64]
    base: Table | None


def write(
    folder: Path,
    *,
    weights: Mapping[str, NDArray[Any]],
    metadata: Mapping[str, Any],
    score: NDArray[np.float64],
    like: NDArray[np.float64],
) -> None:
    """Write the model, its metadata and its table. `metadata` must hold `vocabulary`."""
    folder.mkdir(parents=True, exist_ok=True)
    save_file({k: np.ascontiguousarray(v) for k, v in weights.items()}, folder / MODEL)
    tables = {"score": np.clip(score, 0.0, 1.0), "like": like}
    save_file({k: v.astype(np.float32) for k, v in tables.items()}, folder / TABLE)
    head = {"format_version": FORMAT_VERSION, "split_version": SPLIT_VERSION, "folds": FOLDS}
    write_json(folder / METADATA, {**head, **metadata})


def write_folds(folder: Path, folds: FoldTables) -> None:
    """Write what the version's folds answer."""
    tensors: dict[str, NDArray[Any]] = {
        "like": folds.like,
        "score": folds.score,
        "threshold": folds.threshold,
        "constant": folds.constant,
    }
    if folds.base is not None:
        tensors["base"] = folds.base
    save_file({k: np.ascontiguousarray(v) for k, v in tensors.items()}, folder / FOLD_TABLES)


def read_folds(folder: Path, table: ScoreTable) -> FoldTables | None:
    """What a version's folds answer; None for a version of format 1, which has none.

    Raises ArtifactError when the file is damaged, or of other sizes than the version's table.
    """
    if table.metadata["format_version"] == 1:
        return None
    tensors = read_tensors(folder / FOLD_TABLES)
    shape = (FOLDS, *table.vocabulary.sizes)
    wanted = {"like": shape, "score": shape, "threshold": shape[:1], "constant": shape[:1]}
    if "base" in tensors:
        wanted["base"] = shape[1:]
    wrong = [
        name
        for name, size in wanted.items()
        if name not in tensors or tensors[name].shape != size or not _in_unit(tensors[name])
    ]
    counted = table.metadata.get("folds")
    if wrong or counted != FOLDS:
        raise ArtifactError(
            f"{FOLD_TABLES} must hold {', '.join(wanted)} of {FOLDS} folds, sized as {TABLE} is, "
            f"all in 0..1, got {', '.join(wrong) or f'{counted!r} folds'} wrong; restore its "
            "files, or roll back to another version"
        )
    base = tensors.get("base")
    return FoldTables(**{name: tensors[name] for name in wanted if name != "base"}, base=base)


def write_json(path: Path, value: object) -> None:
    """JSON with sorted keys, so that equal values are equal bytes; NaN is not JSON."""
    text = json.dumps(value, ensure_ascii=False, sort_keys=True, indent=1, allow_nan=False)
    path.write_text(text + "\n", "utf-8")


def read_metadata(folder: Path) -> dict[str, Any]:
    """`model.json`. Raises ArtifactError when it is damaged or of another format."""
    metadata = _read_json(folder / METADATA)
    found = metadata.get("format_version")
    if found not in READABLE:
        raise ArtifactError(
            f"{METADATA} must have format_version {FORMAT_VERSION} or an older one, got {found!r}: "
            "a newer release wrote it; upgrade this installation or choose another version"
        )
    return metadata


def load(folder: Path) -> ScoreTable:
    """The table of a version's folder. Raises ArtifactError on any damage."""
    metadata = read_metadata(folder)
    tables = read_tensors(folder / TABLE)
    try:
        vocabulary = features.from_dict(metadata["vocabulary"])
        version, threshold = str(metadata["version"]), float(metadata["threshold"])
        score, like = tables["score"], tables["like"]
    except (KeyError, TypeError, ValueError) as error:
        raise ArtifactError(
            f"{folder.name}: {METADATA} and {TABLE} must be whole, got {error!r}; "
            "restore its files, or roll back to another version"
        ) from error
    if not 0.0 <= threshold <= 1.0:  # NaN is not, either
        raise ArtifactError(
            f"{METADATA}: threshold must be in 0..1, got {threshold}; "
            "restore its files, or roll back to another version"
        )
    for name, table in (("score", score), ("like", like)):
        if table.shape != vocabulary.sizes or table.dtype != np.float32 or not _in_unit(table):
            raise ArtifactError(
                f"{TABLE}: {name} must be a {vocabulary.sizes} table of float32 in 0..1, got "
                f"{table.shape} of {table.dtype}; restore its files, or roll back to another "
                "version"
            )
    return ScoreTable(
        version=version,
        vocabulary=vocabulary,
        score=score,
        like=like,
        threshold=threshold,
        metadata=metadata,
    )


def read_tensors(path: Path) -> dict[str, NDArray[Any]]:
    """A safetensors file. Raises ArtifactError when it is missing or damaged."""
    try:
        return load_file(path)
    except (OSError, SafetensorError, ValueError, TypeError, AttributeError) as error:
        # The last two: a kind of number that NumPy does not have.
        raise ArtifactError(
            f"{path.name} must be a whole safetensors file, got {error}; "
            "restore its files, or roll back to another version"
        ) from error


def write_self_test(folder: Path, cells: list[list[Any]]) -> None:
    """Write golden requests with their answers, and labelled cells with their log-loss.

    `cells` are rows [face, tone, style key, likes, dislikes] of real votes. The version has
    learned from them: their loss proves that the files score as when they were made, nothing else.
    """
    table = load(folder)
    loss = _cells_loss(table, cells)
    content = {
        "format_version": FORMAT_VERSION,
        "golden": [_answer(table, *request) for request in _golden(table.vocabulary)],
        "cells": cells,
        "log_loss": loss,
    }
    write_json(folder / SELF_TEST, content)


def self_test(folder: Path) -> ScoreTable:
    """Replay the golden requests and recompute the labelled cells' log-loss; return the table.

    Raises ArtifactError naming the first difference.
    """
    table, expected = load(folder), read_self_test(folder)
    try:
        golden, cells, loss = expected["golden"], expected["cells"], recorded_loss(expected)
        for wanted in golden:
            got = _answer(table, wanted["face_shape"], wanted["skin_tone"], wanted["hairstyle"])
            if got != wanted:
                raise ArtifactError(
                    f"self-test of {table.version}: golden request answered {got}, recorded was "
                    f"{wanted}; the version must not serve, choose another"
                )
        again = _cells_loss(table, cells)
        same = bool(golden) and same_loss(again, loss)
    except (KeyError, TypeError, ValueError, OverflowError) as error:
        raise ArtifactError(
            f"{SELF_TEST} must hold golden requests, cells and log_loss, got {error!r}; "
            "restore its files, or roll back to another version"
        ) from error
    if not same:
        raise ArtifactError(
            f"self-test of {table.version}: log-loss is {again} after {len(golden)} golden "
            f"requests, recorded was {loss}; the version must not serve, choose another"
        )
    return table


def read_self_test(folder: Path) -> dict[str, Any]:
    """`self_test.json` as it stands. Raises ArtifactError when it is damaged."""
    return _read_json(folder / SELF_TEST)


def recorded_loss(self_test: Mapping[str, Any]) -> float | None:
    """The log-loss of the labelled cells; format 1 called it that of test votes.

    Raises KeyError when there is none.
    """
    value: float | None = self_test["test_log_loss" if "test_log_loss" in self_test else "log_loss"]
    return value


def digests(folder: Path) -> dict[str, str]:
    """sha256 of each file of a version, the manifest itself left out."""
    files = sorted(p for p in folder.iterdir() if p.is_file() and p.name != MANIFEST)
    return {path.name: sha256(path) for path in files}


def manifest(folder: Path) -> bytes:
    """The manifest of a folder as bytes: the same files give the same manifest."""
    content = {"format_version": FORMAT_VERSION, "files": digests(folder)}
    return (json.dumps(content, sort_keys=True, indent=1) + "\n").encode()


def files(folder: Path) -> dict[str, str]:
    """What the manifest in a folder names: each file and its sha256.

    Raises ArtifactError when it is damaged, of a newer format, or names no whole version.
    """
    content = _read_json(folder / MANIFEST)
    written = content.get("format_version")
    if written not in READABLE:
        raise ArtifactError(
            f"{MANIFEST} must have format_version {FORMAT_VERSION} or an older one, got "
            f"{content.get('format_version')!r}: a newer release wrote it; upgrade this "
            "installation or choose another version"
        )
    named = content.get("files")
    plain = isinstance(named, dict) and all(
        _NAME.fullmatch(name) and isinstance(digest, str) for name, digest in named.items()
    )
    needed = set(REPRODUCED.values()) - ({FOLD_TABLES} if written == 1 else set())
    if not isinstance(named, dict) or not plain or not needed <= set(named):
        raise ArtifactError(
            f"{MANIFEST} must name the sha256 of {', '.join(sorted(needed))} and of "
            "nothing outside the version; restore its files, or roll back to another version"
        )
    return named


def verify(folder: Path) -> str:
    """Check every file against the manifest; returns the sha256 of the manifest itself.

    Raises ArtifactError when a file is missing, altered or truncated.
    """
    for name, digest in files(folder).items():
        path = folder / name
        found = sha256(path) if path.is_file() else "no such file"
        if found != digest:
            raise ArtifactError(
                f"{name} must have the sha256 {digest[:12]}… of the manifest, got {found[:12]}; "
                "it was altered or truncated: restore its files, or roll back to another version"
            )
    return sha256(folder / MANIFEST)


def sha256(path: Path) -> str:
    """The sha256 of a file, in hex."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _read_json(path: Path) -> dict[str, Any]:
    try:
        value = json.loads(path.read_text("utf-8"))
    except (OSError, ValueError) as error:
        raise ArtifactError(
            f"{path.name} must be readable JSON, got {type(error).__name__}; "
            "restore its files, or roll back to another version"
        ) from error
    if not isinstance(value, dict):
        raise ArtifactError(
            f"{path.name} must be a JSON object, got {type(value).__name__}; "
            "restore its files, or roll back to another version"
        )
    return value


def _in_unit(table: NDArray[Any]) -> bool:
    return bool(np.all((table >= 0.0) & (table <= 1.0)))


def _golden(vocabulary: Vocabulary) -> list[tuple[str, str, str]]:
    """Requests spread over all faces, tones and styles, names not learned among them."""
    faces, tones, styles = vocabulary.sizes
    picks = np.linspace(0, styles - 1, GOLDEN).astype(int)
    requests = [
        (vocabulary.faces[i % faces], vocabulary.tones[i % tones], vocabulary.styles[pick])
        for i, pick in enumerate(picks)
    ]
    return [*requests, ("never seen", "never seen", "never seen before")]


def _answer(table: ScoreTable, face: str, tone: str, style: str) -> dict[str, Any]:
    at = table.lookup(face, tone, style)
    return {
        "face_shape": face,
        "skin_tone": tone,
        "hairstyle": style,
        "score": float(table.score[at]),
        "like_probability": float(table.like[at]),
        "like": bool(table.answers()[at]),
    }


def same_loss(again: float | None, recorded: float | None) -> bool:
    """Whether two log-losses of the same cells are the same; None is that of no cells."""
    if again is None or recorded is None:
        return again is recorded
    return abs(again - recorded) <= 1e-9  # NaN is not


def _cells_loss(table: ScoreTable, cells: list[list[Any]]) -> float | None:
    if not cells:
        return None
    at = np.array([table.lookup(*cell[:3]) for cell in cells]).T
    p = table.like[tuple(at)].astype(np.float64)
    like, dislike = np.array([cell[3:] for cell in cells], dtype=np.int64).T
    return metrics.log_loss(p, like, dislike)
