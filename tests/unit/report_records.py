"""The records that the stages of a run write, as plain dictionaries, for the sample reports.

Their keys are held against the types that the stages write by `test_report_records.py`.
"""

from __future__ import annotations

import math
from typing import Any

Record = dict[str, Any]


def interval(value: float, half: float, n: int) -> Record:
    """A value with a symmetric interval."""
    return {"value": value, "low": value - half, "high": value + half, "n": n}


def run_record(state: str) -> Record:
    return {
        "run_id": "s-20261122T020000Z",
        "state": state,
        "reason": _REASON,
        "exit": 0,
        "version": "s-20261122T020000Z",
        "previous_version": "s-20261115T020000Z",
        "format_version": 2,
        "split_version": "1",
        "created_at": "2026-11-22T02:00:11Z",
        "settings": {"gate": "harm", "tolerated_loss": 0.01, "yearly_risk": 0.05}
        | {"max_negative_flips": 0.1, "min_improvement": 0.0, "confidence": 0.9}
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
            _finding("class_balance", "ok", 0.412, 0.016, "41.2 % of the new votes are dislikes"),
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


def training_record() -> Record:
    epochs = range(1, 31)
    return {
        "chosen": "hierarchical",
        "reason": "the lowest log-loss on votes held out",
        "candidates": [
            _candidate("hierarchical", 0.5871, 0.742, 0.18, 61, 61),
            _candidate("embedding", 0.5934, 0.735, 19.41, 24, 24),
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
            "trust_low": 0.31,
            "trust_high": 0.93,
            "log_loss_with": 0.5871,
            "log_loss_without": 0.5923,
            "votes": 2466,
        },
        "calibration": {"fitted": True, "u": 0.041, "v": 0.968},
        "threshold": 0.487,
        "class_weights": [1.0, 1.0],
        "votes": 12431,
        "groups": 9320,
        "effective_groups": 8014.6,
        "learned_votes": 12431.0,
        "settled": True,
        "base_rejected": 0,
    }


def _candidate(name: str, loss: float, auc: float, took: float, rounds: int, best: int) -> Record:
    return {
        "name": name,
        "log_loss": loss,
        "auc": auc,
        "seconds": took,
        "rounds": rounds,
        "best_round": best,
        "settled": True,
    }


def _metrics(f1: float, n: int) -> Record:
    names = {"f1": f1, "accuracy": f1 + 0.003, "precision": f1 + 0.034, "recall": f1 + 0.021}
    names |= {"auc": f1 + 0.05, "log_loss": 1.01 - 0.6 * f1, "brier": 0.45 - 0.35 * f1}
    names |= {"calibration_error": 0.021, "score_rmse": 0.138}
    return {name: interval(value, 0.65 / math.sqrt(n), n) for name, value in names.items()}


def evaluation_record(gain: float, half: float, f1: float) -> Record:
    """A comparison with this gain in log-loss, give or take `half`, and this gain in F1."""
    new, old, votes = 0.681 + f1, 0.681, 12431
    slices = _slices(gain)
    found = gain_record(gain, half)
    loss = interval(-gain, half, votes)
    return {
        "judged": {
            "votes": votes,
            "groups": 9320,
            "effective_groups": 8014.6,
            "likes": 7310,
            "after_cutoff": 2431,
            "out_of_fold": 10000,
            "fixed_split": 0,
        },
        "champion_version": "s-20261115T020000Z",
        "challenger": _metrics(new, votes),
        "champion": _metrics(old, votes),
        "threshold": {"challenger": 0.487, "champion": 0.5},
        "difference": {
            "f1": interval(f1, 0.019, votes),
            "log_loss": loss,
            "gain": found,
            "disagreements": 1312,
            "changed": 12019,
        },
        "since_champion": {
            "votes": 2431,
            "challenger": _metrics(new + 0.006, 2431),
            "champion": _metrics(old - 0.013, 2431),
            "difference": interval(f1 + 0.019, 0.041, 2431),
            "gain": gain_record(gain + 0.006, half * 2),
        },
        "anchor": {"name": "s-20260906T020000Z", "gain": gain_record(gain + 0.004, half)},
        "references": [],
        "base_rate": {
            "name": "the like rate of the last four weeks",
            "gain": gain_record(0.07, 0.006),
        },
        "slices": slices,
        "faults": _faults(found, slices),
        "suspicions": [
            _suspicion("log_loss", "log-loss", 0.991),
            _suspicion("calibration", "calibration", 1.0),
            _suspicion("score", "the error of the score", 0.94),
            _suspicion("negative_flips", "right answers that turned wrong", 1.0),
            *(
                _suspicion("slices", f"{s['name'] or 'unknown'} ({s['by']})", s["p_worse"])
                for s in slices
            ),
        ],
        "refit": {"overall": 0.12, "worst_style": 0.71, "alike": True},
        "confusion": {
            "challenger": [[3383, 1692], [1848, 5387]],
            "champion": [[3132, 1943], [1991, 5244]],
        },
        "roc": {"challenger": _roc(1.9 + f1), "champion": _roc(1.75)},
        "calibration": {"challenger": _bins(0.01), "champion": _bins(0.06)},
        "proof": _proof(),
    }


def _faults(found: Record, slices: list[Record]) -> Record:
    return {
        "slices": slices,
        "gain": found,
        "slope": 0.97,
        "bias": 0.004,
        "p_calibration": 1.0,
        "score_ratio": 0.98,
        "p_score": 0.94,
        "negative_flips": 0.041,
        "flips_deviation": 0.002,
        "flips_groups": 8014.6,
        "first_places": 0.123,
    }


def _proof() -> Record:
    return {
        "champion": "s-20261115T020000Z",
        "replaced": "s-20261108T020000Z",
        "votes": 1034,
        "groups": 812,
        "e_value": 31.4,
        "proved": True,
        "gain": 0.0118,
        "low": 0.0021,
        "high": 0.0215,
    }


def gain_record(value: float, half: float) -> Record:
    return {
        "value": value,
        "deviation": half / 1.645,
        "divergence": 0.0127,
        "votes": 12431,
        "groups": 9320,
        "effective_groups": 8014.6,
        "low": value - half,
        "high": value + half,
        "p_worse": 0.991,
    }


def _suspicion(name: str, says: str, p: float | None) -> Record:
    return {"name": name, "says": says, "p": p, "shown": False}


def _slices(gain: float) -> list[Record]:
    faces = [("계란형", 4120), ("둥근형", 3288), ("각진형", 2031), ("긴형", 1714), ("하트형", 921)]
    faces += [("", 236)]
    tones = [("웜톤", 5511), ("쿨톤", 5042), ("중간톤", 1757)]
    styles = [("리프 컷", 943), ("가일 컷", 881), ("댄디컷", 798), ("애즈펌", 646)]
    styles += [("투블럭 (내린머리)", 564), ("레이어드 단발", 471), ("히메컷", 49)]
    names = [("face_shape", faces), ("skin_tone", tones), ("hairstyle", styles)]
    return [
        _slice(by, name, votes, -gain + 0.012 * ((turn * 5) % 7 - 3) / 3)
        for by, parts in names
        for turn, (name, votes) in enumerate(parts)
    ]


def _slice(by: str, name: str, votes: int, difference: float) -> Record:
    return {
        "by": by,
        "name": name,
        "votes": votes,
        "groups": round(votes * 0.75),
        "difference": interval(difference, 1.0 / math.sqrt(votes), votes),
        "p_worse": 0.61 if votes >= 50 else None,
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


_REASON = (
    "the gain over the champion is +0.0124 nats a vote and at least −0.0042, at a risk of 0.08 %; "
    "−0.0100 at least is needed; the log-loss is expected to fall by +0.0113 nats a vote"
)
ALWAYS = {"self_test", "refit", "min_test_groups"} | {
    f"floor_{name}" for name in ("accuracy", "precision", "recall", "f1")
}


def check_record(name: str, answer: str, *figures: object) -> Record:
    keys = ("value", "bound", "low", "high", "says")
    return {"name": name, "answer": answer} | dict(zip(keys, figures, strict=True))


def change(verdict: Record, name: str, **figures: object) -> None:
    (check,) = [each for each in verdict["checks"] if each["name"] == name]
    check.update(figures)


def verdict_record(evaluation: Record) -> Record:
    """A promotion: every check of the gate `harm` passed."""
    gain = (evaluation["difference"] or {}).get("gain") or gain_record(0.0, 0.0)
    ends = (gain["low"], gain["high"])
    harm = "the gain is at least −0.0042 nats a vote, at a risk of 0.08 %"
    doubts = ("log_loss", "calibration", "score", "negative_flips", "slices")
    checks = [
        ("no_harm", -0.0042, -0.01, None, None, harm),
        ("expected_gain", 0.0113, 0.0, *ends, "the log-loss is expected to fall by +0.0113"),
        ("no_harm_since", -0.0011, -0.01, None, None, harm),
        ("self_test", None, None, None, None, "the files read back give the recorded answers"),
        ("refit", 0.12, 1.0, None, None, "the model that ships is 0.12 times as far"),
        ("floor_accuracy", 0.715, 0.6, 0.699, 0.73, "accuracy 0.7150; the floor is 0.600"),
        ("floor_precision", 0.746, 0.0, 0.73, 0.761, "precision 0.7460; the floor is 0.000"),
        ("floor_recall", 0.733, 0.0, 0.717, 0.748, "recall 0.7330; the floor is 0.000"),
        ("floor_f1", 0.712, 0.0, 0.697, 0.727, "f1 0.7120; the floor is 0.000"),
        ("min_test_groups", 9320.0, 30.0, None, None, "9,320 people or photos held out"),
        *((name, 0.61, 0.05, None, None, "not shown to be worse") for name in doubts),
        ("answers_differ", 12019.0, 0.0, None, None, "12,019 votes get another probability"),
    ]
    return {
        "decision": "promote",
        "reason": _REASON,
        "checks": [check_record(name, "pass", *figures) for name, *figures in checks],
        "risk": 0.0008,
        "budget": "this year 1.2 % of 5 % risked",
        "expected_gain": 0.0113,
        "anchor": None,
    }
