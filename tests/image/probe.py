"""Runs within a container, and prints what it finds there as JSON."""

import getpass
import importlib.metadata
import importlib.util
import json
import os
import shutil
import struct
import sys
from pathlib import Path

TOOLS = ("gcc", "cc", "c++", "g++", "make", "git", "curl", "wget")
HEAVY = ("torch", "pandas", "sklearn", "scipy", "pyarrow")
READ_ONLY = ("/", "/app", "/etc", "/opt/venv", "/var")


def refused(folder: str) -> str:
    """Why a file cannot be made there; empty if it can."""
    try:
        Path(folder, "probe").touch()
    except OSError as error:
        return os.strerror(error.errno or 0)
    return ""


def writable() -> list[str]:
    """Every folder of the root file system that this user may write to, mounts included."""
    system = ("/proc", "/dev", "/sys")
    found = []
    for folder, below, _ in os.walk("/"):
        below[:] = [name for name in below if os.path.join(folder, name) not in system]
        if os.access(folder, os.W_OK):
            found.append(folder)
    return found


def compiled(source: Path) -> bool:
    """Whether the bytecode is there and of this very source."""
    code = Path(importlib.util.cache_from_source(str(source)))
    if not code.exists():
        return False
    flags, time, size = struct.unpack("<III", code.read_bytes()[4:16])
    stat = source.stat()
    return bool(flags == 0 and time == int(stat.st_mtime) and size == stat.st_size)


def cuda() -> str | None:
    """What CUDA torch was built for; none without torch."""
    if importlib.util.find_spec("torch") is None:
        return None
    import torch

    return str(torch.version.cuda) if torch.version.cuda else None


def main() -> None:
    """Look around."""
    status = dict(line.split(":", 1) for line in Path("/proc/self/status").read_text().splitlines())
    sources = sorted(Path("/app").rglob("*.py"))
    names = [str(found.name).lower() for found in importlib.metadata.distributions()]
    installed = Path(sys.prefix, "lib")
    found = {
        "uid": os.getuid(),
        "gid": os.getgid(),
        "groups": [group for group in os.getgroups() if group != os.getgid()],
        "user": getpass.getuser(),
        "pid": os.getpid(),
        "capabilities": int(status["CapEff"], 16),
        "refused": {folder: refused(folder) for folder in READ_ONLY},
        "writable": writable(),
        "cuda": cuda(),
        "heavy": [name for name in HEAVY if importlib.util.find_spec(name)],
        "gpu_packages": [n for n in names if n.startswith(("nvidia", "cuda", "triton"))],
        "tools": [tool for tool in TOOLS if shutil.which(tool)]
        + [name for name in names if name in {"pip", "pytest", "moto", "mypy"}],
        "wheels": [str(path) for path in installed.rglob("*.whl")],
        "test_folders": [str(p) for p in installed.rglob("tests") if p.is_dir()],
        "rooms": sorted(path.name for path in Path("/app").iterdir()),
        "of_task": sorted(path.stem for path in Path("/app/task").glob("*.py")),
        "modules": len(sources),
        "not_compiled": [str(path) for path in sources if not compiled(path)],
    }
    print(json.dumps(found))


if __name__ == "__main__":
    main()
