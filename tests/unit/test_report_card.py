"""The model card is whole in every case, and plain text to any reader of Markdown."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from task import report
from tests.unit import report_samples as samples
from tests.unit.report_samples import Sample

every_sample = pytest.mark.parametrize("make", samples.EVERY)


@every_sample
def test_the_card_has_all_its_sections_in_every_case(make: Callable[[], Sample]) -> None:
    card = report.model_card(*make())

    assert re.findall(r"^## (.+)$", card, re.MULTILINE) == [
        *("Use", "Data", "Metrics", "Evidence"),
        *("Limits", "Bias by slice", "Ethics", "Maintenance"),
    ]
    assert card.endswith("\n")


def test_the_card_gives_metrics_evidence_and_slices_with_intervals() -> None:
    card = report.model_card(*samples.rejected()).replace("\u00a0", " ")

    assert "| F1 | 0.629 (0.623 to 0.635) | 0.681 (0.675 to 0.687) |" in card
    assert re.search(r"\| face shape \| 긴형 \| 1,714 \| .+ \| yes \|", card)
    assert "- 10,000 before it, by folds: both by models fitted without them." in card
    assert (
        "- Gain in log-loss: −0.0312 nats a vote (−0.0413 to −0.0211); expected after "
        "shrinkage: −0.0298; the margin of harm is −0.0100."
    ) in card
    assert "- Budget: This year 1.2 % of 5 % risked." in card
    assert "e = 31 on 812 people" in card


def test_the_card_of_a_fit_that_did_not_settle_says_so_among_its_limits() -> None:
    limits = report.model_card(*samples.inconclusive()).partition("## Limits")[2]

    assert "The fit did not settle" in limits.partition("##")[0]


@every_sample
def test_the_tables_of_the_card_keep_their_columns(make: Callable[[], Sample]) -> None:
    card = report.model_card(*make())

    tables = re.findall(r"(?:^\|.*\n)+", card, re.MULTILINE)
    assert tables
    for table in tables:
        widths = {len(re.findall(r"(?<!\\)\|", line)) for line in table.splitlines()}
        assert len(widths) == 1, table


def test_hostile_names_are_inert_in_the_card() -> None:
    card = report.model_card(*samples.hostile())

    assert not re.search(r"<\s*/?\w", card)
    assert not re.search(r"(?<!\\)`", card)
    assert not re.search(r"(?<!\\)\]\(", card)
    assert "://" not in card
    assert "{{ 7 \\* 7 }}" in card  # shown, not computed
    card.encode("utf-8")


def test_a_run_that_trained_nothing_says_so_in_its_card() -> None:
    card = report.model_card(*samples.data_stopped())

    assert "Not measured: the run ended before." in card
    assert "**Data stopped.**" in card
