"""What a person reads on the terminal after a run and after training."""

from __future__ import annotations

from typing import Any

import pytest

from task import show
from task.outcome import Outcome
from tests.unit import report_samples as samples


def outcome(**verdict: Any) -> dict[str, Any]:
    found = samples.promoted().verdict
    assert found is not None
    ended = Outcome(run_id="m-one", state="promoted", reason="better", verdict=found | verdict)
    return vars(ended)


def test_a_verdict_is_followed_by_what_it_rests_on(capsys: pytest.CaptureFixture[str]) -> None:
    show.outcome(outcome())

    said = capsys.readouterr().out
    assert "no_harm" in said
    assert "expected gain +0.0113 nats a vote; this year 1.2 % of 5 % risked\n" in said
    assert "anchor" not in said


def test_a_first_model_has_a_budget_and_no_expected_gain(
    capsys: pytest.CaptureFixture[str],
) -> None:
    show.outcome(outcome(expected_gain=None, budget="this year 0 % of 5 % risked", anchor="m-a"))

    said = capsys.readouterr().out
    assert "\nthis year 0 % of 5 % risked; anchor m-a\n" in said


def test_a_verdict_of_the_release_before_has_its_checks_alone(
    capsys: pytest.CaptureFixture[str],
) -> None:
    show.outcome(outcome(expected_gain=None, budget=None))

    assert "answers_differ" in capsys.readouterr().out


def test_each_candidate_is_shown_with_its_loss_on_votes_held_out(
    capsys: pytest.CaptureFixture[str],
) -> None:
    found = samples.inconclusive().training
    assert found is not None

    show.trained(found)

    lines = capsys.readouterr().out.splitlines()
    assert "held-out log-loss" in lines[0]
    assert lines[1].split() == ["hierarchical", "0.5871", "0.742", "61", "no", "0.18"]
    assert lines[-1].endswith("fitted on 1,022 votes")
