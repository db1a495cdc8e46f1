"""The evidence in sentences: what the earlier gate would have asked, the proof, the refit."""

from __future__ import annotations

from typing import Any

import pytest

from task import report_evidence as evidence
from tests.unit import report_samples as samples
from tests.unit.report_records import Record, interval


def compared(f1: float, half: float) -> Record:
    return {"difference": {"f1": interval(f1, half, 1000)}}


def asked(**settings: Any) -> Record:
    return {"settings": {"gate": "harm", "confidence": 0.9, "min_improvement": 0.0} | settings}


@pytest.mark.parametrize(
    ("f1", "half", "bound", "would"),
    [
        (0.03, 0.01, 0.0, "so it would have passed."),
        (0.03, 0.01, 0.05, "so it would have been rejected."),  # the bound is min_improvement
        (0.01, 0.02, 0.0, "so it would not have passed yet."),
        (-0.03, 0.01, 0.0, "so it would have been rejected."),
    ],
)
def test_the_earlier_gate_asked_for_f1_shown_to_be_better(
    f1: float, half: float, bound: float, would: str
) -> None:
    told = evidence.earlier_gate(asked(min_improvement=bound), compared(f1, half))

    assert told is not None
    assert told.replace("\u00a0", " ").startswith("The earlier gate asked that F1 be shown to be")
    assert told.endswith(would)


def test_the_gate_f1_is_the_earlier_one_and_says_nothing_of_it() -> None:
    assert evidence.earlier_gate(asked(gate="f1"), compared(0.03, 0.01)) is None


def test_two_versions_that_nobody_has_voted_on_since_prove_nothing() -> None:
    bets = {"champion": "m-b", "replaced": "m-a", "groups": 0, "votes": 0, "e_value": 1.0}

    assert evidence.proof({"proof": bets}) == (
        "The version that serves, m-b, is not proved better than the version it replaced, m-a: "
        "nobody has voted since both."
    )
    assert evidence.proof({"proof": None}) is None


@pytest.mark.parametrize(
    ("e", "text"), [(0.8013, "0.8"), (31.44, "31"), (1234.6, "1,235"), (0.00004, "< 0.001")]
)
def test_an_e_value_is_told_as_precisely_as_it_matters(e: float, text: str) -> None:
    told = evidence.proof({"proof": {"groups": 41, "e_value": e}})

    assert told is not None
    assert f"e = {text} on 41 people" in told.replace("\u00a0", " ")


def test_a_refit_that_does_not_answer_like_its_folds_is_said_not_to() -> None:
    found = {"refit": {"overall": 11.2, "worst_style": 40.0, "alike": False}}

    told = evidence.refit(found)

    assert told is not None
    assert told.startswith("It does not answer like the models of its folds: 11.20 times")


def test_the_gain_is_coloured_by_the_gravest_answer_that_looks_at_it() -> None:
    kinds = {}
    for make in (samples.promoted, samples.inconclusive, samples.rejected):
        sample = make()
        found = evidence.gain(sample.run, sample.evaluation, sample.verdict)
        assert found is not None
        kinds[make.__name__] = str(found["bar"]).count
    assert kinds["promoted"]('<g class="pass">') == 1
    assert kinds["inconclusive"]('<g class="undecided">') == 1
    assert kinds["rejected"]('<g class="fail">') == 1
