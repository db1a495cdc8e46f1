"""Reads the Dockerfile as its builder does, as far as the tests ask."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Instruction:
    """`RUN`, `COPY`, … and the text after it, with continued lines joined."""

    name: str
    text: str

    def words(self) -> list[str]:
        """The text in exec form; fails if it is in shell form, which starts a shell."""
        found: list[str] = json.loads(self.text)
        return found


def stages(path: Path = ROOT / "Dockerfile") -> list[list[Instruction]]:
    """The instructions of each stage, beginning with its FROM; what comes before is left out."""
    lines = [line for line in path.read_text("utf-8").splitlines() if not line.startswith("#")]
    joined = re.sub(r"\\\n", "", "\n".join(lines))
    found: list[list[Instruction]] = []
    for line in filter(str.strip, joined.splitlines()):
        name, _, text = line.partition(" ")
        if name == "FROM":
            found.append([])
        if found:
            found[-1].append(Instruction(name, text.strip()))
    return found


def texts(stage: list[Instruction], name: str) -> list[str]:
    """What stands after each instruction of this name."""
    return [each.text for each in stage if each.name == name]


def named(path: Path = ROOT / "Dockerfile") -> dict[str, list[Instruction]]:
    """The stages by their names."""
    return {found[0].text.partition(" AS ")[2]: found for found in stages(path)}
