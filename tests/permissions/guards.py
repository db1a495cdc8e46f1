"""The policies that resources of the template bear themselves: who may come near, and how.

A service that is no role of ours (EventBridge, CloudWatch) is let in by these alone; a role of ours
needs its own right, and no denial here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from local.cloud.template import Template
from tests.permissions.iam import PolicyError, Statement, parse


def guards(template: Template) -> dict[str, tuple[Statement, ...]]:
    """ARN → statements of each resource that bears a policy. A second policy is an error:
    CloudFormation would let one replace the other."""
    found: dict[str, tuple[Statement, ...]] = {}
    for arn, document in _documents(template):
        if arn in found:
            raise PolicyError(f"{arn} has two policies, of which one would be lost")
        found[arn] = tuple(parse(document, attached_to=arn))
    return found


def _documents(template: Template) -> Iterator[tuple[str, Mapping[str, Any]]]:
    for policy in template.of_type("AWS::S3::BucketPolicy").values():
        yield f"arn:aws:s3:::{policy['Bucket']}", policy["PolicyDocument"]
    for policy in template.of_type("AWS::SNS::TopicPolicy").values():
        yield from ((topic, policy["PolicyDocument"]) for topic in policy["Topics"])
    queues = {
        template.ref(logical_id): template.attribute(logical_id, "Arn")
        for logical_id in template.of_type("AWS::SQS::Queue")
    }
    for policy in template.of_type("AWS::SQS::QueuePolicy").values():
        yield from ((queues[url], policy["PolicyDocument"]) for url in policy["Queues"])
    for logical_id, key in template.of_type("AWS::KMS::Key").items():
        yield template.attribute(logical_id, "Arn"), key["KeyPolicy"]
    for logical_id, role in template.of_type("AWS::IAM::Role").items():
        yield template.attribute(logical_id, "Arn"), role["AssumeRolePolicyDocument"]
    yield from _permissions(template)


def _permissions(template: Template) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The statements that CloudFormation spells as AWS::Lambda::Permission, by function."""
    functions: dict[str, list[dict[str, Any]]] = {}
    for given in template.of_type("AWS::Lambda::Permission").values():
        conditions: dict[str, Any] = {}
        if "SourceArn" in given:
            conditions["ArnLike"] = {"AWS:SourceArn": given["SourceArn"]}
        if "SourceAccount" in given:
            conditions["StringEquals"] = {"AWS:SourceAccount": given["SourceAccount"]}
        statement = {
            "Effect": "Allow",
            "Action": given["Action"],
            "Principal": {"Service": given["Principal"]},
            "Condition": conditions,
        }
        functions.setdefault(given["FunctionName"], []).append(statement)
    for arn, statements in functions.items():
        yield arn, {"Statement": statements}
