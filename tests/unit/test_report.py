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
    assert len(checks) == len(sample.verdict["checks"]) == 16
    assert all("pass" in text for text in checks)
    for word in ("expected gain +0.0113", "bound 0.0000", "interval +0.0039 to +0.0209"):
        assert word in " ".join(checks[1].split())


def test_checks_that_did_not_pass_stand_before_those_that_did_which_are_folded_away() -> None:
    shown = page(samples.rejected())

    answers = re.findall(r"(pass|fail|undecided)\b", " ".join(shown.texts["h3"]))
    assert answers == ["fail"] * 2 + ["undecided"] * 2 + ["pass"] * 12
    assert "Failed: Log-loss not worse, No group of people worse off." in shown.text("header")
    folded = " ".join(shown.texts["details"])
    assert "12 checks passed: No harm against the best of the last year, " in folded
    assert "What would change it: A challenger of which that is not shown" not in folded


def test_an_open_question_says_what_would_change_it() -> None:
    shown = page(samples.inconclusive())

    assert (
        "Undecided: No harm to be feared, No harm against the best of the last year. "
        "Votes of more people narrow this down, and the next run looks again."
    ) in shown.text("header")


def test_the_first_picture_is_the_gain_against_no_change_and_the_margin() -> None:
    shown = page(samples.promoted())

    assert "Gain in log-loss: +0.0124 nats a vote, from +0.0039 to +0.0209" in shown.text("header")
    assert "expected after shrinkage: +0.0113" in shown.text("header")
    drawn = [text for text in shown.texts["svg"] if "margin" in text]
    assert ["margin −0.01no change" in text for text in drawn] == [True]
    assert "F1 +0.031, from +0.012 to +0.050" in shown.text("header")


@pytest.mark.parametrize("gate", ["superiority", "f1"])
def test_a_gate_without_a_margin_draws_none(gate: str) -> None:
    sample = samples.promoted()
    sample.run["settings"]["gate"] = gate

    shown = page(sample)

    assert not any("margin" in text for text in shown.texts["svg"])
    assert any("no change" in text for text in shown.texts["svg"])


def test_it_says_which_votes_judged_whom_and_which_could_not() -> None:
    few = page(samples.inconclusive()).text()
    many = page(samples.promoted()).text()

    assert "Judged on 214 votes of 160 people or photos, who count as 143 of equal weight." in few
    assert "61 after the champion's cutoff: it is judged as published" in few
    assert "153 on the fixed split of an older version: its test side" in few
    assert "808 could not judge both, and were left out" in few
    assert "10,000 before it, by folds: both by models fitted without them" in many
    assert "could not judge both" not in many


def test_the_evidence_names_budget_anchor_proof_the_earlier_gate_and_what_ships() -> None:
    text = page(samples.promoted()).text().replace("\u00a0", " ")

    assert "Budget This year 1.2 % of 5 % risked. This look spent 0.08 %." in text
    assert (
        "The best comparable version of the last year is s-20260906T020000Z: "
        "the gain over it is +0.0164 nats a vote (+0.0079 to +0.0249)."
    ) in text
    assert "It stays the anchor" not in text
    assert (
        "The version that serves, s-20261115T020000Z, is proved better than the version it "
        "replaced, s-20261108T020000Z: e = 31 on 812 people; gain +0.012 (+0.002 to +0.021)."
    ) in text
    assert (
        "The earlier gate asked that F1 be shown to be better at 5 %: the difference is +0.031 "
        "(+0.012 to +0.050), so it would have passed."
    ) in text
    assert "What ships A model fitted on all 12,431 votes. It answers like the models of" in text


def test_what_is_not_shown_yet_is_said_not_to_be() -> None:
    text = page(samples.inconclusive()).text().replace("\u00a0", " ")

    assert "This look spent nothing." in text
    assert "It stays the anchor: the next challengers must not fall behind it either." in text
    assert "is not proved better yet than the version it replaced" in text
    assert "e = 0.8 on 41 people; e ≥ 20 proves it." in text
    assert "(−0.015 to +0.023), so it would not have passed yet." in text
    assert "What would ship" in text


def test_a_slice_shown_to_be_worse_is_named_marked_and_unfolded() -> None:
    shown = page(samples.rejected())

    assert "Shown to be worse: 긴형, 가일 컷." in shown.text()
    marked = [text for text in shown.texts["th"] if "worse" in text]
    assert [text.replace("worse", "").strip() for text in marked] == ["긴형", "가일 컷"]
    assert len([a for a in shown.all("details") if "open" in a]) == 2  # by face and by style
    assert "긴형worse 1,714 1,286" in shown.text("table")


