"""The runner of the mutants tells red from green and from broken, and its table is not stale."""

import subprocess
from pathlib import Path

from tests.architecture.code import ROOT
from tests.guards import MUTANTS, Mutant
from tests.mutants import RED, judge, table

GUARD = "def allowed(votes: int) -> bool:\n    return votes >= 50\n"
TEST = """\
from guard import allowed
def test_few_votes_are_too_few() -> None:
    assert not allowed(9)
"""


def made_up(name: str, old: str, new: str, test: str = "test_guard.py") -> Mutant:
    return Mutant(name=name, guards="", file="guard.py", old=old, new=new, tests=(test,))


def test_only_a_test_that_fails_because_of_the_change_counts_as_red(tmp_path: Path) -> None:
    project = tmp_path / "project"
    project.mkdir()
    (project / "guard.py").write_text(GUARD)
    (project / "test_guard.py").write_text(TEST)
    (project / "test_red.py").write_text("def test_red():\n    assert False\n")
    subprocess.run(["git", "init", "-q", str(project)], check=True)

    answers = judge(
        project,
        tmp_path / "copies",
        [
            made_up("noticed", "votes >= 50", "votes >= 5"),
            made_up("unnoticed", "votes >= 50", "votes >= 10"),
            made_up("no-python", "return", "retrun"),
            made_up("not-there", "votes >= 51", ""),
            made_up("twice", "votes", "likes"),
            made_up("red-before", "votes >= 50", "False", "test_red.py"),
        ],
        jobs=2,
    )

    assert answers == [
        RED,
        "SURVIVED",
        "BROKEN: pytest ended with 2 instead of 1",
        "BROKEN: the text to change occurs 0 times in guard.py",
        "BROKEN: the text to change occurs 2 times in guard.py",
        "BROKEN: its tests end with 1 without the change",
    ]
    assert (project / "guard.py").read_text() == GUARD


def test_the_table_shows_each_answer_and_the_count() -> None:
    shown = table([made_up("a", "x", "y"), made_up("bcd", "x", "y")], [RED, "SURVIVED"])

    assert [line.split() for line in shown.splitlines()] == [
        ["mutant", "guards", "answer"],
        ["a", "red"],
        ["bcd", "SURVIVED"],
        ["1", "of", "2", "went", "red"],
    ]


def test_every_entry_still_fits_the_code() -> None:
    assert len({mutant.name for mutant in MUTANTS}) == len(MUTANTS)
    for mutant in MUTANTS:
        text = (ROOT / mutant.file).read_text(encoding="utf-8")
        assert text.count(mutant.old) == 1, mutant.name
        assert mutant.new != mutant.old, mutant.name
        assert mutant.tests, mutant.name
        for test in mutant.tests:
            path, _, name = test.partition("::")
            assert (ROOT / path).exists(), test
            if name:
                defined = f"def {name.partition('[')[0]}("
                assert defined in (ROOT / path).read_text(encoding="utf-8"), test
