"""Which rows of which files belong to an entity that is to be forgotten."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ml_platform.core.errors import LakeError
from ml_platform.core.hashing import canonical_json
from ml_platform.lake.duck import connect, quote_name, quote_text
from ml_platform.lake.layout import check_table
from ml_platform.lake.store import Store
from ml_platform.lake.version import Version

if TYPE_CHECKING:
    import duckdb

_FILES = 200
_FILE = "_forget_file"


@dataclass(frozen=True)
class Wanted:
    """Rows to be forgotten: those whose columns hold an entity's values, in any table; or one table's, by an SQL condition."""

    entity: tuple[tuple[str, str], ...] = ()
    table: str = ""
    where: str = ""

    @classmethod
    def of(cls, entity: Mapping[str, object] | None, table: str | None, where: str | None) -> Wanted:
        """Check what was asked for.

        Raises
        ------
        LakeError
            Unless it is an entity, or a table with a condition.
        """
        if bool(entity) == (where is not None) or (where is not None and not table):
            raise LakeError(
                "Say whose rows are to be forgotten: an entity, such as {'tailnum': 'N14228'}, in all tables (or one), or a table with an "
                "SQL condition on its rows. Nothing was changed."
            )
        if where is not None and not where.strip():
            raise LakeError("The condition is empty, and every row would go: write one, such as tailnum = 'N14228'. Nothing was changed.")
        values = tuple(sorted((name, str(value)) for name, value in (entity or {}).items()))
        if any(not name or not value for name, value in values):
            raise LakeError("An entity needs a value for each of its columns: {'tailnum': 'N14228'}. Nothing was changed.")
        return cls(values, check_table(table) if table else "", where or "")

    @property
    def columns(self) -> tuple[str, ...]:
        """Return the columns by which an entity is found."""
        return tuple(name for name, _ in self.entity)

    @property
    def condition(self) -> str:
        """Return the SQL that is true for the rows."""
        if self.where:
            return self.where
        # As text: a key is a number in one table and a text in another (raw files, the quarantine).
        return " AND ".join(f"CAST({quote_name(name)} AS VARCHAR) = {quote_text(value)}" for name, value in self.entity)

    def digest(self, salt: str) -> str:
        """Return what the ledger keeps of it: a SHA-256 that nobody can undo, or compare, without the salt."""
        return hashlib.sha256(f"{salt}\n{canonical_json([self.entity, self.table, self.where])}".encode()).hexdigest()

    def is_told_by(self, text: str) -> bool:
        """Tell whether a text gives away what is to be forgotten."""
        return any(re.search(rf"(?<!\w){re.escape(value)}(?!\w)", text) for _, value in self.entity) or bool(
            self.where and self.where in text
        )

    def is_in(self, version: Version) -> bool:
        """Tell whether a version has the columns to look at."""
        return set(self.columns) <= set(version.schema.names)


@dataclass
class Found:
    """Numbers of rows by file, and the schemas that the condition cannot be read on, with the first reason."""

    rows: dict[str, list[int]] = field(default_factory=dict)
    unread: set[bytes] = field(default_factory=set)
    reason: str = ""


def find_rows(store: Store, wanted: Wanted, versions: Iterable[Version]) -> Found:
    """Return the numbers of the rows to be forgotten by file; files without any are left out.

    Parameters
    ----------
    store : Store
        Of the lake.
    wanted : Wanted
        The rows.
    versions : iterable of Version
        With rows, and with the columns of the entity; a file that several share is read once.
    """
    found = Found()
    with connect() as con:
        store.attach(con)
        # Pushed down into files without dictionaries, DuckDB 2.0.0 finds nulls where there are none: those rows would be lost.
        con.execute("SET disabled_optimizers = 'filter_pushdown'")
        for schema, paths in _batches(versions):
            try:
                found.rows.update(_find(con, store, wanted, paths))
            except _UnreadableError as problem:
                found.unread.add(schema)
                found.reason = found.reason or str(problem)
    return found


class _UnreadableError(Exception):
    """The condition makes no sense on rows of this schema."""


def _batches(versions: Iterable[Version]) -> Iterator[tuple[bytes, list[str]]]:
    """Yield files of equal schema together, a few hundred at a time."""
    by_schema: dict[bytes, dict[str, None]] = {}
    for version in versions:
        by_schema.setdefault(version.schema_ipc, {}).update({file.path: None for file in version.files})
    for schema, paths in by_schema.items():
        listed = list(paths)
        for start in range(0, len(listed), _FILES):
            yield schema, listed[start : start + _FILES]


def _find(con: duckdb.DuckDBPyConnection, store: Store, wanted: Wanted, paths: Sequence[str]) -> dict[str, list[int]]:
    import duckdb

    by_location = {store.location(path): path for path in paths}
    listed = ", ".join(map(quote_text, by_location))
    query = (
        f"SELECT {_FILE}, list(file_row_number ORDER BY file_row_number) "
        f"FROM read_parquet([{listed}], hive_partitioning = false, filename = {quote_text(_FILE)}, file_row_number = true) "
        f"WHERE (\n{wanted.condition}\n) GROUP BY ALL"
    )
    try:
        if len(con.extract_statements(query)) != 1:
            raise LakeError("The condition holds more than one statement: write one SQL expression. Nothing was changed.")
        return {by_location[location]: rows for location, rows in con.sql(query).fetchall()}
    except (duckdb.BinderException, duckdb.ParserException, duckdb.ConversionException, duckdb.CatalogException) as problem:
        raise _UnreadableError(str(problem).splitlines()[0]) from None
