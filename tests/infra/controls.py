"""The controls that a reviewer checks, each with the test that holds it.

    @control("Task", "No public address", "ECS.2")
    def test_…

`python -m tests.infra.controls` writes docs/controls.md from them; a test holds the page to it.
"""

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

from tests.architecture.code import ROOT

PAGE = ROOT / "docs" / "controls.md"
MODULES = (
    "test_network",
    "test_task",
    "test_serving",
    "test_functions",
    "test_storage",
    "test_database",
    "test_alerts",
    "test_alarms",
    "test_schedule",
    "test_roles",
    "test_stack",
)
_HEAD = """\
# Controls

What holds in every template before it is deployed, and the assertion that holds it. Written from
the tests; `python -m tests.infra.controls` writes it again.

Each assertion reads the synthesised template of three stages: `dev` with all of its own, a `prod`
beside a network, a database and an API that exist, and a `staging` that takes the other side of
every choice (Scheduler, x86, Spot, secrets, endpoints in an existing network, a public API).
"""

Test = TypeVar("Test", bound=Callable[..., None])


@dataclass(frozen=True, kw_only=True)
class Control:
    """One control."""

    area: str
    says: str
    reference: str
    """Its name in AWS Security Hub or elsewhere, or nothing."""
    test: str
    """`tests/infra/test_….py::test_…`."""

    @property
    def module(self) -> str:
        """The module's own name."""
        return self.test.partition(".py::")[0].rpartition("/")[2]


CONTROLS: dict[str, Control] = {}
"""By the test's name, so that no test is counted twice."""


def control(area: str, says: str, reference: str = "") -> Callable[[Test], Test]:
    """Put a test on the list."""

    def note(test: Test) -> Test:
        where = f"tests/infra/{test.__module__.rpartition('.')[2]}.py"
        CONTROLS[f"{where}::{test.__name__}"] = Control(
            area=area, says=says, reference=reference, test=f"{where}::{test.__name__}"
        )
        return test

    return note


def page() -> str:
    """The whole page as Markdown."""
    for name in MODULES:
        importlib.import_module(f"tests.infra.{name}")
    areas: dict[str, list[Control]] = {}
    # In the order above, whatever the order in which pytest imported them.
    for one in sorted(CONTROLS.values(), key=lambda one: MODULES.index(one.module)):
        areas.setdefault(one.area, []).append(one)
    return "\n".join([_HEAD, *(_section(area, areas[area]) for area in areas)])


def _section(area: str, controls: list[Control]) -> str:
    rows = [
        f"| {one.says} | {one.reference or '–'} | `{one.test.partition('::')[2]}` |"
        for one in controls
    ]
    file = controls[0].test.partition("::")[0]
    head = f"## {area}\n\nHeld in `{file}`.\n\n| control | known as | assertion |\n|---|---|---|"
    return "\n".join([head, *rows, ""])


if __name__ == "__main__":
    # By its full name, or the tests would put themselves on another list than this one.
    from tests.infra.controls import page as whole_page

    PAGE.write_text(whole_page(), encoding="utf-8")
