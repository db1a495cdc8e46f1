"""`make demo`: the whole story through the emulated cloud, to its end."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import fields
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from local.cloud.stack import ROOT
from local.cloud.template import Template
from local.demo import first_slot
from local.story import EXPECTED, IN_SERVICE
from task.outcome import Outcome
from tests.permissions.proof import needed, refused
from tests.permissions.record import recorded
from tests.permissions.stack import Stack


@pytest.mark.timeout(900)
def test_the_demo_reaches_the_end_of_its_story_in_the_cloud(tmp_path: Path) -> None:
    """Also on a desk that is set up for a real account, behind a proxy."""
    folder = tmp_path / "d"
    desk = {"AWS_PROFILE": "nobody", "HTTP_PROXY": "http://127.0.0.1:1", "RETRAIN_SEED": "x"}
    desk |= {"http_proxy": desk["HTTP_PROXY"], "DATABASE_URL": "mysql://nobody@127.0.0.1:1/none"}
    command = [sys.executable, "-m", "local.demo", "--seed", "1", "--folder", str(folder)]

    done = subprocess.run(
        [*command, "--sqlite"], cwd=ROOT, env=os.environ | desk, capture_output=True, text=True
    )

    # Then it ends well, and shows each step, the alert, the table and where to read on
    assert done.returncode == 0, done.stdout + done.stderr
    assert "Traceback" not in done.stdout + done.stderr
    assert all(state in done.stdout for state in (EXPECTED | IN_SERVICE).values())
    assert "0 in vain" in done.stdout
    assert "the clock strikes" in done.stdout
    assert "alert: " in done.stdout
    assert "out of memory" in done.stdout

    # And the summary is a list of one whole outcome for each act
    acts = json.loads((folder / "summary.json").read_text("utf-8"))
    keys = {each.name for each in fields(Outcome)} | {"act"}
    assert [set(act) for act in acts] == [keys] * 10
    assert {act["act"]: act["state"] for act in acts} == EXPECTED | IN_SERVICE
    for act in acts:
        if act["state"] != "skipped":
            assert Path(act["report"]).is_relative_to(folder)
            assert Path(act["report"]).exists()
    assert acts[2]["previous_version"] == acts[1]["version"]
    assert acts[7]["previous_version"] == acts[1]["version"]  # rolled back to it

    # And a scheduled run is named after its slot, one by request after the request
    assert all(act["run_id"].startswith("a-" if act["act"] in {4, 6} else "s-") for act in acts)

    # And the roles of the template have done all of it
    record = (folder / "cloud" / "calls.jsonl").read_text("utf-8")
    calls = [json.loads(line) for line in record.splitlines()]
    principals = {call["principal"] for call in calls} - {"operator"}
    assert {name[:7] for name in principals} == {
        "Trigger",
        "Watcher",
        "Trainin",
        "HealerR",
        "Serving",
    }
    # (An event that comes twice at once may ask for its one task twice, with the same token.)
    asked = [call["parameters"] for call in calls if call["operation"] == "RunTask"]
    assert len({each["clientToken"] for each in asked}) == 9

    # And each of their calls is one that the template's policies allow
    stack = Stack(Template.load(ROOT / "infra" / "template.json"))
    assert refused(stack, needed(stack, recorded(stack, record.splitlines()))) == []


def test_the_first_slot_is_a_sunday_at_two_and_all_of_them_have_come() -> None:
    for days in range(7):
        now = datetime(2026, 11, 16, 12, tzinfo=UTC) + timedelta(days=days)
        slot = first_slot(now)
        assert (slot.weekday(), slot.hour) == (6, 2)
        assert timedelta(weeks=51) <= now - slot <= timedelta(weeks=53)
