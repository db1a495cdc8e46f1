"""The bundle runs where only boto3 and the standard library are, as in the Lambda runtime."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.history import SqliteHistory, analysis
from tests.unit.trigger_samples import ENVIRON, WATCH_ENVIRON

Bare = Callable[..., Any]

NEVER = ["torch", "numpy", "pandas", "pyarrow", "yaml", "dotenv", "cryptography", "orjson", "rich"]
IMPORTED = "import boto3, retrain_trigger.handler, retrain_trigger.events"
USED = "common.mysql_database, common.registry.dynamodb, common.store.s3"
"""What is imported when an address asks for it."""
RUNS = 3
MOST = 2.0
"""Importing all there is may take so many times as long as importing boto3 alone."""
CREDENTIALS = {
    "AWS_ACCESS_KEY_ID": "testing",
    "AWS_SECRET_ACCESS_KEY": "testing",
    "AWS_REGION": "us-east-1",
    "AWS_DEFAULT_REGION": "us-east-1",
}


def test_both_functions_import_with_their_declared_dependencies_and_no_heavy_library(
    bare: Bare,
) -> None:
    loaded = bare(f"{IMPORTED}, {USED}\nimport json\nprint(json.dumps(sorted(sys.modules)))")

    assert {"retrain_trigger.handler", "retrain_trigger.events", "pymysql"} <= set(loaded)
    assert set(NEVER) & set(loaded) == set()


def test_importing_makes_no_client_and_reads_no_environment(bare: Bare) -> None:
    code = """
import json, os
read = []
class Watched(dict):
    def __getitem__(self, name):
        read.append(name)
        return super().__getitem__(name)
    def get(self, name, default=None):
        read.append(name)
        return super().get(name, default)
import botocore.exceptions, logging, urllib.request
os.environ = Watched(os.environ)
import retrain_trigger.handler, retrain_trigger.events
print(json.dumps({"read": read, "boto3": "boto3" in sys.modules}))
"""

    assert bare(code, ENVIRON) == {"read": [], "boto3": False}


@pytest.fixture
def environ(tmp_path: Path) -> dict[str, str]:
    """Both functions' environment over local addresses."""
    history = SqliteHistory(tmp_path / "votes.sqlite")
    history.store(*(analysis(n, "like", "bad", "LIKE") for n in range(1, 21)))
    addresses = {
        "DATABASE_URL": f"sqlite:///{history.path}",
        "REGISTRY_URL": f"sqlite:///{tmp_path}/registry.sqlite",
    }
    return {**addresses, **ENVIRON, **WATCH_ENVIRON, **CREDENTIALS}


def call(function: str, event: object) -> str:
    """Code that calls a function's handler as Lambda does, and prints its answer last."""
    return f"""
import json
from types import SimpleNamespace
from retrain_trigger import {function}
context = SimpleNamespace(aws_request_id="6f1c")
print(json.dumps({function}.handle(json.loads({json.dumps(event)!r}), context)))
"""


def test_the_trigger_counts_and_decides_there(bare: Bare, environ: dict[str, str]) -> None:
    found = bare(call("handler", {"dry_run": True, "min_feedback": 61}), environ)

    assert (found["decision"], found["run_id"]) == ("would_skip", "a-6f1c")
    assert (found["total_votes"], found["needed"]) == (60, 1)


def test_the_watcher_looks_there(bare: Bare, environ: dict[str, str]) -> None:
    found = bare(call("events", {"check": "daily"}), environ)

    assert found["outcome"] == "checked"


def test_a_cold_import_costs_little_more_than_boto3_alone(
    bare: Bare, capsys: pytest.CaptureFixture[str]
) -> None:
    def seconds(names: str) -> float:
        """The processor's time of an import, of which others' work is no part."""
        code = (
            f"import time\nbegin = time.process_time()\n{names}\nprint(time.process_time() - begin)"
        )
        return float(bare(code))

    both = [(seconds("import boto3"), seconds(f"{IMPORTED}, {USED}")) for _ in range(RUNS)]
    alone, everything = (min(times) for times in zip(*both, strict=True))

    with capsys.disabled():
        print(f"\ncold import: {everything / alone:.2f} times boto3 alone ({alone:.2f} s)")
    assert everything / alone <= MOST
