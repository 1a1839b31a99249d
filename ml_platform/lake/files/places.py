"""Where tables of the lake are published for other engines: each place is noted in the lake, so that it is found again.

Who is forgotten must be forgotten there too; see :mod:`ml_platform.lake.retention.forgetting_published`.
"""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from pathlib import Path

from ml_platform.core.errors import LakeError
from ml_platform.lake.files.layout import DATA_FOLDER, PUBLISHED_FOLDER
from ml_platform.lake.files.local_store import LocalStore
from ml_platform.lake.ledger.version import MAIN

# No table can be called like these: their names have no dot and no equals sign. Those of branches have no plus.
_NOTES = f"{PUBLISHED_FOLDER}/.places"
# Of a Delta table, beside its files.
LOG_FOLDER = "_delta_log"
_BRANCH = "branch="


@dataclass(frozen=True)
class Place:
    """One table, as a branch has it, published in a folder; ``root`` is the lake's, as it was then."""

    root: Path
    branch: str
    table: str
    folder: Path

    @classmethod
    def of(cls, root: Path, branch: str, table: str) -> Place:
        """Return where a table is published unless another folder is named: no branch takes the place of another one's table."""
        top = root / PUBLISHED_FOLDER
        return cls(root, branch, table, (top if branch == MAIN else top / f"{_BRANCH}{branch.replace('/', '+')}") / table)

    @property
    def in_place(self) -> bool:
        """Tell whether it is the lake's own folder of the table."""
        return self.folder == self.root / DATA_FOLDER / self.table

    def at(self, folder: Path) -> Place:
        """Return the same table in another folder."""
        return replace(self, folder=folder)

    def apart(self, named: Path) -> Path:
        """Return the absolute path of a folder unless the lake's own files are in it: a publication may be deleted, without them.

        Raises
        ------
        LakeError
            Naming what to do instead.
        """
        folder = named.expanduser().resolve()
        if self.root.resolve().is_relative_to(folder) or folder.is_relative_to((self.root / DATA_FOLDER).resolve()):
            raise LakeError(
                f"{folder} holds files of the lake itself. Name another folder, or none for {self.folder}; --in-place publishes in the "
                "lake's own folder of the table. Nothing was published."
            )
        if folder.exists() and not folder.is_dir():
            raise LakeError(f"{folder} is a file: name a folder, or none for {self.folder}. Nothing was published.")
        return folder

    def note(self) -> None:
        """Keep in the lake that the table is published there."""
        # Below the lake's root relative to it: a lake that is moved takes such a place along.
        inside = self.folder.is_relative_to(self.root)
        where = self.folder.relative_to(self.root).as_posix() if inside else self.folder.as_posix()
        told = {"table": self.table, "branch": self.branch, "folder": where, "lake": "" if inside else str(self.root)}
        content = json.dumps(told, sort_keys=True).encode()
        path = f"{_NOTES}/{hashlib.sha256(content).hexdigest()[:24]}.json"
        store = LocalStore(self.root)
        if not store.sizes([path]):
            store.replace(path, content)


def noted_places(root: Path) -> list[tuple[str, Place | None]]:
    """Return the path of every note in the lake at ``root``, each with its place; None for a note that cannot be read."""
    found: list[tuple[str, Place | None]] = []
    for file in sorted((root / _NOTES).glob("*.json")):
        try:
            told = json.loads(file.read_bytes())
            place = Place(Path(told["lake"]) if told["lake"] else root, told["branch"], told["table"], root / told["folder"])
        except (OSError, ValueError, KeyError, TypeError):
            place = None
        found.append((str(file), place))
    return found


def lake_path(published: str) -> str | None:
    """Return the lake's path of a file by its path below the folder of publications; None for what is no link to a file of a table.

    Examples
    --------
    >>> lake_path("delta/p/tables/a/part=d1/1.parquet"), lake_path("delta/branch=dev+x/p/tables/a/1.parquet")
    ('data/p/tables/a/part=d1/1.parquet', 'data/p/tables/a/1.parquet')
    >>> lake_path("delta/p/tables/a/_delta_log/0.json") is None
    True
    """
    parts = published.split("/")[1:]
    parts = parts[1:] if parts and parts[0].startswith(_BRANCH) else parts
    return "/".join((DATA_FOLDER, *parts)) if parts and parts[-1].endswith(".parquet") and LOG_FOLDER not in parts else None
