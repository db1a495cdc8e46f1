"""The gate's checks in words: their names for people, and what would change each answer.

One table, so that a test can walk through every check and every answer that the gate can give.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

from task.report_numbers import (
    Json,
    count,
    decimal,
    nats,
    number,
    percent,
    plain,
    signed,
    spaced,
    text,
)


@dataclass(frozen=True, kw_only=True)
class CheckWords:
    """A check's name for people, what its value is, and what would change its answer.

    `better` is the side of the bound where the value should lie; `show` writes the figures.
    """

    title: str
    change: Mapping[str, str]  # by answer; its fields: see what_would_change
    better: str | None = None
    measures: str = "value"
    show: Callable[[object], str] = plain


def _share(value: object) -> str:
    return percent(value, 2)


def _floor(name: str) -> CheckWords:
    return CheckWords(
        title=f"{name} over its floor",
        better="higher",
        show=decimal,
        change={
            "pass": "{set}A {setting} above {value} would fail it.",
            "undecided": "A vote to compute it from.",
            "fail": "A model that reaches {bound}, or a {setting} of at most {value}.",
        },
    )


def _no_harm(title: str, other: str) -> CheckWords:
    return CheckWords(
        title=title,
        better="higher",
        measures="lower bound",
        show=nats,
        change={
            "pass": "A lower bound of the gain at {bound} nats a vote or below.",
            "undecided": f"A lower bound of the gain over {other} above {{bound}} nats a vote: "
            "votes of more people raise it, if the new model is not worse.",
        },
    )


def _no_harm_of_few(title: str) -> CheckWords:
    return CheckWords(
        title=title,
        better="lower",
        measures="probability of harm",
        show=_share,
        change={
            "pass": "A probability of harm above {bound}, which is what may be spent.",
            "undecided": "A probability of harm of at most {bound}: votes of more people move it.",
        },
    )


def _unspent(title: str) -> CheckWords:
    return CheckWords(
        title=title,
        show=nats,
        change={"undecided": "A look when some of the yearly risk is free again."},
    )


def _reference(title: str, other: str) -> CheckWords:
    return CheckWords(
        title=title,
        better="higher",
        measures="gain",
        show=nats,
        change={
            "pass": f"A gain over {other} of 0 or less.",
            "fail": f"A model that gains something over {other} on people held out.",
            "undecided": f"A gain over {other} above 0: more votes tell.",
        },
    )


def _suspicion(title: str, worse: str) -> CheckWords:
    return CheckWords(
        title=title,
        measures="lowest p-value",
        change={
            "pass": f"{worse}, shown with all suspicions held together at 5 % (Holm).",
            "fail": f"A challenger of which that is not shown: {worse[0].lower()}{worse[1:]}.",
        },
    )


_HARM = "No harm to be feared"
_HARM_SINCE = "No harm against the best of the last year"
_IN_F1 = {
    "pass": "An F1 difference that is no longer above {bound}.",
    "fail": "A challenger whose interval ends above {bound}; this one ends at {high}.",
    "undecided": "An F1 difference above {bound}: with gate f1 all of its interval, which more "
    "votes make shorter.",
}
CHECKS = {
    "no_harm": _no_harm(_HARM, "the champion"),
    "no_harm_since": _no_harm(_HARM_SINCE, "that version"),
    "expected_gain": CheckWords(
        title="Improvement is expected",
        better="higher",
        measures="expected gain",
        show=nats,
        change={
            "pass": "An expected gain of 0 or less.",
            "undecided": "An expected gain above 0: a challenger that differs for the better.",
        },
    ),
    "superiority": CheckWords(
        title="Shown to be better",
        better="higher",
        measures="gain",
        show=nats,
        change={
            "pass": "Votes that move the interval's low end to {bound} or below.",
            "fail": "A challenger whose interval ends above {bound}; this one ends at {high}.",
            "undecided": "An interval wholly above {bound}: more votes make it shorter.",
        },
    ),
    "f1_improvement": CheckWords(
        title="Better in F1", better="higher", measures="difference", show=signed, change=_IN_F1
    ),
    "floor_accuracy": _floor("Accuracy"),
    "floor_precision": _floor("Precision"),
    "floor_recall": _floor("Recall"),
    "floor_f1": _floor("F1"),
    "min_test_groups": CheckWords(
        title="Enough people to judge on",
        better="higher",
        measures="people or photos",
        change={
            "pass": "Fewer than {bound} people or photos would leave the question open.",
            "undecided": "Votes of {gap} more people or photos.",
        },
    ),
    "better_than_constant": _reference("Better than a constant", "the like rate alone"),
    "better_than_base": _reference("Better than the base data", "the base data alone"),
    "log_loss": _suspicion("Log-loss not worse", "A log-loss above the champion's"),
    "calibration": _suspicion(
        "Calibrated", "A calibration whose slope or mean is off by more than its bound"
    ),
    "score": _suspicion(
        "Score not worse", "A squared error of the score over 1.1 times the champion's"
    ),
    "negative_flips": _suspicion(
        "Few right answers turned wrong", "More of them than max_negative_flips"
    ),
    "slices": _suspicion(
        "No group of people worse off",
        "A log-loss over 0.02 above the champion's in a slice of at least 50 effective groups",
    ),
    "base_rate": _suspicion(
        "Better than the last weeks' like rate", "A log-loss above that of the like rate alone"
    ),
    "answers_differ": CheckWords(
        title="The two models differ",
        measures="votes",
        change={
            "pass": "Only equal like probabilities for every vote would leave the question open.",
            "undecided": "A challenger that gives some vote another like probability.",
        },
    ),
    "self_test": CheckWords(
        title="Self-test",
        change={
            "pass": "One recorded request that the model read back from disk answers differently.",
            "fail": "A model that, read back from disk, gives the recorded answers.",
        },
    ),
    "refit": CheckWords(
        title="What ships is what was judged",
        better="lower",
        measures="distance",
        change={
            "pass": "A model fitted on all votes that lies farther from its folds' mean than the "
            "farthest of them.",
            "fail": "A model fitted on all votes that answers like those of its folds.",
        },
    ),
}
_OF_FEW = {"no_harm": _no_harm_of_few(_HARM), "no_harm_since": _no_harm_of_few(_HARM_SINCE)}
_UNSPENT = {"no_harm": _unspent(_HARM), "no_harm_since": _unspent(_HARM_SINCE)}


def check_words(check: Json) -> CheckWords:
    """The words of a check; one that is not known here keeps its own name.

    Harm is judged by a bound below 0, among few groups by a probability, without budget not at all.
    """
    name = text(check.get("name"))
    if name in _OF_FEW:
        bound = number(check.get("bound"))
        if bound is not None and bound >= 0.0:
            return _OF_FEW[name]
        if check.get("value") is None and check.get("answer") == "undecided":
            return _UNSPENT[name]
    return CHECKS.get(name) or CheckWords(title=spaced(name), change={})


def what_would_change(check: Json) -> str | None:
    """The sentence under a check that says what would turn its answer."""
    told = check_words(check)
    template = told.change.get(str(check.get("answer")))
    if template is None:
        return None
    value, bound = number(check.get("value")), number(check.get("bound"))
    gap = max((bound or 0.0) - (value or 0.0), 0.0)
    fields = {key: told.show(check.get(key)) for key in ("value", "low", "high", "bound")}
    setting = str(check.get("name")).replace("floor_", "min_")
    unset = "" if bound else "No floor is set. "
    return template.format(**fields, set=unset, setting=setting, gap=count(gap))
