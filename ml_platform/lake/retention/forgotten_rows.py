"""Which rows of which files belong to an entity that is to be forgotten."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ml_platform.core.errors import LakeError
from ml_platform.core.hashing import canonical_json
from ml_platform.core.names import free_name
from ml_platform.lake.files.layout import check_table
from ml_platform.lake.files.store import Store
from ml_platform.lake.ledger.version import Version
from ml_platform.lake.retention.entity import Wish, is_value, near_values
from ml_platform.lake.retention.entity_columns import Columns
from ml_platform.sql.duck import quote_name, session

if TYPE_CHECKING:
    import duckdb
    import pyarrow as pa


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
        values = tuple(sorted((name, Wish.of(value).text) for name, value in (entity or {}).items()))
        if any(not name or not value for name, value in values):
            raise LakeError("An entity needs a value for each of its columns: {'tailnum': 'N14228'}. Nothing was changed.")
        return cls(values, check_table(table) if table else "", where or "")

    @property
    def columns(self) -> tuple[str, ...]:
        """Return the columns by which an entity is found."""
        return tuple(name for name, _ in self.entity)

    def digest(self, salt: str) -> str:
        """Return what the ledger keeps of it: a SHA-256 that nobody can undo, or compare, without the salt."""
        return hashlib.sha256(f"{salt}\n{canonical_json([self.entity, self.table, self.where])}".encode()).hexdigest()

    def is_told_by(self, text: str) -> bool:
        """Tell whether a text gives away what is to be forgotten."""
        return any(re.search(rf"(?<!\w){re.escape(value)}(?!\w)", text) for _, value in self.entity) or bool(
            self.where and self.where in text
        )


@dataclass
class Found:
    """Numbers of rows by file, the schemas that the condition cannot be read on with the first reason, and what comes close.

    ``near`` counts rows by file, column and value.
    """

    rows: dict[str, list[int]] = field(default_factory=dict)
    unread: set[bytes] = field(default_factory=set)
    reason: str = ""
    near: Counter[tuple[str, str, str]] = field(default_factory=Counter)


def find_rows(store: Store, wanted: Wanted, versions: Iterable[tuple[Version, Columns]]) -> Found:
    """Return the numbers of the rows to be forgotten by file; files without any are left out.

    Parameters
    ----------
    store : Store
        Of the lake.
    wanted : Wanted
        The rows.
    versions : iterable of (Version, mapping of str to tuple of str)
        With rows, each with the columns in which an entity's values may stand; a file that several share is read once.
    """
    found = Found()
    seen: set[str] = set()
    with session() as con:
        for version, columns in versions:
            if version.schema_ipc in found.unread:
                continue
            for path in (file.path for file in version.files if file.path not in seen):
                seen.add(path)
                try:
                    rows = _fitting(con, store, wanted, path) if wanted.where else _holding(store, wanted, path, columns, found.near)
                except _UnreadableError as problem:
                    found.unread.add(version.schema_ipc)
                    found.reason = found.reason or str(problem)
                    break
                if rows:
                    found.rows[path] = rows
    return found


class _UnreadableError(Exception):
    """The condition makes no sense on rows of this schema."""


def _holding(store: Store, wanted: Wanted, path: str, columns: Columns, near: Counter[tuple[str, str, str]]) -> list[int]:
    """Return the rows of a file that hold an entity's values; count the values that come close in ``near``."""
    import numpy as np

    rows = _read(store, path, sorted({name for names in columns.values() for name in names}))
    held = np.ones(rows.num_rows, dtype=bool)
    for name, text in wanted.entity:
        wish = Wish(text)
        held &= np.logical_or.reduce([is_value(rows.column(column), wish) for column in columns[name]])
    for name, text in wanted.entity:
        for column in columns[name]:
            for value, count in near_values(rows.column(column), Wish(text)).items():
                near[path, column, value] += count
    return np.flatnonzero(held).tolist()


def _fitting(con: duckdb.DuckDBPyConnection, store: Store, wanted: Wanted, path: str) -> list[int]:
    """Return the rows of a file for which a condition is true.

    From memory, and numbered under a name that none of its columns has: what DuckDB reads from files by itself it numbers under a name
    that a column may have, and it finds nulls where there are none when a condition is pushed down into files without dictionaries.
    """
    import duckdb
    import numpy as np
    import pyarrow as pa

    rows = _read(store, path, None)
    number = quote_name(name := free_name("number", rows.column_names))
    con.register("rows", rows.append_column(name, pa.array(np.arange(rows.num_rows))))
    query = f"SELECT {number} FROM rows WHERE (\n{wanted.where}\n) ORDER BY {number}"
    try:
        if len(con.extract_statements(query)) != 1:
            raise LakeError("The condition holds more than one statement: write one SQL expression. Nothing was changed.")
        return [row[0] for row in con.sql(query).fetchall()]
    except (duckdb.BinderException, duckdb.ParserException, duckdb.ConversionException, duckdb.CatalogException) as problem:
        raise _UnreadableError(str(problem).splitlines()[0]) from None


def _read(store: Store, path: str, columns: Sequence[str] | None) -> pa.Table:
    import pyarrow.parquet as pq

    with pq.ParquetFile(store.source(path)) as opened:
        return opened.read(columns=columns)
