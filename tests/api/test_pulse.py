"""Once a minute the service says in its log what it served, and that it is still degraded."""

from __future__ import annotations

import logging
import time
from pathlib import Path

import pytest

from api.metrics import Metrics
from api.pulse import Pulse
from api.serving import Serving, State
from common.registry import open_registry
from common.store import open_store


@pytest.fixture
def serving(tmp_path: Path) -> Serving:
    registry = open_registry(f"sqlite:///{tmp_path}/registry.sqlite")
    store = open_store((tmp_path / "store").as_uri())
    return Serving(registry, store, Metrics(), follow=False)


def said(caplog: pytest.LogCaptureFixture) -> list[dict[str, object]]:
    names = ("impressions", "clicks", "votes")
    lines = [r for r in caplog.records if r.getMessage() == "served"]
    return [{name: vars(line)[name] for name in names} for line in lines]


def test_each_line_counts_what_came_since_the_one_before(
    serving: Serving, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    metrics = Metrics()
    pulse = Pulse(serving, metrics)
    metrics.shown("m-a", 3)
    metrics.shown("m-b", 3)
    metrics.clicked("m-a")
    metrics.voted("m-a", "like")

    pulse.beat()
    metrics.voted("m-a", "dislike")
    pulse.beat()

    assert said(caplog) == [
        {"impressions": 6, "clicks": 1, "votes": 1},
        {"impressions": 0, "clicks": 0, "votes": 1},
    ]


def test_a_service_that_is_still_degraded_says_so_with_each_line(
    serving: Serving, caplog: pytest.LogCaptureFixture
) -> None:
    serving.state = State(why="its table was altered")
    pulse = Pulse(serving, Metrics())

    pulse.beat()
    serving.state = State()
    pulse.beat()

    alerts = [record for record in caplog.records if "alert" in vars(record)]
    assert [vars(alert)["alert"] for alert in alerts] == ["degraded"]
    assert "its table was altered" in alerts[0].getMessage()


def test_what_is_left_is_said_when_the_process_ends(
    serving: Serving, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    metrics = Metrics()
    pulse = Pulse(serving, metrics, seconds=0.01)
    pulse.start()
    deadline = time.monotonic() + 30
    while len(said(caplog)) < 2:
        assert time.monotonic() < deadline, "the thread says nothing"
        time.sleep(0.01)
    metrics.clicked("m-a")

    pulse.stop()

    assert sum(int(str(line["clicks"])) for line in said(caplog)) == 1
