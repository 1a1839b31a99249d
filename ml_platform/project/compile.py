"""The declarations of one project, checked against each other once: names, references, times.

Passes run in order, and each tells all declarations that it finds wrong; what a later pass reads, an earlier one has proved.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any, TypeVar

from ml_platform.core.durations import format_duration
from ml_platform.core.errors import DeclarationError, Faults, MlPlatformError, UnknownNameError, did_you_mean
from ml_platform.core.intervals import DAY
from ml_platform.core.names import is_name
from ml_platform.features.compile import compile_view
from ml_platform.features.declared.compiled_view import CompiledView
from ml_platform.features.declared.view import FeatureView
from ml_platform.project.compile_problem import compile_problem
from ml_platform.project.compile_retention import DeclaredRetention, compile_retention
from ml_platform.project.doubts import check_table_times
from ml_platform.project.project import CompiledProblem, Project
from ml_platform.sql.binding import bind_expression
from ml_platform.tables.declared.rules import check_contract
from ml_platform.tables.declared.table import Table
from ml_platform.tables.declared.types import contract_columns
from ml_platform.tables.derived import check_derived
from ml_platform.tables.judged.days_of_rows import with_bounds
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
    *,
    broken: Iterable[tuple[str, str]] = (),
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
    broken : iterable of (str, str)
        Kind (``table``, ``feature view``, ``problem``) and name of declarations that are known to be wrong already: what refers to them is
        not judged, but all else is. Without a name that can be one, whatever refers to something unknown may mean it.

    Returns
    -------
    Project
        Every name in it exists, every SQL expression binds, every feature has an availability.

    Raises
    ------
    DeclarationError
        If declarations cannot be right; for each the message names file, cause and what exists.
    """
    known = _Known(list(broken))
    known_tables, known_views = known.by_name(tables, "table"), known.by_name(views, "feature view")
    # Those that are wrong have names all the same, which are told where another name does not exist.
    named = known_tables | known.unmade("table")
    sound = {name: known_tables[name] for name in known.each(known_tables, lambda table: _check_table(table, named))}
    with known.faults.collected():
        _check_no_cycle(sound)
        sound = known.each(sound, with_bounds)
        known_tables, named = known_tables | sound, named | sound
        known.each(sound, lambda table: check_derived(table, named, root))
    others = known.each({n: v for n, v in known_views.items() if not v.is_expression}, lambda view: compile_view(view, named))
    # Views of expressions come last, because they name features of the others (and not of each other).
    last = {n: v for n, v in known_views.items() if v.is_expression}
    made = others | known.each(last, lambda view: compile_view(view, named, others))
    compiled = {name: made[name] for name in known_views if name in made}
    shown: dict[str, Any] = compiled | known.unmade("feature view") | dict.fromkeys(known_views.keys() - made.keys())
    known_problems = known.each(known.by_name(problems, "problem"), lambda problem: compile_problem(problem, named, shown))
    known.faults.raise_found()
    if not known.broken:
        _check_days(known_tables, compiled, known_problems)
    rules = compile_retention(name, retention, known_tables.values(), compiled.values(), known_problems.values())
    return Project(name, root, known_tables, compiled, known_problems, rules)


@dataclass
class _Known:
    """Which declarations of a project are known to be wrong, and why; what refers to one of these is not judged."""

    unmade_already: list[tuple[str, str]]
    faults: Faults = field(default_factory=Faults)

    def __post_init__(self) -> None:
        self.broken = {name for _, name in self.unmade_already}
        # One without a name that can be one may be what an unknown name means.
        self._nameless = any(not is_name(name) for name in self.broken)

    def unmade(self, kind: str) -> dict[str, Any]:
        """Return the names of declarations of a kind that could not be made, without anything behind them."""
        return dict.fromkeys(name for what, name in self.unmade_already if what == kind and is_name(name))

    def each(self, declarations: Mapping[str, Declaration], made: Callable[[Declaration], Made]) -> dict[str, Made]:
        """Return what is made of each declaration that is right."""
        found: dict[str, Made] = {}
        for name, declaration in declarations.items():
            if self.broken.isdisjoint(_names_in(declaration)):
                try:
                    found[name] = made(declaration)
                except MlPlatformError as fault:
                    if not (self._nameless and isinstance(fault, UnknownNameError)):
                        self.faults.found.append(fault)
            if name not in found:
                self.broken.add(name)
        return found

    def by_name(self, declarations: Iterable[Declaration], what: str) -> dict[str, Declaration]:
        """Return declarations by name; of two that are called alike, the first."""
        found: dict[str, Declaration] = {}
        for one in declarations:
            first = found.setdefault(one.name, one)
            if first is not one:
                self.faults.found.append(
                    DeclarationError(
                        f"{one.where}: there is a second {what} {one.name!r}; the first stands in {first.where}. Give one of them "
                        "another name."
                    )
                )
                self.broken.add(one.name)
                # What refers to either of them by another name refers to something unknown.
                self._nameless = True
        return dict(sorted(found.items()))


def _names_in(declaration: Table | FeatureView | Problem) -> set[str]:
    """Return the tables and views that a declaration names."""
    if isinstance(declaration, Table):
        return {*(reference.table for reference in declaration.contract.references), *declaration.reads}
    if isinstance(declaration, FeatureView):
        return {*declaration.reads, *(name.partition(".")[0] for name in declaration.inputs), declaration.source or ""}
    found = {declaration.spine.table, declaration.label.table, *(name.partition(".")[0] for name in declaration.features)}
    return found | set(declaration.discover.tables if declaration.discover is not None else ())


