"""Writes docs/settings.md from the rules in the code: `python -m tests.architecture.settings_page`.

A page written by hand would differ from the code within a week; a test holds this one to it.
"""

from pathlib import Path

from common.setting_rules import Rule
from common.setting_sources import SECTIONS, environment_name
from common.settings import RULES, Settings

PATH = Path(__file__).parents[2] / "docs" / "settings.md"
_HEAD = """\
# Settings

Written from the code; `python -m tests.architecture.settings_page` writes it again.

Sources, the later one wins: a YAML file with the sections below, a `.env` file, the environment,
the options of a command. A name that does not exist, a value out of range and a missing address
are errors that end with exit status 2. An empty variable counts as not set. Names in `.env` that
are not listed here are passed over, so the application's own file may be used. No address has a
default, and none may hold a password: that is `DB_PASSWORD`, which may not stand in YAML, or what
`DB_SECRET_ARN` or `DB_IAM_AUTH` obtains when the loop runs; at most one of the three may be set.

What the two functions on AWS are told besides (TRIGGER_…, WATCH_…) stands in docs/trigger.md.
"""


def page() -> str:
    """The whole page as Markdown."""
    return "\n".join([_HEAD, *(_section(section) for section in SECTIONS)])


def _section(section: str) -> str:
    names = [name for name, rule in RULES.items() if rule.section == section]
    head = "| in YAML | variable | default | takes | meaning |\n|---|---|---|---|---|"
    return "\n".join([f"## {section}\n", head, *(_row(name, RULES[name]) for name in names), ""])


def _row(name: str, rule: Rule) -> str:
    default = getattr(Settings(), name)
    cells = (
        "–" if rule.secret else f"`{name}`",
        f"`{environment_name(name, rule)}`",
        "–" if default is None else f"`{str(default).lower() if rule.kind is bool else default}`",
        _takes(rule),
        rule.says,
    )
    return f"| {' | '.join(cells)} |"


def _takes(rule: Rule) -> str:
    if rule.choices:
        return ", ".join(f"`{choice}`" for choice in rule.choices)
    kinds = {bool: "true or false", int: "whole number", float: "number", str: "text"}
    low = _bound("from", rule.at_least) or _bound("above", rule.above)
    high = _bound("to", rule.at_most) or _bound("below", rule.below)
    unit = f"({rule.unit})" if rule.unit else ""
    return " ".join(filter(None, (kinds[rule.kind], low, high, unit)))


def _bound(word: str, bound: float | None) -> str:
    return "" if bound is None else f"{word} {bound:,}".removesuffix(".0")


if __name__ == "__main__":
    PATH.write_text(page(), encoding="utf-8")
