"""The naive program, as a process: the same votes the way such trainers are usually written.

    python -m bench.naive votes.sqlite base.csv OUTPUT_FOLDER

All rows as dictionaries, a data frame, scikit-learn's encoders and split, PyTorch's DataLoader
over tensors with batches of 64, at most 50 epochs with early stopping, scikit-learn's metrics,
the weights and the metrics written to a folder. Base rows and real votes are pooled. Slower
habits that one also meets (a data set that indexes a data frame, real rows copied to weigh
more) are left out: they would flatter us.
"""

from __future__ import annotations

import json
import sqlite3
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.metrics import (
    accuracy_score,
    brier_score_loss,
    f1_score,
    log_loss,
    precision_score,
    recall_score,
    roc_auc_score,
)
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import LabelEncoder

from bench.naive_reader import votes_of
from bench.rows_network import Rows, fit, rows

FEATURES = ("face_shape", "skin_tone", "hairstyle")
MISSING = 0.5
"""What a missing score becomes here."""


def main(database: str, base: str, output: str) -> None:
    """Read, train, evaluate, write."""
    frame = pd.concat([read_base(base), read_votes(database)], ignore_index=True)
    encoders = {name: LabelEncoder().fit(frame[name]) for name in FEATURES}
    train, rest = train_test_split(frame, test_size=0.3, random_state=0)
    held, test = train_test_split(rest, test_size=0.5, random_state=0)
    face, tone, style = (len(encoders[name].classes_) for name in FEATURES)
    fitted = fit(
        (face, tone, style), tensors(train, encoders), tensors(held, encoders), seed=0, loader=True
    )
    codes = tuple(encoders[name].transform(test[name]) for name in FEATURES)
    p = 1 / (1 + np.exp(-fitted.logit[codes]))
    folder = Path(output)
    np.savez(folder / "model.npz", logit=fitted.logit)
    found = scores(np.asarray(test["feedback"] == "like"), p)
    text = json.dumps({"votes": len(frame), "epochs": fitted.epochs, **found})
    (folder / "metrics.json").write_text(text, "utf-8")


def read_votes(database: str) -> pd.DataFrame:
    """Every eligible vote of the table."""
    connection = sqlite3.connect(database)
    connection.row_factory = sqlite3.Row
    found = [dict(row) for row in connection.execute("SELECT * FROM analysis_history")]
    connection.close()
    votes = pd.DataFrame([vote for row in found for vote in votes_of(row)])
    return cleaned(votes)


def read_base(path: str) -> pd.DataFrame:
    """The base rows."""
    return cleaned(pd.read_csv(path, encoding="utf-8-sig"))


def cleaned(frame: pd.DataFrame) -> pd.DataFrame:
    """The columns that are learned from, without gaps."""
    frame = frame[[*FEATURES, "score", "feedback"]].copy()
    frame["face_shape"] = frame["face_shape"].fillna("unknown")
    frame["score"] = frame["score"].fillna(MISSING)
    return frame


def tensors(frame: pd.DataFrame, encoders: dict[str, Any]) -> Rows:
    """A part of the data as the network takes it."""
    face, tone, style = (encoders[name].transform(frame[name]) for name in FEATURES)
    like = np.asarray(frame["feedback"] == "like")
    return rows((face, tone, style), like, frame["score"].to_numpy(dtype=np.float64))


def scores(truth: np.ndarray[Any, Any], p: np.ndarray[Any, Any]) -> dict[str, float]:
    """The metrics that both programs report."""
    answer = p >= 0.5
    return {
        "f1": float(f1_score(truth, answer, average="weighted")),
        "accuracy": float(accuracy_score(truth, answer)),
        "precision": float(precision_score(truth, answer)),
        "recall": float(recall_score(truth, answer)),
        "auc": float(roc_auc_score(truth, p)),
        "log_loss": float(log_loss(truth, p)),
        "brier": float(brier_score_loss(truth, p)),
    }


if __name__ == "__main__":
    main(*sys.argv[1:])
