"""What the Dockerfile promises without being built; `make test-image` proves it on the image."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from importlib.metadata import packages_distributions
from pathlib import Path
from threading import Thread

import pytest
from docker.utils.build import exclude_paths

from image.build import CONTENT, OF_TASK
from tests.image.dockerfile import ROOT, Instruction, named, texts

STAGES = named()
TOOLS, BUILD, BUILD_API = (STAGES[name] for name in ("tools", "build-task", "build-api"))
SHIPPED = {name: STAGES[name] for name in ("task", "api")}
OF_THE_SYSTEM = {"CODE_REVISION", "CODE_SOURCE"}
# Not imported by us: PyMySQL takes it for the password exchange of MySQL 8.
FOR_ANOTHER = {"cryptography"}
OF_UVICORN = {"uvloop", "httptools"}


def last(target: str, name: str) -> Instruction:
    """The instruction of a shipped stage that counts."""
    return [each for each in SHIPPED[target] if each.name == name][-1]


each_target = pytest.mark.parametrize("target", SHIPPED)


def test_hadolint_finds_nothing() -> None:
    hadolint = Path(sys.executable).with_name("hadolint")

    done = subprocess.run([hadolint, ROOT / "Dockerfile"], capture_output=True, text=True)

    assert (done.returncode, done.stdout) == (0, "")


@each_target
def test_the_program_itself_is_the_first_process_and_gets_the_signal_to_stop(target: str) -> None:
    words = {"task": ["run"], "api": ["--host", "0.0.0.0", "--port", "8080"]}

    assert last(target, "ENTRYPOINT").words() == ["/opt/venv/bin/python", "-m", target]
    assert last(target, "CMD").words() == words[target]


def test_the_api_says_its_port_and_can_be_asked_whether_it_lives() -> None:
    assert last("api", "EXPOSE").text == "8080"
    command = last("api", "HEALTHCHECK").text.partition(" CMD ")[2]
    # In exec form, since there is no curl, and no shell is needed.
    python, option, program = Instruction("CMD", command).words()
    assert (python, option) == ("/opt/venv/bin/python", "-c")
    assert asked(program, status=200) == 0
    assert asked(program, status=503) != 0


def asked(program: str, status: int) -> int:
    """How the health check ends when the API answers so."""

    class Api(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            assert self.path == "/health"
            self.send_response(status)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            """Nothing."""

    with HTTPServer(("127.0.0.1", 0), Api) as server:
        Thread(target=server.handle_request, daemon=True).start()
        here = program.replace(":8080/", f":{server.server_port}/")
        done = subprocess.run([sys.executable, "-c", here], capture_output=True)
    return done.returncode


@each_target
def test_the_program_is_nobody_and_only_tmp_is_made_for_writing(target: str) -> None:
    assert last(target, "USER").text == "10001:10001"
    # Fargate makes a volume over it for nobody but root, unless the image declares it.
    assert last(target, "VOLUME").words() == ["/tmp"]
    environment = " ".join(texts(SHIPPED[target], "ENV"))
    for folder in ("HOME", "WORK_DIR", "LOG_DIR"):
        assert re.search(rf"\b{folder}=/tmp(/\w+)?\s", environment + " "), folder


@each_target
def test_nothing_runs_in_the_shipped_stage(target: str) -> None:
    """Then it holds no cache, no tool and no mount of the machine that built it."""
    assert texts(SHIPPED[target], "RUN") == []
    copied = texts(SHIPPED[target], "COPY")
    assert [text for text in copied if not text.startswith(f"--from=build-{target} ")] == []


def test_only_the_programs_and_their_pins_are_copied_from_the_project() -> None:
    def own(stage: list[Instruction]) -> list[list[str]]:
        return [text.split()[:-1] for text in texts(stage, "COPY") + texts(stage, "ADD")]

    assert own(TOOLS) == []
    assert own(BUILD) == [["requirements.txt"], ["common"], ["task"]]
    assert own(BUILD_API) == [["requirements-api.txt"], ["common"], ["api"], [*OF_TASK]]
    for target, stage in (("task", BUILD), ("api", BUILD_API)):
        copied = [word for words in own(stage) for word in words]
        assert sorted(CONTENT[target]) == sorted(["Dockerfile", ".dockerignore", *copied])  # type: ignore[index]


def test_the_api_gets_of_the_task_what_it_imports_and_no_more() -> None:
    """What `api` imports of it, and what that imports in turn."""
    needed, wanted = set[str](), of_task(*(ROOT / "api").rglob("*.py"))
    while wanted - needed:
        needed |= wanted
        wanted = of_task(*(ROOT / "task" / f"{name}.py" for name in needed))

    assert {f"task/{name}.py" for name in needed | {"__init__"}} == set(OF_TASK)


def of_task(*paths: Path) -> set[str]:
    """The modules of `task` that these files import."""
    found = set[str]()
    for path in paths:
        for node in ast.walk(ast.parse(path.read_text("utf-8"))):
            if isinstance(node, ast.ImportFrom) and node.module == "task":
                found |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and (node.module or "").startswith("task."):
                found.add(str(node.module).removeprefix("task."))
    return found


@each_target
def test_no_secret_and_no_address_of_a_mirror_gets_into_the_image(target: str) -> None:
    arguments = {text.partition("=")[0] for text in texts(SHIPPED[target], "ARG")}
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


def checked(folder: Path, stage: list[Instruction] = BUILD) -> subprocess.CompletedProcess[str]:
    """The Dockerfile's own check of what is installed, in a Python that has this folder's alone."""
    (check,) = [text for text in texts(stage, "RUN") if text.startswith("[")]
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


@pytest.mark.parametrize("name", ["torch", "pandas", "sklearn", "scipy", "pyarrow"])
def test_the_build_of_the_api_stops_at_what_trains(tmp_path: Path, name: str) -> None:
    assert checked(tmp_path, BUILD_API).returncode == 0
    (tmp_path / name).mkdir()
    (tmp_path / name / "__init__.py").touch()

    done = checked(tmp_path, BUILD_API)

    assert done.returncode == 1
    assert f"installed without training libraries, got ['{name}']" in done.stderr


@pytest.mark.parametrize(
    ("file", "rooms", "certain", "others"),
    [
        ("requirements.txt", ("common", "task"), "torch", FOR_ANOTHER),
        # uvicorn takes the two for its loop and its parser.
        ("requirements-api.txt", ("common", "api"), "fastapi", FOR_ANOTHER | OF_UVICORN),
    ],
)
def test_every_requirement_of_an_image_is_imported_by_its_program(
    file: str, rooms: tuple[str, ...], certain: str, others: set[str]
) -> None:
    lines = (ROOT / file).read_text("utf-8").splitlines()
    wanted = {line.partition("==")[0].lower() for line in lines if "==" in line}
    modules = packages_distributions()

    used = {
        found.lower().replace("_", "-")
        for name in set(imports(*rooms))
        for found in modules.get(name, ())
    }
    if "task" not in rooms:  # what reads a version
        used |= {"numpy", "safetensors"}

    assert wanted - used == others
    assert certain in used


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
        "api/__main__.py",
        "api/page/index.html",
        "requirements-api.txt",
        "requirements-local.txt",
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


def test_the_builder_is_sent_the_programs_and_nothing_else(project: Path) -> None:
    # Docker always sends the first two, which are no part of what is copied.
    assert set(context(project)) == {
        "Dockerfile",
        ".dockerignore",
        "requirements.txt",
        "requirements-api.txt",
        "api/__main__.py",
        "api/page/index.html",
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
