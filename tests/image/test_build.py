"""How the image is built here: the command lines as values, and pip's settings on their way in."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from image import base, build, engine, pip_settings
from image.engine import NoEngineError

ID_FILE = Path("id")
ARGUMENTS = {"BASE_IMAGE": "base", "PIP_INDEX_URL": "https://mirror.example/simple"}


def test_docker_builds_the_folder_as_it_would_anywhere() -> None:
    command = build.command("docker", "api", ARGUMENTS, [], ID_FILE)

    assert command[:2] == ["docker", "build"]
    assert command[-1] == "."
    assert "--build-arg BASE_IMAGE=base" in " ".join(command)
    assert "--target api --tag localhost/hairme-api:latest --iidfile id" in " ".join(command)


def test_buildah_asks_no_registry_and_mounts_what_pip_needs_where_nothing_else_is() -> None:
    command = " ".join(build.command("buildah", "task", ARGUMENTS, [Path("/opt/index")], ID_FILE))

    assert command.startswith("buildah build --isolation chroot --pull-never --network host ")
    assert "--volume /opt/index:/mnt/host/opt/index:ro" in command
    assert "--build-arg PIP_INDEX_URL=https://mirror.example/simple" in command


def test_the_environment_of_pip_wins_over_its_files() -> None:
    lines = [
        ":env:.cert='/etc/env.pem'",
        "global.cert='/etc/global.pem'",
        "global.index-url='https://global.example/simple'",
        "install.index-url='https://install.example/simple'",
        "global.extra-index-url='\\nhttps://a.example/simple\\nhttps://b.example/simple'",
        "global.timeout='60'",
        "wheel.find-links='/not/for/install'",
    ]

    assert pip_settings.parsed(lines) == {
        "cert": "/etc/env.pem",
        "index-url": "https://install.example/simple",
        "extra-index-url": "https://a.example/simple https://b.example/simple",
    }


def test_pip_in_the_build_is_told_by_its_own_variables() -> None:
    settings = {"extra-index-url": "https://a.example", "cert": "/c.pem"}

    assert pip_settings.build_arguments(settings) == {
        "PIP_EXTRA_INDEX_URL": "https://a.example",
        "PIP_CERT": "/c.pem",
    }


def test_an_index_on_disk_is_mounted_with_its_files_and_found_where_it_is_mounted(
    tmp_path: Path,
) -> None:
    (tmp_path / "pypi" / "simple").mkdir(parents=True)
    (tmp_path / "wheels").mkdir()
    (tmp_path / "ca.pem").touch()
    index = f"file://{tmp_path}/pypi/simple"
    settings = {
        "extra-index-url": f"{index} https://a.example/simple",
        "find-links": f"{tmp_path}/wheels {tmp_path}/absent",
        "cert": f"{tmp_path}/ca.pem",
        "trusted-host": "a.example",
    }

    assert pip_settings.folders(settings) == [
        tmp_path / "ca.pem",
        tmp_path / "pypi",
        tmp_path / "wheels",
    ]
    assert pip_settings.mounted(settings) == {
        "extra-index-url": f"file:///mnt/host{tmp_path}/pypi/simple https://a.example/simple",
        "find-links": f"/mnt/host{tmp_path}/wheels /mnt/host{tmp_path}/absent",
        "cert": f"/mnt/host{tmp_path}/ca.pem",
        "trusted-host": "a.example",
    }
    # An engine that cannot mount gets what is on the network alone.
    assert pip_settings.elsewhere(settings) == {
        "extra-index-url": "https://a.example/simple",
        "trusted-host": "a.example",
    }


def test_the_base_comes_from_where_apt_gets_this_release() -> None:
    listed = "http://one.example/debian/ other\nhttp://two.example/debian/ bookworm\n"

    assert base.mirror(listed, "bookworm") == "http://two.example/debian/"
    with pytest.raises(RuntimeError, match="apt must know where trixie comes from"):
        base.mirror(listed, "trixie")


def test_a_build_that_fails_says_what_was_said_last(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(build, "ROOT", tmp_path)
    many = "for number in $(seq 99); do echo line $number; done; echo the reason >&2; exit 3"

    with pytest.raises(RuntimeError, match=r"got exit 3:\nline 81(.|\n)*the reason$"):
        build.logged(["sh", "-c", many], tmp_path / "build.log")


def test_sizes_are_read_as_buildah_writes_them() -> None:
    assert build.bytes_of("1.15 GB") == 1_150_000_000
    assert build.bytes_of("167 MB") == 167_000_000


@pytest.fixture
def repository(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A project of three files, committed one by one."""
    monkeypatch.setattr(build, "ROOT", tmp_path)
    git(tmp_path, "init", "--quiet")
    for name in ("Dockerfile", "task/gate.py", "README.md"):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(name)
        git(tmp_path, "add", name)
        author = ("-c", "user.name=somebody", "-c", "user.email=somebody@example.com")
        git(tmp_path, *author, "commit", "--quiet", "--message", name)
    return tmp_path


