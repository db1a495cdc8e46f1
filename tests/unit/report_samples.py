"""Records of runs as the stages write them, made by hand, for the tests of the report.

Each function gives a fresh `Sample`: (run, training, evaluation, verdict). They are plain
dictionaries, as read back from JSON, so a test may change what it likes.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

Record = dict[str, Any]

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
    """A challenger that is shown to be better, every part present."""
    return Sample(_run("promoted"), _training(), _evaluation(0.031, 0.019), _promote())


def inconclusive() -> Sample:
    """Too few disagreements to tell the two apart."""
    verdict = _promote()
    verdict |= {"decision": "inconclusive", "reason": "the interval spans 0", "votes_needed": 3214}
    verdict["checks"][0] |= {"answer": "undecided", "value": 0.004, "low": -0.0105, "high": 0.0185}
    run = _run("inconclusive") | {"reason": verdict["reason"]}
    return Sample(run, _training(), _evaluation(0.004, 0.0145), verdict)


def rejected() -> Sample:
    """A challenger that is worse, for one face and one style more than for the others."""
    evaluation = _evaluation(-0.052, 0.02)
    worse = [part for part in evaluation["slices"] if part["name"] in {"긴형", "가일 컷"}]
    for part in worse:
        part["difference"] = interval(-0.11, 0.05, part["votes"])
        part |= {"p_worse": 0.0008, "worse": True}
    verdict = _promote()
    verdict |= {"decision": "reject", "reason": "f1_improvement: worse; slices: worse"}
    failing: dict[str, Record] = {
        "f1_improvement": {"value": -0.052, "low": -0.072, "high": -0.032},
        "slices": {"value": 2.0, "says": "shown to be worse for 긴형 (face_shape)"},
        "log_loss": {"value": 0.021, "low": 0.012, "high": 0.03, "says": "shown to be worse"},
    }
    for check in verdict["checks"]:
        if check["name"] in failing:
            check.update(failing[check["name"]], answer="fail")
    run = _run("rejected") | {"reason": verdict["reason"], "version": None}
    return Sample(run, _training(), evaluation, verdict)


def first_model() -> Sample:
    """No champion; the network was not trained, so there is no curve; little is known."""
    evaluation = _evaluation(0.0, 0.03)
    empty = ("champion_version", "champion", "difference", "disagreements", "since_champion")
    evaluation |= dict.fromkeys(empty)
    for name in ("threshold", "confusion", "roc", "calibration"):
        evaluation[name]["champion"] = None
    for part in evaluation["slices"]:
        part |= {"champion": None, "difference": None, "p_worse": None}
    training = _training() | {"chosen": "hierarchical", "curve": []}
    training["candidates"] = training["candidates"][:1]
    training["base"] |= dict.fromkeys(
        ("validation_log_loss_with", "validation_log_loss_without", "validation_votes")
    )
    verdict = _promote()
    verdict |= {"reason": "first model: it passed its self-test and the floors"}
    verdict |= {"votes_needed": None, "checks": verdict["checks"][1:4]}
    run = _run("promoted") | {"reason": verdict["reason"], "previous_version": None}
    run |= {"mode": "full", "base_run_id": None, "last_verdict_cutoff": None}
    run["counts"] |= {"read": 12517, "new_votes": 12431}
    return Sample(run, training, evaluation, verdict)


def data_stopped() -> Sample:
    """A bug upstream wrote `like` for everything: only the run's own record exists."""
    run = _run("data_stopped")
    run |= {"reason": "class_balance: 0 of 2,431 new votes are dislikes", "exit": 3}
    run |= {"version": None, "sha256": {}, "seconds_by_stage": {"extract": 0.61, "validate": 0.03}}
    run["findings"][4] |= {
        "answer": "stop",
        "value": 0.0,
        "says": "0 of 2,431 new votes are dislikes; something upstream writes one answer",
    }
    run["counts"] |= dict.fromkeys(("train", "validation", "test"))
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


def interval(value: float, half: float, n: int) -> Record:
    """A value with a symmetric interval."""
    return {"value": value, "low": value - half, "high": value + half, "n": n}