def _check_table(table: Table, tables: Mapping[str, Table]) -> None:
    made = next((column.name for column in table.contract.columns if column.made_of), None)
    if table.is_derived and made is not None:
        raise DeclarationError(
            f"{table.where}: column {made!r} is made_of delivered columns, but table {table.name!r} is derived from other tables: compute "
            "the column in its SQL or function."
        )
    check_contract(table.contract, table.where)
    _check_columns(table)
    _check_references(table, tables)
    _check_partitions(table)
    check_table_times(table)


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
                f"{table.where}: a reference of its contract names table {reference.table!r}, which does not exist. "
                f"{did_you_mean(reference.table, tables)}"
            )
        for column, contract in [*((c, table.contract) for c in reference.columns), *((c, other.contract) for c in reference.to_columns)]:
            if contract.column(column) is None:
                raise UnknownNameError(
                    f"{table.where}: reference {reference.name!r} of its contract names column {column!r}. "
                    f"{did_you_mean(column, contract.column_names)}"
                )
    if table.is_derived:
        for read in table.reads:
            if read not in tables or read == table.name:
                raise UnknownNameError(f"{table.where}: reads names table {read!r}. {did_you_mean(read, set(tables) - {table.name})}")
        if not table.reads:
            raise DeclarationError(
                f"{table.where}: a derived table needs `reads`: the tables that it reads, and how far back, e.g. {{arrivals: 0d}}."
            )


def _check_partitions(table: Table) -> None:
    days = table.partitions
    if days is not None and days.end is not None and days.end <= days.start:
        raise DeclarationError(f"{table.where}: partitions.end {days.end} must come after partitions.start {days.start}.")
    table.source.check(table.where, daily=days is not None)
    if days is None and (table.lost_days or table.missing_days != "stop"):
        raise DeclarationError(f"{table.where}: missing_days and lost_days speak of a table's days, but {table.name!r} has no partitions.")
    if table.longest_silence is not None and (table.missing_days != "are_empty" or table.longest_silence < DAY):
        raise DeclarationError(
            f"{table.where}: longest_silence says for how many days a feed has no file because nothing happens. "
            + (
                "Say `missing_days: are_empty` too: of other tables a day without a file is never a day without rows."
                if table.missing_days != "are_empty"
                else f"{format_duration(table.longest_silence)} is less than a day."
            )
        )
    outside = [day for day in sorted(table.lost_days) if days is not None and not days.start <= day < (days.end or date.max)]
    if outside:
        raise DeclarationError(f"{table.where}: lost_days names {outside[0]}, which lies outside of the table's partitions.")
    if days is not None and days.start > date(9000, 1, 1):
        raise DeclarationError(f"{table.where}: partitions.start {days.start} lies beyond every calendar.")


def _check_timed(table: Table, where: str, what: str) -> None:
    """Refuse what is read by time of a table that has times and no days."""
    if table.partitions is not None or table.event_time is None or table.timeless or table.is_derived:
        return
    raise DeclarationError(
        f"{where}: {what} reads table {table.name!r} by time: it has the event_time {table.event_time!r}, but no `partitions`, so it has "
        f"no days. Declare `partitions: {{start: YYYY-MM-DD}}` of {table.name!r} with the first day of its history: one file may hold all "
        f"days, each row finds its own by {table.event_time!r}. Leave `event_time` out if rows are looked up, not counted over time."
    )


def _check_days(tables: Mapping[str, Table], views: Mapping[str, CompiledView], problems: Mapping[str, CompiledProblem]) -> None:
    """Refuse features and models over tables that have times and no days, or of a project without days: they are made day by day."""
    faults = Faults()
    for name, view in views.items():
        for read in view.reads:
            with faults.collected():
                _check_timed(tables[read], view.view.where, f"feature view {name!r}")
    for name, one in problems.items():
        for table in {t.name: t for t in (one.spine_table, one.label_table)}.values():
            with faults.collected():
                _check_timed(table, one.problem.where, f"problem {name!r}")
    faults.raise_found()
    if any(table.partitions is not None for table in tables.values()):
        return
    stored = [(view.view.where, f"feature view {name!r} is") for name, view in views.items() if view.view.store]
    for where, what in (*stored, *((one.problem.where, f"problem {name!r} is") for name, one in problems.items())):
        raise DeclarationError(
            f"{where}: {what} made day by day, but no table of the project has `partitions`, so it has no days. Of the table that grows "
            "declare `partitions: {start: YYYY-MM-DD}`, the first day of its history, and `event_time: COLUMN`: one file may hold all "
            "days, each row finds its own by its time. Where files come by day, write {day} into `files`, as in orders/{day}.csv."
        )


def _check_no_cycle(tables: Mapping[str, Table]) -> None:
    done: set[str] = set()

    def visit(name: str, path: tuple[str, ...]) -> None:
        if name in path:
            raise DeclarationError(f"{tables[name].where}: derived tables read each other in a circle: {' -> '.join([*path, name])}.")
        if name in done:
            return
        for read in tables[name].reads:
            visit(read, (*path, name))
        done.add(name)

    for name in tables:
        visit(name, ())
