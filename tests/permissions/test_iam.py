"""The evaluator decides as IAM does, and refuses what it does not understand."""

from typing import Any

import pytest

from tests.permissions.iam import PolicyError, Request, allowed, parse

BUCKET = "arn:aws:s3:::models"
CLUSTER = "arn:aws:ecs:us-east-1:123456789012:cluster/own"


def statement(effect: str = "Allow", **elements: Any) -> dict[str, Any]:
    elements.setdefault("Resource", "*")
    if "NotResource" in elements:
        del elements["Resource"]
    return {"Effect": effect, **elements}


def decide(*statements: dict[str, Any], action: str, resource: str, **context: str) -> bool:
    policy = list(parse({"Statement": list(statements)}))
    values = {key.replace("_", ":", 1): (value,) for key, value in context.items()}
    return allowed(policy, Request(action=action, resource=resource, context=values))


def test_nothing_is_allowed_that_no_statement_allows() -> None:
    assert not decide(action="s3:GetObject", resource=f"{BUCKET}/a")
    read = statement(Action="s3:GetObject")
    assert not decide(read, action="s3:PutObject", resource=f"{BUCKET}/a")


def test_an_explicit_deny_wins_whatever_allows() -> None:
    every, no = statement(Action="*"), statement("Deny", Action="s3:DeleteObject")
    for order in ([every, no], [no, every]):
        assert not decide(*order, action="s3:DeleteObject", resource=f"{BUCKET}/a")
        assert decide(*order, action="s3:GetObject", resource=f"{BUCKET}/a")


@pytest.mark.parametrize(
    ("elements", "answer"),
    [
        ({"Action": "s3:GetObject"}, True),
        ({"Action": ["s3:PutObject", "S3:getobject"]}, True),  # actions ignore case
        ({"Action": "s3:Get*"}, True),
        ({"Action": "s3:GetObjec?"}, True),
        ({"Action": "s3:GetObject?"}, False),
        ({"Action": "s3:Get"}, False),
        ({"NotAction": "s3:Put*"}, True),
        ({"NotAction": ["s3:Get*"]}, False),
        ({"Action": "*", "Resource": f"{BUCKET}/models/*"}, True),
        ({"Action": "*", "Resource": f"{BUCKET}/Models/*"}, False),  # resources do not
        ({"Action": "*", "Resource": BUCKET}, False),
        ({"Action": "*", "Resource": ["arn:aws:s3:::other/*", f"{BUCKET}/*"]}, True),
        ({"Action": "*", "NotResource": f"{BUCKET}/models/*"}, False),
        ({"Action": "*", "NotResource": f"{BUCKET}/runs/*"}, True),
        ({"Action": "*", "Resource": "arn:aws:s3:::model./models/*"}, False),  # a dot is a dot
    ],
)
def test_actions_and_resources_match_with_wildcards(elements: dict[str, Any], answer: bool) -> None:
    found = decide(statement(**elements), action="s3:GetObject", resource=f"{BUCKET}/models/1/a")
    assert found is answer


@pytest.mark.parametrize(
    ("operator", "wanted", "given", "absent"),
    [
        ("StringEquals", "ecs-tasks.amazonaws.com", True, False),
        ("StringEquals", ["other", "ecs-tasks.amazonaws.com"], True, False),
        ("StringEquals", "ecs-*", False, False),
        ("StringLike", "ecs-*", True, False),
        ("StringNotEquals", "ecs-tasks.amazonaws.com", False, True),
        ("StringNotEquals", "other", True, True),
        ("StringNotLike", "ecs-*", False, True),
        ("StringEqualsIfExists", "other", False, True),
        ("StringEqualsIfExists", "ecs-tasks.amazonaws.com", True, True),
    ],
)
def test_a_condition_on_a_text(operator: str, wanted: object, given: bool, absent: bool) -> None:
    one = statement(Action="*", Condition={operator: {"iam:PassedToService": wanted}})
    request = {"action": "iam:PassRole", "resource": "arn:aws:iam::1:role/r"}
    assert decide(one, **request, iam_passedtoservice="ecs-tasks.amazonaws.com") is given
    assert decide(one, **request) is absent


