"""Promise 9: a person's decision outranks the schedule; and no run overwrites another decision."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.e2e.conftest import WORLD, change_minds
from tests.e2e.home import Home, clear

BEFORE_THE_VERDICT = {"path": ".evaluation.json.new"}
AFTER_THE_VERDICT = {"path": "/store/models/", "function": "create"}


@pytest.fixture(scope="session")
def seasoned_home(ready_home: Home, tmp_path_factory: pytest.TempPathFactory) -> Home:
    """Two models have served, and people want what they wanted before."""
    home = ready_home.copy(tmp_path_factory.mktemp("seasoned"))
    assert home.run().state == "promoted"
    change_minds(home, WORLD, seed=5)
    return home


@pytest.fixture
def seasoned(seasoned_home: Home, tmp_path: Path) -> Home:
    return seasoned_home.copy(tmp_path)


def versions(home: Home) -> tuple[str, list[str]]:
    """The active version, and what has been active, oldest first."""
    active, history, _ = home.champion()
    assert active is not None
    return str(active.version), [str(entry.version) for entry in history]


def test_a_rollback_after_the_verdict_leaves_the_new_model_waiting(seasoned: Home) -> None:
    # Given a run that would promote a third model over the second
    _, (first, second) = versions(seasoned)
    run = seasoned.paused(AFTER_THE_VERDICT)
    run.wait()

    # When an operator goes back to the first model meanwhile
    rolled_back = seasoned.task("rollback")
    assert (rolled_back.exit, rolled_back.result["version"]) == (0, first)

    # Then the run ends without a change
    done = run.end()
    assert (done.exit, done.state) == (0, "approved"), done
    assert "on hold" in done.result["reason"]
    assert versions(seasoned) == (first, [first, second, first])
    assert seasoned.last_run().state == "approved"
    assert seasoned.free()


def test_a_rollback_before_the_verdict_leaves_the_new_model_waiting(seasoned: Home) -> None:
    _, (first, second) = versions(seasoned)
    run = seasoned.paused(BEFORE_THE_VERDICT)
    run.wait()
    assert seasoned.task("rollback").exit == 0

    done = run.end()

    assert (done.exit, done.state) == (0, "approved"), done
    assert "on hold" in done.result["reason"]
    assert done.result["version"] in seasoned.published()
    assert versions(seasoned) == (first, [first, second, first])


def test_after_a_rollback_nothing_is_promoted_until_resume(ready: Home) -> None:
    # Given a second model that an operator took back
    assert ready.run().state == "promoted"
    _, (first, second) = versions(ready)
    assert ready.task("rollback").exit == 0

    # When a run finds a better model again, it leaves it waiting, and so does a person
    change_minds(ready, seed=6)
    waiting = ready.run()
    assert (waiting.exit, waiting.state) == (0, "approved"), waiting
    assert "on hold" in waiting.result["reason"]
    clear(ready.task("promote", waiting.result["version"]), 1, "on hold", "resume")
    assert versions(ready) == (first, [first, second, first])

    # Then it takes `resume` for a run to promote
    assert ready.task("resume").exit == 0
    change_minds(ready, seed=7)
    assert ready.run().state == "promoted"


def test_a_promotion_by_hand_under_a_run_is_not_overwritten(ready: Home) -> None:
    # Given an approved version, and a run that was compared with the champion before it
    approved = ready.run("--no-auto-deploy")
    assert approved.state == "approved", approved
    change_minds(ready, seed=7)
    run = ready.paused(AFTER_THE_VERDICT)
    run.wait()

    # When a person promotes the approved one meanwhile
    assert ready.task("promote", approved.result["version"]).exit == 0

    # Then the person's choice stays
    clear(run.end(), 5, "active version")
    assert ready.last_run().state == "failed"
    assert ready.free()
    assert versions(ready)[0] == approved.result["version"]
