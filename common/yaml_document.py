"""A YAML file of which no part is lost or changes its meaning in silence.

YAML 1.1 takes the last of two equal keys, 010 for 8 and 1:30 for 90. Whoever wrote that meant
something else, so each is an error with its line. Apart from `common.setting_sources`, since the
function that shares that module has no PyYAML.
"""

from __future__ import annotations

import re
from collections.abc import Hashable

import yaml

from common.setting_rules import shown

_OTHER_BASE = re.compile(r"[-+]?0[0-9_]+")


class MisleadingError(ValueError):
    """What YAML reads otherwise than a person; its text shows no value, it may be a secret."""


class _Plain(yaml.SafeLoader):
    """Plain values only, each key once, no number that is read as another."""

    def construct_mapping(
        self, node: yaml.MappingNode, deep: bool = False
    ) -> dict[Hashable, object]:
        """A mapping whose keys are all different."""
        seen: dict[object, yaml.Node] = {}
        for key, _ in node.value:
            first = seen.setdefault(key.value, key) if isinstance(key, yaml.ScalarNode) else key
            if first is not key:
                raise MisleadingError(
                    f"each name must stand once, got {shown(key.value)} at line {_line(first)} "
                    f"and at line {_line(key)}, of which YAML takes the last alone: join them"
                )
        made: dict[Hashable, object] = super().construct_mapping(node, deep=deep)
        return made

    def construct_number(self, node: yaml.ScalarNode) -> int | float:
        """A number that people read as YAML does."""
        text = str(node.value)
        if ":" in text or _OTHER_BASE.fullmatch(text):
            what = "a colon" if ":" in text else "a leading 0"
            raise MisleadingError(
                f"a number must be written as digits alone, got one with {what} at line "
                f"{_line(node)}, which YAML reads in another base: write the number itself, or "
                "put a text in quotes"
            )
        if node.tag.endswith(":int"):
            return int(self.construct_yaml_int(node))
        return float(self.construct_yaml_float(node))


for _kind in ("int", "float"):
    _Plain.add_constructor(f"tag:yaml.org,2002:{_kind}", _Plain.construct_number)


def _line(node: yaml.Node) -> int:
    return int(node.start_mark.line) + 1


def read(content: bytes) -> object:
    """The document. Raises MisleadingError, or what PyYAML raises."""
    return yaml.load(content, Loader=_Plain)  # noqa: S506 (its kind is the safe one)
