"""What builds an image on this machine: Docker where its engine runs, else buildah as root.

    python -m image.engine      exit 0 and its name, or exit 1 and what is missing

buildah needs no engine, no registry and no download of a base: Debian's own package, in the
isolation `chroot`, on a base that debootstrap makes. It is installed where that can be done.
"""

import os
import shutil
import subprocess
import sys
from typing import Literal

Engine = Literal["docker", "buildah"]

PACKAGES = ("buildah", "debootstrap")
PATIENCE = 30
"""Seconds after which a Docker engine is taken for absent."""


class NoEngineError(Exception):
    """Nothing here can build an image; the text says what would."""


def find() -> Engine:
    """The engine of this machine; buildah is installed if need be. Raises NoEngineError."""
    if docker_runs():
        return "docker"
    if os.geteuid() != 0:
        raise NoEngineError(
            "an image is built by a Docker engine, or by buildah as root: there is no engine "
            f"that answers `docker info`, and the user is number {os.geteuid()}; start Docker, "
            "or run make as root"
        )
    if not _can_unshare():
        raise NoEngineError(
            "buildah must be allowed to mount, and this root may not (is it itself a container?): "
            "start Docker, or run make on a machine of its own"
        )
    _install([name for name in PACKAGES if not shutil.which(name)])
    return "buildah"


def docker_runs() -> bool:
    """Whether a Docker engine answers; the command alone is not one."""
    if not shutil.which("docker"):
        return False
    try:
        asked = subprocess.run(["docker", "info"], capture_output=True, timeout=PATIENCE)
    except subprocess.TimeoutExpired:
        return False
    return asked.returncode == 0


def _can_unshare() -> bool:
    if not shutil.which("unshare"):
        return False
    return subprocess.run(["unshare", "--mount", "--pid", "--fork", "true"]).returncode == 0


def _install(packages: list[str]) -> None:
    """Debian's packages. Raises NoEngineError if they cannot be had."""
    if not packages:
        return
    print(f"installing {' '.join(packages)} to build the image, once", flush=True)
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive"}
    for words in (["update", "-qq"], ["install", "-y", "-qq", "--no-install-recommends"]):
        wanted = packages if words[0] == "install" else []
        try:
            done = subprocess.run(
                ["apt-get", *words, *wanted], env=environment, capture_output=True, text=True
            )
        except FileNotFoundError:
            raise NoEngineError(
                f"without Docker the image needs {' and '.join(packages)}, and there is no "
                "apt-get: install them, or start Docker"
            ) from None
        if done.returncode:
            said = (done.stderr or done.stdout).strip().splitlines()
            raise NoEngineError(
                f"without Docker the image needs {' and '.join(packages)}, and apt-get "
                f"{words[0]} failed: {said[-1] if said else 'it said nothing'}; install them, "
                "or start Docker"
            )


def main() -> int:
    """Say which engine there is."""
    try:
        print(find())
    except NoEngineError as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main())
