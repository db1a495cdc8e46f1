"""The bundle is reproducible, pure Python, small, and holds nothing that does not belong."""

from __future__ import annotations

import base64
import hashlib
import io
import os
import re
import zipfile
from pathlib import Path

import pytest

from common.errors import UsageError
from infra import bundle as bundling
from infra.bundle import LocalBundling, build, pinned, source_hash

ROOT = Path(__file__).parents[2]


def zipped(folder: Path) -> bytes:
    """The folder as it is uploaded, with each file's own time and rights."""
    data = io.BytesIO()
    with zipfile.ZipFile(data, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in sorted(folder.rglob("*")):
            archive.write(path, path.relative_to(folder))
    return data.getvalue()


def test_built_twice_it_is_the_same_to_the_byte(tmp_path: Path) -> None:
    before = os.umask(0o077)  # another machine, with other habits
    try:
        first = build(tmp_path / "first")
    finally:
        os.umask(before)

    second = build(tmp_path / "second")

    assert re.fullmatch("[0-9a-f]{64}", first)
    assert first == second
    assert zipped(tmp_path / "first") == zipped(tmp_path / "second")
    # Two builds within the same two seconds would have the same times by accident.
    assert {path.stat().st_mtime for path in (tmp_path / "second").rglob("*")} == {bundling.EPOCH}


def test_it_holds_the_functions_what_they_share_and_the_driver(bundle: Path) -> None:
    top = {path.name for path in bundle.iterdir()}

    assert {each for each in top if not each.endswith(".dist-info")} == {
        "retrain_trigger",
        "common",
        "pymysql",
    }
    for package, folder in (("common", "common"), ("retrain_trigger", "lambda/retrain_trigger")):
        sources = {path.relative_to(ROOT / folder) for path in (ROOT / folder).rglob("*.py")}
        assert {
            path.relative_to(bundle / package) for path in (bundle / package).rglob("*.py")
        } == (sources)
    assert (bundle / "common" / "rds-ca.pem").is_file()


def test_it_is_pure_python_without_caches_and_small(bundle: Path) -> None:
    files = [path for path in bundle.rglob("*") if path.is_file()]
    kinds = {path.suffix for path in files if ".dist-info" not in str(path)}

    assert kinds == {".py", ".pem"}
    assert len(zipped(bundle)) < 500_000  # bytes; 50 MB is Lambda's limit
    assert "Root-Is-Purelib: true" in next(bundle.glob("*.dist-info/WHEEL")).read_text()


def test_the_licence_travels_along_and_nothing_that_says_where_it_was_installed(
    bundle: Path,
) -> None:
    described = {path.name for path in bundle.rglob("*.dist-info/**/*") if path.is_file()}

    assert described == {"METADATA", "WHEEL", "LICENSE"}


def test_the_cdk_gets_the_same_folder_without_docker(tmp_path: Path, bundle: Path) -> None:
    output = tmp_path / "asset"
    output.mkdir()

    assert LocalBundling().try_bundle(str(output), image=None, command=[]) is True
    assert zipped(output) == zipped(bundle)


def test_a_folder_with_anything_in_it_is_not_mixed_with_a_bundle(tmp_path: Path) -> None:
    (tmp_path / "old.py").touch()

    with pytest.raises(UsageError, match="built into an empty folder"):
        build(tmp_path)


def test_the_driver_is_the_one_that_the_task_runs_with() -> None:
    functions = pinned((ROOT / "lambda" / "requirements.txt").read_text())
    task = pinned((ROOT / "requirements.txt").read_text())

    assert functions == {"PyMySQL": task["PyMySQL"]}


@pytest.mark.parametrize("line", ["PyMySQL", "PyMySQL>=1.2", "PyMySQL==  # some day"])
def test_a_requirement_that_is_not_pinned_is_refused(line: str) -> None:
    with pytest.raises(UsageError, match="must pin each library"):
        pinned(f"# why\nPyMySQL==1.2.4 # pure\n{line}\n")


@pytest.fixture
def requirements(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Requirements of a test's own, and a place where libraries are installed."""
    path = tmp_path / "requirements.txt"
    monkeypatch.setattr(bundling, "REQUIREMENTS", path)
    monkeypatch.syspath_prepend(tmp_path / "site")
    return path


def install(site: Path, file: str, content: bytes, recorded: bytes | None = None) -> None:
    """Put a library `extra` 1.0 of one file there; its record may be of other content."""
    info = site / "extra-1.0.dist-info"
    info.mkdir(parents=True)
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: extra\nVersion: 1.0\n")
    (site / file).write_bytes(content)
    digest = hashlib.sha256(content if recorded is None else recorded).digest()
    text = base64.urlsafe_b64encode(digest).rstrip(b"=").decode()
    (info / "RECORD").write_text(f"{file},sha256={text},{len(content)}\n{info.name}/RECORD,,\n")


def test_another_library_is_taken_as_its_wheel_brought_it(
    requirements: Path, tmp_path: Path
) -> None:
    requirements.write_text("extra==1.0\n")
    install(tmp_path / "site", "extra.py", b"ANSWER = 42\n")

    build(tmp_path / "target")

    assert (tmp_path / "target" / "extra.py").read_bytes() == b"ANSWER = 42\n"


@pytest.mark.parametrize(
    ("pin", "file", "recorded", "says"),
    [
        ("extra==1.0", "extra.py", b"as it was", "extra.py was altered: install extra again"),
        ("extra==1.0", "extra.so", None, "must be pure Python"),
        ("extra==1.1", "extra.py", None, "got version 1.0: install requirements.txt"),
        ("absent==1.0", "extra.py", None, "takes absent==1.0 from this environment, got none"),
    ],
)
def test_a_library_that_cannot_be_vouched_for_is_refused(
    requirements: Path, tmp_path: Path, pin: str, file: str, recorded: bytes | None, says: str
) -> None:
    requirements.write_text(f"{pin}\n")
    install(tmp_path / "site", file, b"as it is", recorded)

    with pytest.raises(UsageError, match=says):
        build(tmp_path / "target")


def test_the_hash_of_the_inputs_changes_with_a_pin_and_with_a_source_and_not_otherwise(
    requirements: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bundling, "ROOT", Path("/"))
    package = tmp_path / "package"
    package.mkdir()
    monkeypatch.setattr(bundling, "PACKAGES", (package,))

    def changed(path: Path, text: str) -> str:
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)
        return source_hash()

    first = changed(requirements, "PyMySQL==1.2.4\n")
    hashes = {
        first,
        changed(requirements, "PyMySQL==1.2.5\n"),
        changed(package / "new.py", "ANSWER = 42\n"),
        changed(package / "new.py", "ANSWER = 43\n"),
    }
    assert len(hashes) == 4
    assert changed(package / "__pycache__" / "new.pyc", "junk") in hashes
