"""Builds the images of task and API: `make image`, or `python -m image.build --base IMAGE`.

With a Docker engine the Dockerfile is built as `cdk deploy` builds it. Elsewhere buildah does it,
on a base made on this machine. What was built stands in `.image/task.json` and `.image/api.json`,
for `make test-image`.
"""

import argparse
import json
import re
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Literal

from common.console import steady
from image import base, engine, pip_settings
from image.engine import Engine, NoEngineError

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / ".image"
Target = Literal["task", "api"]
NAMES: Mapping[Target, str] = {
    "task": "localhost/hairme-retraining:latest",
    "api": "localhost/hairme-api:latest",
}
OF_TASK = tuple(
    f"task/{name}.py" for name in ("__init__", "artifact", "features", "metrics", "versions")
)
"""What the API needs of the task: to read a version."""
CONTENT: Mapping[Target, tuple[str, ...]] = {
    "task": ("Dockerfile", ".dockerignore", "requirements.txt", "common", "task"),
    "api": ("Dockerfile", ".dockerignore", "requirements-api.txt", "common", "api", *OF_TASK),
}
"""What each is made of. Its revision is that of these, so that others do not change it."""


@dataclass(frozen=True, kw_only=True)
class Built:
    """An image on this machine."""

    target: Target
    engine: Engine
    image: str
    """The id: the digest of its configuration, which names every layer."""
    revision: str
    megabytes: int


def main(arguments: Sequence[str] | None = None) -> int:
    """Build, and say what came out; returns the exit status."""
    parser = argparse.ArgumentParser(prog="python -m image.build", description=__doc__)
    parser.formatter_class = argparse.RawDescriptionHelpFormatter
    parser.add_argument("--base", metavar="IMAGE", help="instead of the Dockerfile's base")
    parser.add_argument("--torch-index", metavar="URL", help="instead of PyTorch's own CPU index")
    options = parser.parse_args(arguments)
    try:
        by = engine.find()
        for target in NAMES:
            start = time.monotonic()
            built = build(by, target, options.base, options.torch_index)
            record(target).write_text(json.dumps(asdict(built), indent=1) + "\n", encoding="utf-8")
            took = time.monotonic() - start
            print(f"{NAMES[target]}  {built.image}  of {built.revision}")
            print(f"{built.megabytes:,} MB, built by {built.engine} in {took:.0f} s")
    except (NoEngineError, RuntimeError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except subprocess.CalledProcessError as error:
        print(f"error: {error}\n{error.stderr or ''}", file=sys.stderr)
        return 1
    return 0


def record(target: Target) -> Path:
    """Where stands what was built of a target."""
    return FOLDER / f"{target}.json"


def build(by: Engine, target: Target, base_image: str | None, torch_index: str | None) -> Built:
    """One image of this working tree. Raises RuntimeError if it cannot be built."""
    settings = pip_settings.of_this_machine()
    if by == "docker":
        settings, mounts = pip_settings.elsewhere(settings), []
    else:
        settings, mounts = pip_settings.mounted(settings), pip_settings.folders(settings)
        base_image = base_image or base.ensure()
    commit = revision(target)
    given = {
        "BASE_IMAGE": base_image,
        "TORCH_INDEX": torch_index if target == "task" else None,
        "CODE_REVISION": commit,
        "CODE_SOURCE": source(),
    }
    named = {name: value for name, value in given.items() if value}
    FOLDER.mkdir(exist_ok=True)
    id_file = FOLDER / f"{target}.id"
    arguments = {**named, **pip_settings.build_arguments(settings)}
    logged(command(by, target, arguments, mounts, id_file), FOLDER / f"{target}.log")
    image = id_file.read_text(encoding="utf-8").strip()
    size = megabytes(by, image)
    return Built(target=target, engine=by, image=image, revision=commit, megabytes=size)


def command(
    by: Engine,
    target: Target,
    arguments: Mapping[str, str],
    mounts: Sequence[Path],
    id_file: Path,
) -> list[str]:
    """The command line that builds one target of the current folder."""
    options = {
        "docker": ["docker", "build"],
        # No registry is asked, no container runtime is needed.
        "buildah": [
            *("buildah", "build", "--isolation", "chroot", "--pull-never"),
            *("--network", "host", "--layers", "--format", "docker"),
        ],
    }[by]
    for path in mounts:
        options += ["--volume", f"{path}:{pip_settings.MOUNTED}{path}:ro"]
    for name, value in arguments.items():
        options += ["--build-arg", f"{name}={value}"]
    named = ["--target", target, "--tag", NAMES[target]]
    return [*options, *named, "--iidfile", str(id_file), "."]


def logged(words: Sequence[str], log: Path) -> None:
    """Run a command of many lines. Raises RuntimeError with the last of them if it fails."""
    print(f"building with {words[0]}; what it says goes to {log.relative_to(ROOT)}", flush=True)
    with log.open("wb") as out:
        done = subprocess.run(words, cwd=ROOT, stdout=out, stderr=out)
    if done.returncode:
        last = log.read_text(encoding="utf-8", errors="replace").splitlines()[-20:]
        said = "\n".join(last)
        raise RuntimeError(f"the build must succeed, got exit {done.returncode}:\n{said}")


def revision(target: Target) -> str:
    """The commit that last changed an image's content, with `-dirty` if it changed since.

    Outside a repository, in an unpacked archive for instance, it is unknown.
    """
    found = _git("log", "-1", "--format=%h", "--abbrev=12", "--", *CONTENT[target])
    changed = _git("status", "--porcelain", "--", *CONTENT[target])
    return (found or "unknown") + ("-dirty" if changed else "")


def source() -> str | None:
    """The public address of the code, without credentials; None if it is not on a server."""
    found = re.search(r"^(?:https://(?:[^/@]*@)?|git@)([\w.-]+\.\w+)[/:]([\w./-]+)$", _remote())
    return f"https://{found[1]}/{found[2].removesuffix('.git')}" if found else None


def _remote() -> str:
    return _git("config", "--default", "", "--get", "remote.origin.url")


def _git(*words: str) -> str:
    """What git says of the project; nothing where there is no git, or it knows no project."""
    try:
        done = subprocess.run(["git", *words], cwd=ROOT, capture_output=True, text=True)
    except FileNotFoundError:
        return ""
    return done.stdout.strip() if done.returncode == 0 else ""


def megabytes(by: Engine, image: str) -> int:
    """The size of all layers, unpacked."""
    if by == "docker":
        shown = _output("docker", "image", "inspect", "--format", "{{.Size}}", image)
        return int(shown) // 10**6
    listed = json.loads(_output("buildah", "images", "--json"))
    hexadecimal = image.removeprefix("sha256:")  # of which the list shows the beginning
    sizes = [found["size"] for found in listed if hexadecimal.startswith(found["id"])]
    return bytes_of(sizes[0]) // 10**6


def bytes_of(size: str) -> int:
    """The number in `1.25 GB`."""
    number, unit = size.split()
    return int(float(number) * 1000 ** ("B", "KB", "MB", "GB").index(unit.upper()))


def _output(*words: str) -> str:
    return subprocess.run(words, check=True, capture_output=True, text=True).stdout


if __name__ == "__main__":
    steady()
    sys.exit(main())
