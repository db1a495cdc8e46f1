"""Does an event match a rule's pattern? EventBridge's own semantics, for tests and the emulation.

    matches(rule["EventPattern"], event)

The emulation's own matcher fails over arrays of objects, and the rule that watches the tasks
looks into one (`detail.containers`). The semantics are those of EventBridge's matcher: arrays in
an event are transparent, but all conditions below one array must hold in the same element;
`exists` asks for leaves, and an absent one is absent from the whole event.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from common.errors import UsageError

Path = tuple[str, ...]
Test = Callable[[Any], bool]

_COMPARE: Mapping[str, Callable[[Any, Any], bool]] = {
    "=": operator.eq,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


def matches(pattern: Mapping[str, Any], event: Mapping[str, Any]) -> bool:
    """True if EventBridge would deliver `event` by a rule with this pattern.

    Raises UsageError for a filter that this matcher does not know, wherever it stands.
    """
    return _object(pattern, [event], (), frozenset(_leaves(event, ())))


def _leaves(value: Any, at: Path) -> Iterator[Path]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield from _leaves(inner, (*at, key))
    elif isinstance(value, list):
        for inner in value:
            yield from _leaves(inner, at)
    else:
        yield at


def _object(
    pattern: Mapping[str, Any], values: list[Any], at: Path, leaves: frozenset[Path]
) -> bool:
    """Whether one object among `values` fulfils the whole pattern; none at all counts as empty."""
    objects = [value for value in values if isinstance(value, Mapping)] or [{}]
    # Lists, not generators: each filter is visited, so that a wrong one never goes unnoticed.
    answers = [
        [_field(key, wanted, found, at, leaves) for key, wanted in pattern.items()]
        for found in objects
    ]
    return any(all(fields) for fields in answers)


def _field(
    key: str, wanted: Any, found: Mapping[str, Any], at: Path, leaves: frozenset[Path]
) -> bool:
    if key == "$or":
        choices = [_object(choice, [found], at, leaves) for choice in wanted]
        return any(choices)
    values = list(_flat(found[key])) if key in found else []
    here = (*at, key)
    if isinstance(wanted, Mapping):
        return _object(wanted, values, here, leaves)
    if not isinstance(wanted, list) or not wanted:
        raise UsageError(
            f"a pattern's field must be an object or a list of filters, got {wanted!r} at "
            f"{'.'.join(here)}: write the value in brackets"
        )
    scalars = [value for value in values if not isinstance(value, Mapping)]
    answers = [_leaf(one, scalars, absent=here not in leaves) for one in wanted]
    return any(answers)


def _flat(value: Any) -> Iterator[Any]:
    if isinstance(value, list):
        for inner in value:
            yield from _flat(inner)
    else:
        yield value


def _leaf(wanted: Any, values: list[Any], *, absent: bool) -> bool:
    if isinstance(wanted, Mapping) and list(wanted) == ["exists"]:
        return bool(values) if wanted["exists"] else absent
    test = _test(wanted)
    return any(test(value) for value in values)


def _test(wanted: Any) -> Test:
    """One filter as a question to one scalar."""
    if not isinstance(wanted, Mapping):
        return lambda value: _same(wanted, value)
    if len(wanted) != 1:
        raise _unknown(wanted)
    ((name, operand),) = wanted.items()
    if name == "prefix" and isinstance(operand, str):
        return lambda value: isinstance(value, str) and value.startswith(operand)
    if name == "suffix" and isinstance(operand, str):
        return lambda value: isinstance(value, str) and value.endswith(operand)
    if name == "anything-but":
        denied = [_test(one) for one in (operand if isinstance(operand, list) else [operand])]
        return lambda value: not any(test(value) for test in denied)
    if name == "numeric" and isinstance(operand, list):
        return _numeric(operand)
    raise _unknown(wanted)


def _numeric(operand: Sequence[Any]) -> Test:
    pairs = list(zip(operand[::2], operand[1::2], strict=False))
    if not pairs or len(operand) % 2 or any(sign not in _COMPARE for sign, _ in pairs):
        raise _unknown({"numeric": operand})
    return lambda value: (
        isinstance(value, int | float)
        and not isinstance(value, bool)
        and all(_COMPARE[sign](value, bound) for sign, bound in pairs)
    )


def _same(wanted: Any, value: Any) -> bool:
    # In Python True equals 1; in JSON it does not.
    return isinstance(wanted, bool) == isinstance(value, bool) and bool(wanted == value)


def _unknown(wanted: Any) -> UsageError:
    return UsageError(
        "a filter must be a value, prefix, suffix, anything-but, exists or numeric, got "
        f"{wanted!r}: use one of these, or teach this matcher the new one"
    )
