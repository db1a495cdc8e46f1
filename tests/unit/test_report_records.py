"""The sample records have the shape of those that the stages write."""

from __future__ import annotations

from dataclasses import fields

import pytest

from task.checks import Check
from task.evaluate import Against, Difference, Evaluation, SinceChampion
from task.faults import Faults, Slice, Suspicion
from task.gate import Verdict
from task.harm import Gain
from task.refit import Refit
from tests.unit import report_samples as samples
from tests.unit.report_records import Record


def names(kind: type) -> set[str]:
    return {field.name for field in fields(kind)}


def evaluation() -> Record:
    found = samples.promoted().evaluation
    assert found is not None
    return found


def verdict() -> Record:
    found = samples.promoted().verdict
    assert found is not None
    return found


@pytest.mark.parametrize(
    ("record", "kind", "besides"),
    [
        (evaluation(), Evaluation, {"proof"}),
        (evaluation()["difference"], Difference, set()),
        (evaluation()["difference"]["gain"], Gain, set()),
        (evaluation()["since_champion"], SinceChampion, set()),
        (evaluation()["anchor"], Against, set()),
        (evaluation()["faults"], Faults, set()),
        (evaluation()["slices"][0], Slice, set()),
        (evaluation()["suspicions"][0], Suspicion, set()),
        (evaluation()["refit"], Refit, {"alike"}),
        (verdict(), Verdict, set()),
        (verdict()["checks"][0], Check, set()),
    ],
    ids=lambda value: value.__name__ if isinstance(value, type) else "",
)
def test_a_sample_record_has_the_keys_of_what_the_stages_write(
    record: Record, kind: type, besides: set[str]
) -> None:
    assert record.keys() == names(kind) | besides
