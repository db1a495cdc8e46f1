"""The table of faults as a page: docs/faults.md, between its two markers."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

from local.cloud.stack import ROOT
from local.faults.play import Row

PAGE = ROOT / "docs" / "faults.md"
BEGIN, END = "<!-- faults: made by `make faults` -->", "<!-- end of faults -->"
HEAD = (
    "| what goes wrong | who noticed | the run ends | seconds | serves at the end "
    "| failed requests | answers of the new version |\n|---|---|---|---|---|---|---|"
)


def line(row: Row) -> str:
    """One line of the table."""
    seconds = "–" if row.seconds is None else f"{row.seconds:.1f}"
    served = ", ".join(sorted(f"{v} {(sha or '')[:12]}" if v else "none" for v, sha in row.serves))
    failed = f"{len(row.failed)} of {row.answers + len(row.failed)}"
    end = f"{row.state} {row.exit}"
    cells = (row.name, row.noticed, end, seconds, served or "none", failed, str(row.by_the_new))
    return f"| {' | '.join(cells)} |"


def write(rows: Sequence[Row], path: Path = PAGE) -> None:
    """Put the rows into the page, with date and commit."""
    text = path.read_text("utf-8")
    before, _, rest = text.partition(BEGIN)
    _, _, after = rest.partition(END)
    now = datetime.now(UTC).strftime("%Y-%m-%d")
    table = "\n".join([HEAD, *map(line, rows)])
    made = f"{BEGIN}\n{now}, commit {_commit()}, 2 cores:\n\n{table}\n{END}"
    path.write_text(before + made + after, "utf-8")


def names(text: str) -> list[str]:
    """The scenarios that a page lists, in its order."""
    _, _, rest = text.partition(BEGIN)
    listed, _, _ = rest.partition(END)
    return re.findall(r"^\| (?!what goes wrong)([^|-][^|]*?) \|", listed, re.MULTILINE)


def _commit() -> str:
    words = ["git", "describe", "--always", "--dirty", "--abbrev=12", "--exclude", "*"]
    return subprocess.run(words, cwd=ROOT, capture_output=True, text=True).stdout.strip()
