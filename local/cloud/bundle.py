"""The functions' bundle as Lambda unpacks it: built by the same code as for a deployment."""

from __future__ import annotations

import shutil
from importlib.util import find_spec
from pathlib import Path

from local.cloud.stack import ROOT


def unpacked(folder: Path) -> Path:
    """Build the bundle in a new folder."""
    folder.mkdir(parents=True)
    for source in (ROOT / "lambda" / "retrain_trigger", ROOT / "common"):
        shutil.copytree(source, folder / source.name, ignore=shutil.ignore_patterns("__pycache__"))
    found = find_spec("pymysql")
    assert found is not None, "requirements.txt has PyMySQL"
    assert found.origin is not None, "PyMySQL is a package of files"
    shutil.copytree(
        Path(found.origin).parent,
        folder / "pymysql",
        ignore=shutil.ignore_patterns("__pycache__"),
    )
    return folder
