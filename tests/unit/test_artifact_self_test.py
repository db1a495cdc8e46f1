"""The self-test: a version answers as it did when it was made, or it does not serve."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from safetensors.numpy import load_file, save_file

from common.errors import ArtifactError
from task import artifact
from task.artifact import METADATA, SELF_TEST, TABLE
from tests.learning import vocabulary, write_version

KNOWN = vocabulary("댄디컷", "Two Block", "가일컷")
Content = dict[str, Any]


@pytest.fixture
def version(tmp_path: Path) -> Path:
    return write_version(tmp_path / "m-a", KNOWN)


def content(version: Path) -> Content:
    return dict(json.loads((version / SELF_TEST).read_bytes()))


def test_a_version_passes_its_own_self_test(version: Path) -> None:
    assert artifact.self_test(version).version == "m-a"


def test_golden_requests_touch_every_face_tone_and_style_and_names_never_seen(
    version: Path,
) -> None:
    golden = content(version)["golden"]

    assert {request["face_shape"] for request in golden} >= set(KNOWN.faces)
    assert {request["skin_tone"] for request in golden} >= set(KNOWN.tones)
    assert {request["hairstyle"] for request in golden} >= set(KNOWN.styles)
    unknown = artifact.load(version).like[0, 0, 0]
    assert golden[-1]["hairstyle"] == "never seen before"
    assert golden[-1]["like_probability"] == float(unknown)


def test_the_recorded_log_loss_is_that_of_the_labelled_cells(version: Path) -> None:
    p = float(artifact.load(version).like[1, 1, -1])

    expected = -(3 * np.log(p) + 2 * np.log(1 - p)) / 5
    assert content(version)["log_loss"] == pytest.approx(expected, abs=1e-12)


def test_a_version_without_labelled_cells_has_no_log_loss_and_passes(version: Path) -> None:
    artifact.write_self_test(version, [])

    assert content(version)["log_loss"] is None
    artifact.self_test(version)


@pytest.mark.parametrize("name", ["like", "score"])
def test_one_other_answer_is_noticed(version: Path, name: str) -> None:
    tables = load_file(version / TABLE)
    tables[name] = np.clip(tables[name] + np.float32(1e-6), 0, 1)
    save_file(tables, version / TABLE)

    with pytest.raises(
        ArtifactError, match=r"golden request answered .*the version must not serve"
    ):
        artifact.self_test(version)


def test_another_threshold_is_noticed(version: Path) -> None:
    metadata = json.loads((version / METADATA).read_bytes())
    (version / METADATA).write_text(json.dumps(metadata | {"threshold": 0.55}))

    with pytest.raises(ArtifactError, match="golden request answered"):
        artifact.self_test(version)


def test_a_changed_label_is_noticed(version: Path) -> None:
    found = content(version)
    found["cells"][0][3] += 1
    artifact.write_json(version / SELF_TEST, found)

    with pytest.raises(ArtifactError, match=r"log-loss is .*, recorded was"):
        artifact.self_test(version)


def drop(key: str) -> Callable[[Content], None]:
    return lambda found: found.pop(key)


def put(**values: Any) -> Callable[[Content], None]:
    return lambda found: found.update(values)


@pytest.mark.parametrize(
    "change",
    [
        drop("golden"),
        drop("cells"),
        drop("log_loss"),
        put(golden=[]),  # nothing to replay proves nothing
        put(golden=[{"face_shape": "긴형"}]),
        put(golden=["긴형"]),
        put(golden=[{"face_shape": 1, "skin_tone": [], "hairstyle": 7}]),
        put(cells=[["긴형"]]),
        put(cells=[["긴형", "웜톤", "댄디컷", "many", 1]]),
        put(cells=[["긴형", "웜톤", "댄디컷", 10**30, 1]]),
        put(cells=7),
        put(log_loss=None),
        put(log_loss="0.5"),
        put(log_loss=0.5),
        put(cells=[]),  # a loss without votes
    ],
)
def test_a_self_test_that_is_none_is_refused(
    version: Path, change: Callable[[Content], None]
) -> None:
    found = content(version)
    change(found)
    artifact.write_json(version / SELF_TEST, found)

    with pytest.raises(ArtifactError, match=r"self.test"):
        artifact.self_test(version)


def test_a_recorded_loss_that_is_no_number_is_not_agreed_with(version: Path) -> None:
    text = json.dumps(content(version) | {"log_loss": float("nan")})
    (version / SELF_TEST).write_text(text)

    with pytest.raises(ArtifactError, match="recorded was nan"):
        artifact.self_test(version)


def test_the_name_that_format_1_had_for_the_loss_is_read(version: Path) -> None:
    found = content(version)
    found["test_log_loss"] = found.pop("log_loss")
    artifact.write_json(version / SELF_TEST, found)

    assert artifact.self_test(version).version == "m-a"
    assert artifact.recorded_loss(found) == found["test_log_loss"]
    artifact.write_json(version / SELF_TEST, found | {"test_log_loss": 0.5})
    with pytest.raises(ArtifactError, match=r"log-loss is .*, recorded was 0\.5"):
        artifact.self_test(version)
