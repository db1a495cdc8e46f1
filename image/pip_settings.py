"""Hands this machine's pip configuration to the build: an index of one's own, a certificate.

The build's pip knows nothing of the machine. What pip itself would use here goes in as build
arguments of the stage that installs, so neither the image nor the project's files hold it.
"""

import ast
import subprocess
import sys
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from urllib.parse import urlsplit

NAMES = ("index-url", "extra-index-url", "find-links", "trusted-host", "cert")
"""The settings that say where packages come from."""
MOUNTED = "/mnt/host"
"""Where the build sees this machine's folders: at their own places they would be in its way."""


def of_this_machine() -> dict[str, str]:
    """pip's settings of the names above, as pip sees them here."""
    command = [sys.executable, "-m", "pip", "config", "list"]
    listed = subprocess.run(command, check=True, capture_output=True, text=True)
    return parsed(listed.stdout.splitlines())


def parsed(lines: Iterable[str]) -> dict[str, str]:
    """`section.name='value'` by name; the environment wins over `install`, that over `global`."""
    ranks = {"global": 0, "install": 1, ":env:": 2}
    found: dict[str, tuple[int, str]] = {}
    for line in lines:
        key, equals, value = line.partition("=")
        section, _, name = key.rpartition(".")
        if not equals or name not in NAMES or section not in ranks:
            continue
        if name not in found or ranks[section] >= found[name][0]:
            found[name] = ranks[section], " ".join(str(ast.literal_eval(value)).split())
    return {name: value for name, (_, value) in found.items()}


def build_arguments(settings: Mapping[str, str]) -> dict[str, str]:
    """The settings as the Dockerfile's arguments, which are pip's own variables."""
    return {f"PIP_{name.upper().replace('-', '_')}": value for name, value in settings.items()}


def folders(settings: Mapping[str, str]) -> list[Path]:
    """The files and folders of this machine that the settings name, to be mounted.

    An index on disk (`…/simple`) keeps its files beside it, so the folder above is meant.
    """
    found = {
        path.parent if name.endswith("index-url") and path.parent != Path("/") else path
        for name, value in settings.items()
        for path in map(_local, value.split())
        if path and path.exists()
    }
    return sorted(found)


def mounted(settings: Mapping[str, str]) -> dict[str, str]:
    """The settings as they must read where the `folders` are mounted."""
    return _each(settings, lambda word, path: word.replace(str(path), MOUNTED + str(path), 1))


def elsewhere(settings: Mapping[str, str]) -> dict[str, str]:
    """The settings less what lies on this machine, for an engine that cannot mount it."""
    return _each(settings, lambda *_: "")


def _each(settings: Mapping[str, str], local: Callable[[str, Path], str]) -> dict[str, str]:
    """The settings with each word that names a path of this machine replaced."""
    found = {}
    for name, value in settings.items():
        words = [local(word, path) if (path := _local(word)) else word for word in value.split()]
        if kept := " ".join(filter(None, words)):
            found[name] = kept
    return found


def _local(word: str) -> Path | None:
    """The path of a `file://` address or an absolute path; None for what is on another host."""
    if word.startswith("file://"):
        return Path(urlsplit(word).path)
    return Path(word) if word.startswith("/") else None
