"""What validation warns of is told where a person looks, not only in the report."""

from __future__ import annotations

import json

from tests.unit.place import Place


def grown_old(place: Place) -> Place:
    """Every vote is of years ago."""
    old = "feedback_at = '2020-01-01 00:00:00', created_at = '2020-01-01 00:00:00'"
    place.execute(f"UPDATE analysis_history SET {old}")
    return place


def test_a_warning_stands_in_the_result_and_in_the_log(unlearned: Place) -> None:
    answer = grown_old(unlearned).task("run", "--run-id", "m-old", "--json")

    (warning,) = (text for text in answer.result["warnings"] if text.startswith("freshness: "))
    logged = [json.loads(line) for line in answer.err.splitlines()]
    told = [line["message"] for line in logged if line["level"] == "WARNING"]
    assert f"validation: {warning}" in told
    kept = (unlearned.folder / "logs" / "m-old.jsonl").read_text("utf-8")
    assert "validation: freshness: " in kept


def test_a_warning_stands_on_the_terminal(unlearned: Place) -> None:
    answer = grown_old(unlearned).task("run", "--run-id", "m-old")

    assert "warning: freshness: " in answer.out


def test_an_export_alone_warns_in_the_log_too(unlearned: Place) -> None:
    answer = grown_old(unlearned).task("export", "--run", "m-old")

    assert "validation: freshness: " in answer.err
