"""A metric is a line of the log in CloudWatch's embedded format."""

import json
from io import StringIO

import pytest

from retrain_trigger import metrics
from tests.unit.trigger_samples import NOW


def test_the_values_stand_in_one_line_with_their_directive() -> None:
    stream = StringIO()

    metrics.emit("prod", {"runs_launched": 1, "days_since_success": 0.5}, NOW, stream)

    assert stream.getvalue().count("\n") == 1
    assert json.loads(stream.getvalue()) == {
        "_aws": {
            "Timestamp": int(NOW.timestamp()) * 1000,
            "CloudWatchMetrics": [
                {
                    "Namespace": "HairMe/Retraining",
                    "Dimensions": [["Stage"]],
                    "Metrics": [
                        {"Name": "runs_launched", "Unit": "Count"},
                        {"Name": "days_since_success", "Unit": "None"},
                    ],
                }
            ],
        },
        "Stage": "prod",
        "runs_launched": 1,
        "days_since_success": 0.5,
    }


def test_a_name_that_no_alarm_knows_is_our_own_bug() -> None:
    with pytest.raises(AssertionError, match="run_launched"):
        metrics.emit("prod", {"run_launched": 1}, NOW, StringIO())


def test_every_constant_is_among_the_names() -> None:
    constants = {value for name, value in vars(metrics).items() if name.isupper()}
    others = {metrics.NAMESPACE, metrics.DIMENSION, metrics.NAMES}

    assert constants - others == set(metrics.NAMES)
