"""IAM's decision on one request, for the part of the policy language that the stack uses.

    policy = [*parse({"Statement": [...]})]
    allowed(policy, Request(action="s3:GetObject", resource="arn:aws:s3:::models/a"))

Default deny, and an explicit deny wins. What is not understood (an element, an operator, a policy
variable) is an error: a policy that is half read would look right. The emulation's own
enforcement covers S3 alone, so this is what stands between a wrong policy and an account.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

_ELEMENTS = {"Sid", "Effect", "Action", "NotAction", "Resource", "NotResource", "Condition"}
_ROOT = re.compile(r"arn:aws:iam::(\d{12}):root")
_ARN_FIELDS = 6


class PolicyError(ValueError):
    """A policy that this evaluator does not understand, or IAM would refuse."""


@dataclass(frozen=True, kw_only=True)
class Request:
    """What IAM is asked: may this action be done to this resource, under these conditions?"""

    action: str
    resource: str
    """An ARN, or `*` where the action has no resource."""
    context: Mapping[str, tuple[str, ...]] = field(default_factory=dict, compare=False)
    """Condition key → its values; a key that the request lacks is absent."""
    principal: str = ""
    """A service, as `events.amazonaws.com`, or a role's ARN; policies of roles do not ask."""

    def __str__(self) -> str:
        return f"{self.action} on {self.resource}"


@dataclass(frozen=True, kw_only=True)
class Statement:
    """One statement, its lists made lists."""

    sid: str
    allow: bool
    actions: tuple[str, ...] = ()
    not_actions: tuple[str, ...] = ()
    resources: tuple[str, ...] = ()
    not_resources: tuple[str, ...] = ()
    conditions: Mapping[str, Mapping[str, tuple[str, ...]]] = field(default_factory=dict)
    principals: tuple[str, ...] = ()
    """Whom it is about, in a resource's policy; a role's is about whoever bears the role."""

    def applies(self, request: Request) -> bool:
        """Whether principal, action, resource and every condition match."""
        return (
            (not self.principals or any(_is(one, request.principal) for one in self.principals))
            and _named(request.action.lower(), _lower(self.actions), _lower(self.not_actions))
            and _named(request.resource, self.resources, self.not_resources)
            and all(
                _holds(operator, key, values, request.context)
                for operator, keys in self.conditions.items()
                for key, values in keys.items()
            )
        )


def parse(document: Mapping[str, Any], *, attached_to: str | None = None) -> Iterator[Statement]:
    """The statements of a role's policy or, with the resource's ARN, of a resource's.

    Raises PolicyError for what is not understood.
    """
    statements = document["Statement"]
    for raw in statements if isinstance(statements, list) else [statements]:
        _check(raw, {"Principal"} if attached_to else set())
        yield Statement(
            sid=raw.get("Sid", ""),
            allow=raw["Effect"] == "Allow",
            actions=_texts(raw.get("Action", ())),
            not_actions=_texts(raw.get("NotAction", ())),
            resources=_resources(raw, attached_to),
            not_resources=_texts(raw.get("NotResource", ())),
            conditions=_conditions(raw.get("Condition", {})),
            principals=_principals(raw["Principal"]) if attached_to else (),
        )


def _check(raw: Mapping[str, Any], needed: set[str]) -> None:
    if unknown := set(raw) - _ELEMENTS - needed:
        raise PolicyError(f"unknown element {', '.join(sorted(unknown))} in {raw}")
    if missing := needed - set(raw):
        raise PolicyError(f"no {', '.join(missing)} in {raw}")
    if raw["Effect"] not in ("Allow", "Deny"):
        raise PolicyError(f"Effect must be Allow or Deny, got {raw['Effect']!r}")
    resources = ("Resource" in raw) + ("NotResource" in raw)
    # A trust policy names no resource: it is about the role it stands in.
    if ("Action" in raw) == ("NotAction" in raw) or not 1 - len(needed) <= resources <= 1:
        raise PolicyError(f"Action or NotAction, and Resource or NotResource, once: {raw}")


