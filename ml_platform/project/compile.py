"""The declarations of one project, checked against each other once: names, references, times.

Passes run in order, and each tells all declarations that it finds wrong; what a later pass reads, an earlier one has proved.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from datetime import date
from pathlib import Path
from typing import TypeVar

from ml_platform.core.errors import DeclarationError, Faults, UnknownNameError, did_you_mean
from ml_platform.features.compile import CompiledView, compile_view
from ml_platform.features.view import FeatureView
from ml_platform.project.compile_problem import compile_problem
from ml_platform.project.compile_retention import DeclaredRetention, compile_retention
from ml_platform.project.project import CompiledProblem, Project
from ml_platform.tables.derived import check_derived
from ml_platform.tables.pattern import Pattern
from ml_platform.tables.read_files import FORMATS
from ml_platform.tables.rules import check_contract
from ml_platform.tables.sql import bind_expression
from ml_platform.tables.table import AssetSource, DerivedPythonSource, FileSource, SqlSource, Table
from ml_platform.tables.types import contract_columns
from ml_platform.training.problem import Problem

Declaration = TypeVar("Declaration", Table, FeatureView, Problem)
Made = TypeVar("Made")


def compile_project(
    name: str,
    root: Path,
    tables: Iterable[Table],
    views: Iterable[FeatureView],
    problems: Iterable[Problem],
    retention: DeclaredRetention | None = None,
) -> Project:
    """Compile the declarations of one project into one checked object.

    Parameters
    ----------
    name : str
        The project's name: first part of every asset key and lake table.
    root : Path
        The folder of its declarations.
    tables, views, problems : iterables
        The declarations as core objects.
    retention : DeclaredRetention, optional
        What of everything's history stays; all of it where nothing is said.

    Returns
    -------
    Project
        Every name in it exists, every SQL expression binds, every feature has an availability.

    Raises
    ------
    DeclarationError
        If declarations cannot be right; for each the message names file, cause and what exists.
    """
    known_tables = _by_name(tables, "table")
    _for_each(known_tables, lambda table: _check_table(table, known_tables))
    _check_no_cycle(known_tables)
    _for_each(known_tables, lambda table: check_derived(table, known_tables, root))
    known_views = _views(_by_name(views, "feature view"), known_tables)
    known_problems = _for_each(_by_name(problems, "problem"), lambda problem: compile_problem(problem, known_tables, known_views))
    _check_days(known_tables, known_views, known_problems)
    rules = compile_retention(name, retention, known_tables.values(), known_views.values(), known_problems.values())
    return Project(name, root, known_tables, known_views, known_problems, rules)


def _for_each(declarations: Mapping[str, Declaration], made: Callable[[Declaration], Made]) -> dict[str, Made]:
    """Return what is made of each declaration; what is wrong with any of them is told together."""
    faults, found = Faults(), {}
    for name, declaration in declarations.items():
        with faults.collected():
            found[name] = made(declaration)
    faults.raise_found()
    return found


def _check_table(table: Table, tables: Mapping[str, Table]) -> None:
    check_contract(table.contract, table.where)
    _check_columns(table)
    _check_references(table, tables)
    _check_partitions(table)


def _views(views: Mapping[str, FeatureView], tables: Mapping[str, Table]) -> dict[str, CompiledView]:
    """Compile the views; those of expressions come last, because they name features of the others (and not of each other)."""
    others = _for_each({n: v for n, v in views.items() if not v.is_expression}, lambda view: compile_view(view, tables))
    made = _for_each({n: v for n, v in views.items() if v.is_expression}, lambda view: compile_view(view, tables, others))
    return {name: made[name] if name in made else others[name] for name in views}


def _by_name(declarations: Iterable[Declaration], what: str) -> dict[str, Declaration]:
    found: dict[str, Declaration] = {}
    for declaration in declarations:
        if declaration.name in found:
            raise DeclarationError(
                f"{declaration.where}: there is a second {what} {declaration.name!r}; the first stands in "
                f"{found[declaration.name].where}. Rename one."
            )
        found[declaration.name] = declaration
    return dict(sorted(found.items()))


def _check_columns(table: Table) -> None:
    types = contract_columns(table.contract)
    for column in (*table.key, *([table.event_time] if table.event_time else ())):
        if column not in types:
            raise UnknownNameError(f"{table.where}: column {column!r} is not in the contract. {did_you_mean(column, types)}")
    if table.event_time and not types[table.event_time].startswith("TIMESTAMP") and types[table.event_time] != "DATE":
        raise DeclarationError(
            f"{table.where}: event_time {table.event_time!r} is {types[table.event_time]}; it must be a timestamp or a date."
        )
    for group in table.availability:
        for column in group.columns:
            if column not in types:
                raise UnknownNameError(
                    f"{table.where}: available_at names column {column!r}, not in the contract. {did_you_mean(column, types)}"
                )
        bound = bind_expression(group.sql, types, where=f"{table.where}, available_at")
        if not bound.type.startswith("TIMESTAMP") and bound.type != "DATE":
            raise DeclarationError(f"{table.where}: available_at `{group.sql}` is {bound.type}; it must be a timestamp.")
    for rule in table.contract.rules:
        bound = bind_expression(rule.sql, types, where=f"{table.where}, rule {rule.name!r}")
        if bound.type != "BOOLEAN":
            raise DeclarationError(f"{table.where}: rule {rule.name!r} `{rule.sql}` is {bound.type}; a rule must be true or false.")


def _check_references(table: Table, tables: Mapping[str, Table]) -> None:
    for reference in table.contract.references:
        other = tables.get(reference.table)
        if other is None:
            raise UnknownNameError(
                f"{table.where}: reference {reference.name!r} names table {reference.table!r}. {did_you_mean(reference.table, tables)}"
            )
        for column, contract in [*((c, table.contract) for c in reference.columns), *((c, other.contract) for c in reference.to_columns)]:
            if contract.column(column) is None:
                raise UnknownNameError(
                    f"{table.where}: reference {reference.name!r} names column {column!r}. {did_you_mean(column, contract.column_names)}"
                )
    source = table.source
    if isinstance(source, SqlSource | DerivedPythonSource):
        for read in source.reads:
            if read not in tables or read == table.name:
                raise UnknownNameError(f"{table.where}: reads names table {read!r}. {did_you_mean(read, set(tables) - {table.name})}")
        if not source.reads:
            raise DeclarationError(
                f"{table.where}: a derived table needs `reads`: the tables that it reads, and how far back, e.g. {{arrivals: 0d}}."
            )


def _check_partitions(table: Table) -> None:
    source, days = table.source, table.partitions
    if days is not None and days.end is not None and days.end <= days.start:
        raise DeclarationError(f"{table.where}: partitions.end {days.end} must come after partitions.start {days.start}.")
    if isinstance(source, FileSource | AssetSource):
        Pattern.parse(source.pattern, table.where, daily=days is not None)
    if days is None and (table.lost_days or table.missing_days != "stop"):
        raise DeclarationError(f"{table.where}: missing_days and lost_days speak of a table's days, but {table.name!r} has no partitions.")
    outside = [day for day in sorted(table.lost_days) if days is not None and not days.start <= day < (days.end or date.max)]
    if outside:
        raise DeclarationError(f"{table.where}: lost_days names {outside[0]}, which lies outside of the table's partitions.")
    if isinstance(source, FileSource) and source.format not in (None, *FORMATS):
        raise DeclarationError(f"{table.where}: {source.format!r} is not a format of files. {did_you_mean(str(source.format), FORMATS)}")
    if days is not None and days.start > date(9000, 1, 1):
        raise DeclarationError(f"{table.where}: partitions.start {days.start} lies beyond every calendar.")


def _check_days(tables: Mapping[str, Table], views: Mapping[str, CompiledView], problems: Mapping[str, CompiledProblem]) -> None:
    """Refuse features and models of a project that has no days: they are made day by day."""
    if any(table.partitions is not None for table in tables.values()):
        return
    stored = [(view.view.where, f"feature view {name!r} is") for name, view in views.items() if view.view.store]
    for where, what in (*stored, *((one.problem.where, f"problem {name!r} is") for name, one in problems.items())):
        raise DeclarationError(
            f"{where}: {what} made day by day, but no table of the project has `partitions`, so it has no days. Deliver the rows of the "
            "table that grows in files by day and declare `partitions: {start: YYYY-MM-DD}`. DuckDB splits one file that way: COPY (SELECT "
            "*, date::DATE AS day FROM 'orders.csv') TO 'orders' (FORMAT csv, PARTITION_BY (day)), which `files: "
            '"orders/day={day}/*.csv"` reads.'
        )


def _check_no_cycle(tables: Mapping[str, Table]) -> None:
    done: set[str] = set()

    def visit(name: str, path: tuple[str, ...]) -> None:
        if name in path:
            raise DeclarationError(f"{tables[name].where}: derived tables read each other in a circle: {' -> '.join([*path, name])}.")
        if name in done:
            return
        source = tables[name].source
        for read in source.reads if isinstance(source, SqlSource | DerivedPythonSource) else ():
            visit(read, (*path, name))
        done.add(name)

    for name in tables:
        visit(name, ())
