"""What the report says in words: verdicts, findings and metrics as sentences.

Plain tables of sentences rather than logic in the templates, so that each state and decision
has its words in one place, and a test can walk through all of them. The checks' words stand in
`report_checks`.
"""

from __future__ import annotations

from dataclasses import dataclass

from task.report_checks import check_words
from task.report_numbers import Json, percent, plain, spaced, text


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
        "The new model passed every check, and the service answers with it.",
    ),
    "promoted": (
        "Promoted",
        "good",
        "The new model passed every check and has taken the champion's place.",
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
        "The evidence does not allow a promotion yet. The current model stays.",
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
    "served": "It passed every check, and the service answers with it.",
    "promoted": "It passed every check and is now the active model.",
    "approved": "It passed every check. A person has to promote it.",
}
_FIRST_PASSED = "It passed every check."


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
        names = [check_words(c).title for c in checks if c.get("answer") == answer]
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


def settles(verdict: Json | None) -> str | None:
    """What would change an inconclusive verdict, in the gate's own words; None for any other."""
    if not verdict or verdict.get("decision") != "inconclusive":
        return None
    return str(verdict.get("reason") or "").rpartition("; ")[2] or None


def finding_figure(name: object, value: object) -> str:
    """A finding's value or bound: a share in per cent, else a count or a measure."""
    told = str(name)
    share = told.endswith("share") or told in {"class_balance", "outliers"}
    return percent(value) if share else plain(value)


METRICS = {  # name for people, better side, what it means
    "log_loss": ("Log-loss", "lower", "Surprise at the votes; a coin has 0.693"),
    "f1": ("F1", "higher", "Of like and of dislike, each weighted by its votes"),
    "auc": ("AUC", "higher", "Chance that a liked style ranks above a disliked one"),
    "calibration_error": ("Calibration error", "lower", "Predicted against observed shares"),
    "accuracy": ("Accuracy", "higher", "Share of votes predicted rightly"),
    "precision": ("Precision", "higher", "Of those predicted liked, the share that was"),
    "recall": ("Recall", "higher", "Of those liked, the share predicted"),
    "brier": ("Brier", "lower", "Squared error of the predicted chance"),
    "score_rmse": ("Score RMSE", "lower", "Error of the predicted score"),
}
MAIN_METRICS = {"log_loss", "f1", "auc", "calibration_error"}
"""What stands in the open; the others are folded away."""