def _resources(raw: Mapping[str, Any], attached_to: str | None) -> tuple[str, ...]:
    if attached_to and not {"Resource", "NotResource"} & set(raw):
        return (attached_to,)
    return _texts(raw.get("Resource", ()))


def _principals(raw: Any) -> tuple[str, ...]:
    if isinstance(raw, str):
        return _texts(raw)
    if unknown := set(raw) - {"AWS", "Service"}:
        raise PolicyError(f"unknown kind of principal {', '.join(unknown)} in {raw}")
    return tuple(one for listed in raw.values() for one in _texts(listed))


def _is(named: str, principal: str) -> bool:
    if account := _ROOT.fullmatch(named):
        return principal.startswith(f"arn:aws:iam::{account[1]}:")
    return named in ("*", principal)


def allowed(statements: Sequence[Statement], request: Request) -> bool:
    """IAM's answer for one principal with these identity policies."""
    applying = [statement for statement in statements if statement.applies(request)]
    return bool(applying) and all(statement.allow for statement in applying)


def _conditions(raw: Mapping[str, Any]) -> dict[str, dict[str, tuple[str, ...]]]:
    for operator in raw:
        _operator(operator)
    return {
        operator: {key: _texts(value) for key, value in keys.items()}
        for operator, keys in raw.items()
    }


def _texts(value: Any) -> tuple[str, ...]:
    listed = value if isinstance(value, list | tuple) else [value]
    texts = tuple(str(one).lower() if isinstance(one, bool) else str(one) for one in listed)
    if variables := [text for text in texts if "${" in text]:
        raise PolicyError(f"policy variables are not understood: {', '.join(variables)}")
    return texts


def _lower(texts: tuple[str, ...]) -> tuple[str, ...]:
    return tuple(text.lower() for text in texts)


def _named(value: str, named: tuple[str, ...], but: tuple[str, ...]) -> bool:
    if but:
        return not any(_like(pattern, value) for pattern in but)
    return any(_like(pattern, value) for pattern in named)


@cache
def _glob(pattern: str) -> re.Pattern[str]:
    escaped = re.escape(pattern).replace(r"\*", ".*").replace(r"\?", ".")
    return re.compile(escaped, re.DOTALL)


def _like(pattern: str, value: str) -> bool:
    return _glob(pattern).fullmatch(value) is not None


def _arn_like(pattern: str, value: str) -> bool:
    # Each of the six fields by itself: a star must not reach over a colon.
    parts, values = pattern.split(":", _ARN_FIELDS - 1), value.split(":", _ARN_FIELDS - 1)
    return len(parts) == len(values) == _ARN_FIELDS and all(map(_like, parts, values))


def _equal(pattern: str, value: str) -> bool:
    return pattern == value


def _less(bound: str, value: str) -> bool:
    return float(value) < float(bound)


_OPERATORS: Mapping[str, Callable[[str, str], bool]] = {
    "ArnEquals": _arn_like,
    "ArnLike": _arn_like,
    "Bool": _equal,
    "NumericLessThan": _less,
    "StringEquals": _equal,
    "StringLike": _like,
}
_NEGATED = {
    "ArnNotEquals": "ArnEquals",
    "ArnNotLike": "ArnLike",
    "StringNotEquals": "StringEquals",
    "StringNotLike": "StringLike",
}


def _operator(text: str) -> tuple[Callable[[str, str], bool], bool, bool]:
    """(comparison, negated, true when the key is absent) of an operator's name."""
    bare = text.removesuffix("IfExists")
    negated = bare in _NEGATED
    name = _NEGATED.get(bare, bare)
    if name not in _OPERATORS:
        raise PolicyError(f"unknown condition operator {text!r}: one of {', '.join(_OPERATORS)}")
    return _OPERATORS[name], negated, bare != text or negated


def _holds(
    operator: str, key: str, wanted: tuple[str, ...], context: Mapping[str, tuple[str, ...]]
) -> bool:
    compare, negated, when_absent = _operator(operator)
    values = {name.lower(): found for name, found in context.items()}.get(key.lower())
    if values is None:
        return when_absent
    matched = any(compare(pattern, value) for pattern in wanted for value in values)
    return matched is not negated
