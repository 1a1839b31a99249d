"""From when a feature's columns are known."""

from __future__ import annotations

from collections.abc import Iterable

from ml_platform.core.errors import DeclarationError
from ml_platform.tables.declared.table import Table


def stored_availability(where: str, table: Table, columns: Iterable[str]) -> tuple[str, ...]:
    """Return the stored availability columns of ``columns``: what reads them all counts from the latest of these.

    Raises
    ------
    DeclarationError
        If nothing says when one of them is known; it begins with ``where``.
    """
    stored = []
    for column in dict.fromkeys(columns):
        known = table.available_at_column(column)
        if known is None:
            raise DeclarationError(
                f"{where}: column {column!r} of table {table.name!r} cannot be a feature because nothing says when it is known. "
                f"Declare it in the table: available_at: {table.event_time or 'a column or SQL over the row'}"
            )
        stored.append(known)
    return tuple(sorted(set(stored)))
