"""years: what the loop serves over a year, with and without a gate, where the truth is known.

Each cell is a kind of year (`bench/years_cells.py`), each round one seed, in which all arms see
the same challengers. Results are kept in `.bench/years/`, so a long run may be stopped and goes
on where it was: `python -m bench years --full --years 100`, or `--cell NAME` for some cells.
Not the figures of one stream: which of two gates serves better differs from year to year by more
than the gates do, so ratios are of means over the same seeds, with their paired standard error.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import groupby
from pathlib import Path

from bench import figure, years_store
from bench.figure import Arm, Figure, Outcome, Round, Size
from bench.years_cells import CELLS, QUICK, Cell
from bench.years_play import play
from bench.years_table import COLUMNS, lines, targets

YEARS = {"trained": 100, "sabotage": 100, "margin": 400, "compounding": 400, "equal": 400}
LARGE, YEARS_OF_LARGE = 10_000, 10
"""Votes a week from which on a year takes a minute, and how many are played."""
QUICK_YEARS = 2
ARMS = (
    Arm(name="newest", says="every challenger is promoted: the fit on all votes, no gate"),
    Arm(
        name="gate",
        says="task.evaluate, task.gate and task.risk at their shipped settings, risk and anchor "
        "carried from look to look",
    ),
    Arm(name="no anchor", says="the same, with no older version to hold challengers against"),
    Arm(name="superiority", says="the same with `gate: superiority`"),
    Arm(name="oracle", says="promotes where the coming week's truth is better, and only there"),
    Arm(name="skips broken", says="newest, but for the weeks whose training was broken"),
    Arm(
        name="old gate",
        says="the gate before this one: fits on 70 % of the groups, threshold from 15 %, weighted "
        "F1 better at 5 % on the fixed 15 % that are left",
    ),
    Arm(name="old F1 rule", says="those fits, promoted unless F1 is lower on those 15 %"),
    Arm(name="never", says="the first model for ever"),
)


def run(size: Size) -> Outcome:
    """Play what is missing, and show every cell that was asked for."""
    names = size.cells or (tuple(CELLS) if size.full else QUICK)
    if unknown := sorted(set(names) - set(CELLS)):
        raise SystemExit(f"--cell must be one of {', '.join(CELLS)}, got {', '.join(unknown)}")
    found: dict[str, list[Round]] = {}
    # Cells of one size go seed by seed, since they share fits.
    for _, some in groupby((CELLS[name] for name in names), key=_family):
        found |= measure(list(some), size, figure.FOLDER / "years")
    return Outcome(
        arms=ARMS,
        columns=COLUMNS,
        lines=tuple(line for name in names for line in lines(CELLS[name], found[name])),
        targets=tuple(target for name in names for target in targets(CELLS[name], found[name])),
        rounds=tuple(entry for name in names for entry in found[name]),
        note="Excess: mean log-loss over the truth's of what served, in 1/1000 nat, exact. ± is "
        "one paired standard error over the years; targets of ratios are less 1.645 of it.",
    )


def measure(cells: Sequence[Cell], size: Size, folder: Path) -> dict[str, list[Round]]:
    """All rounds of these cells, playing those that the folder does not have."""
    code = years_store.code()
    paths = {cell.name: folder / f"{cell.name}.jsonl" for cell in cells}
    found = {cell.name: years_store.read(paths[cell.name], code) for cell in cells}
    wanted = {cell.name: _years(cell, size) for cell in cells}
    for seed in range(max(wanted.values())):
        for cell in cells:
            if seed < wanted[cell.name] and seed not in found[cell.name]:
                years_store.append(paths[cell.name], cell.name, play(cell, seed), code)
                found[cell.name] = years_store.read(paths[cell.name], code)
    return {
        name: [line for seed in sorted(some) if seed < wanted[name] for line in some[seed]]
        for name, some in found.items()
    }


def _years(cell: Cell, size: Size) -> int:
    full = YEARS_OF_LARGE if cell.votes_a_week >= LARGE else YEARS[cell.kind]
    return size.times(QUICK_YEARS, full)


def _family(cell: Cell) -> tuple[int, str, float]:
    return cell.votes_a_week, cell.groups, cell.like_rate


FIGURE = Figure(name="years", title="what serves over a year, by a known truth", run=run)
