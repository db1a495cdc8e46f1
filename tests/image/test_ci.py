"""The gate's last step: the image is built and run where that can be, and no skip is silent."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.image.dockerfile import ROOT


class Desk:
    """A project with the real gate, and stand-ins for make and Python."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.log = folder, folder / "log"
        (folder / ".ci").mkdir()
        shutil.copy(ROOT / ".ci" / "run", folder / ".ci" / "run")
        self.has("make")
        self.has(".venv/bin/python")

    def has(self, name: str, fails_at: str = "nothing") -> None:
        """A command that writes down its last word, and fails at one."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        lines = (
            "#!/bin/sh",
            'for word; do :; done; echo "$word" >> log',
            f'[ "$word" != {fails_at} ] || {{ echo why >&2; exit 7; }}',
        )
        path.write_text("\n".join(lines) + "\n")
        path.chmod(0o755)

    def gate(self) -> tuple[int, list[str], str]:
        """(exit status, what was run, what was said on the error stream)."""
        path = f"{self.folder}:/usr/bin:/bin"
        done = subprocess.run(
            [self.folder / ".ci" / "run"], env={"PATH": path}, capture_output=True, text=True
        )
        return done.returncode, self.log.read_text().split(), done.stderr


@pytest.fixture
def desk(tmp_path: Path) -> Desk:
    return Desk(tmp_path)


def test_the_image_is_run_after_the_checks(desk: Desk) -> None:
    assert desk.gate() == (0, ["check", "image.engine", "test-image"], "")


def test_an_image_that_fails_fails_the_gate(desk: Desk) -> None:
    desk.has("make", fails_at="test-image")

    status, _, said = desk.gate()

    assert status == 7
    assert "SKIPPED" not in said


def test_without_an_engine_the_gate_says_why_and_that_it_skipped(desk: Desk) -> None:
    desk.has(".venv/bin/python", fails_at="image.engine")

    status, run, said = desk.gate()

    assert (status, run) == (0, ["check", "image.engine"])
    assert said.startswith("why\nSKIPPED: the image was neither built nor run")


def test_nothing_is_built_of_what_failed_the_checks(desk: Desk) -> None:
    desk.has("make", fails_at="check")

    status, run, _ = desk.gate()

    assert (status, run) == (7, ["check"])
