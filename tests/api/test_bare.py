"""The service runs where only the libraries of requirements-api.txt are, as in its image."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable, Iterator
from importlib.metadata import distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from tests.api.service import PERSON, ROOT, Place, name, running, until

ROOMS = ("api", "common", "task")
NEVER = ("torch", "sklearn", "scipy", "pandas", "pyarrow", "jinja2", "rich", "moto", "pytest")


def declared() -> Iterator[Requirement]:
    """The lines of requirements-api.txt."""
    for line in (ROOT / "requirements-api.txt").read_text("utf-8").splitlines():
        if text := line.partition("#")[0].strip():
            yield Requirement(text)


def resolved(wanted: Iterable[Requirement]) -> set[str]:
    """The distributions that these need, with all that those need in turn."""
    found: set[str] = set()
    pending = list(wanted)
    while pending:
        one = pending.pop()
        if one.name.lower() in found:
            continue
        found.add(one.name.lower())
        for text in distribution(one.name).requires or []:
            needed = Requirement(text)
            extras = one.extras or {""}
            if not needed.marker or any(needed.marker.evaluate({"extra": e}) for e in extras):
                pending.append(needed)
    return found


@pytest.fixture(scope="module")
def paths(tmp_path_factory: pytest.TempPathFactory) -> list[str]:
    """A folder with those libraries alone, and one with the rooms that the image holds."""
    site, app = tmp_path_factory.mktemp("site"), tmp_path_factory.mktemp("app")
    for each in sorted(resolved(declared())):
        found = distribution(each)
        tops = {file.parts[0] for file in found.files or [] if file.parts[0] not in ("..", "/")}
        for top in sorted(tops - {"__pycache__"}):
            if not (site / top).exists():
                (site / top).symlink_to(Path(str(found.locate_file(top))))
    for room in ROOMS:
        (app / room).symlink_to(ROOT / room)
    return [str(app), str(site)]


def bare(paths: list[str], code: str) -> list[str]:
    """What Python is told, to run code with these paths and the standard library alone."""
    return ["-I", "-S", "-B", "-c", f"import sys; sys.path[:0] = {paths!r}\n{code}"]


def test_it_starts_loads_a_version_and_answers_there(place: Place, paths: list[str]) -> None:
    code = "from api.__main__ import main\nsys.exit(main())"

    with running(place, python=bare(paths, code)) as made:
        until(lambda: made.client.get("/ready").status == 200)
        answer = made.client.post("/recommend", PERSON).json
        assert (answer["version"], answer["recorded"]) == (name(2), True)
        assert made.client.get("/metrics").status == 200
        assert made.stop() == 0


def test_no_training_framework_can_be_imported_there_nor_is_anything_else_ours(
    paths: list[str],
) -> None:
    places = "common.mysql_writing, common.registry.dynamodb, common.store.s3, common.credentials"
    code = f"""
import json
from importlib.util import find_spec
import api.server, {places}
names = {[*NEVER, "infra", "local", "tests", "bench"]!r}
print(json.dumps([name for name in names if find_spec(name)]))
"""
    done = subprocess.run(
        [sys.executable, *bare(paths, code)], capture_output=True, text=True, env={}, check=False
    )

    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == []
