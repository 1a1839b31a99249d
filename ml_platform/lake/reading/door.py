"""The SQL door: every table of the lake as a DuckDB view, all at one commit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ml_platform.core.errors import UnknownTableError, did_you_mean
from ml_platform.core.layers import TableName
from ml_platform.lake.ledger.scope import At
from ml_platform.lake.ledger.version import DATA
from ml_platform.sql.duck import quote_name

if TYPE_CHECKING:
    import duckdb

    from ml_platform.lake.lake import Lake


def open_views(con: duckdb.DuckDBPyConnection, lake: Lake, at: At = None, project: str | None = None) -> list[str]:
    """Create views of all tables with rows, at one commit, also while others publish.

    With one project (named, or the only one in the lake) a view is called ``layer.name``, such as ``tables.arrivals``.
    Without a name each is also called ``project_layer.name``, which stays the same when a second project moves in.
    A table of your own whose name has not three parts is called by its last part, in a schema of those before it: ``finance/fx`` is
    ``finance.fx``.
    A table without a readable partition at that commit is an empty view with the table's columns; artifacts have no view.

    Parameters
    ----------
    con : duckdb.DuckDBPyConnection
        From :func:`ml_platform.sql.duck.connect`.
    lake : Lake
        Where the tables are.
    at : int, datetime or None
        A commit, an aware time, or None for now.
    project : str, optional
        Only this project's tables.

    Returns
    -------
    list of str
        The names of the views.

    Raises
    ------
    UnknownTableError
        If the lake has no table of that project.
    """
    found = [table.parts for table in lake.tables(DATA)]
    tables = [(parts[0], parts[1], parts[2]) for parts in found if len(parts) == 3]
    projects = sorted({parts[0] for parts in found})
    if project is not None and project not in projects:
        raise UnknownTableError(f"The lake has no tables of a project {project!r}. {did_you_mean(project, projects)}")
    at = lake.versions.newest_commit() if at is None else at
    is_only = len({owner for owner, _, _ in tables}) == 1
    names: list[str] = []
    for owner, layer, name in tables:
        if project not in (None, owner):
            continue
        query = _query(con, lake, TableName.of_parts((owner, layer, name)), at)
        if project is None:
            names.append(_create_view(con, f"{owner}_{layer}", name, query))
            query = f"FROM {quote_name(f'{owner}_{layer}')}.{quote_name(name)}"
        if project is not None or is_only:
            names.append(_create_view(con, layer, name, query))
    for parts in (parts for parts in found if len(parts) != 3 and project in (None, parts[0])):
        schema, name = "_".join(parts[:-1]) or "main", parts[-1]
        if f"{schema}.{name}" in names:
            # Parts joined by an underscore may be those of another table.
            schema, name = "main", TableName.of_parts(parts)
        names.append(_create_view(con, schema, name, _query(con, lake, TableName.of_parts(parts), at)))
    return names


def _query(con: duckdb.DuckDBPyConnection, lake: Lake, table: str, at: At) -> str:
    """Return the SQL of a table's rows, which the connection can run from now on."""
    reading = lake.read(table, at=at)
    reading.store.attach(con)
    return reading.sql()


def _create_view(con: duckdb.DuckDBPyConnection, schema: str, name: str, query: str) -> str:
    con.execute(f"CREATE SCHEMA IF NOT EXISTS {quote_name(schema)}")
    con.execute(f"CREATE OR REPLACE VIEW {quote_name(schema)}.{quote_name(name)} AS {query}")
    return f"{schema}.{name}"
