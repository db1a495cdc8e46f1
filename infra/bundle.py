"""Makes the folder that both Lambda functions run from: same inputs, same bytes, no Docker.

    digest = build(Path("folder"))      # retrain_trigger, common and what lambda/ requires

The libraries are copied from this environment, where they are installed in the very version that
lambda/requirements.txt pins, and each file is held against the sha256 that its wheel recorded.
`pip install --target` would fetch the same files over the network on every synthesis and in every
test. boto3 is in the Lambda runtime and so in no bundle.
"""

import base64
import hashlib
import os
import shutil
from collections.abc import Iterator
from importlib.metadata import Distribution, PackageNotFoundError, PackagePath, distribution
from pathlib import Path

from common.errors import UsageError

ROOT = Path(__file__).parents[1]
REQUIREMENTS = ROOT / "lambda" / "requirements.txt"
PACKAGES = (ROOT / "lambda" / "retrain_trigger", ROOT / "common")
NATIVE = {".so", ".pyd", ".dylib", ".dll"}
DESCRIPTION = ("METADATA", "WHEEL", "LICENSE", "LICENCE", "COPYING", "NOTICE", "AUTHORS")
"""What is kept of a library's description; the rest says how and where it was installed."""
EPOCH = 315_532_800  # 1980-01-01, the first time a zip file can hold


def build(target: Path) -> str:
    """Fill the folder, which must be empty or absent; the hex SHA-256 of what is in it.

    Raises UsageError: a folder that is not empty, a library that is not installed as pinned, was
    altered, or is not pure Python.
    """
    target.mkdir(parents=True, exist_ok=True)
    if any(target.iterdir()):
        raise UsageError(f"a bundle is built into an empty folder, got {target}: empty it")
    for package in PACKAGES:
        for path in _sources(package):
            _copy(path, target / package.name / path.relative_to(package))
    for name, version in pinned(REQUIREMENTS.read_text()).items():
        for file, path in _library(name, version):
            _copy(path, target / file)
    _normalise(target)
    return _digest((str(path.relative_to(target)), path) for path in _files(target))


def source_hash() -> str:
    """The hex SHA-256 of all that decides what `build` makes: for an asset's hash."""
    inputs = [REQUIREMENTS, Path(__file__), *(path for each in PACKAGES for path in _sources(each))]
    return _digest((str(path.relative_to(ROOT)), path) for path in inputs)


class LocalBundling:
    """Lets the CDK bundle without Docker; `jsii.implements(ILocalBundling)(LocalBundling)()`.

    Not decorated here, because whoever only needs the bundle needs neither the CDK nor Node.
    """

    def try_bundle(self, output_dir: str, *_: object, **_options: object) -> bool:
        """Build into the folder that the CDK gives; True, so that it does not ask Docker."""
        build(Path(output_dir))
        return True


def pinned(requirements: str) -> dict[str, str]:
    """{name: version} of a requirements file, in which every line pins one library exactly."""
    lines = (line.partition("#")[0].strip() for line in requirements.splitlines())
    pins = [line.partition("==") for line in lines if line]
    loose = [name for name, _, version in pins if not version]
    if loose:
        raise UsageError(
            f"lambda/requirements.txt must pin each library as NAME==VERSION, got "
            f"{', '.join(loose)}: a bundle of any version would differ from day to day"
        )
    return {name.strip(): version.strip() for name, _, version in pins}


def _sources(package: Path) -> Iterator[Path]:
    """The package's files, without what an interpreter or an editor leaves behind."""
    for path in _files(package):
        inside = path.relative_to(package).parts
        if "__pycache__" not in inside and not any(part.startswith(".") for part in inside):
            yield path


def _library(name: str, version: str) -> Iterator[tuple[str, Path]]:
    """The library's files as its wheel brought them: where they go, and where they are."""
    found = _installed(name, version)
    for file in found.files or []:
        path = Path(str(found.locate_file(file)))
        if not _belongs(file):
            continue
        if path.suffix in NATIVE:
            raise UsageError(
                f"the bundle must be pure Python, since it is made on any machine, got {file}: "
                f"find another library than {name}, or another release"
            )
        _check(file, path, name)
        yield str(file), path


def _installed(name: str, version: str) -> Distribution:
    try:
        found = distribution(name)
    except PackageNotFoundError:
        found = None
    if found is None or found.version != version:
        got = f"version {found.version}" if found else "none"
        raise UsageError(
            f"the bundle takes {name}=={version} from this environment, got {got}: install "
            "requirements.txt, and keep its pins equal to those in lambda/requirements.txt"
        )
    return found


def _belongs(file: PackagePath) -> bool:
    """Whether a file came with the wheel and says nothing about this installation."""
    if file.hash is None or ".." in file.parts:
        return False
    if not file.parts[0].endswith(".dist-info"):
        return True
    return file.name.upper().startswith(DESCRIPTION)


def _check(file: PackagePath, path: Path, name: str) -> None:
    assert file.hash is not None, "a file without a digest does not belong"
    digest = hashlib.new(file.hash.mode, path.read_bytes()).digest()
    if base64.urlsafe_b64encode(digest).rstrip(b"=").decode() != file.hash.value:
        raise UsageError(
            f"a bundled library must be as its wheel brought it, but {file} was altered: "
            f"install {name} again"
        )


def _copy(source: Path, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(source, target)


def _normalise(folder: Path) -> None:
    """Give every file and folder the same times and rights, so that a zip of it is the same."""
    for path in [*folder.rglob("*"), folder]:
        path.chmod(0o755 if path.is_dir() else 0o644)
        os.utime(path, (EPOCH, EPOCH))


def _files(folder: Path) -> list[Path]:
    return sorted(path for path in folder.rglob("*") if path.is_file())


def _digest(named: Iterator[tuple[str, Path]]) -> str:
    """One digest over the names and the contents."""
    whole = hashlib.sha256()
    for name, path in sorted(named):
        whole.update(f"{name}\0{hashlib.sha256(path.read_bytes()).hexdigest()}\n".encode())
    return whole.hexdigest()
