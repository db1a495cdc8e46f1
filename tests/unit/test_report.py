"""The report tells all there is, the verdict first, and says what is missing."""

from __future__ import annotations

import copy
import itertools
import re
from collections.abc import Callable
from typing import Any

import pytest

from task import report
from tests.unit import report_samples as samples
from tests.unit.report_page import Page, page
from tests.unit.report_samples import Sample


@pytest.mark.parametrize(
    ("make", "word"),
    [
        (samples.promoted, "Promoted"),
        (samples.inconclusive, "Inconclusive"),
        (samples.rejected, "Rejected"),
        (samples.first_model, "First model"),
        (samples.data_stopped, "Data stopped"),
    ],
)
def test_the_only_top_heading_is_the_verdict(make: Callable[[], Sample], word: str) -> None:
    shown = page(make())

    assert shown.texts["h1"] == [word]
    assert shown.text("title").startswith(f"{word}: retraining run s-20261122T020000Z")


def test_every_check_shows_its_answer_value_bound_interval_and_what_would_change_it() -> None:
    sample = samples.promoted()
    assert sample.verdict is not None

    shown = page(sample)

    checks = [text for text in shown.texts["li"] if "What would change it:" in text]
    assert len(checks) == len(sample.verdict["checks"]) == 11
    assert all("pass" in text for text in checks)
    for word in ("+0.031", "0.000", "+0.012 to +0.050", "F1 +0.0310 against the champion."):
        assert word in " ".join(checks[0].split())


def test_checks_that_did_not_pass_stand_before_those_that_did() -> None:
    shown = page(samples.rejected())

    answers = re.findall(r"(pass|fail|undecided)\b", " ".join(shown.texts["h3"]))
    assert answers == ["fail"] * 3 + ["pass"] * 8
    assert "Failed: Better than the champion, No group of people worse off" in shown.text()


def test_an_open_question_says_how_many_more_votes_would_settle_it() -> None:
    shown = page(samples.inconclusive())

    assert (
        "About 3,214 more votes in all would show a difference as small as 0.01 in F1."
        in shown.text()
    )


def test_a_slice_shown_to_be_worse_is_named_and_marked() -> None:
    shown = page(samples.rejected())

    assert "Shown to be worse: 긴형, 가일 컷." in shown.text()
    marked = [text for text in shown.texts["th"] if "worse" in text]
    assert [text.replace("worse", "").strip() for text in marked] == ["긴형", "가일 컷"]


def test_the_slice_without_a_name_reads_as_unknown() -> None:
    assert "unknown" in page(samples.promoted()).texts["bdi"]


def test_champion_and_challenger_stand_side_by_side_with_their_paired_difference() -> None:
    shown = page(samples.promoted())

    text = shown.text()
    assert "Against the champion" in text
    assert "+0.031 +0.012 to +0.050" in text
    assert "On these alone F1 is 0.718 against 0.668, a difference of +0.050" in text
    assert len([c for c in shown.texts["caption"] if "share of the row" in c]) == 2


def test_a_first_model_is_compared_with_nothing() -> None:
    shown = page(samples.first_model())

    text = shown.text("main")
    assert "How good it is" in text
    assert "Against the champion" not in text
    assert "Paired difference" not in text
    assert "Learning curve" not in text  # the network was not trained
    assert "What they added was not measured" in text


def test_the_data_add_up_from_what_was_read_to_where_it_went() -> None:
    text = page(samples.promoted()).text()

    assert "2,517 votes were read on top of run s-20261115T020000Z; 86 of them" in text
    assert "usable 2,431" in text
    assert "rejected 86" in text
    assert "train 8,702 validation 1,917 test 1,812" in text
    assert "unknown vote 41 1.63 %" in text.replace("\u00a0", " ")


def test_what_the_model_learned_and_from_whom_is_told() -> None:
    text = page(samples.promoted()).text()

    assert "The hierarchical candidate ships: the lowest log-loss on validation." in text
    assert "embedding 0.5934 0.735 24 of 30 9.41 s" in text
    assert "The weights of epoch 24 were kept" in text
    assert "The learning rate was lowered at epoch 18." in text
    assert "Most of all on style: 58" in text
    assert "How far the base data are believed: 0.62 0.51 to 0.73" in text
    assert "They help by 0.0052." in text


def test_the_run_can_be_found_and_repeated_from_its_facts() -> None:
    sample = samples.promoted()

    text = page(sample).text()

    for name in ("run_id", "data_fingerprint", "code_revision", "source"):
        assert str(sample.run[name]) in text
    assert "22 November 2026, 02:00 UTC" in text
    assert all(value in text for value in sample.run["sha256"].values())


def test_a_run_stopped_by_its_data_says_why_and_shows_what_was_found() -> None:
    shown = page(samples.data_stopped())

    text = shown.text()
    assert "Class balance: 0 of 2,431 new votes are dislikes; something upstream" in text
    assert "The run ended before it came to: training, comparison, checks." in text
    rows = [t for t in shown.texts["tr"] if re.search(r"\b(stop|warn|ok)\b", t)]
    assert "class balance" in rows[0]  # what stopped it stands first
    assert len(rows) == 6


def test_a_run_that_stopped_for_another_reason_gives_that() -> None:
    sample = samples.data_stopped()
    sample.run["findings"] = []
    sample.run["reason"] = "the table has no votes"

    assert "The table has no votes." in page(sample).text("header")


@pytest.mark.parametrize("kept", list(itertools.product([True, False], repeat=3)))
def test_any_record_but_the_runs_may_be_missing(kept: tuple[bool, bool, bool]) -> None:
    sample = samples.promoted()
    parts = [part if keep else None for part, keep in zip(sample[1:], kept, strict=True)]

    shown = Page(report.render(sample.run, *parts))
    card = report.model_card(sample.run, *parts)

    assert ("The run ended before" in shown.text()) == (not all(kept))
    assert "## Maintenance" in card


@pytest.mark.parametrize("make", samples.EVERY)
def test_every_value_may_be_null(make: Callable[[], Sample]) -> None:
    def emptied(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: emptied(item) for key, item in value.items()}
        return [emptied(item) for item in value] if isinstance(value, list) else None

    sample = make()
    for part in (sample.evaluation, sample.training):
        for name in ("roc", "calibration", "confusion", "curve"):
            if part and name in part:
                part[name] = {} if isinstance(part[name], dict) else []

    shown = Page(report.render(*[emptied(part) for part in sample]))
    report.model_card(*[emptied(part) for part in sample])

    assert shown.texts["h1"] == ["Not finished"]
    assert not re.search(r"\bNone\b(?! of the)|\bnan\b", shown.text())


def test_every_key_of_every_record_may_be_missing() -> None:
    sample = samples.promoted()
    for place, record in enumerate(sample):
        for key in record or ():
            parts = [copy.deepcopy(part) for part in sample]
            parts[place].pop(key)  # type: ignore[union-attr]  # none of this sample is None
            assert "<h1>" in report.render(*parts)  # type: ignore[arg-type]
            assert "# Model card" in report.model_card(*parts)  # type: ignore[arg-type]


def test_a_run_of_which_nothing_is_known_still_has_a_page() -> None:
    assert Page(report.render({}, None, None, None)).texts["h1"] == ["Not finished"]
