"""What the settings say to the stages, each in its own words."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from common.settings import Settings
from task import gate, train
from task.recency import Recency
from task.tally import microseconds


def recency_of(settings: Settings, record: Mapping[str, Any]) -> Recency:
    """How much older votes count, as the settings say, seen from the run's cutoff."""
    return Recency(
        cutoff=microseconds(datetime.fromisoformat(str(record["cutoff"]))),
        half_life_days=settings.half_life_days,
        window_days=settings.window_days,
    )


def train_options(settings: Settings) -> train.Options:
    """What the settings say about training."""
    return train.Options(
        real_data_weight=settings.real_data_weight,
        candidates=settings.candidates,
        batch_size=settings.batch_size,
        max_epochs=settings.max_epochs,
        learning_rate=settings.learning_rate,
        early_stopping_patience=settings.early_stopping_patience,
        seed=settings.seed,
    )


def policy(settings: Settings) -> gate.Policy:
    """What the settings say about the gate."""
    return gate.Policy(
        gate=settings.gate,
        tolerated_loss=settings.tolerated_loss,
        min_improvement=settings.min_improvement,
        min_test_groups=settings.min_test_groups,
        min_accuracy=settings.min_accuracy,
        min_precision=settings.min_precision,
        min_recall=settings.min_recall,
        min_f1=settings.min_f1,
    )
