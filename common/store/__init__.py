"""Where model versions and what a run leaves behind are kept, as objects with keys.

`STORE_URL` says where: `file:///var/lib/retrain/store` is a folder, `file:///C:/store` one on
Windows.
"""

from pathlib import Path, PurePath
from urllib.parse import unquote

from common.errors import UsageError
from common.store.directory import DirectoryStore

Store = DirectoryStore


def open_store(url: str) -> Store:
    """The store at `url`. Nothing is read or made yet.

    Raises `UsageError` for an address of another kind and for a folder that is not absolute.
    """
    scheme, _, rest = url.partition("://")
    path = unquote(rest)
    if scheme != "file" or not path.startswith("/") or not path.strip("/") or "?" in rest:
        # Only the scheme is repeated: an address of another kind may bear a password.
        raise UsageError(
            "STORE_URL must be file:///ABSOLUTE/FOLDER without options, got one of the kind "
            f"{scheme[:20]!r}: name the folder of the store, which the first write makes"
        )
    return DirectoryStore(Path(folder_of(path, PurePath)))


def folder_of(path: str, flavour: type[PurePath]) -> PurePath:
    """The folder that an address's path names: before a drive the slash is the address's own."""
    without = flavour(path.removeprefix("/"))
    return without if without.drive else flavour(path)
