"""What the report says in words: verdicts and checks as sentences.

Plain tables of sentences rather than logic in the templates, so that each state, decision
and check has its words in one place, and a test can walk through all of them.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from common.feedback import TEST_SHARE
from task.report_numbers import count, decimal, number, percent, plain, signed, spaced, text

Json = Mapping[str, Any]


@dataclass(frozen=True, kw_only=True)
class Headline:
    """The report's first words; `tone` is good, bad, wait or idle and colours the page."""

    word: str
    tone: str
    sentence: str


_BY_STATE = {
    "served": (
        "Promoted",
        "good",
        "The new model is better than the one before, and the service answers with it.",
    ),
    "promoted": (
        "Promoted",
        "good",
        "The new model is better than the one before and has taken its place.",
    ),
    "approved": (
        "Approved",
        "good",
        "The new model passed every check and is published. A person has to promote it.",
    ),
    "rejected": (
        "Rejected",
        "bad",
        "The new model did not pass. The current model stays.",
    ),
    "inconclusive": (
        "Inconclusive",
        "wait",
        "The votes cannot tell yet which model is better. The current model stays.",
    ),
    "skipped": (
        "Skipped",
        "idle",
        "There was nothing to do, so nothing was trained and nothing changed.",
    ),
    "data_stopped": (
        "Data stopped",
        "bad",
        "The votes did not pass inspection, so nothing was trained and nothing changed.",
    ),
    "rolled_back": (
        "Rolled back",
        "bad",
        "The new model did not prove itself in service. The previous model serves again.",
    ),
    "failed": (
        "Failed",
        "bad",
        "The run ended in an error, before it could finish.",
    ),
}
_BY_DECISION = {
    "promote": (
        "Passed",
        "good",
        "The new model passed every check. What became of it is in the run's history.",
    ),
    "reject": _BY_STATE["rejected"],
    "inconclusive": _BY_STATE["inconclusive"],
}
_FIRST = {
    "served": "It passed its self-test and its floors, and the service answers with it.",
    "promoted": "It passed its self-test and its floors and is now the active model.",
    "approved": "It passed its self-test and its floors. A person has to promote it.",
}
_FIRST_PASSED = "It passed its self-test and its floors."


def headline(run: Json, evaluation: Json | None, verdict: Json | None) -> Headline:
    """The verdict in a word and a sentence, from the run's state or, before that, the gate's."""
    state, decision = run.get("state"), (verdict or {}).get("decision")
    first = evaluation is not None and evaluation.get("champion_version") is None
    word, tone, told = _BY_STATE.get(str(state)) or _BY_DECISION.get(
        str(decision), ("Not finished", "idle", "This run has not come to an end.")
    )
    if first and tone == "good":
        passed = _FIRST.get(str(state), _FIRST_PASSED)
        word, told = "First model", f"There was no model before to compare with. {passed}"
    return Headline(word=word, tone=tone, sentence=told)


def because(run: Json, verdict: Json | None) -> list[str]:
    """The lines under the headline: what stopped the run or its own reason, and the checks' part.

    The part of a reason that only repeats the checks' figures is left out: they stand below.
    """
    checks = (verdict or {}).get("checks") or ()
    found = [item for item in run.get("findings") or () if item.get("answer") == "stop"]
    lines = [f"{spaced(item.get('name'))}: {text(item.get('says'))}" for item in found]
    own, repeated = str(run.get("reason") or ""), (verdict or {}).get("reason")
    own = own.replace(str(repeated), "").strip("; ") if repeated else own
    if own and not found:
        lines.append(own)
    for answer in ("fail", "undecided"):
        names = [
            check_words(text(c.get("name"))).title for c in checks if c.get("answer") == answer
        ]
        if names:
            lines.append(f"{_DECIDED[answer]}: {', '.join(names)}.")
    if checks and all(check.get("answer") == "pass" for check in checks):
        lines.append(f"All {len(checks)} checks passed.")
    return lines


def absent(training: Json | None, evaluation: Json | None, verdict: Json | None) -> str | None:
    """Which parts are not in the report, as the run ended before them; None when all are."""
    parts = (("training", training), ("comparison", evaluation), ("checks", verdict))
    names = [name for name, record in parts if not record]
    return f"The run ended before it came to: {', '.join(names)}." if names else None


_DECIDED = {"fail": "Failed", "undecided": "Undecided"}


def needed(verdict: Json | None, evaluation: Json | None, worth: object) -> str | None:
    """How many more votes would settle the matter, as a sentence; None where it does not apply."""
    if not verdict or not evaluation or evaluation.get("champion_version") is None:
        return None
    votes = number(verdict.get("votes_needed"))
    difference = f"difference as small as {plain(worth)} in F1" if number(worth) else "difference"
    if votes:
        return f"About {count(votes)} more votes in all would show a {difference}."
    if votes == 0:
        return f"A {difference} would have shown by now."
    if evaluation.get("disagreements") == 0:
        return "The two models never differ, so no number of votes would tell them apart."
    return None


# --- the checks -------------------------------------------------------------------------------


