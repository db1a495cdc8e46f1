"""Every check has its words: a name for people, its figures, and what would change its answer."""

from __future__ import annotations

from typing import Any

import pytest

from task.report_checks import CHECKS, check_words, what_would_change


def check(name: str, answer: str, **figures: float) -> dict[str, Any]:
    return {"name": name, "answer": answer, "value": None, "bound": None} | figures


@pytest.mark.parametrize(
    ("found", "says"),
    [
        (
            check("no_harm", "pass", value=-0.0042, bound=-0.01),
            "A lower bound of the gain at −0.0100 nats a vote or below.",
        ),
        (  # few groups: a probability decides
            check("no_harm", "undecided", value=0.0131, bound=0.0036),
            "A probability of harm of at most 0.36 %: votes of more people move it.",
        ),
        (  # the budget is spent: nothing was looked at
            check("no_harm_since", "undecided", bound=-0.01),
            "A look when some of the yearly risk is free again.",
        ),
        (
            check("superiority", "fail", value=-0.02, bound=0.0, low=-0.03, high=-0.0101),
            "A challenger whose interval ends above 0.0000; this one ends at −0.0101.",
        ),
        (
            check("f1_improvement", "fail", value=-0.05, bound=0.0, low=-0.07, high=-0.032),
            "A challenger whose interval ends above 0.000; this one ends at −0.032.",
        ),
        (
            check("floor_recall", "fail", value=0.55, bound=0.6),
            "A model that reaches 0.600, or a min_recall of at most 0.550.",
        ),
        (
            check("floor_recall", "pass", value=0.55, bound=0.0),
            "No floor is set. A min_recall above 0.550 would fail it.",
        ),
        (
            check("min_test_groups", "undecided", value=21.0, bound=30.0),
            "Votes of 9 more people or photos.",
        ),
        (
            check("better_than_constant", "undecided", value=-0.001, bound=0.0),
            "A gain over the like rate alone above 0: more votes tell.",
        ),
        (
            check("calibration", "fail", value=0.0001, bound=0.05),
            (
                "A challenger of which that is not shown: a calibration whose slope or mean is "
                "off by more than its bound."
            ),
        ),
    ],
)
def test_a_check_says_what_would_change_it(found: dict[str, Any], says: str) -> None:
    assert what_would_change(found) == says.replace(" %:", "\u00a0%:")


ANSWERS = {
    **dict.fromkeys(("no_harm", "no_harm_since", "expected_gain"), "pass undecided"),
    **dict.fromkeys(("superiority", "f1_improvement"), "pass fail undecided"),
    **dict.fromkeys(("better_than_constant", "better_than_base"), "pass fail undecided"),
    **{f"floor_{n}": "pass fail undecided" for n in ("accuracy", "precision", "recall", "f1")},
    **dict.fromkeys(("min_test_groups", "answers_differ"), "pass undecided"),
    **dict.fromkeys(("self_test", "refit", "log_loss", "calibration", "score"), "pass fail"),
    **dict.fromkeys(("negative_flips", "slices", "base_rate"), "pass fail"),
}
"""What the gate can answer: faults only fail or pass, evidence may stay open."""


def test_every_answer_that_a_check_can_give_has_its_words() -> None:
    assert ANSWERS.keys() == CHECKS.keys()
    for name, possible in ANSWERS.items():
        for answer in possible.split():
            for bound in (-0.4, 0.4):
                told = what_would_change(check(name, answer, value=0.5, bound=bound))
                assert told, (name, answer)
                assert "{" not in told


def test_harm_is_named_by_what_it_was_judged_by() -> None:
    assert check_words(check("no_harm", "pass", value=0.1, bound=-0.01)).measures == "lower bound"
    few = check_words(check("no_harm", "pass", value=0.001, bound=0.004))
    assert (few.measures, few.better) == ("probability of harm", "lower")
    assert few.show(0.0036) == "0.36\u00a0%"


def test_a_check_that_is_not_known_keeps_its_name() -> None:
    assert check_words(check("new_rule", "fail")).title == "new rule"
    assert what_would_change(check("new_rule", "fail")) is None