@pytest.mark.parametrize(
    ("operator", "wanted", "answer"),
    [
        ("ArnEquals", CLUSTER, True),
        ("ArnLike", "arn:aws:ecs:*:123456789012:cluster/*", True),
        ("ArnEquals", "arn:aws:ecs:*:*:cluster/other", False),
        ("ArnLike", "arn:aws:ecs:*:cluster/own", False),  # a star does not reach over a colon
        ("ArnLike", "*", False),
        ("ArnNotLike", "arn:aws:ecs:*:*:cluster/other", True),
    ],
)
def test_a_condition_on_an_arn_goes_field_by_field(
    operator: str, wanted: str, answer: bool
) -> None:
    one = statement(Action="ecs:RunTask", Condition={operator: {"ecs:cluster": wanted}})
    assert decide(one, action="ecs:RunTask", resource="t", ecs_cluster=CLUSTER) is answer


def test_every_condition_must_hold() -> None:
    both = {"Bool": {"aws:SecureTransport": True}, "StringEquals": {"aws:a": "1"}}
    one = statement(Action="*", Condition=both)
    request = {"action": "s3:GetObject", "resource": BUCKET}
    assert decide(one, **request, aws_SecureTransport="true", aws_a="1")
    assert not decide(one, **request, aws_SecureTransport="false", aws_a="1")
    assert not decide(one, **request, aws_SecureTransport="true", aws_a="2")


@pytest.mark.parametrize(
    "broken",
    [
        {"Effect": "Allow", "Action": "*", "Resource": "*", "Principal": "*"},
        {"Effect": "Maybe", "Action": "*", "Resource": "*"},
        {"Effect": "Allow", "Action": "*"},
        {"Effect": "Allow", "Resource": "*"},
        {"Effect": "Allow", "Action": "*", "NotAction": "*", "Resource": "*"},
        {"Effect": "Allow", "Action": "*", "Resource": "arn:aws:s3:::${aws:username}"},
        {
            "Effect": "Allow",
            "Action": "*",
            "Resource": "*",
            "Condition": {"DateLessThan": {"a": 1}},
        },
        {"Effect": "Allow", "Action": "*", "Resource": "*", "Condition": {"StringIs": {"a": 1}}},
    ],
)
def test_what_is_not_understood_is_an_error(broken: dict[str, Any]) -> None:
    with pytest.raises(PolicyError):
        list(parse({"Statement": broken}))


def by(principal: str, *statements: dict[str, Any], action: str = "sqs:SendMessage") -> bool:
    """What a queue's policy says to a principal."""
    policy = list(parse({"Statement": list(statements)}, attached_to="queue"))
    return allowed(policy, Request(action=action, resource="queue", principal=principal))


@pytest.mark.parametrize(
    ("principal", "events", "role"),
    [
        ("*", True, True),
        ({"AWS": "*"}, True, True),
        ({"Service": "events.amazonaws.com"}, True, False),
        ({"Service": ["sns.amazonaws.com"]}, False, False),
        ({"AWS": "arn:aws:iam::1:role/r"}, False, False),
        ({"AWS": "arn:aws:iam::123456789012:role/r"}, False, True),
        ({"AWS": "arn:aws:iam::123456789012:root"}, False, True),  # the account as a whole
        ({"AWS": "arn:aws:iam::210987654321:root"}, False, False),
    ],
)
def test_a_resource_policy_is_about_principals(principal: object, events: bool, role: bool) -> None:
    one = {"Effect": "Allow", "Action": "sqs:*", "Principal": principal, "Resource": "queue"}
    trust = {"Effect": "Allow", "Action": "sqs:*", "Principal": principal}
    for form in (one, trust):
        assert by("events.amazonaws.com", form) is events
        assert by("arn:aws:iam::123456789012:role/r", form) is role


def test_a_resource_policy_without_a_principal_is_an_error() -> None:
    with pytest.raises(PolicyError, match="Principal"):
        by("events.amazonaws.com", statement(Action="*"))


@pytest.mark.parametrize(("version", "denied"), [("1.1", True), ("1.2", False), ("1.3", False)])
def test_a_condition_on_a_number(version: str, denied: bool) -> None:
    old = statement("Deny", Action="*", Condition={"NumericLessThan": {"s3:TlsVersion": 1.2}})
    every = statement(Action="*")
    answer = decide(every, old, action="s3:GetObject", resource="r", s3_TlsVersion=version)
    assert answer is not denied
