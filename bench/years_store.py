"""The years played so far, one JSON line an arm, so that a run goes on where the last stopped.

A line counts only for the code that made it: a gate that has changed since is another gate.
"""

from __future__ import annotations

import ast
import hashlib
import json
from collections.abc import Iterable
from functools import lru_cache
from pathlib import Path
from typing import Any

from bench.figure import ROOT

Line = dict[str, Any]
DECIDES = (
    "task/calibrate.py",
    "task/candidates.py",
    "task/eprocess.py",
    "task/evaluate.py",
    "task/faults.py",
    "task/gate.py",
    "task/harm.py",
    "task/intervals.py",
    "task/judging.py",
    "task/metrics.py",
    "task/models/crossed.py",
    "task/models/hierarchical.py",
    "task/paired.py",
    "task/refit.py",
    "task/risk.py",
    "task/student.py",
    "task/train.py",
    "bench/streams.py",
    "bench/years_arms.py",
    "bench/years_cells.py",
    "bench/years_fits.py",
    "bench/years_planted.py",
    "bench/years_play.py",
    "bench/years_sabotage.py",
    "local/world.py",
)
"""What a year's results follow from."""


@lru_cache
def code() -> str:
    """A digest of that code, whatever its comments and docstrings say."""
    digest = hashlib.sha256()
    for name in DECIDES:
        tree = ast.parse((ROOT / name).read_text("utf-8"))
        for node in ast.walk(tree):
            if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef):
                node.body = [each for each in node.body if not _is_text(each)]
        digest.update(ast.dump(tree).encode())
    return digest.hexdigest()[:12]


def _is_text(node: ast.stmt) -> bool:
    return (
        isinstance(node, ast.Expr)
        and isinstance(node.value, ast.Constant)
        and isinstance(node.value.value, str)
    )


def read(path: Path, made_by: str) -> dict[int, list[Line]]:
    """The finished years by seed; what another code made, and a line cut short, is left out."""
    found: dict[int, list[Line]] = {}
    for text in path.read_text("utf-8").splitlines() if path.exists() else []:
        try:
            line = json.loads(text)
        except ValueError:
            continue  # a run was stopped while it wrote
        if line.get("code") == made_by:
            found.setdefault(int(line["seed"]), []).append(line)
    return {seed: lines for seed, lines in found.items() if len(lines) == lines[0]["arms"]}


def append(path: Path, cell: str, lines: Iterable[Line], made_by: str) -> None:
    """Add one year, whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    every = list(lines)
    head = {"code": made_by, "cell": cell, "arms": len(every)}
    cut_short = path.exists() and not path.read_bytes().endswith(b"\n")
    text = "".join(json.dumps(head | line) + "\n" for line in every)
    with path.open("a", encoding="utf-8") as file:
        file.write(("\n" if cut_short else "") + text)