@dataclass(frozen=True, kw_only=True)
class CheckWords:
    """A check's name for people, the better side of its bound, and what would change it."""

    title: str
    better: str | None
    change: Mapping[str, str]  # by answer; its fields: see what_would_change


_FLOOR = {
    "pass": "{set}A {setting} above {value} would fail it.",
    "undecided": "A test vote to compute it from.",
    "fail": "A model that reaches {bound}, or a {setting} of at most {value}.",
}
CHECKS = {
    "f1_improvement": CheckWords(
        title="Better than the champion",
        better="higher",
        change={
            "pass": "Votes that move the interval's low end to {bound} or below, or a "
            "min_improvement of {low} or more.",
            "fail": "A challenger whose interval ends above {bound}; this one ends at {high}.",
            "undecided": "An interval wholly on one side of {bound}: more votes make it shorter.",
        },
    ),
    "floor_accuracy": CheckWords(title="Accuracy over its floor", better="higher", change=_FLOOR),
    "floor_precision": CheckWords(title="Precision over its floor", better="higher", change=_FLOOR),
    "floor_recall": CheckWords(title="Recall over its floor", better="higher", change=_FLOOR),
    "floor_f1": CheckWords(title="F1 over its floor", better="higher", change=_FLOOR),
    "majority_class": CheckWords(
        title="Better than one answer for all",
        better="higher",
        change={
            "pass": "An F1 of {bound} or less, the score of giving everybody one answer.",
            "fail": "An F1 above {bound}, the score of giving everybody one answer.",
            "undecided": "A test vote to compute both from.",
        },
    ),
    "min_test_votes": CheckWords(
        title="Enough test votes",
        better="higher",
        change={
            "pass": "Fewer than {bound} test votes would leave the question open.",
            "undecided": "{gap} more test votes, about {all} votes in all: 15 % are tested.",
        },
    ),
    "slices": CheckWords(
        title="No group of people worse off",
        better=None,
        change={
            "pass": "A slice of at least 50 test votes that is shown to be worse (one-sided 0.05, "
            "corrected for the number of slices).",
            "fail": "A challenger under which the slices marked below are not shown to be worse.",
        },
    ),
    "log_loss": CheckWords(
        title="Probabilities not worse",
        better="lower",
        change={
            "pass": "A log-loss shown to be higher than the champion's (one-sided 0.05).",
            "fail": "A challenger whose log-loss is not shown to be higher than the champion's.",
        },
    ),
    "answers_differ": CheckWords(
        title="The two models differ",
        better=None,
        change={
            "pass": "Only equal answers to every test vote would leave the question open.",
            "undecided": "One test vote that the two models answer differently.",
        },
    ),
    "self_test": CheckWords(
        title="Self-test",
        better=None,
        change={
            "pass": "One recorded request that the model read back from disk answers differently.",
            "fail": "A model that, read back from disk, gives the recorded answers.",
        },
    ),
}


def shown_as(name: str) -> Callable[[object], str]:
    """How a check's figures are written: differences signed, shares to three digits, counts."""
    if name in {"f1_improvement", "log_loss"}:
        return signed
    return decimal if name.startswith("floor_") or name == "majority_class" else plain


def check_words(name: str) -> CheckWords:
    """The words of a check; one that is not known here keeps its own name."""
    return CHECKS.get(name) or CheckWords(title=spaced(name), better=None, change={})


def what_would_change(check: Json) -> str | None:
    """The sentence under a check that says what would turn its answer."""
    name = str(check.get("name"))
    template = check_words(name).change.get(str(check.get("answer")))
    if template is None:
        return None
    value, bound = number(check.get("value")), number(check.get("bound"))
    gap = max((bound or 0.0) - (value or 0.0), 0.0)
    show = shown_as(name)
    fields = {key: show(check.get(key)) for key in ("value", "low", "high", "bound")}
    setting = name.replace("floor_", "min_")
    unset = "" if bound else "No floor is set. "
    return template.format(
        **fields, set=unset, setting=setting, gap=count(gap), all=count(math.ceil(gap / TEST_SHARE))
    )


def finding_figure(name: object, value: object) -> str:
    """A finding's value or bound: a share in per cent, else a count or a measure."""
    told = str(name)
    share = told.endswith("share") or told in {"class_balance", "outliers"}
    return percent(value) if share else plain(value)


METRICS = {  # name for people, better side, what it means
    "f1": ("F1", "higher", "Hits and misses of both answers in one figure"),
    "accuracy": ("Accuracy", "higher", "Share of votes predicted rightly"),
    "precision": ("Precision", "higher", "Of those predicted liked, the share that was"),
    "recall": ("Recall", "higher", "Of those liked, the share predicted"),
    "auc": ("AUC", "higher", "Chance that a liked style ranks above a disliked one"),
    "log_loss": ("Log-loss", "lower", "Surprise at the votes; a coin has 0.693"),
    "brier": ("Brier", "lower", "Squared error of the predicted chance"),
    "calibration_error": ("Calibration error", "lower", "Predicted against observed shares"),
    "score_rmse": ("Score RMSE", "lower", "Error of the predicted score"),
}
