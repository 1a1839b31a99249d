"""The SQL door: every table of the lake as a DuckDB view, all at one commit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ml_platform.core.errors import UnknownTableError, did_you_mean
from ml_platform.lake.duck import quote_name
from ml_platform.lake.scope import At
from ml_platform.lake.version import DATA

if TYPE_CHECKING:
    import duckdb

    from ml_platform.lake.lake import Lake


def open_views(con: duckdb.DuckDBPyConnection, lake: Lake, at: At = None, project: str | None = None) -> list[str]:
    """Create views of all tables with rows, at one commit, also while others publish.

    With one project (named, or the only one in the lake) a view is called ``layer.name``, such as ``tables.arrivals``.
    Without a name each is also called ``project_layer.name``, which stays the same when a second project moves in.
    A table without a readable partition at that commit is an empty view with the table's columns; artifacts have no view.

    Parameters
    ----------
    con : duckdb.DuckDBPyConnection
        From :func:`ml_platform.lake.duck.connect`.
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
    tables = [parts for table in lake.tables(DATA) if len(parts := table.split("/")) == 3]
    projects = sorted({parts[0] for parts in tables})
    if project is not None and project not in projects:
        raise UnknownTableError(f"The lake has no tables of a project {project!r}. {did_you_mean(project, projects)}")
    at = lake.head() if at is None else at
    lake.attach(con)
    names = []
    for owner, layer, name in tables:
        if project not in (None, owner):
            continue
        query = lake.read(f"{owner}/{layer}/{name}", at=at).sql()
        if project is None:
            names.append(_create_view(con, f"{owner}_{layer}", name, query))
            query = f"FROM {quote_name(f'{owner}_{layer}')}.{quote_name(name)}"
        if project is not None or len(projects) == 1:
            names.append(_create_view(con, layer, name, query))
    return names


def _create_view(con: duckdb.DuckDBPyConnection, schema: str, name: str, query: str) -> str:
    con.execute(f"CREATE SCHEMA IF NOT EXISTS {quote_name(schema)}")
    con.execute(f"CREATE OR REPLACE VIEW {quote_name(schema)}.{quote_name(name)} AS {query}")
    return f"{schema}.{name}"
