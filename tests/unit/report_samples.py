"""Records of runs as the stages write them, made by hand, for the tests of the report.

Each function gives a fresh `Sample`: (run, training, evaluation, verdict). They are plain
dictionaries, as read back from JSON, so a test may change what it likes.
"""

from __future__ import annotations

from typing import NamedTuple

from tests.unit.report_records import (
    ALWAYS,
    Record,
    change,
    check_record,
    evaluation_record,
    gain_record,
    interval,
    run_record,
    training_record,
    verdict_record,
)

HOSTILE = [
    "<script>alert('style')</script>",
    '"><img src=https://evil.example/x.png onerror=alert(1)>',
    "</title></style><style>body{display:none}</style>",
    "{{ 7 * 7 }} {% raw %} [link](javascript:alert(1)) | `code` | **bold**",
    "가일 컷\u202e\x00 \ud800 😀",
    "아주긴이름" * 40,
]
"""Style names that try to break out of the page, the card, or the layout."""


class Sample(NamedTuple):
    """What `render` takes, in its order."""

    run: Record
    training: Record | None
    evaluation: Record | None
    verdict: Record | None


def promoted() -> Sample:
    """A challenger that is expected to be better, and cannot do harm; every part present."""
    evaluation = evaluation_record(0.0124, 0.0085, 0.031)
    return Sample(run_record("promoted"), training_record(), evaluation, verdict_record(evaluation))


def inconclusive() -> Sample:
    """Few people: a posterior decides, and says that harm is not unlikely enough yet."""
    evaluation = evaluation_record(0.0031, 0.0282, 0.004)
    evaluation["judged"] = {
        "votes": 214,
        "groups": 160,
        "effective_groups": 143.2,
        "likes": 131,
        "after_cutoff": 61,
        "out_of_fold": 0,
        "fixed_split": 153,
    }
    evaluation["proof"] |= {"proved": False, "e_value": 0.8, "groups": 41, "votes": 61}
    evaluation["proof"] |= {"gain": None, "low": None, "high": None}
    verdict = verdict_record(evaluation)
    harm = "143 effective groups are fewer than 200, so a posterior decides"
    change(verdict, "no_harm", answer="undecided", value=0.0131, bound=0.0036, says=harm)
    change(verdict, "no_harm_since", answer="undecided", value=0.0042, bound=0.0036, says=harm)
    reason = f"no_harm: {harm}; votes of more people narrow this down, and the next run looks again"
    verdict |= {"decision": "inconclusive", "reason": reason, "risk": 0.0}
    verdict |= {"expected_gain": 0.0008, "anchor": "s-20260906T020000Z"}
    training = training_record() | {"settled": False, "votes": 1022, "groups": 770}
    training["candidates"][0]["settled"] = False
    run = run_record("inconclusive") | {"reason": reason}
    run["counts"] |= {"read": 147, "votes": 1022, "new_votes": 61}
    return Sample(run, training, evaluation, verdict)


def rejected() -> Sample:
    """A challenger that is worse, for one face and one style more than for the others."""
    evaluation = evaluation_record(-0.0312, 0.0101, -0.052)
    slices = [s for s in evaluation["suspicions"] if s["name"] == "slices"]
    for part, suspicion in zip(evaluation["slices"], slices, strict=True):
        if part["name"] in {"긴형", "가일 컷"}:
            part |= {"difference": interval(0.11, 0.05, part["votes"]), "p_worse": 0.00008}
            suspicion |= {"p": 0.00008, "shown": True}
    evaluation["suspicions"][0] |= {"p": 0.0000004, "shown": True}
    verdict = verdict_record(evaluation)
    worse = "shown to be worse: 긴형 (face_shape), 가일 컷 (hairstyle)"
    reason = f"log_loss: shown to be worse: log-loss; slices: {worse}"
    low = "the gain over the champion is −0.0312 nats a vote and at least −0.0521"
    fall = "the log-loss is expected to fall by −0.0298 nats a vote after shrinkage"
    change(verdict, "no_harm", answer="undecided", value=-0.0521, says=low)
    change(verdict, "expected_gain", answer="undecided", value=-0.0298, says=fall)
    change(verdict, "log_loss", answer="fail", value=0.0000004, says="shown to be worse: log-loss")
    change(verdict, "slices", answer="fail", value=0.00008, says=worse)
    verdict |= {"decision": "reject", "reason": reason, "expected_gain": -0.0298}
    run = run_record("rejected") | {"reason": reason, "version": None}
    return Sample(run, training_record(), evaluation, verdict)


def first_model() -> Sample:
    """No champion; the network was not trained, so there is no curve; little is known."""
    evaluation = evaluation_record(0.0, 0.0, 0.0)
    empty = ("champion_version", "champion", "difference", "since_champion", "anchor", "faults")
    evaluation |= dict.fromkeys((*empty, "proof"))
    evaluation |= {"slices": [], "suspicions": []}
    evaluation["judged"] = {"votes": 12431, "groups": 9320, "effective_groups": 8014.6}
    evaluation["references"] = [
        {"name": "a constant", "gain": gain_record(0.0841, 0.0061)},
        {"name": "the base data alone", "gain": gain_record(0.0217, 0.0048)},
    ]
    for name in ("threshold", "confusion", "roc", "calibration"):
        evaluation[name]["champion"] = None
    training = training_record() | {"chosen": "hierarchical", "curve": []}
    training["candidates"] = training["candidates"][:1]
    training["base"] |= dict.fromkeys(("log_loss_with", "log_loss_without"))
    verdict = verdict_record(evaluation)
    kept = [c for c in verdict["checks"] if c["name"] in ALWAYS]
    for name, value in (("constant", 0.0841), ("base", 0.0217)):
        says = f"the gain over it is {value:+.4f} nats a vote on groups held out"
        better = ("pass", value, 0.0, value - 0.006, value + 0.006, says)
        kept.append(check_record(f"better_than_{name}", *better))
    reason = "first model: it passed its self-test and the floors"
    verdict |= {"reason": reason, "checks": kept, "risk": 0.0, "expected_gain": None}
    verdict |= {"budget": "this year 0 % of 5 % risked", "anchor": None}
    run = run_record("promoted") | {"reason": reason, "previous_version": None}
    run |= {"mode": "full", "base_run_id": None, "last_verdict_cutoff": None}
    run["counts"] |= {"read": 12517, "new_votes": 12431}
    return Sample(run, training, evaluation, verdict)


def data_stopped() -> Sample:
    """A bug upstream wrote `like` for everything: only the run's own record exists."""
    run = run_record("data_stopped")
    run |= {"reason": "class_balance: 0 of 2,431 new votes are dislikes", "exit": 3}
    run |= {"version": None, "sha256": {}, "seconds_by_stage": {"extract": 0.61, "validate": 0.03}}
    run["findings"][4] |= {
        "answer": "stop",
        "value": 0.0,
        "says": "0 of 2,431 new votes are dislikes; something upstream writes one answer",
    }
    return Sample(run, None, None, None)


def hostile() -> Sample:
    """Every text that comes from outside tries to be markup."""
    sample = rejected()
    assert sample.evaluation is not None
    for part, name in zip(sample.evaluation["slices"][-len(HOSTILE) :], HOSTILE, strict=True):
        part["name"] = name
    sample.run["reason"] = HOSTILE[0]
    sample.run["samples"][0]["value"] = HOSTILE[1]
    sample.run["counts"]["rejected_by_reason"][HOSTILE[2]] = 3
    return sample


EVERY = [promoted, inconclusive, rejected, first_model, data_stopped, hostile]
