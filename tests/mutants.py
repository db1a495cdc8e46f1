"""Takes one guard away at a time and expects a test to notice: `python -m tests.mutants`.

    python -m tests.mutants                      every entry of tests/guards
    python -m tests.mutants nan-bound-accepted   some of them
    python -m tests.mutants --jobs 1             one at a time

Each change is applied to a copy of the project, never to the working tree. The named tests must
pass without it and fail with it: exit status 1 of pytest and nothing else, because a test that
cannot be collected proves nothing. Tools that invent changes by the thousand measure the tests;
this shows that the named promises are guarded.
"""

import argparse
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from tests.guards import MUTANTS, Mutant

ROOT = Path(__file__).parents[1]
RED = "red"
TIME_LIMIT = 600  # seconds for the tests of one entry


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the entries named, or all; 0 if each went red."""
    parser = argparse.ArgumentParser(prog="python -m tests.mutants", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    names = [mutant.name for mutant in MUTANTS]
    parser.add_argument("names", nargs="*", metavar="name", help="entries; all by default")
    parser.add_argument("--jobs", type=int, default=2, help="how many at once (default 2)")
    options = parser.parse_args(arguments)
    if unknown := set(options.names) - set(names):
        parser.error(f"no entry {', '.join(sorted(unknown))}; there are: {', '.join(names)}")
    chosen = [mutant for mutant in MUTANTS if mutant.name in (options.names or names)]
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        answers = judge(ROOT, Path(folder), chosen, jobs=options.jobs)
    print(table(chosen, answers))
    return 0 if all(answer == RED for answer in answers) else 1


def judge(root: Path, folder: Path, mutants: Sequence[Mutant], *, jobs: int) -> list[str]:
    """The answer to each mutant: "red", "SURVIVED" or "BROKEN: …".

    root: the project, which is only read; folder: where copies may be made.
    """
    pristine = folder / "pristine"
    copy_tracked(root, pristine)
    with ThreadPoolExecutor(jobs) as pool:
        sets = sorted({mutant.tests for mutant in mutants})
        unchanged = dict(zip(sets, pool.map(lambda tests: run(pristine, tests), sets), strict=True))

        def answer(mutant: Mutant) -> str:
            if status := unchanged[mutant.tests]:
                return f"BROKEN: its tests end with {status} without the change"
            return _changed(mutant, pristine, folder / mutant.name)

        return list(pool.map(answer, mutants))


def _changed(mutant: Mutant, pristine: Path, copy: Path) -> str:
    """The answer of the tests in a copy that holds the change; the copy is removed again."""
    shutil.copytree(pristine, copy, symlinks=True)
    changed = copy / mutant.file
    text = changed.read_text(encoding="utf-8") if changed.exists() else ""
    if (times := text.count(mutant.old)) != 1:
        return f"BROKEN: the text to change occurs {times} times in {mutant.file}"
    changed.write_text(text.replace(mutant.old, mutant.new), encoding="utf-8")
    status = run(copy, mutant.tests)
    shutil.rmtree(copy)
    words = {0: "SURVIVED", 1: RED}
    return words.get(status, f"BROKEN: pytest ended with {status} instead of 1")


def run(copy: Path, tests: Sequence[str]) -> int:
    """pytest's exit status in the copy; 124 if the time limit passed."""
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", *tests]
    # Neither coverage nor a path of the working tree may reach into the copy.
    inherited = {k: v for k, v in os.environ.items() if not k.startswith(("COVERAGE", "PYTHON"))}
    environment = {**inherited, "PYTHONDONTWRITEBYTECODE": "1"}
    try:
        ended = subprocess.run(
            command, cwd=copy, env=environment, capture_output=True, timeout=TIME_LIMIT, check=False
        )
    except subprocess.TimeoutExpired:
        return 124
    return ended.returncode


def copy_tracked(root: Path, target: Path) -> None:
    """Copy what git knows or would add, so that no output of other commands comes along."""
    command = ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"]
    listed = subprocess.run(command, cwd=root, capture_output=True, check=True)
    for name in sorted({name for name in listed.stdout.decode().split("\0") if name}):
        source = root / name
        if source.is_file():  # a file that was removed is listed until that is committed
            (target / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target / name)


def table(mutants: Sequence[Mutant], answers: Sequence[str]) -> str:
    """One line for each mutant, and how many went red."""
    rows = [(m.name, m.guards, a) for m, a in zip(mutants, answers, strict=True)]
    widths = [max(len(row[i]) for row in [("mutant", "guards", ""), *rows]) for i in (0, 1)]
    lines = [
        f"{name:<{widths[0]}}  {guards:<{widths[1]}}  {answer}"
        for name, guards, answer in [("mutant", "guards", "answer"), *rows]
    ]
    return "\n".join([*lines, f"{answers.count(RED)} of {len(answers)} went red"])


if __name__ == "__main__":
    sys.exit(main())
