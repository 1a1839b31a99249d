"""The parts of a table that have words of their own."""

from typing import Annotated, Any

import dagster as dg
from pydantic import Field

from ml_platform.core.errors import DeclarationError
from ml_platform.tables.declared.file_formats import FORMATS, file_format
from ml_platform.tables.declared.parse import check_column_name
from ml_platform.tables.delivered.encodings import check_encoding


class SourceModel(dg.Model, dg.Resolvable):
    """Where the rows come from: exactly one of ``files``, ``asset``, ``python``, ``sql`` and ``kind``."""

    files: Annotated[
        str | None,
        Field(
            description="Files below the landing zone (data/landing). {day} stands for a day as YYYY-MM-DD, {hour} for one as "
            "YYYY-MM-DDTHH, {month} and {year} for those, * for any text in a name. Without {day} or {hour} a file may hold many days: "
            "with `partitions`, each row finds its day by its `event_time`.",
            examples=["orders/{day}.csv", "purchases.csv"],
        ),
    ] = None
    format: Annotated[
        str | None,
        Field(description=f"Format of the files: {', '.join(FORMATS)}. Default: what the ending of each file says.", examples=["csv"]),
    ] = None
    encoding: Annotated[
        str | None,
        Field(
            description="How the text of CSV and JSON files is written, such as cp1252 (Windows and Excel in Western Europe), latin-1 or "
            "utf-16. Default: UTF-8; a file that begins with a byte order mark is read as that says.",
            examples=["cp1252"],
        ),
    ] = None
    names: Annotated[
        list[str] | None,
        Field(
            description="The names of the columns, in the order of the file, for CSV files that have no line with names. Default: they "
            "stand in the first line.",
            examples=[["order_id", "customer", "amount", "ordered_at"]],
        ),
    ] = None
    null_values: Annotated[
        list[str] | None,
        Field(
            description="Texts in CSV files that mean that there is no value. Default: the empty text and NA.", examples=[["", "NA", "-"]]
        ),
    ] = None
    asset: Annotated[
        str | None,
        Field(
            description="Another Dagster asset that writes files, by its key with / between the parts. Needs `path`.",
            examples=["warehouse/orders"],
        ),
    ] = None
    path: Annotated[
        str | None,
        Field(description="With `asset`: the files that it writes, below the landing zone.", examples=["warehouse/{day}.parquet"]),
    ] = None
    python: Annotated[
        str | None,
        Field(
            description="A function that returns the rows: file.py:function, the file beside this one. It is called with a day ("
            "None without partitions); one without parameters returns the rows of all days.",
            examples=["feed.py:orders"],
        ),
    ] = None
    kind: Annotated[
        str | None, Field(description="A source that the project or an installed package adds, by its name.", examples=["rates"])
    ] = None
    options: Annotated[
        dict[str, Any] | None,
        Field(description="With `kind`: its options, by its own names.", examples=[{"currency": "EUR"}]),
    ] = None
    every: Annotated[
        str | None,
        Field(
            description="With `python` or `kind`: how often it is called (d days, h hours, m minutes). Default: only when it is launched.",
            examples=["1h"],
        ),
    ] = None
    sql: Annotated[
        str | None,
        Field(
            description="One SELECT over tables of the project, or the path of a .sql file beside this one. Needs `reads`.",
            examples=["SELECT order_id, sum(amount) AS amount FROM lines GROUP BY order_id"],
        ),
    ] = None
    reads: Annotated[
        dict[str, str] | None,
        Field(
            description="With `sql` or `python`: each table that is read, and how many days before a partition's own day it is read "
            "from (0d: the same day only).",
            examples=[{"lines": "0d"}],
        ),
    ] = None


class PartitionsModel(dg.Model, dg.Resolvable):
    """Daily partitions: one per UTC day. Files of a local day elsewhere hold rows of two of them: say so with `first` and `after`."""

    start: Annotated[str, Field(description="The first day, as YYYY-MM-DD.", examples=["2024-01-01"])]
    end: Annotated[
        str | None,
        Field(description="The day after the last one, as YYYY-MM-DD. Default: none, days keep coming.", examples=["2025-01-01"]),
    ] = None
    first: Annotated[
        int,
        Field(
            description="Times in a file of a day begin this many days after that day's midnight (UTC); -1 if some lie on the day before.",
            examples=[-1],
        ),
    ] = 0
    after: Annotated[
        int,
        Field(
            description="Times in a file of a day end this many days after that day's midnight (UTC); 2 if some lie on the next day.",
            examples=[2],
        ),
    ] = 1


def how_to_read(source: SourceModel, where: str) -> tuple[str | None, tuple[str, ...]]:
    """Return the declared encoding of a table's files, and the names of their columns where the files have no line of them.

    Raises
    ------
    DeclarationError
        If the encoding is not known, a name cannot be that of a column, or the files are of a format that says both itself.
    """
    names = tuple(check_column_name(name, f"{where}: source.names") for name in source.names or ())
    twice = next((name for n, name in enumerate(names) if name.lower() in {other.lower() for other in names[:n]}), None)
    if twice is not None:
        raise DeclarationError(f"{where}: source.names has {twice!r} twice (letter case does not tell columns apart).")
    if source.names is not None and not names:
        raise DeclarationError(f"{where}: source.names is empty. Name every column in the order of the file, or leave `names` out.")
    try:
        kind = file_format(source.files or "", source.format)
    except DeclarationError:
        # Said where the files are looked for: their endings may tell.
        kind = "csv"
    if kind == "parquet" and source.encoding is not None:
        raise DeclarationError(f"{where}: `encoding` is of CSV and JSON files; Parquet says itself how its text is written. Leave it out.")
    if kind != "csv" and names:
        raise DeclarationError(f"{where}: `names` is of CSV files; {kind} files name their columns themselves. Leave it out.")
    return check_encoding(source.encoding, f"{where}: source"), names


def check_for_files(source: SourceModel, kind: str, where: str) -> None:
    """Refuse what says how files are read beside a source that has none of its own: it would be ignored in silence."""
    given = [word for word in ("format", "encoding", "names", "null_values") if getattr(source, word) is not None]
    if given:
        raise DeclarationError(f"{where}: `{given[0]}` says how `files` are read, and this source is `{kind}`. Leave it out.")
