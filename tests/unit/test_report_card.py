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
        *("Use", "Data", "Metrics", "Limits", "Bias by slice", "Ethics", "Maintenance"),
    ]
    assert card.endswith("\n")


def test_the_card_gives_metrics_and_slices_with_intervals() -> None:
    card = report.model_card(*samples.rejected())

    assert "| F1 | 0.629 (0.614 to 0.644) | 0.681 (0.666 to 0.696) |" in card
    assert re.search(r"\| face shape \| 긴형 \| 254 \| .+ \| yes \|", card)


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
