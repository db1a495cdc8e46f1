"""Statements of policies, written by hand: each says what may be done, to what, and when.

The `grant_*` helpers of the CDK allow more than is called (`s3:GetObject*`, `s3:List*`), and a
right that no call needs is one that nobody would miss.
"""

from collections.abc import Iterable, Mapping

from aws_cdk import Stack
from aws_cdk import aws_iam as iam
from constructs import Construct

Conditions = Mapping[str, Mapping[str, str]]


def allow(
    sid: str, actions: Iterable[str], resources: Iterable[str], conditions: Conditions | None = None
) -> iam.PolicyStatement:
    """A statement that allows these actions on these resources."""
    return iam.PolicyStatement(
        sid=sid,
        actions=list(actions),
        resources=list(resources),
        conditions={operator: dict(keys) for operator, keys in (conditions or {}).items()},
    )


def role(
    scope: Construct, name: str, trusted: iam.IPrincipal, statements: Iterable[iam.PolicyStatement]
) -> iam.Role:
    """A role with one inline policy: it comes and goes with the role, never half there."""
    document = iam.PolicyDocument(statements=list(statements))
    return iam.Role(scope, name, assumed_by=trusted, inline_policies={"Rights": document})


def service(
    scope: Construct, principal: str, *, source: str | None = None, by_account: bool = True
) -> iam.ServicePrincipal:
    """A service that may take a role or use a resource, on behalf of this account alone.

    source: the ARN of what it acts for, with `*`. by_account False: the service does not say
    for whom it acts.
    """
    conditions: dict[str, dict[str, str]] = {}
    if by_account:
        conditions["StringEquals"] = {"aws:SourceAccount": Stack.of(scope).account}
    if source is not None:
        conditions["ArnLike"] = {"aws:SourceArn": source}
    return iam.ServicePrincipal(principal, conditions=conditions)


def arn(scope: Construct, service: str, rest: str) -> str:
    """An ARN in this account and region."""
    here = Stack.of(scope)
    return f"arn:{here.partition}:{service}:{here.region}:{here.account}:{rest}"
