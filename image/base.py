"""Makes buildah's base: a minimal system of this machine's own release, with Python and no more.

It stands in for the official image of the Dockerfile where no registry can be reached. The
packages come from the mirror that apt is configured with, checked by the distribution's keys.
"""

import platform
import subprocess
from pathlib import Path

PACKAGES = ("python3",)


def name() -> str:
    """The base's name in buildah's storage."""
    return f"localhost/retraining-base:{release()}-{platform.machine()}"


def ensure() -> str:
    """The base's name; made if it is not there, which takes a minute once."""
    known = subprocess.run(["buildah", "inspect", "--type", "image", name()], capture_output=True)
    if known.returncode:
        print(f"making the base {name()} with debootstrap, once: a minute", flush=True)
        _make(name())
    return name()


def release() -> str:
    """The code name of this machine's release, such as bookworm."""
    return platform.freedesktop_os_release()["VERSION_CODENAME"]


def mirror(listed: str, suite: str) -> str:
    """The address that apt has for the suite. `listed`: one line "ADDRESS SUITE" for each."""
    for line in listed.splitlines():
        address, _, of = line.partition(" ")
        if of == suite:
            return address
    raise RuntimeError(
        f"apt must know where {suite} comes from, got {len(listed.splitlines())} other sources: "
        "see /etc/apt/sources.list, or name a base with BASE_IMAGE"
    )


def _make(image: str) -> None:
    asked = ["apt-get", "indextargets", "--format", "$(REPO_URI) $(CODENAME)"]
    listed = _output([*asked, "Identifier: Packages"])
    container = _output(["buildah", "from", "scratch"])
    try:
        root = _output(["buildah", "mount", container])
        _debootstrap(release(), root, mirror(listed, release()))
        _strip(Path(root))
        subprocess.run(["buildah", "umount", container], check=True, capture_output=True)
        subprocess.run(["buildah", "commit", "--quiet", container, image], check=True)
    finally:
        subprocess.run(["buildah", "rm", container], check=True, capture_output=True)


def _debootstrap(suite: str, root: str, address: str) -> None:
    command = ["debootstrap", "--variant=minbase", f"--include={','.join(PACKAGES)}"]
    done = subprocess.run([*command, suite, root, address], capture_output=True, text=True)
    if done.returncode:
        last = "\n".join((done.stdout + done.stderr).splitlines()[-5:])
        raise RuntimeError(f"debootstrap could not make the base:\n{last}")


def _strip(root: Path) -> None:
    """What was downloaded, and what debootstrap has copied from this machine, is not for it."""
    downloaded = ("var/cache/apt/archives/*.deb", "var/cache/apt/*.bin", "var/lib/apt/lists/*_*")
    copied = ("etc/resolv.conf", "etc/hostname")
    for pattern in (*downloaded, *copied):
        for file in root.glob(pattern):
            file.unlink()


def _output(command: list[str]) -> str:
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout.strip()
