"""The demo plays its whole story by itself and writes down what happened."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import fields
from pathlib import Path

import pytest

from local.demo_local import EXPECTED
from task.outcome import Outcome
from tests.e2e.home import ROOT

KEYS = {
    *("run_id", "state", "version", "previous_version", "reason", "verdict", "metrics", "counts"),
    *("data_fingerprint", "seconds_by_stage", "warnings", "report", "act", "exit"),
}
EXITS = {"data_stopped": 3}


@pytest.mark.timeout(900)
def test_the_demo_reaches_the_end_of_its_story(tmp_path: Path) -> None:
    command = [
        sys.executable,
        "-m",
        "local.demo_local",
        "--seed",
        "1",
        "--folder",
        str(tmp_path / "d"),
    ]

    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True)

    # Then it ends well, and shows the table and where to read on
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    assert all(state in done.stdout for state in EXPECTED.values())

    # And the summary is a list of one whole outcome for each act
    acts = json.loads((tmp_path / "d" / "summary.json").read_text("utf-8"))
    assert [act["act"] for act in acts] == list(range(8))
    assert [set(act) for act in acts] == [KEYS] * 8
    assert {field.name for field in fields(Outcome)} | {"act"} == KEYS
    assert {act["act"]: act["state"] for act in acts} == EXPECTED
    assert [act["exit"] for act in acts] == [EXITS.get(act["state"], 0) for act in acts]
    for act in acts:
        assert act["report"] is None or Path(act["report"]).exists()
    assert "1 tasks serve it" in acts[1]["reason"]
    absent = {name for name, value in acts[0].items() if value is None}
    assert absent == KEYS - {"run_id", "state", "reason", "warnings", "act", "exit"}

    # And each act tells its own
    rejected, stopped, inconclusive = acts[4], acts[5], acts[6]
    assert (stopped["verdict"], stopped["metrics"]) == (None, None)
    assert stopped["counts"]["votes"] > 12_000
    assert "fail" in {check["answer"] for check in rejected["verdict"]["checks"]}
    assert inconclusive["verdict"]["decision"] == "inconclusive"
    assert acts[2]["previous_version"] == acts[1]["version"]
    assert acts[7]["previous_version"] == acts[1]["version"]  # rolled back to it
