"""Times that cannot be, and settings that work but hardly as they are meant: both are told when the declarations are loaded."""

from __future__ import annotations

from collections.abc import Collection
from datetime import date, timedelta

from ml_platform.core.durations import format_duration
from ml_platform.core.errors import DeclarationError
from ml_platform.core.intervals import DAY
from ml_platform.features.declared.view import FeatureView
from ml_platform.features.declared.window_spec import WindowSpec
from ml_platform.project.project import Project
from ml_platform.project.workable import days_of
from ml_platform.registry.promotion import MIN_DAYS, MIN_SPAN_DAYS
from ml_platform.sql.binding import bind_expression
from ml_platform.sql.duck import quote_name
from ml_platform.tables.declared.sources.files import FileSource
from ml_platform.tables.declared.table import Availability, Table
from ml_platform.tables.declared.types import available_at_names, contract_columns
from ml_platform.training.cutoff_reach import times_apart
from ml_platform.training.problem import GridSpine, Problem, RowsSpine


def check_unknown_label(problem: Problem, label_table: Table, columns: Collection[str]) -> None:
    """Refuse a label of which every row is known at the cutoff by declaration.

    Parameters
    ----------
    problem : Problem
        Its ``label``.
    label_table : Table
        The table that the label is taken from.
    columns : collection of str
        The columns that the label reads.

    Raises
    ------
    DeclarationError
        If its rows are available longer before they happen than they are observed.
    """
    used = {label_table.available_at_column(column) for column in columns} or {"_available_at"}
    leads = [_lead(label_table, group) for group in label_table.availability if _stored(label_table, group) in used]
    if leads and None not in leads and min(leads) >= problem.label.horizon:  # type: ignore[type-var]
        raise DeclarationError(
            f"{problem.where}: the label looks {format_duration(problem.label.horizon)} ahead, and rows of {label_table.name!r} are "
            "available "
            f"{format_duration(min(leads))} before they happen ({_told(label_table)}): the answer is known at the cutoff. "  # type: ignore[type-var]
            "Correct available_at: what happened is known when it has happened, or later."
        )


def check_table_times(table: Table) -> None:
    """Refuse a table of daily files of which no row can keep its times within its file's day.

    Raises
    ------
    DeclarationError
        With what to write.
    """
    days = table.partitions
    if days is None or not (isinstance(table.source, FileSource) and "{day}" in table.source.pattern):
        return
    for group in table.availability:
        apart = None if table.event_time is None else times_apart(group.sql, quote_name(table.event_time), _read_types(table, group))
        if apart is None or max(apart[0], -apart[1]) < (days.after - days.first) * DAY:
            continue
        first = days.first if apart[0] > timedelta(0) else days.first - -(apart[1] // DAY)
        after = days.after if apart[1] < timedelta(0) else days.after + -(-apart[0] // DAY)
        raise DeclarationError(
            f"{table.where}: `{group.sql}` and event_time `{table.event_time}` of a row are {format_duration(max(apart[0], -apart[1]))} "
            "apart, "
            f"and the times of a day's file lie within {days.after - days.first} day{'' if days.after - days.first == 1 else 's'}: "
            "every row would "
            f"be rejected as another day's. Write in partitions: first: {first}, after: {after} (in days from the file's day)."
        )


def doubts(project: Project, today: date) -> tuple[str, ...]:
    """Say what is declared that works, but hardly as it is meant.

    Parameters
    ----------
    project : Project
        Compiled declarations.
    today : date
        Up to when tables without an end have data.

    Returns
    -------
    tuple of str
        One sentence each, with the place of the declaration: rows available before they happen, windows and trainings longer than all data,
        test rows of too few days to replace a champion.
    """
    plans = {p.spine_table.name for p in project.problems.values() if isinstance(p.problem.spine, RowsSpine)}
    found = [_early(t) for t in project.tables.values() if t.name not in plans]
    found += [_long_windows(project, view.view, today) for view in project.views.values()]
    for problem in project.problems.values():
        found += [_young(problem.problem, problem.label_table, today), _never_replaced(problem.problem)]
    return tuple(one for one in found if one)


def _early(table: Table) -> str:
    if not any((lead := _lead(table, group)) is not None and lead > timedelta(0) for group in table.availability):
        return ""
    return (
        f"{table.where}: rows of {table.name!r} are available before they happen ({_told(table)}). That is right for what is planned "
        "ahead; "
        "features of what happened would know the future."
    )


def _long_windows(project: Project, view: FeatureView, today: date) -> str:
    table = project.tables.get(view.source or "")
    if table is None or table.partitions is None or not view.windows:
        return ""
    past = (table.partitions.end or today) - table.partitions.start
    lengths = [window.length if isinstance(window, WindowSpec) else window for window in view.windows]
    long = [length for length in lengths if length is not None and length > past > timedelta(0)]
    if not long:
        return ""
    return (
        f"{view.where}: the window {format_duration(max(long))} is longer than all data of {table.name!r}, {format_duration(past)} from "
        f"{table.partitions.start} on: until there is more it counts what there is, and is no other feature than a shorter one."
    )


def _young(problem: Problem, table: Table, today: date) -> str:
    if table.partitions is None or table.partitions.end is not None:
        return ""
    training = problem.training
    first = table.partitions.start + training.validate + training.test + problem.reach + DAY
    if first <= today:
        return ""
    return (
        f"{problem.where}: validation, test and horizon need {format_duration(first - table.partitions.start)}, and {table.name!r} "
        "begins on "
        f"{table.partitions.start}: no model can be trained for a date before {first}."
    )


def _never_replaced(problem: Problem) -> str:
    days = days_of(problem)
    span = problem.training.test // DAY
    if days >= MIN_DAYS and span >= MIN_SPAN_DAYS:
        return ""
    every = max(problem.spine.every, DAY) if isinstance(problem.spine, GridSpine) else DAY
    return (
        f"{problem.where}: the test rows of training.test ({format_duration(problem.training.test)}) are of {days} days. That is enough "
        "for a first "
        f"champion; to replace one, a model is judged on {MIN_DAYS} days within {MIN_SPAN_DAYS} or more: until then it is held for a "
        "person. "
        f"Write test: {format_duration(max(MIN_DAYS * every, MIN_SPAN_DAYS * DAY))} to let the rules decide."
    )


def _lead(table: Table, group: Availability) -> timedelta | None:
    """Return how long before a row happens a group of its columns is surely available; negative if after, None if only rows can tell."""
    if table.event_time is None:
        return None
    if group.sql.strip() == table.event_time:
        return -table.delay
    apart = times_apart(quote_name(table.event_time), group.sql, _read_types(table, group))
    return None if apart is None else apart[0] - table.delay


def _read_types(table: Table, group: Availability) -> dict[str, str]:
    types = contract_columns(table.contract)
    read = {str(table.event_time), *bind_expression(group.sql, types, where=f"{table.where}, available_at").columns}
    return {name: types[name] for name in read}


def _stored(table: Table, group: Availability) -> str:
    return available_at_names(table)[table.availability.index(group)]


def _told(table: Table) -> str:
    return ", ".join(f"available_at `{group.sql}`" for group in table.availability) + f", event_time `{table.event_time}`"
