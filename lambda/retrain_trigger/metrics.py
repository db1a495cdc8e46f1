"""Metrics as lines of the log in CloudWatch's embedded metric format.

Powertools would write the same line, and is larger than everything else in the bundle.
"""

import json
from collections.abc import Mapping
from datetime import datetime
from typing import TextIO

NAMESPACE = "HairMe/Retraining"
DIMENSION = "Stage"

RUNS_LAUNCHED = "runs_launched"
RUNS_SKIPPED = "runs_skipped"
LAUNCH_FAILED = "launch_failed"
NEW_VOTES = "new_votes"
TOTAL_VOTES = "total_votes"
DAYS_SINCE_SUCCESS = "days_since_success"
REFUSALS_IN_A_ROW = "refusals_in_a_row"
ROLLBACKS = "rollbacks"
TASKS_FAILED = "tasks_failed"

NAMES = (
    RUNS_LAUNCHED,
    RUNS_SKIPPED,
    LAUNCH_FAILED,
    NEW_VOTES,
    TOTAL_VOTES,
    DAYS_SINCE_SUCCESS,
    REFUSALS_IN_A_ROW,
    ROLLBACKS,
    TASKS_FAILED,
)


def emit(stage: str, values: Mapping[str, float], now: datetime, stream: TextIO) -> None:
    """Write the values as one line; the log group turns it into metrics."""
    unknown = values.keys() - set(NAMES)
    assert not unknown, f"not a metric of ours: {sorted(unknown)}"
    directive = {
        "Namespace": NAMESPACE,
        "Dimensions": [[DIMENSION]],
        "Metrics": [
            {"Name": name, "Unit": "None" if _is_days(name) else "Count"} for name in values
        ],
    }
    milliseconds = int(now.timestamp() * 1000)
    head = {"Timestamp": milliseconds, "CloudWatchMetrics": [directive]}
    stream.write(json.dumps({"_aws": head, DIMENSION: stage, **values}) + "\n")
    stream.flush()


def _is_days(name: str) -> bool:
    return name == DAYS_SINCE_SUCCESS
