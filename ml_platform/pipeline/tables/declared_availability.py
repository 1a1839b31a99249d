"""The check ``declared_availability``: when rows really came, against when they are declared to be known.

Only the regular flow can say that. A history that is loaded afterwards was known when it says so, whenever it was loaded. So a partition is
judged when its first delivery came within ``FLOW`` of its day's last possible time, and the commit that brought it did not bring more than
``FLOW`` of days at once.

A row came with the delivery of its file, and no sooner than the commit that first held that file: unless the platform lives through
another time than the machine's (then commits are of the machine's time, and only deliveries are of the platform's).
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import polars as pl

from ml_platform.core.durations import format_duration
from ml_platform.core.intervals import DAY, day_start, shift_day
from ml_platform.features.declared.definition import FeatureDefinition
from ml_platform.features.declared.inputs import leaves
from ml_platform.lake.ledger.version import Version
from ml_platform.pipeline.outcome import CheckOutcome
from ml_platform.pipeline.workspace import Workspace
from ml_platform.project.project import Project
from ml_platform.sql.declared_sql import declared_sql
from ml_platform.sql.duck import quote_name, session
from ml_platform.tables.declared.table import Table

NAME = "declared_availability"
FLOW = 7 * DAY
_SHOWN = 10
_CAME, _TIME = "_came_at", pl.Datetime("us", "UTC")


@dataclass(frozen=True)
class Lateness:
    """How long after they are declared to be known rows came, of one group of columns.

    ``late`` are those that came more than the table's ``late_after`` later; ``optimistic`` are those of them that count from before they
    came all the same (a row of a later file counts from its delivery). ``median`` and ``p99`` are of all ``rows``.
    """

    available_at: str
    columns: tuple[str, ...]
    rows: int
    late: int
    optimistic: int
    median: timedelta
    p99: timedelta

    @property
    def share(self) -> float:
        """Share of the rows that came late, in [0, 1]."""
        return self.late / self.rows if self.rows else 0.0


def check_declared(workspace: Workspace, table: Table, versions: Sequence[Version]) -> CheckOutcome:
    """Compare when rows of a table came with when they are declared to be known.

    Parameters
    ----------
    workspace : Workspace
        Project, lake and clock.
    table : Table
        A delivered table that declares an availability.
    versions : sequence of Version
        Readable partitions, those that a run has made.

    Returns
    -------
    CheckOutcome
        ``declared_availability``, a warning where rows count from before they came; a row per group of columns.
    """
    came = {v.partition: times for v in versions if (times := arrivals(workspace, table, v)) is not None} if _is_few(versions) else {}
    if not came:
        summary = f"Nothing to judge: {len(versions)} partitions were loaded as a history, which was known when it says so."
        return CheckOutcome(NAME, passed=True, severity="warn", summary=summary, numbers={"judged_rows": 0.0})
    rows = workspace.lake.versions.read([v for v in versions if v.partition in came], partition_column="_partition").pl()
    found = lateness(table, rows, came)
    features = {group.available_at: optimistic_features(workspace.project, table, group) for group in found if group.optimistic}
    return CheckOutcome(
        NAME,
        passed=not features,
        severity="warn",
        summary=_summary(table, found, features),
        rows=tuple(_line(group, features.get(group.available_at, ())) for group in found),
        numbers={"judged_rows": float(rows.height), "late_share": max((g.share for g in found), default=0.0)},
    )


def arrivals(workspace: Workspace, table: Table, version: Version) -> dict[str, datetime] | None:
    """Return when each file of a partition came; None where the partition was loaded as a history.

    Parameters
    ----------
    workspace : Workspace
        Lake and clock.
    table : Table
        The declaration.
    version : Version
        Of its table layer.
    """
    day, raw = version.partition, workspace.table("raw", table.name)
    history = workspace.lake.history(raw, day)[::-1]
    if not history or day is None or table.partitions is None:
        return None
    now = workspace.clock.now()
    came: dict[str, datetime] = {}
    for delivered in history:
        for file in delivered.properties.get("files", ()):
            time = datetime.fromisoformat(file["delivered_at"])
            # A file of the same name says again what stood in it: what it held first came with the first of them.
            came.setdefault(file["name"], max(time, delivered.created) if delivered.created <= now else time)
    last_time = day_start(day) + table.partitions.after * DAY
    if not came or min(came.values()) > last_time + FLOW:
        return None
    around = (shift_day(day, -(FLOW // DAY)), shift_day(day, FLOW // DAY))
    firsts = (workspace.lake.history(raw, other)[-1:] for other in around)
    return None if any(v.commit == history[0].commit for found in firsts for v in found) else came


def lateness(table: Table, rows: pl.DataFrame, came: Mapping[str | None, Mapping[str, datetime]]) -> list[Lateness]:
    """Return how late rows came, for each group of columns.

    Parameters
    ----------
    table : Table
        Its ``availability``, ``delay`` and ``late_after`` count.
    rows : DataFrame
        Stored rows with ``_partition``.
    came : mapping of partition to mapping of file to datetime
        When each file came.
    """
    files = [(day, name, time) for day, named in came.items() for name, time in named.items()]
    times = pl.DataFrame(files, schema={"_partition": pl.String, "_file": pl.String, _CAME: _TIME}, orient="row")
    dated = rows.join(times, on=["_partition", "_file"], how="inner")
    named = {c for group in table.availability for c in group.columns}
    found = []
    for stored, group in zip(table.available_at_columns, table.availability, strict=True):
        declared = _declared(dated, group.sql, table.delay)
        whole = dated.select(declared.alias("declared"), pl.col(stored).alias("stored"), _CAME).drop_nulls()
        after = (whole[_CAME] - whole["declared"]).clip(lower_bound=timedelta(0))
        is_late = after > table.late_after
        columns = group.columns or tuple(c for c in table.contract.column_names if c not in named)
        found.append(
            Lateness(
                stored, columns, whole.height, int(is_late.sum()), int((is_late & (whole["stored"] < whole[_CAME])).sum()),
                _quantile(after, 0.5), _quantile(after, 0.99),
            )
        )  # fmt: skip
    return found


def optimistic_features(project: Project, table: Table, group: Lateness) -> tuple[str, ...]:
    """Return the features, as a problem names them, that count rows of a group of columns."""
    found: dict[str, None] = {}
    for view in project.views.values():
        if view.view.discover is not None:
            # Which features Featuretools proposes is not asked here: it takes seconds.
            found |= {f"{view.name}.*": None} if table.name in view.reads else {}
            continue
        for definition in (d for entity in view.entities for d in view.definitions(entity)):
            if any(_counts(leaf, table, group) for leaf in leaves([definition])):
                found[f"{view.name}.{definition.name}"] = None
    for problem in project.problems.values():
        for column in problem.table_columns:
            if column.table == table.name and column.column in group.columns:
                found[f"{table.name}.{column.column}"] = None
    return tuple(found)


def _counts(definition: FeatureDefinition, table: Table, group: Lateness) -> bool:
    if definition.table == table.name:
        return group.available_at in definition.available_at
    return table.name in dict(definition.reads)


def _is_few(versions: Sequence[Version]) -> bool:
    return len(versions) <= FLOW // DAY


def _declared(rows: pl.DataFrame, sql: str, delay: timedelta) -> pl.Series:
    with session() as con, declared_sql(con, f"The availability `{sql}`", sql):
        con.register("dated", rows.to_arrow())
        micros = delay // timedelta(microseconds=1)
        column = f"TRY(CAST(({sql}\n) AS TIMESTAMPTZ)) + INTERVAL {micros} MICROSECONDS AS {quote_name('declared')}"
        return con.sql(f"SELECT {column} FROM dated").pl().to_series().cast(_TIME)


def _quantile(values: pl.Series, share: float) -> timedelta:
    found = values.dt.total_microseconds().quantile(share, "nearest")
    return timedelta(microseconds=int(found or 0))


def _line(group: Lateness, features: Iterable[str]) -> dict[str, Any]:
    names = list(features)
    return {
        "columns": ", ".join(group.columns), "rows": group.rows, "late": group.late, "late_share": group.share,
        "too_early": group.optimistic, "p50": _length(group.median), "p99": _length(group.p99),
        "optimistic_features": ", ".join(names[:_SHOWN]) + (f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""),
    }  # fmt: skip


def _summary(table: Table, found: Sequence[Lateness], features: Mapping[str, tuple[str, ...]]) -> str:
    if not features:
        slowest = max(found, key=lambda group: group.p99)
        return (
            f"{slowest.rows:,} rows came {_length(slowest.median)} (median) and {_length(slowest.p99)} (p99) after they are declared to be "
            "known. "
            f"Of those later than late_after ({format_duration(table.late_after)}), none counts from before it came."
        )
    worst = max((g for g in found if g.available_at in features), key=lambda group: group.share)
    names = list(dict.fromkeys(name for group in features.values() for name in group))
    told = (
        f"{len(names)} features were optimistic: {', '.join(names[:4])}{'...' if len(names) > 4 else ''}"
        if names
        else "No feature reads them"
    )
    return (
        f"{worst.share:.1%} of {worst.rows:,} rows came more than {format_duration(table.late_after)} later than declared "
        f"(p50 {_length(worst.median)}, p99 {_length(worst.p99)}). {told}. Declare a longer `delay`, or another available_at."
    )


def _length(length: timedelta) -> str:
    """Return a length in the largest unit that it has one of, to one decimal."""
    for name, unit in (("d", DAY), ("h", timedelta(hours=1)), ("min", timedelta(minutes=1))):
        if length >= unit:
            return f"{length / unit:.1f} {name}"
    return f"{length.total_seconds():.0f} s"
