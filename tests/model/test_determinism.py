"""The same inputs give the same bytes, whatever the process, its hash seed or its threads."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from local.world import make_world
from tests.learning import drawn, write_votes

ROOT = Path(__file__).parents[2]
VOTES = drawn(make_world("rules", styles=30, seed=1), 1_800, seed=1)


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """What two processes at once made of the same votes, the second of them shuffled."""
    folder = tmp_path_factory.mktemp("made")
    shuffled = random.Random(1).sample(VOTES, len(VOTES))
    processes = [
        start(write_votes(folder / f"{number}.parquet", votes), threads, number)
        for number, votes, threads in (("1", VOTES, 1), ("2", shuffled, 2))
    ]
    answers = [process.communicate() for process in processes]
    assert [process.returncode for process in processes] == [0, 0], answers
    return [json.loads(out) for out, _ in answers]


def start(votes: Path, threads: int, hash_seed: str) -> subprocess.Popen[str]:
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")
    variables = os.environ | dict.fromkeys(names, str(threads))
    return subprocess.Popen(
        [sys.executable, "-m", "tests.model.maker", str(votes)],
        cwd=ROOT,
        env=variables | {"PYTHONHASHSEED": hash_seed},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize("kind", ["hierarchical", "embedding"])
@pytest.mark.parametrize("name", ["weights", "tables", "folds", "account"])
def test_another_process_learns_the_same_to_the_last_bit(
    made: list[dict[str, Any]], kind: str, name: str
) -> None:
    one, other = made

    assert one[kind][name] == other[kind][name]


def test_the_number_of_threads_changes_no_digit(made: list[dict[str, Any]]) -> None:
    one, other = made

    assert one["wide"] == other["wide"]


def test_the_candidates_are_different_models(made: list[dict[str, Any]]) -> None:
    # Otherwise the digests above would agree for the wrong reason
    assert made[0]["hierarchical"]["tables"] != made[0]["embedding"]["tables"]
