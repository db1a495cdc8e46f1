"""What the Dockerfile promises without being built; `make test-image` proves it on the image."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from docker.utils.build import exclude_paths

from tests.image.dockerfile import ROOT, Instruction, stages, texts

BUILD, SHIPPED = stages()
OF_THE_SYSTEM = {"CODE_REVISION", "CODE_SOURCE"}
# Not imported by us: PyMySQL takes it for the password exchange of MySQL 8.
FOR_ANOTHER = {"cryptography"}


def last(name: str) -> Instruction:
    """The instruction of the shipped stage that counts."""
    return [each for each in SHIPPED if each.name == name][-1]


def test_hadolint_finds_nothing() -> None:
    hadolint = Path(sys.executable).with_name("hadolint")

    done = subprocess.run([hadolint, ROOT / "Dockerfile"], capture_output=True, text=True)

    assert (done.returncode, done.stdout) == (0, "")


def test_the_task_itself_is_the_first_process_and_gets_the_signal_to_stop() -> None:
    assert last("ENTRYPOINT").words() == ["/opt/venv/bin/python", "-m", "task"]
    assert last("CMD").words() == ["run"]


def test_the_task_is_nobody_and_only_tmp_is_made_for_writing() -> None:
    assert last("USER").text == "10001:10001"
    # Fargate makes a volume over it for nobody but root, unless the image declares it.
    assert last("VOLUME").words() == ["/tmp"]
    environment = " ".join(texts(SHIPPED, "ENV"))
    for folder in ("HOME", "WORK_DIR", "LOG_DIR"):
        assert re.search(rf"\b{folder}=/tmp(/\w+)?\s", environment + " "), folder


def test_nothing_runs_in_the_shipped_stage() -> None:
    """Then it holds no cache, no tool and no mount of the machine that built it."""
    assert texts(SHIPPED, "RUN") == []
    assert [text for text in texts(SHIPPED, "COPY") if not text.startswith("--from=build ")] == []


def test_only_the_program_and_its_pins_are_copied_from_the_project() -> None:
    own = [text.split()[:-1] for text in texts(BUILD, "COPY") + texts(BUILD, "ADD")]

    assert own == [["requirements.txt"], ["common"], ["task"]]


def test_no_secret_and_no_address_of_a_mirror_gets_into_the_image() -> None:
    arguments = {text.partition("=")[0] for text in texts(SHIPPED, "ARG")}
    assert arguments == OF_THE_SYSTEM
    defaults = dict(text.split("=", 1) for text in texts(BUILD, "ARG") if "=" in text)
    assert set(defaults) == {"TORCH_INDEX"}
    secret = re.compile(r"password|secret|token|_key|credential|://[^/ ]*@", re.IGNORECASE)
    assert secret.search((ROOT / "Dockerfile").read_text("utf-8")) is None


def test_any_builder_can_build_it() -> None:
    """Mounts and here-documents need BuildKit, and so does what names a syntax."""
    text = (ROOT / "Dockerfile").read_text("utf-8")

    assert re.findall(r"--mount|<<-?\w|# *syntax *=|TARGETPLATFORM", text) == []


def test_torch_is_installed_first_and_alone_with_its_cpu_index() -> None:
    installs = next(text for text in texts(BUILD, "RUN") if "--extra-index-url" in text)
    # The pin is taken from the requirements by the shell: see what it takes.
    taken = re.search(r"torch=\$\((sed .*? )/opt/(\S+)\)", installs)
    assert taken
    command = f"{taken.group(1)} {ROOT / taken.group(2)}"

    found = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=True)

    assert re.fullmatch(r"torch==[0-9.]+\n", found.stdout)
    first, second = re.findall(r"pip install (.*?)(?:&&|$)", installs)
    assert first.split() == [
        "--retries",
        "0",
        "--extra-index-url",
        '"${TORCH_INDEX}"',
        '"${torch}"',
    ]
    assert second.split() == ["-r", "/opt/requirements.txt"]
    assert "TORCH_INDEX=https://download.pytorch.org/whl/cpu" in texts(BUILD, "ARG")


@pytest.fixture
def imitation(tmp_path: Path) -> Path:
    """A folder that stands in for torch and its companions."""
    (tmp_path / "torch.py").write_text("class version:\n    cuda = None\n")
    return tmp_path


def checked(folder: Path) -> subprocess.CompletedProcess[str]:
    """The Dockerfile's own check of torch, in a Python that has this folder's alone."""
    (check,) = [text for text in texts(BUILD, "RUN") if text.startswith("[")]
    _, option, program = Instruction("RUN", check).words()
    where = f"import sys; sys.path[:0] = [{str(folder)!r}]; "
    return subprocess.run(
        [sys.executable, "-I", "-S", option, where + program], capture_output=True, text=True
    )


def test_the_build_goes_on_with_the_cpu_build_of_torch(imitation: Path) -> None:
    done = checked(imitation)

    assert (done.returncode, done.stderr) == (0, "")


def test_the_build_stops_at_a_torch_for_cuda(imitation: Path) -> None:
    (imitation / "torch.py").write_text("class version:\n    cuda = '13.0'\n")

    done = checked(imitation)

    assert done.returncode == 1
    assert "must be the CPU build, got CUDA 13.0" in done.stderr
    assert "TORCH_INDEX" in done.stderr


@pytest.mark.parametrize("name", ["nvidia-cublas", "cuda-bindings", "triton"])
def test_the_build_stops_at_a_companion_of_cuda(imitation: Path, name: str) -> None:
    about = imitation / f"{name.replace('-', '_')}-1.0.dist-info"
    about.mkdir()
    (about / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n")

    done = checked(imitation)

    assert done.returncode == 1
    assert name in done.stderr


def test_every_requirement_of_the_image_is_imported_by_the_program() -> None:
    lines = (ROOT / "requirements.txt").read_text("utf-8").splitlines()
    wanted = {line.partition("==")[0].lower() for line in lines if "==" in line}
    modules = packages_distributions()

    used = {
        found.lower() for name in set(imports("common", "task")) for found in modules.get(name, ())
    }

    assert wanted - used == FOR_ANOTHER
    assert "torch" in used


def imports(*rooms: str) -> Iterator[str]:
    """The first part of each module that is imported, wherever it stands."""
    for path in (found for room in rooms for found in (ROOT / room).rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.Import):
                yield from (alias.name.partition(".")[0] for alias in node.names)
            elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
                yield node.module.partition(".")[0]


@pytest.fixture
def project(tmp_path: Path) -> Path:
    """A working tree with a bit of everything that lies about in one."""
    for name in (
        "Dockerfile",
        "requirements.txt",
        "requirements-dev.txt",
        ".env",
        "README.md",
        ".git/config",
        ".venv/lib/python3.11/site-packages/common/__init__.py",
        "cdk.out/manifest.json",
        "common/__init__.py",
        "common/__pycache__/__init__.cpython-311.pyc",
        "common/store/s3.py",
        "infra/app.py",
        "task/__main__.py",
        "task/models/embedding.py",
        "task/models/__pycache__/embedding.cpython-311.pyc",
        "task/templates/report.html",
        "tests/unit/test_gate.py",
    ):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(name)
    (tmp_path / ".dockerignore").write_text((ROOT / ".dockerignore").read_text())
    return tmp_path


def context(project: Path) -> dict[str, str]:
    """What the builder is sent, by Docker's own reading of .dockerignore: path → content."""
    lines = (project / ".dockerignore").read_text().splitlines()
    patterns = [line for line in lines if line and not line.startswith("#")]
    sent = [project / path for path in exclude_paths(str(project), patterns)]
    return {str(p.relative_to(project)): p.read_text() for p in sent if p.is_file()}


def test_the_builder_is_sent_the_program_and_nothing_else(project: Path) -> None:
    # Docker always sends the first two, which are no part of what is copied.
    assert set(context(project)) == {
        "Dockerfile",
        ".dockerignore",
        "requirements.txt",
        "common/__init__.py",
        "common/store/s3.py",
        "task/__main__.py",
        "task/models/embedding.py",
        "task/templates/report.html",
    }


def test_a_changed_test_does_not_change_the_image_and_a_changed_program_does(project: Path) -> None:
    before = context(project)

    (project / "tests/unit/test_gate.py").write_text("changed")
    (project / "task/models/__pycache__/new.cpython-311.pyc").write_text("compiled")
    (project / "new.md").write_text("new")
    assert context(project) == before

    (project / "task/models/embedding.py").write_text("changed")
    assert context(project) != before
