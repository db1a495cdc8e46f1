"""Events match patterns as EventBridge matches them, arrays of objects included."""

from typing import Any

import pytest

from common.errors import UsageError
from local.cloud.pattern import matches

STOPPED = {
    "source": "aws.ecs",
    "detail-type": "ECS Task State Change",
    "detail": {
        "clusterArn": "arn:aws:ecs:us-east-1:123456789012:cluster/own",
        "lastStatus": "STOPPED",
        "containers": [
            {"name": "sidecar", "exitCode": 0, "lastStatus": "STOPPED"},
            {"name": "task", "exitCode": 137, "reason": "OutOfMemoryError", "ok": True},
        ],
        "attachments": [],
        "numbers": [1, 20],
        "nothing": None,
    },
}


@pytest.mark.parametrize(
    ("detail", "matched"),
    [
        ({"lastStatus": ["RUNNING", "STOPPED"]}, True),
        ({"lastStatus": ["RUNNING"]}, False),
        ({"lastStatus": ["STOPPED"], "clusterArn": ["other"]}, False),
        ({"absent": ["STOPPED"]}, False),
        ({"nothing": [None]}, True),
        # filters
        ({"clusterArn": [{"prefix": "arn:aws:ecs:"}]}, True),
        ({"clusterArn": [{"prefix": "cluster"}]}, False),
        ({"clusterArn": [{"suffix": "/own"}]}, True),
        ({"clusterArn": [{"suffix": "/ow"}]}, False),
        ({"lastStatus": [{"anything-but": "STOPPED"}]}, False),
        ({"lastStatus": [{"anything-but": ["RUNNING", "PENDING"]}]}, True),
        ({"clusterArn": [{"anything-but": {"prefix": "arn:"}}]}, False),
        ({"absent": [{"anything-but": "x"}]}, False),
        ({"numbers": [{"numeric": [">", 1, "<=", 20]}]}, True),
        ({"numbers": [{"numeric": [">", 1, "<", 20]}]}, False),
        ({"lastStatus": [{"numeric": ["=", 0]}]}, False),
        # existence is asked of leaves
        ({"lastStatus": [{"exists": True}]}, True),
        ({"lastStatus": [{"exists": False}]}, False),
        ({"absent": [{"exists": False}]}, True),
        ({"absent": {"deeper": [{"exists": False}]}}, True),
        ({"attachments": [{"exists": False}]}, True),
        ({"containers": [{"exists": True}]}, False),
        # an array matches if one of its values does
        ({"numbers": [20]}, True),
        ({"numbers": [{"anything-but": 1}]}, True),
        # an array of objects: all conditions in the same element
        ({"containers": {"exitCode": [137]}}, True),
        ({"containers": {"exitCode": [137], "name": ["task"]}}, True),
        ({"containers": {"exitCode": [137], "name": ["sidecar"]}}, False),
        ({"containers": {"exitCode": [{"anything-but": 0}]}}, True),
        ({"containers": {"exitCode": [{"numeric": [">", 137]}]}}, False),
        # absent means absent from every element
        ({"containers": {"reason": [{"exists": False}], "name": ["sidecar"]}}, False),
        ({"containers": {"runtimeId": [{"exists": False}]}}, True),
        # true is not 1
        ({"containers": {"ok": [1]}}, False),
        ({"containers": {"ok": [True]}}, True),
        ({"$or": [{"lastStatus": ["RUNNING"]}, {"numbers": [1]}]}, True),
        ({"$or": [{"lastStatus": ["RUNNING"]}, {"numbers": [2]}]}, False),
    ],
)
def test_a_pattern_matches_as_eventbridge_does(detail: dict[str, Any], matched: bool) -> None:
    assert matches({"source": ["aws.ecs"], "detail": detail}, STOPPED) is matched


def test_every_field_of_a_pattern_must_match() -> None:
    assert not matches({"source": ["aws.s3"], "detail": {"lastStatus": ["STOPPED"]}}, STOPPED)


@pytest.mark.parametrize(
    "filters",
    [
        "STOPPED",
        [],
        [{"wildcard": "*"}],
        [{"numeric": [">"]}],
        [{"numeric": ["~", 1]}],
        [{"prefix": "a", "suffix": "b"}],
        [{"anything-but": {"wildcard": "*"}}],
    ],
)
def test_a_filter_that_is_not_known_is_an_error_wherever_it_stands(filters: object) -> None:
    """Given a field that the event lacks and one that fails before, Then it still raises."""
    pattern = {"source": ["aws.s3"], "detail": {"absent": {"deep": filters}}}
    with pytest.raises(UsageError, match="filter"):
        matches(pattern, STOPPED)
