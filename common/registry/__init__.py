"""Runs, the lease, the active version and its history: one place that decides who may act.

`REGISTRY_URL` says where: `sqlite:///registry.sqlite` is a file beside the current folder,
`sqlite:////var/lib/retrain/registry.sqlite` (four slashes) one with an absolute path.
"""

from pathlib import Path

from common.errors import UsageError
from common.registry.registry import Registry
from common.registry.sqlite import SqliteTable

__all__ = ["Registry", "open_registry"]


def open_registry(url: str) -> Registry:
    """The registry at `url`. Nothing is read or made yet.

    Raises `UsageError` for an address of another kind.
    """
    scheme, _, rest = url.partition("://")
    path = rest.removeprefix("/")
    if scheme != "sqlite" or path == rest or not path or "?" in path:
        # Only the scheme is repeated: an address of another kind may bear a password.
        raise UsageError(
            "REGISTRY_URL must be sqlite:///FILE without options, got one of the kind "
            f"{scheme[:20]!r}: name the file of the registry, which the first run makes"
        )
    return Registry(SqliteTable(Path(path)))
