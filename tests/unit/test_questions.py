"""What is asked of a version in service is what its API takes, whatever names people once typed."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from api.middleware import MAX_BODY
from api.schemas import BatchRequest, PredictRequest
from common.feedback import MOST_MARKS, style_key
from common.serving.answers import BATCH
from task import artifact, questions
from tests.learning import vocabulary
from tests.unit.serving import fake_api

TOO_LONG = "긴" * (questions.LONGEST_NAME + 1)
TOO_MANY_MARKS = "a" + "\u0301" * (MOST_MARKS + 2)  # the first joins the letter
LONGEST = "긴" * questions.LONGEST_NAME


@pytest.fixture
def version(tmp_path: Path) -> Path:
    """A version that knows such names, with a test vote for each."""
    known = vocabulary("리프 컷", LONGEST, TOO_LONG, TOO_MANY_MARKS)
    like = np.linspace(0.1, 0.9, int(np.prod(known.sizes))).reshape(known.sizes)
    metadata = {
        "version": "m-1",
        "vocabulary": known.as_dict(),
        "threshold": 0.5,
        "cutoff": "2026-01-01T00:00:00+00:00",
    }
    artifact.write(
        tmp_path, weights={"w": np.arange(3.0)}, metadata=metadata, score=1 - like, like=like
    )
    cells = [[known.faces[1], known.tones[1], style, 1, 1] for style in known.styles[1:]]
    artifact.write_self_test(tmp_path, cells)
    return tmp_path


def test_a_name_that_the_api_refuses_is_not_asked_about(version: Path) -> None:
    asked = [question.item for question in questions.of(version)]

    styles = {item["hairstyle"] for item in asked}
    assert styles >= {"리프컷", LONGEST}
    assert not styles & {TOO_LONG, style_key(TOO_MANY_MARKS)}
    taken = BatchRequest.model_validate_json(json.dumps({"items": asked})).items
    assert all(isinstance(item, PredictRequest) for item in taken)


@pytest.mark.parametrize("character", ["긴", "\U0001f487", '"', "\x01"])
def test_a_batch_of_the_longest_names_fits_into_one_request(character: str) -> None:
    sizes = []
    item = {"face_shape": "계란형", "skin_tone": "중간톤"}
    items = [item | {"hairstyle": character * questions.LONGEST_NAME}] * BATCH
    with fake_api() as fake:

        def answer(_path: str, body: bytes) -> tuple[int, bytes]:
            sizes.append(len(body))
            return 200, json.dumps({"items": [{}] * BATCH}).encode()

        fake.answer = answer  # type: ignore[assignment, method-assign]
        fake.api.predict(items)

    assert sizes[0] < MAX_BODY
