"""Measure what the design promises: `python -m bench [FIGURE ...]`.

    python -m bench                 every figure in its quick form
    python -m bench 3 8             two of them
    python -m bench 1 --full        at the sizes that the promise names
    python -m bench years --full --years 100 --cell same-60
    python -m bench --list

Each figure prints one table and writes the values of every round to `.bench/<figure>.json`.
The exit status says whether the measuring worked, not whether a target was met: a missed
target is a result.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import time
from collections.abc import Sequence
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING

from common.console import steady

if TYPE_CHECKING:
    from bench.figure import Figure

MODULES = {
    "years": "bench.years",
    "backtest": "bench.backtest",
    "1": "bench.fit",
    "3": "bench.small",
    "5": "bench.extraction",
    "6": "bench.increment",
    "8": "bench.resampling",
    "11": "bench.whole_run",
    "9": "bench.top_styles",
    "10": "bench.endpoint",
    "2": "bench.epochs",
    "4": "bench.correction",
    "7": "bench.preparing",
}
"""Figure → its module, the most important first."""
THREADS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def main(argv: Sequence[str] | None = None) -> int:
    """Run the figures; returns the exit status."""
    arguments = _parser().parse_args(argv)
    # Before NumPy or torch is imported: every arm of every figure has one thread.
    os.environ.update(dict.fromkeys(THREADS, "1"))
    from rich.console import Console

    from bench import figure

    console = Console(width=figure.WIDTH)
    if arguments.list:
        for name in MODULES:
            console.print(f"{name:>5}  {_figure(name).title}", highlight=False)
        return 0
    size = figure.Size(
        full=arguments.full, rounds=arguments.rounds, cells=tuple(arguments.cell or ())
    )
    results = []
    for name in arguments.figures or MODULES:
        chosen = _figure(name)
        start = time.perf_counter()
        outcome = chosen.run(size)
        results.append(figure.record(chosen, size, outcome, time.perf_counter() - start))
        figure.save(results[-1])
        figure.show(results[-1], console)
    if arguments.json:
        Path(arguments.json).write_text(json.dumps(results, ensure_ascii=False, indent=1), "utf-8")
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="python -m bench", description="Measure the promises.")
    parser.add_argument(
        "figures", nargs="*", type=_known, metavar="FIGURE", help="default: all; see --list"
    )
    parser.add_argument("--list", action="store_true", help="name the figures")
    parser.add_argument("--full", action="store_true", help="at the sizes the promises name")
    parser.add_argument(
        "--rounds",
        "--years",
        dest="rounds",
        type=_positive,
        help="rounds, seeds of each world or votes, or years",
    )
    parser.add_argument(
        "--cell", action="append", metavar="NAME", help="only this kind of year; may be repeated"
    )
    parser.add_argument("--json", metavar="FILE", help="also write all results to one file")
    return parser


def _positive(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"rounds must be at least 1, got {value}")
    return value


def _known(name: str) -> str:
    if name not in MODULES:
        raise argparse.ArgumentTypeError(f"must be one of {', '.join(MODULES)}, got {name}")
    return name


def _figure(name: str) -> Figure:
    found: Figure = import_module(MODULES[name]).FIGURE
    return found


if __name__ == "__main__":
    steady()
    sys.exit(main())