def git(folder: Path, *words: str) -> str:
    done = subprocess.run(["git", *words], cwd=folder, capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_the_revision_is_that_of_the_images_content(repository: Path) -> None:
    """A commit of anything else must not make another image of the same program."""
    program = git(repository, "log", "--format=%h", "--abbrev=12", "--", "task")
    assert program != git(repository, "log", "-1", "--format=%h", "--abbrev=12")

    assert build.revision("task") == program

    (repository / "README.md").write_text("changed")
    assert build.revision("task") == program
    # Of the task the API has nothing but what reads a version.
    assert build.revision("api") not in (program, "unknown")

    (repository / "task" / "gate.py").write_text("changed")
    assert build.revision("task") == f"{program}-dirty"


def test_an_unpacked_archive_is_built_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build, "ROOT", tmp_path)
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    assert (build.revision("task"), build.source()) == ("unknown", None)

    monkeypatch.setenv("PATH", str(tmp_path))  # and where git is not installed
    assert (build.revision("task"), build.source()) == ("unknown", None)


@pytest.mark.parametrize(
    "remote, address",
    [
        ("https://git.example/hair/me.git", "https://git.example/hair/me"),
        ("https://user:secret@git.example/hair/me", "https://git.example/hair/me"),
        ("git@git.example:hair/me.git", "https://git.example/hair/me"),
        ("/srv/git/me.git", None),  # nobody else can go there
        (None, None),
    ],
)
def test_the_source_is_where_others_find_it_and_no_password(
    repository: Path, remote: str | None, address: str | None
) -> None:
    if remote:
        git(repository, "remote", "add", "origin", remote)

    assert build.source() == address


class Machine:
    """What `engine.find` asks of a machine: commands, and who asks."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
        self.folder, self.monkeypatch = folder, monkeypatch
        monkeypatch.setenv("PATH", str(folder))
        self.user(0)

    def user(self, number: int) -> None:
        self.monkeypatch.setattr("os.geteuid", lambda: number)

    def has(self, command: str, *lines: str) -> None:
        """A command that does what these lines of shell say."""
        path = self.folder / command
        path.write_text("\n".join(["#!/bin/sh", *lines]) + "\n")
        path.chmod(0o755)


@pytest.fixture
def machine(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Machine:
    return Machine(monkeypatch, tmp_path)


def test_docker_builds_where_its_engine_answers(machine: Machine) -> None:
    machine.has("docker", "exit 0")
    machine.user(1000)

    assert engine.find() == "docker"


def test_without_an_engine_buildah_builds_as_root(machine: Machine) -> None:
    machine.has("docker", "exit 1")  # the command alone
    for command in ("unshare", "buildah", "debootstrap"):
        machine.has(command, "exit 0")

    assert engine.find() == "buildah"

    machine.user(1000)
    with pytest.raises(NoEngineError, match=r"as root.*start Docker, or run make as root"):
        engine.find()


def test_what_buildah_needs_is_installed_when_it_is_missing(
    machine: Machine, tmp_path: Path
) -> None:
    machine.has("unshare", "exit 0")
    machine.has("debootstrap", "exit 0")
    machine.has("apt-get", f'echo "$*" >> {tmp_path}/log')

    assert engine.find() == "buildah"

    assert (tmp_path / "log").read_text().splitlines() == [
        "update -qq",
        "install -y -qq --no-install-recommends buildah",
    ]


def test_a_machine_that_cannot_build_says_what_is_missing(machine: Machine) -> None:
    with pytest.raises(NoEngineError, match="must be allowed to mount"):
        engine.find()

    machine.has("unshare", "exit 0")
    with pytest.raises(NoEngineError, match="no apt-get"):
        engine.find()

    machine.has("apt-get", "echo 'Unable to fetch' >&2; exit 100")
    with pytest.raises(NoEngineError, match=r"buildah and debootstrap.*failed: Unable to fetch"):
        engine.find()
