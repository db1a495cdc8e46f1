"""Plays every scenario, prints the table, and writes it into docs/faults.md.

python -m local.faults                      all of them: minutes
python -m local.faults swapped killed       those with these words in their names; no file
"""

from __future__ import annotations

import json
import sys
import tempfile
import time
from pathlib import Path

from common.console import steady
from local.faults import page
from local.faults.play import differences, play
from local.faults.scenarios import SCENARIOS
from local.faults.stage import started


def main(words: list[str]) -> int:
    """Exit status 1 when something came otherwise than it must."""
    chosen = [each for each in SCENARIOS if not words or any(w in each.name for w in words)]
    rows, bad = [], 0
    with tempfile.TemporaryDirectory(prefix="faults-") as folder, started(Path(folder)) as stage:
        for scenario in chosen:
            begun = time.monotonic()
            row = play(stage, scenario)
            rows.append(row)
            wrong = differences(scenario, row)
            bad += bool(wrong)
            took = f"{time.monotonic() - begun:.1f} s in all"
            sys.stdout.write(f"{page.line(row)} {took}\n")
            if wrong:
                sys.stdout.write(json.dumps(wrong, default=str, indent=1) + "\n")
            sys.stdout.flush()
    if not words and not bad:
        page.write(rows)
    return 1 if bad else 0


if __name__ == "__main__":
    steady()
    sys.exit(main(sys.argv[1:]))
