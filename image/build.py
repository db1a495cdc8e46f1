"""Builds the training task's image: `make image`, or `python -m image.build --base IMAGE`.

With a Docker engine the Dockerfile is built as `cdk deploy` builds it. Elsewhere buildah does it,
on a base made on this machine. What was built stands in `.image/built.json`, for `make test-image`.
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

from image import base, engine, pip_settings
from image.engine import Engine, NoEngineError

ROOT = Path(__file__).resolve().parents[1]
BUILT = ROOT / ".image" / "built.json"
NAME = "localhost/hairme-retraining:latest"
CONTENT = ("Dockerfile", ".dockerignore", "requirements.txt", "common", "task")
"""What the image is made of. Its revision is that of these, so that others do not change it."""


@dataclass(frozen=True, kw_only=True)
class Built:
    """An image on this machine."""

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
    start = time.monotonic()
    try:
        built = build(engine.find(), options.base, options.torch_index)
    except (NoEngineError, RuntimeError) as error:
        print(f"error: {error}", file=sys.stderr)
        return 1
    except subprocess.CalledProcessError as error:
        print(f"error: {error}\n{error.stderr or ''}", file=sys.stderr)
        return 1
    BUILT.parent.mkdir(exist_ok=True)
    BUILT.write_text(json.dumps(asdict(built), indent=1) + "\n", encoding="utf-8")
    took = time.monotonic() - start
    print(f"{NAME}  {built.image}  of {built.revision}")
    print(f"{built.megabytes:,} MB, built by {built.engine} in {took:.0f} s")
    return 0


def build(by: Engine, base_image: str | None, torch_index: str | None) -> Built:
    """The image of this working tree. Raises RuntimeError if it cannot be built."""
    settings = pip_settings.of_this_machine()
    if by == "docker":
        settings, mounts = pip_settings.elsewhere(settings), []
    else:
        settings, mounts = pip_settings.mounted(settings), pip_settings.folders(settings)
        base_image = base_image or base.ensure()
    commit = revision()
    given = {
        "BASE_IMAGE": base_image,
        "TORCH_INDEX": torch_index,
        "CODE_REVISION": commit,
        "CODE_SOURCE": source(),
    }
    named = {name: value for name, value in given.items() if value}
    id_file = BUILT.with_name("id")
    id_file.parent.mkdir(exist_ok=True)
    arguments = {**named, **pip_settings.build_arguments(settings)}
    logged(command(by, arguments, mounts, id_file), BUILT.with_name("build.log"))
    image = id_file.read_text(encoding="utf-8").strip()
    return Built(engine=by, image=image, revision=commit, megabytes=megabytes(by, image))


def command(
    by: Engine, arguments: Mapping[str, str], mounts: Sequence[Path], id_file: Path
) -> list[str]:
    """The command line that builds the current folder."""
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
    return [*options, "--tag", NAME, "--iidfile", str(id_file), "."]


def logged(words: Sequence[str], log: Path) -> None:
    """Run a command of many lines. Raises RuntimeError with the last of them if it fails."""
    print(f"building with {words[0]}; what it says goes to {log.relative_to(ROOT)}", flush=True)
    with log.open("wb") as out:
        done = subprocess.run(words, cwd=ROOT, stdout=out, stderr=out)
    if done.returncode:
        last = log.read_text(encoding="utf-8", errors="replace").splitlines()[-20:]
        said = "\n".join(last)
        raise RuntimeError(f"the build must succeed, got exit {done.returncode}:\n{said}")


def revision() -> str:
    """The commit that last changed the image's content, with `-dirty` if it changed since.

    Outside a repository, in an unpacked archive for instance, it is unknown.
    """
    found = _git("log", "-1", "--format=%h", "--abbrev=12", "--", *CONTENT)
    changed = _git("status", "--porcelain", "--", *CONTENT)
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
    sys.exit(main())
