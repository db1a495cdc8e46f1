"""Writes docs/permissions.md from what was recorded: `python -m tests.permissions.page`.

The stories run for it, so the page cannot name a reason that is none; a test holds it to them.
"""

from __future__ import annotations

import re
import sys
from collections.abc import Iterable, Iterator
from itertools import groupby
from pathlib import Path
from tempfile import TemporaryDirectory

from local.mariadb import running
from tests.permissions.forbidden import OURS, forbidden
from tests.permissions.played import STACKS, Proven, play, read
from tests.permissions.proof import reasons
from tests.permissions.stack import Right

PATH = Path(__file__).parents[2] / "docs" / "permissions.md"
_HEAD = """\
# Permissions

Written from recorded calls; `python -m tests.permissions.page` writes it again.

Every right of the stack and what would be denied without it. The functions, the task and the API
are run over emulated AWS, each call is mapped to what IAM is asked for it, and the answer is
worked out from the policies in the template: all is allowed, and no action–resource pair can be
taken away without a denial. What AWS itself does with our roles cannot be recorded; it stands in
a table of its own, with its source.

Account and region are left out of the resources' names.
"""
_BESIDE = """\
## Beside what exists: what is added

With passwords and the API's key in Secrets Manager, and EventBridge's Scheduler. What is the same
as above is left out; a service that exists takes the same rights as one of the stack's own.
"""
_DOORS = {
    "kms": "Who uses the key of the topic",
    "s3": "Who comes near the store",
    "sns": "Who tells people",
    "sqs": "Who puts events aside",
}
_ARN = re.compile(r"arn:aws:([a-z0-9-]+):[a-z0-9-]*:\d*:")
Row = tuple[str, ...]


def page(each: Iterable[Proven]) -> str:
    """The whole page as Markdown, from the stacks in the order of `STACKS`."""
    first, *others = each
    parts = [_HEAD, "## In an empty account\n", *_rights(first, set())]
    for other in others:
        parts += [_BESIDE, *_rights(other, {_key(first, right) for right in first.stack.rights})]
    return "\n".join([*parts, *_calls(first, *others), *_platform(first, *others), *_never(first)])


def _rights(proven: Proven, shown: set[Row]) -> Iterator[str]:
    """A table for each holder, of the rights that are not shown yet."""
    for holder, rights in groupby(proven.stack.rights, key=lambda right: right.holder):
        rows = [
            (f"`{right.action}`", f"`{_short(right.resource)}`", _why(proven, right))
            for right in rights
            if _key(proven, right) not in shown
        ]
        if rows:
            yield f"### {_title(proven, holder)}\n"
            yield _table(("action", "on", "denied without it"), rows)


def _key(proven: Proven, right: Right) -> Row:
    return _title(proven, right.holder), right.action, _why(proven, right)


def _title(proven: Proven, holder: str) -> str:
    stack = proven.stack
    if holder in stack.roles:
        return f"The {_role(holder)}"
    if holder in stack.roles.values():
        return f"Who takes the {_role(stack.role_of(holder))}"
    service, name = holder.split(":")[2], holder.rpartition(":")[2]
    if service == "lambda":
        (name,) = [n for n, made in stack.functions.items() if made["FunctionName"] == name]
        return f"Who invokes the {name}"
    return _DOORS[service]


def _role(name: str) -> str:
    if name.endswith("execution"):
        owner = f"{'API' if name.startswith('api') else 'task'}'s execution"
    else:
        owner = f"{'API' if name == 'api' else name if name in OURS else 'schedule'}'s"
    return f"{owner} role"


def _short(resource: str) -> str:
    return _ARN.sub(r"\1:", resource)


def _why(proven: Proven, right: Right) -> str:
    """Calls first, then what the platform does."""
    needs = reasons(proven.stack, right, proven.needs)
    calls = sorted({f"`{need.reason}`" for need in needs if not need.source})
    return ", ".join([*calls, *sorted({need.reason for need in needs if need.source})])


def _calls(*each: Proven) -> Iterator[str]:
    asked: dict[str, set[str]] = {}
    for need in (need for proven in each for need in proven.needs if not need.source):
        asked.setdefault(need.reason, set()).add(f"`{need.request.action}`")
    yield "## What a call asks for\n"
    rows = [(f"`{call}`", ", ".join(sorted(actions))) for call, actions in sorted(asked.items())]
    yield _table(("call", "rights"), rows)


def _platform(*each: Proven) -> Iterator[str]:
    done: dict[Row, set[str]] = {}
    for need in (need for proven in each for need in proven.needs if need.source):
        by = f"the {_role(need.role)}" if need.role else f"`{need.request.principal}`"
        done.setdefault((need.reason, by, need.source), set()).add(f"`{need.request.action}`")
    yield "## What AWS does itself\n"
    rows = [
        (what, by, ", ".join(sorted(actions)), source)
        for (what, by, source), actions in sorted(done.items())
    ]
    yield _table(("what", "as", "rights", "documented in"), rows)


def _never(proven: Proven) -> Iterator[str]:
    yield "## What no change may ever allow\n"
    yield "Evaluated as denied, for the roles named.\n"
    roles: dict[Row, list[str]] = {}
    for role, request, why in forbidden(proven.stack):
        roles.setdefault((f"`{request.action}`", why), []).append(role)
    rows = [(*key, ", ".join(dict.fromkeys(names))) for key, names in sorted(roles.items())]
    yield _table(("action", "why", "never by"), rows)


def _table(head: Row, rows: Iterable[Row]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join([*(f"| {' | '.join(line)} |" for line in lines), ""])


def main() -> int:
    """Play both stacks and write the page."""
    with running() as mariadb, TemporaryDirectory() as folder:
        found = []
        for name in STACKS:
            (here := Path(folder) / name).mkdir()
            found.append(read(play(name, mariadb, here)))
        PATH.write_text(page(found), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
