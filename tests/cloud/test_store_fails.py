"""The store damages, refuses or loses what the task hands it: the champion stays what it is."""

from __future__ import annotations

import pytest

from tests.cloud.loop import Loop

MODEL = "model.safetensors"


def failed(loop: Loop, *words: str) -> None:
    """The last run failed, says why, and people were told."""
    run = loop.record()
    assert (run.state, run.exit, loop.exit_codes()) == ("failed", 1, [1]), run
    assert [word for word in words if word not in run.reason] == [], run.reason
    (alert,) = loop.cloud.alerts()
    assert run.reason in alert["Message"]
    loop.unchanged()


@pytest.mark.parametrize(
    "kind, name", [("truncate_request", MODEL), ("wrong_request", "manifest.json")]
)
def test_an_upload_that_arrives_damaged_is_found_before_the_pointer_moves(
    ready: Loop, kind: str, name: str
) -> None:
    fault = ready.hold("PutObject", kind, where=f"/{name}")

    ready.run()

    assert fault.met == 1
    failed(ready, name)
    ready.next_one_promotes()


@pytest.mark.parametrize("kind", ["truncate_answer", "wrong_answer"])
def test_a_champion_that_comes_back_damaged_is_never_taken_for_none(ready: Loop, kind: str) -> None:
    ready.hold("GetObject", kind, where="table.safetensors", times=0)

    ready.run()

    failed(ready, "table.safetensors")


def test_a_download_that_ends_early_once_is_made_again(ready: Loop) -> None:
    fault = ready.hold("GetObject", "truncate_answer", where="table.safetensors")

    assert ready.run().state == "promoted"

    assert fault.met == 1
    ready.sound()


@pytest.mark.parametrize("kind", ["throttle", "server_error", "cut_after"])
def test_a_store_that_is_busy_for_a_moment_is_waited_for(ready: Loop, kind: str) -> None:
    faults = [
        ready.hold("PutObject", kind, where="manifest.json"),
        ready.hold("PutObject", kind, where=MODEL),
    ]

    assert ready.run().state == "promoted"

    assert [fault.met for fault in faults] == [1, 1]
    ready.sound()


def test_a_store_that_stays_busy_fails_the_run(ready: Loop) -> None:
    ready.hold("PutObject", "throttle", where="/models/", times=0)

    ready.run()

    failed(ready, "SlowDown")
