"""``lake.exports``: tables of the lake as other engines read tables, from the same files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from ml_platform.lake.exports.publication import Catalog, Publication, Registered, is_published_in_place, publication_of, publish_table
from ml_platform.lake.files.layout import DATA_FOLDER
from ml_platform.lake.opened import Opened


@dataclass(frozen=True, repr=False)
class LakeExports:
    """What ``lake.exports`` is: tables of the branch that is open are published to catalogs of other formats."""

    _opened: Opened

    def publish(self, table: str, catalog: Catalog, at: int | None = None) -> Registered:
        """Register the readable rows of a table; see :func:`ml_platform.lake.exports.publication.publish_table`."""
        return publish_table(self._opened, table, catalog, at)

    def publication(self, table: str, at: int | None = None) -> Publication:
        """Return what would be registered; see :func:`ml_platform.lake.exports.publication.publication_of`."""
        return publication_of(self._opened, table, at)

    @property
    def root(self) -> Path:
        """Return the folder of the lake.

        Raises
        ------
        LakeError
            If the lake is in an object store.
        """
        return self._opened.root

    def folder(self, table: str) -> Path:
        """Return the folder in a local lake that holds all files of a table, those of its history too."""
        return self._opened.root / DATA_FOLDER / table

    def is_in_place(self, table: str) -> bool:
        """Tell whether a table is published in the lake's own folder."""
        return is_published_in_place(self._opened, table)
