"""The Makefile as a person meets it on a fresh machine, with a stand-in for Python and pip."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.architecture.code import ROOT

# Answers the two questions, makes a "venv" of itself, and writes down what pip is told.
PYTHON = """\
#!/bin/sh
case "$1 $2" in
"-c import sys"*) exit {too_old} ;;
"-c import ensurepip"*) exit {no_venv} ;;
"-m venv") mkdir -p "$3/bin" && cp "$0" "$3/bin/python" ;;
"-m pip") sleep 0.1; shift 2; echo "$@" >> pip.log ;;
"-m local.demo") shift 2; echo "the demo got $*" ;;
*) echo "unexpected: $*" >&2; exit 9 ;;
esac
"""


REQUIREMENTS = (
    "requirements.txt",
    "requirements-api.txt",
    "requirements-local.txt",
    "requirements-dev.txt",
    "infra/requirements.txt",
)


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A folder with the Makefile, the requirements and a Python that is new and complete."""
    (tmp_path / "infra").mkdir()
    for name in ("Makefile", *REQUIREMENTS):
        shutil.copy(ROOT / name, tmp_path / name)
    stand_in(tmp_path)
    return tmp_path


def stand_in(folder: Path, *, too_old: int = 0, no_venv: int = 0) -> None:
    path = folder / "python"
    path.write_text(PYTHON.format(too_old=too_old, no_venv=no_venv))
    path.chmod(0o755)


def make(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    command = ["make", "PYTHON=./python", *arguments]
    # The tests may themselves run under make, whose flags are not for this one.
    environment = {name: v for name, v in os.environ.items() if not name.startswith("MAKE")}
    return subprocess.Popen(
        command,
        cwd=folder,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def said(process: subprocess.Popen[str]) -> tuple[int, str]:
    """(exit status, all output) of a make that has ended."""
    output, _ = process.communicate(timeout=60)
    return process.returncode, output


def test_help_is_the_default_and_lists_every_command() -> None:
    text = (ROOT / "Makefile").read_text()
    phony = re.search(r"^\.PHONY: (.*)$", text, re.MULTILINE)
    assert phony
    commands = set(phony.group(1).split())  # those of a second line are steps of others

    status, output = said(make(ROOT))

    assert status == 0
    assert set(re.findall(r"^  make ([\w-]+) +\S", output, re.MULTILINE)) == commands
    assert {
        "demo",
        "demo-local",
        "deploy",
        "cost",
        "diff",
        "snapshot",
        "synth",
        "test",
        "check",
        "image",
        "test-image",
        "fmt",
        "bench",
        "faults",
        "mutants",
        "clean",
        "help",
    } == commands


def test_every_requirement_is_pinned_exactly() -> None:
    for name in (*REQUIREMENTS, "lambda/requirements.txt"):
        for line in (ROOT / name).read_text().splitlines():
            wanted = line.partition("#")[0].strip()
            if wanted and not wanted.startswith("-r "):
                assert re.fullmatch(r"[A-Za-z0-9_-]+(\[[a-z0-9,]+\])?==[0-9.]+", wanted), wanted


def test_the_demo_installs_torch_first_and_alone_then_the_rest_and_no_tools(project: Path) -> None:
    pin = re.search(r"^torch==[0-9.]+", (project / "requirements.txt").read_text(), re.MULTILINE)
    assert pin

    status, output = said(make(project, "demo", "SEED=7"))

    assert status == 0, output
    assert "the demo got --seed 7" in output
    first, second, third = (project / "pip.log").read_text().splitlines()
    assert first.split()[-1] == pin.group()
    assert "--retries 0 --extra-index-url https://download.pytorch.org/whl/cpu" in first
    assert second.endswith("-r requirements.txt")
    assert third.endswith("-r requirements-local.txt")
    assert "index" not in second + third


def test_what_is_installed_is_not_installed_again_until_the_pins_change(project: Path) -> None:
    log = project / "pip.log"
    said(make(project, ".venv/.dev"))
    assert len(log.read_text().splitlines()) == 4

    said(make(project, ".venv/.dev"))
    assert len(log.read_text().splitlines()) == 4

    (project / "requirements.txt").write_text("torch==9.9.9  # newer\n")
    said(make(project, ".venv/.dev"))
    assert log.read_text().splitlines()[4].endswith("torch==9.9.9")
    assert len(log.read_text().splitlines()) == 8


def test_two_commands_at_once_install_once(project: Path) -> None:
    for process in [make(project, "demo"), make(project, "demo")]:
        assert said(process)[0] == 0

    assert len((project / "pip.log").read_text().splitlines()) == 3


def test_an_installation_that_failed_is_begun_again(project: Path) -> None:
    failing = project / "python"
    failing.write_text(failing.read_text().replace('echo "$@" >> pip.log', "exit 1"))
    assert said(make(project, "demo"))[0] == 2
    assert not (project / ".venv" / ".runtime").exists()

    stand_in(project)
    shutil.copy(project / "python", project / ".venv" / "bin" / "python")
    assert said(make(project, "demo"))[0] == 0


def test_a_python_that_is_too_old_or_has_no_venv_is_named_with_the_remedy(project: Path) -> None:
    stand_in(project, too_old=1)
    status, output = said(make(project, "demo"))
    assert status == 2
    assert "Python 3.11 or newer is needed" in output
    assert "make PYTHON=python3.12" in output

    stand_in(project, no_venv=1)
    status, output = said(make(project, "demo"))
    assert status == 2
    assert "apt-get install python3-venv" in output
    assert not (project / ".venv").exists()


def test_a_browser_that_cannot_be_installed_is_named_with_the_remedy(project: Path) -> None:
    # Given a system that has none and installs nothing
    tools = project / "tools"
    tools.mkdir()
    for name in ("sh", "env", "id"):
        found = shutil.which(name)
        assert found
        (tools / name).symlink_to(found)
    for name in ("apt-get", "sudo"):
        (tools / name).write_text("#!/bin/sh\nexit 100\n")
        (tools / name).chmod(0o755)

    status, output = said(make(project, "chromium", f"PATH={tools}", f"SHELL={tools / 'sh'}"))

    assert status == 2
    assert "Run as an administrator: apt-get install chromium chromium-driver" in output