def _run(state: str) -> Record:
    return {
        "run_id": "s-20261122T020000Z",
        "state": state,
        "reason": "F1 +0.0310 against the champion, between +0.0120 and +0.0500",
        "exit": 0,
        "version": "s-20261122T020000Z",
        "previous_version": "s-20261115T020000Z",
        "format_version": 1,
        "split_version": "1",
        "created_at": "2026-11-22T02:00:11Z",
        "settings": {"min_improvement": 0.0, "confidence": 0.9, "worth_detecting": 0.01}
        | {"real_data_weight": 2.0, "candidates": "auto", "auto_deploy": True, "base_csv": None},
        "seed": 0,
        "source": "5b1c" * 16,
        "mode": "incremental",
        "base_run_id": "s-20261115T020000Z",
        "cutoff": "2026-11-22T02:00:00Z",
        "last_verdict_cutoff": "2026-11-15T02:00:00Z",
        "counts": {
            "read": 2517,
            "rejected_by_reason": {"unknown_vote": 41, "no_such_style": 33, "malformed_json": 12},
            "noted": {"score_missing": 318, "unknown_face": 54},
            "votes": 12431,
            "new_votes": 2431,
            "late": 3,
            "train": 8702,
            "validation": 1917,
            "test": 1812,
        },
        "samples": [
            {"reason": "unknown_vote", "analysis": "9f2c41d07ab3", "style_index": 2, "value": "mee"}
            | {"value": "text of 3 characters"},
            {"reason": "malformed_json", "analysis": "17aa0c93be55", "style_index": 1}
            | {"value": "number"},
        ],
        "findings": [
            _finding("schema", "ok", None, None, "every needed column is there"),
            _finding("rejected_share", "ok", 0.0342, 0.2, "3.4 % of the votes read were rejected"),
            _finding("missing_score_share", "warn", 0.0256, 0.02, "318 votes have no score"),
            _finding("duplicate_share", "ok", 0.081, 0.5, "8.1 % repeat a face, tone and style"),
            _finding("class_balance", "ok", 0.412, 0.02, "41.2 % of the new votes are dislikes"),
            _finding("freshness", "ok", 0.00001, 60, "the newest vote is 0.0 days old"),
        ],
        "data_fingerprint": "3e9a" * 16,
        "code_revision": "7929925",
        "image_digest": None,
        "threads": 1,
        "sha256": {"model": "c0ff" * 16, "table": "0d1e" * 16, "self_test": "77ab" * 16},
        "seconds_by_stage": {"extract": 0.61, "validate": 0.03, "prepare": 0.22, "train": 9.84}
        | {"evaluate": 0.71, "publish": 0.09},
    }


def _finding(name: str, answer: str, value: object, bound: object, says: str) -> Record:
    return {"name": name, "answer": answer, "value": value, "bound": bound, "says": says}


def _training() -> Record:
    epochs = range(1, 31)
    return {
        "chosen": "hierarchical",
        "reason": "the lowest log-loss on validation",
        "candidates": [
            _candidate("hierarchical", 0.5871, 0.742, 0.18, 40, 40),
            _candidate("embedding", 0.5934, 0.735, 9.41, 30, 24),
        ],
        "curve": [
            {
                "epoch": epoch,
                "train_loss": 1.30 + 0.35 * math.exp(-epoch / 5),
                "validation_loss": 0.59 + 0.1 * math.exp(-epoch / 5) + 0.0001 * (epoch - 23) ** 2,
                "learning_rate": 0.001 if epoch < 18 else 0.0005,
            }
            for epoch in epochs
        ],
        "variances": {"face": 0.021, "tone": 0.008, "style": 0.412, "face×tone": 0.004}
        | {"face×style": 0.187, "tone×style": 0.052, "face×tone×style": 0.031},
        "base": {
            "rows": 10000,
            "trust": 0.62,
            "trust_low": 0.51,
            "trust_high": 0.73,
            "validation_log_loss_with": 0.5871,
            "validation_log_loss_without": 0.5923,
            "validation_votes": 1917,
        },
        "calibration": {"fitted": True, "u": 0.041, "v": 0.968},
        "threshold": 0.487,
        "class_weights": [1.0, 1.0],
        "train_votes": 8702,
        "validation_votes": 1917,
    }


def _candidate(name: str, loss: float, auc: float, took: float, rounds: int, best: int) -> Record:
    return {
        "name": name,
        "validation_log_loss": loss,
        "validation_auc": auc,
        "seconds": took,
        "rounds": rounds,
        "best_round": best,
    }


def _metrics(f1: float, n: int) -> Record:
    names = {"f1": f1, "accuracy": f1 + 0.003, "precision": f1 + 0.034, "recall": f1 + 0.021}
    names |= {"auc": f1 + 0.05, "log_loss": 1.01 - 0.6 * f1, "brier": 0.45 - 0.35 * f1}
    names |= {"calibration_error": 0.021, "score_rmse": 0.138}
    return {name: interval(value, 0.65 / math.sqrt(n), n) for name, value in names.items()}


