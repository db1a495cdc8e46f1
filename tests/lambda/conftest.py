"""The real bundle, built once, and what the Lambda runtime has beside it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest

from infra.bundle import build

RUNTIME = ("boto3", "botocore", "s3transfer", "jmespath", "dateutil", "six", "urllib3")
"""Libraries of AWS's Python runtime that the functions use."""

Bare = Callable[..., Any]


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that both functions run from."""
    folder = tmp_path_factory.mktemp("lambda") / "task"
    build(folder)
    return folder


@pytest.fixture(scope="session")
def runtime(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with boto3 and what it needs, and nothing else of this environment."""
    folder = tmp_path_factory.mktemp("runtime")
    for name in RUNTIME:
        spec = find_spec(name)
        assert spec is not None
        assert spec.origin is not None
        origin = Path(spec.origin)
        source = origin.parent if origin.name == "__init__.py" else origin
        (folder / source.name).symlink_to(source)
    return folder


@pytest.fixture(scope="session")
def bare(bundle: Path, runtime: Path) -> Bare:
    """Runs code in a process that sees the bundle, boto3 and the standard library alone.

    The code's last line of output, as JSON, is what comes back.
    """

    def run(code: str, environ: Mapping[str, str] | None = None) -> Any:
        paths = f"import sys; sys.path += [{str(bundle)!r}, {str(runtime)!r}]\n"
        ended = subprocess.run(
            # -B: the folder of a function is read-only, so each cold start compiles.
            [sys.executable, "-I", "-S", "-B", "-c", paths + code],
            env=dict(environ or {}),
            capture_output=True,
            text=True,
            check=False,
        )
        assert ended.returncode == 0, ended.stderr
        return json.loads(ended.stdout.splitlines()[-1])

    return run
