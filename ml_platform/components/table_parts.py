"""The parts of a table that have words of their own."""

from typing import Annotated

import dagster as dg
from pydantic import Field

from ml_platform.tables.read_files import FORMATS


class SourceModel(dg.Model, dg.Resolvable):
    """Where the rows come from: exactly one of ``files``, ``asset``, ``python`` and ``sql``."""

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
    every: Annotated[
        str | None,
        Field(
            description="With `python`: how often the function is called (d days, h hours, m minutes). Default: only when it is launched.",
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
    """Daily partitions: one per day."""

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
