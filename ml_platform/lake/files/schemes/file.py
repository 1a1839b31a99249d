"""A local folder."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import unquote, urlsplit

from ml_platform.core.errors import LakeError
from ml_platform.lake.files.local_store import LocalStore


class FileScheme:
    """Opens ``file:///path``, which is also what a plain path means."""

    name = "file"

    def open(self, url: str) -> LocalStore:
        """Return the store in a folder, which need not be there yet."""
        return LocalStore(_folder(Path(unquote(urlsplit(url).path))))


STORE = FileScheme()


def _folder(path: Path) -> Path:
    folder = path.expanduser().resolve()
    if folder.exists() and not folder.is_dir():
        raise LakeError(f"{folder} is a file and cannot be the root of a lake: name a folder, or one that does not exist yet.")
    return folder
