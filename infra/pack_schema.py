"""Packs infra/schema.py and all that it needs into one file that any Python 3.9 or newer runs.

python -m infra.pack_schema schema.pyz
"""

import shutil
import sys
import zipapp
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory

import pymysql

ROOT = Path(__file__).parents[1]
FILES = (
    "infra/__init__.py",
    "infra/schema.py",
    "infra/schema.sql",
    "common/__init__.py",
    "common/rds-ca.pem",
)


def pack(target: Path) -> None:
    """Write the file, replacing it."""
    with TemporaryDirectory() as name:
        folder = Path(name)
        for file in FILES:
            (folder / file).parent.mkdir(exist_ok=True)
            shutil.copy(ROOT / file, folder / file)
        driver = Path(pymysql.__file__).parent
        shutil.copytree(driver, folder / "pymysql", ignore=shutil.ignore_patterns("__pycache__"))
        zipapp.create_archive(folder, target, main="infra.schema:main", compressed=True)


def main(argv: Sequence[str]) -> int:
    """Write the file that is named; 2 for wrong usage."""
    if len(argv) != 1:
        sys.stderr.write("usage: python -m infra.pack_schema FILE\n")
        return 2
    pack(Path(argv[0]))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
