"""What a command did decides its exit status, whatever its standard output leads to."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.e2e.home import Home

UTF8 = "둥근형 컷 💇"
ENCODINGS = ("cp949", "ascii", "cp1252")
PRINTS = f"from common.console import steady; steady(); print({UTF8!r}, '\\ud800', flush=True)"


def python(
    *words: str, stdout: int, cwd: Path, **changes: str
) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(
        [sys.executable, *words],
        stdout=stdout,
        stderr=subprocess.PIPE,
        cwd=cwd,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)} | changes,
        timeout=120,
        check=False,
    )


def full() -> int:
    return os.open("/dev/full", os.O_WRONLY)


def closed_pipe() -> int:
    reading, writing = os.pipe()
    os.close(reading)
    return writing


@pytest.mark.parametrize("encoding", ENCODINGS)
def test_every_console_is_utf_8_and_takes_what_is_no_text(encoding: str, tmp_path: Path) -> None:
    done = python(
        "-c", PRINTS, stdout=subprocess.PIPE, cwd=tmp_path, PYTHONIOENCODING=encoding, LC_ALL="C"
    )

    assert (done.returncode, done.stderr) == (0, b"")
    assert done.stdout.decode() == f"{UTF8} ?\n"


@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize(
    ("opened", "told"),
    [(full, "got No space left on device"), (closed_pipe, "")],
)
def test_output_that_nobody_takes_is_no_failure_and_no_traceback(
    opened: Callable[[], int], told: str, unbuffered: str, tmp_path: Path
) -> None:
    output = opened()
    try:
        done = python("-c", PRINTS, stdout=output, cwd=tmp_path, PYTHONUNBUFFERED=unbuffered)
    finally:
        os.close(output)

    assert done.returncode == 0
    assert told in done.stderr.decode()
    assert b"Traceback" not in done.stderr
    assert bool(told) == bool(done.stderr)


def test_without_standard_output_no_file_of_ours_is_printed_into(tmp_path: Path) -> None:
    code = "from common.console import steady; steady(); print(open('own', 'w').fileno() > 2)"

    done = subprocess.run(
        ["/bin/sh", "-c", 'exec "$0" -c "$1" >&-', sys.executable, f"{code}; print('printed')"],
        stderr=subprocess.PIPE,
        cwd=tmp_path,
        env=os.environ | {"PYTHONPATH": os.pathsep.join(sys.path)},
        timeout=120,
        check=False,
    )

    assert (done.returncode, done.stderr) == (0, b"")
    assert (tmp_path / "own").read_bytes() == b""


def test_commands_into_a_closed_pipe_of_a_narrow_console_end_with_0(
    trained: Home, tmp_path: Path
) -> None:
    environment = trained.environment({"PYTHONIOENCODING": "cp949", "PYTHONUTF8": "0"})
    output = closed_pipe()
    try:
        for words in (["status"], ["status", "--json"], ["history"], ["run", "--help"]):
            done = python("-m", "task", *words, stdout=output, cwd=trained.folder, **environment)
            assert (done.returncode, b"Traceback" in done.stderr) == (0, False), done.stderr
        run = python("-m", "task", "run", stdout=output, cwd=trained.folder, **environment)
    finally:
        os.close(output)

    assert run.returncode == 0, run.stderr


def test_a_promotion_that_cannot_be_told_ends_with_0(fresh: Home) -> None:
    output = full()
    try:
        words = ("-m", "task", "run", "--candidates", "hierarchical", "--json")
        done = python(*words, stdout=output, cwd=fresh.folder, **fresh.environment({}))
    finally:
        os.close(output)

    assert done.returncode == 0, done.stderr
    assert [run.state for run in fresh.registry.runs()] == ["promoted"]
