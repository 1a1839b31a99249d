"""In which columns of a version an entity's values stand: by the name that was asked for, or by another that the column had or has now."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from difflib import SequenceMatcher
from itertools import product

import sqlalchemy as sa

from ml_platform.core.layers import TableName
from ml_platform.lake.ledger.ledger_tables import schemas, versions
from ml_platform.lake.ledger.version import Version, arrow_schema
from ml_platform.lake.schemas.evolution import former_names

# Columns by the name under which they were asked for.
Columns = Mapping[str, tuple[str, ...]]
_ALIKE = 0.8
_SHORTEST_STEM = 3


@dataclass
class EntityColumns:
    """Looks columns up in the schema of each version.

    ``names`` are the columns of the entity. Which names are one column is told by every schema that a table ever declared. What a file
    delivers has no declaration of its own, so the layers of one table (``project/*/name``) share what they know.
    """

    names: tuple[str, ...]
    _same: dict[tuple[str, str], set[frozenset[str]]] = field(default_factory=dict)

    @classmethod
    def of(cls, connection: sa.Connection, names: Iterable[str]) -> EntityColumns:
        """Return the columns of an entity, with what the whole lake says of former names."""
        found = cls(tuple(names))
        query = (
            sa.select(versions.c.table_name, schemas.c.arrow).join(schemas, schemas.c.hash == versions.c.schema_hash).distinct()
            if found.names
            else None
        )
        for table, ipc in connection.execute(query) if query is not None else ():
            for column in arrow_schema(ipc):
                if former := former_names(column):
                    found._same.setdefault(_address(table), set()).add(frozenset((column.name, *former)))
        return found

    def of_version(self, version: Version) -> Columns | None:
        """Return the columns of a version for each name; None if it has none for one of them."""
        found = dict(zip(self.names, self._exact(version), strict=True))
        return found if all(found.values()) else None

    def near(self, version: Version) -> list[Columns]:
        """Return each choice of columns that somebody may have meant, of a version that has not all that were asked for."""
        choices = [
            [found] if found else [(column,) for column in version.schema.names if is_alike(name, column)]
            for name, found in zip(self.names, self._exact(version), strict=True)
        ]
        return [dict(zip(self.names, choice, strict=True)) for choice in product(*choices)] if self.names else []

    def _exact(self, version: Version) -> list[tuple[str, ...]]:
        """Return for each name the columns of a version that it means: itself, or else those that are or were called so; none without."""
        stored = set(version.schema.names)
        return [(name,) if name in stored else tuple(sorted(self._names(version.table, name) & stored)) for name in self.names]

    def _names(self, table: str, name: str) -> set[str]:
        """Return all names that a column ever had."""
        known = {name}
        groups = self._same.get(_address(table), set())
        while more := {other for group in groups if group & known for other in group} - known:
            known |= more
        return known


def is_alike(name: str, other: str) -> bool:
    """Tell whether a column may be what somebody means by a name: ``Customer``, ``customer_id`` or ``custmer`` for ``customer``."""
    a, b = (" ".join("".join(letter if letter.isalnum() else " " for letter in text.casefold()).split()) for text in (name, other))
    if a == b:
        return True
    short, long = sorted((a, b), key=len)
    if len(short) >= _SHORTEST_STEM and (long.startswith(f"{short} ") or long == f"{short}s" or long.replace(" ", "") == short):
        return True
    return len(short) > _SHORTEST_STEM and SequenceMatcher(None, a, b).ratio() >= _ALIKE


def _address(table: str) -> tuple[str, str]:
    parts = TableName(table).parts
    return parts[0], parts[-1]