def test_what_may_be_wrong_stands_with_its_bound_and_its_answer() -> None:
    text = page(samples.rejected()).text("table").replace("\u00a0", " ")

    assert "Log-loss gain −0.0312 0 or more < 0.001 shown" in text
    assert "Calibration slope 0.97, bias +0.004 1 ± 0.25, 0 ± 0.02 1 not shown" in text
    assert "Squared error of the score 0.98 × the champion's 1.1 × 0.94 not shown" in text
    assert "Right answers that turned wrong 4.1 % at most 10 % 1 not shown" in text
    every = page(samples.rejected()).text().replace("\u00a0", " ")
    assert "19 tests in all, slices included." in every
    assert "Of the first three styles of a face and tone, 12.3 % are others" in every


def test_the_slice_without_a_name_reads_as_unknown() -> None:
    assert "unknown" in page(samples.promoted()).texts["bdi"]


def test_champion_and_challenger_stand_side_by_side_with_their_paired_difference() -> None:
    shown = page(samples.promoted())

    text = shown.text()
    assert "Against the champion" in text
    assert "+0.031 +0.012 to +0.050" in text
    assert "Of like and of dislike, each weighted by its votes" in text
    assert "answered 1,312 of the votes differently; to 12,019 what would ship gives" in text
    assert "On these alone the gain is +0.0184 nats a vote" in text
    assert "F1 is 0.718 against 0.668, a difference of +0.050" in text
    assert len([c for c in shown.texts["caption"] if "share of the row" in c]) == 2


def test_a_first_model_is_compared_with_what_needs_no_model() -> None:
    shown = page(samples.first_model())

    text = shown.text("main")
    picture = "Gain in log-loss over the base data alone: +0.0217 nats a vote, from +0.0169"
    assert picture in shown.text("header")  # the harder one of the two
    assert not any("margin" in drawn for drawn in shown.texts["svg"])
    assert "How good it is" in text
    assert "12,431 each by a model that was fitted without them" in text
    assert "Over a constant +0.0841 nats a vote (+0.0780 to +0.0902)" in text
    assert "Over the base data alone +0.0217 nats a vote" in text
    assert "Against the champion" not in text
    assert "Paired difference" not in text
    assert "Learning curve" not in text  # the network was not trained
    assert "What they added was not measured" in text


def test_the_data_add_up_from_what_was_read_to_what_could_be_used() -> None:
    text = page(samples.promoted()).text()

    assert "2,517 votes were read on top of run s-20261115T020000Z; 86 of them" in text
    assert "usable 2,431" in text
    assert "rejected 86" in text
    assert "unknown vote 41 1.63 %" in text.replace("\u00a0", " ")


def test_what_the_model_learned_and_from_whom_is_told() -> None:
    text = page(samples.promoted()).text().replace("\u00a0", " ")

    assert "The hierarchical candidate ships: the lowest log-loss on votes held out." in text
    assert "Fitted on 12,431 votes of 9,320 people or photos" in text
    assert "older votes count less" not in text
    assert "embedding 0.5934 0.735 24 of 24 19.4 s" in text
    assert "the lowest log-loss was at epoch 24" in text
    assert "The learning rate was lowered at epoch 18." in text
    assert "Most of all on style: 58 %" in text
    assert "How far the base data are believed: 0.62 90 % interval 0.31 to 0.93" in text
    assert "Log-loss on 2,466 votes of two folds held out: 0.5871 with them" in text
    assert "They help by 0.0052." in text


def test_shares_of_a_fit_that_did_not_settle_are_not_shown() -> None:
    text = page(samples.inconclusive()).text()

    assert "The fit did not settle." in text
    assert "No shares are shown" in text
    assert "Most of all on" not in text


def test_votes_that_count_less_with_age_are_told() -> None:
    sample = samples.promoted()
    assert sample.training is not None
    sample.training["learned_votes"] = 7012.4

    assert (
        "older votes count less, so that 7,012 were learned from in effect" in page(sample).text()
    )


@pytest.mark.parametrize("make", samples.EVERY)
def test_no_page_speaks_of_the_fixed_splits_or_of_votes_still_needed(
    make: Callable[[], Sample],
) -> None:
    """Nobody is trained on one side of a split any more; the self-test's cells judge nobody."""
    text = page(make()).text() + report.model_card(*make())

    for word in ("validation", "test votes", "more votes in all", "test log-loss", "majority"):
        assert word not in text.lower()


def test_a_record_of_an_older_run_still_has_a_page() -> None:
    sample = samples.promoted()
    older = {
        "test": {"votes": 1812, "groups": 1403, "likes": 1065},
        "champion_version": "m-1",
        "majority": {"f1": 0.435},
        "difference": {"f1": {"value": 0.03, "low": 0.01, "high": 0.05, "n": 1812}},
        "disagreements": 312,
        "slices": [{"by": "face_shape", "name": "긴형", "votes": 9, "worse": True}],
    }
    verdict = {"decision": "promote", "reason": "better", "votes_needed": 0}
    training = {"chosen": "hierarchical", "candidates": [{"validation_log_loss": 0.5}]}

    shown = Page(report.render(sample.run, training, older, verdict))

    assert shown.texts["h1"] == ["Promoted"]
    assert "Shown to be worse: 긴형." in shown.text()
    assert "# Model card" in report.model_card(sample.run, training, older, verdict)


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
