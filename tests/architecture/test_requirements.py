"""The requirement files pin exactly, and agree where they name the same library."""

from packaging.requirements import Requirement

from tests.architecture.code import ROOT

FILES = ("requirements.txt", "requirements-api.txt", "lambda/requirements.txt")


def pins(file: str) -> dict[str, str]:
    """Each library of a file and its version: `==1.2.3`."""
    lines = (ROOT / file).read_text("utf-8").splitlines()
    texts = (line.partition("#")[0].strip() for line in lines)
    found = [Requirement(text) for text in texts if text and not text.startswith("-r ")]
    assert found, file
    return {each.name.lower(): str(each.specifier) for each in found}


def test_every_library_that_ships_is_pinned_to_one_version() -> None:
    loose = [
        f"{file}: {name}{version}"
        for file in FILES
        for name, version in pins(file).items()
        if not version.startswith("==") or "," in version
    ]

    assert loose == []


def test_the_service_and_the_task_share_libraries_at_the_same_versions() -> None:
    task, service = pins("requirements.txt"), pins("requirements-api.txt")
    shared = task.keys() & service.keys()

    assert {"numpy", "safetensors", "pymysql", "boto3"} <= shared
    assert {name: service[name] for name in shared} == {name: task[name] for name in shared}
