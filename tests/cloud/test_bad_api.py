"""The API that goes wrong on command: with the version that is named, and as it is told."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest

from common.errors import ArtifactError, UsageError
from local import bad_api
from local.bad_api import Fault, OrderedError
from task import artifact
from task.artifact import ScoreTable
from tests.learning import vocabulary, write_version

NAME = "m-a"


@pytest.fixture
def version(tmp_path: Path) -> Path:
    return write_version(tmp_path / NAME, vocabulary("댄디컷", "가일컷"))


@pytest.fixture(autouse=True)
def put_back() -> Iterator[None]:
    """What a fault replaces is there again after the test."""
    with (
        mock.patch.object(artifact, "load", artifact.load),
        mock.patch.object(artifact, "self_test", artifact.self_test),
    ):
        yield


def served(folder: Path, /, **fault: Any) -> ScoreTable:
    """What an API with this fault would answer from."""
    bad_api.install(Fault(**fault))
    return artifact.self_test(folder)


def test_swapped_labels_pass_the_self_test_and_are_the_other_way_round(version: Path) -> None:
    good, files = artifact.self_test(version), artifact.digests(version)

    bad = served(version, fault="swapped", version=NAME)

    assert np.allclose(bad.like, 1 - good.like)
    certain = np.abs(good.like - good.threshold) > 1e-6
    assert (bad.answers() != good.answers())[certain].all()
    assert artifact.digests(version) == files


def test_a_constant_answer_is_the_same_for_everybody(version: Path) -> None:
    bad = served(version, fault="constant")

    assert (np.unique(bad.like).size, np.unique(bad.score).size) == (1, 1)


def test_wrong_answers_are_found_by_the_self_test(version: Path) -> None:
    with pytest.raises(ArtifactError, match="golden request answered"):
        served(version, fault="wrong_self_test")


@pytest.mark.parametrize(
    "which, is_bad",
    [
        ({}, True),
        ({"version": NAME}, True),
        ({"version": "m-b"}, False),  # after a roll-back the same program serves well
        ({"other_than": NAME}, False),
        ({"other_than": "m-b"}, True),
    ],
)
def test_only_the_versions_that_are_meant_go_wrong(
    version: Path, which: dict[str, str], is_bad: bool
) -> None:
    good = artifact.self_test(version)

    bad = served(version, fault="swapped", **which)

    assert (bad is good or bool((bad.like == good.like).all())) is not is_bad


def test_a_share_of_the_requests_fails(version: Path) -> None:
    bad = served(version, fault="errors", share=0.25)
    failed = 0

    for _ in range(8):
        try:
            bad.lookup(None, None, None)
        except OrderedError:
            failed += 1

    assert failed == 2


def test_the_process_ends_at_the_request_that_is_named(version: Path) -> None:
    bad = served(version, fault="crash_after", requests=2)

    with mock.patch("os._exit") as ended:
        bad.lookup(None, None, None)
        before = ended.call_count
        bad.lookup(None, None, None)

    assert (before, ended.call_count) == (0, 1)


def test_a_slow_start_takes_its_time_before_the_version_is_there(version: Path) -> None:
    with mock.patch("time.sleep") as slept:
        served(version, fault="slow_start", seconds=7.0)

    slept.assert_called_once_with(7.0)


@pytest.mark.parametrize("text", ["", "{", "[]", '{"fault": "unknown"}', '{"falt": "swapped"}'])
def test_an_order_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="BAD_API"):
        bad_api.fault_of({"BAD_API": text})