def _evaluation(difference: float, half: float) -> Record:
    new, old = 0.681 + difference, 0.681
    gap = interval(-difference * 0.6, 0.012, 1812) | {"p_worse": 0.02}
    return {
        "test": {"votes": 1812, "groups": 1403, "likes": 1065},
        "champion_version": "s-20261115T020000Z",
        "challenger": _metrics(new, 1812),
        "champion": _metrics(old, 1812),
        "majority": {"f1": 0.435, "accuracy": 0.588},
        "threshold": {"challenger": 0.487, "champion": 0.5},
        "difference": {"f1": interval(difference, half, 1812), "log_loss": gap},
        "disagreements": 312,
        "since_champion": {
            "votes": 371,
            "challenger": _metrics(new + 0.006, 371),
            "champion": _metrics(old - 0.013, 371),
            "difference": interval(difference + 0.019, 0.041, 371),
        },
        "slices": _slices(difference),
        "confusion": {"challenger": [[498, 249], [272, 793]], "champion": [[461, 286], [293, 772]]},
        "roc": {"challenger": _roc(1.9 + difference), "champion": _roc(1.75)},
        "calibration": {"challenger": _bins(0.01), "champion": _bins(0.06)},
    }


def _slices(difference: float) -> list[Record]:
    faces = [
        ("계란형", 612),
        ("둥근형", 488),
        ("각진형", 301),
        ("긴형", 254),
        ("하트형", 121),
        ("", 36),
    ]
    tones = [("웜톤", 811), ("쿨톤", 742), ("중간톤", 259)]
    styles = [
        ("리프 컷", 143),
        ("가일 컷", 131),
        ("댄디컷", 118),
        ("애즈펌", 96),
        ("투블럭 (내린머리)", 84),
    ]
    styles += [("레이어드 단발", 71), ("히메컷", 49)]
    names = [("face_shape", faces), ("skin_tone", tones), ("hairstyle", styles)]
    return [
        _slice(by, name, votes, difference + 0.012 * ((turn * 5) % 7 - 3) / 3)
        for by, parts in names
        for turn, (name, votes) in enumerate(parts)
    ]


def _slice(by: str, name: str, votes: int, difference: float) -> Record:
    half, old = 1.2 / math.sqrt(votes), 0.68 + (votes % 7 - 3) / 90
    return {
        "by": by,
        "name": name,
        "votes": votes,
        "challenger": interval(old + difference, half, votes),
        "champion": interval(old, half, votes),
        "difference": interval(difference, half * 0.6, votes),
        "p_worse": 0.61 if votes >= 50 else None,
        "worse": False,
    }


def _roc(power: float) -> list[list[float]]:
    return [[x / 60, 1 - (1 - x / 60) ** power] for x in range(61)]


def _bins(bend: float) -> list[Record]:
    bins = []
    for step, votes in enumerate([31, 104, 205, 288, 331, 309, 254, 168, 91, 31]):
        predicted = 0.05 + step / 10
        observed = min(max(predicted - bend * math.sin(6.3 * predicted), 0.0), 1.0)
        half = 0.82 / math.sqrt(votes)
        low, high = max(observed - half, 0.0), min(observed + half, 1.0)
        bins.append({"predicted": predicted, "observed": observed, "votes": votes})
        bins[-1] |= {"low": low, "high": high}
    return bins


def _promote() -> Record:
    checks = [
        ("f1_improvement", 0.031, 0.0, 0.012, 0.05, "F1 +0.0310 against the champion"),
        ("self_test", None, None, None, None, "the files read back give the recorded answers"),
        ("floor_accuracy", 0.715, 0.6, 0.699, 0.73, "accuracy 0.7150; the floor is 0.600"),
        ("floor_precision", 0.746, 0.0, 0.73, 0.761, "precision 0.7460; the floor is 0.000"),
        ("floor_recall", 0.733, 0.0, 0.717, 0.748, "recall 0.7330; the floor is 0.000"),
        ("floor_f1", 0.712, 0.0, 0.697, 0.727, "f1 0.7120; the floor is 0.000"),
        ("majority_class", 0.712, 0.435, 0.697, 0.727, "F1 0.7120; the commoner answer has 0.4350"),
        ("min_test_votes", 1812.0, 30.0, None, None, "1,812 unseen votes; 30 are the least"),
        ("slices", 0.0, 0.0, None, None, "none of 14 slices is shown to be worse"),
        ("log_loss", -0.0186, 0.0, -0.0306, -0.0066, "log-loss −0.0186: not shown to be worse"),
        ("answers_differ", 312.0, 0.0, None, None, "312 unseen votes are answered differently"),
    ]
    keys = ("name", "value", "bound", "low", "high", "says")
    return {
        "decision": "promote",
        "reason": "F1 +0.0310 against the champion, between +0.0120 and +0.0500",
        "checks": [dict(zip(keys, row, strict=True)) | {"answer": "pass"} for row in checks],
        "votes_needed": 0,
    }
