"""One problem with its names resolved against the tables and views of its project."""

from __future__ import annotations

from collections.abc import Mapping
from fnmatch import fnmatchcase

from ml_platform.core.errors import DeclarationError, UnknownNameError, did_you_mean
from ml_platform.features.declared.compiled_view import CompiledView
from ml_platform.features.declared.distinct_names import asked_definitions, with_distinct_names
from ml_platform.features.declared.inputs import request_columns
from ml_platform.features.declared.value_types import engine_type
from ml_platform.features.nested.schema import Schema, compile_schema
from ml_platform.project.doubts import check_unknown_label
from ml_platform.project.project import CompiledProblem, TableColumn
from ml_platform.project.workable import check_clusters, check_history, check_lengths, check_own_window, check_steps, check_trainers
from ml_platform.sql.binding import bind_expression
from ml_platform.tables.declared.table import Table
from ml_platform.tables.declared.types import contract_columns
from ml_platform.training.cutoff_reach import is_never_known
from ml_platform.training.label_sql import bind_label
from ml_platform.training.label_task import check_task
from ml_platform.training.problem import Problem, RowsSpine
from ml_platform.training.steps import STARTS, STEP, STEP_TYPES, has_steps, step_features


def compile_problem(problem: Problem, tables: Mapping[str, Table], views: Mapping[str, CompiledView]) -> CompiledProblem:
    """Resolve and check one problem.

    Raises
    ------
    DeclarationError
        If a name does not exist, SQL does not bind, two features have one name, or a feature cannot be known at the cutoff.
    """
    spine_table = _table(problem.spine.table, tables, problem, "spine")
    label_table = _table(problem.label.table, tables, problem, "label.from")
    spine_key, joinable = _spine(problem, spine_table)
    _check_label(problem, label_table, joinable)
    # What is planned for the time that a step begins at is found by it, as far as it is known at the cutoff.
    found_by = (*joinable, STARTS) if has_steps(problem) else joinable
    check_lengths(problem)
    label = bind_label(problem, label_table)
    check_trainers(problem, label.type)
    check_clusters(problem)
    check_history(problem, label_table)
    check_unknown_label(problem, label_table, label.columns)
    view_entities: list[tuple[str, tuple[str, ...]]] = []
    columns: list[TableColumn] = []
    only: set[str] = set()
    for feature in problem.features:
        owner, dot, column = feature.partition(".")
        if owner in views:
            found = [(owner, e) for e in views[owner].view.entities if set(e) <= set(found_by)]
            if not found:
                entities = "; ".join(", ".join(e) for e in views[owner].view.entities)
                raise DeclarationError(
                    f"{problem.where}: the spine has no columns of any entity of view {owner!r} ({entities}). It has: "
                    f"{', '.join(found_by)}."
                )
            view_entities += [f for f in found if f not in view_entities]
            if dot:
                only.add(feature)
                _check_feature(problem, views[owner], owner, column, found)
        elif owner in tables and dot:
            columns.append(_table_column(problem, tables[owner], column, found_by, label_table))
        else:
            raise UnknownNameError(
                f"{problem.where}: feature {feature!r} names neither a view nor a column of a table (table.column). "
                f"{did_you_mean(owner, [*views, *tables])}"
            )
    searched = problem.discover is not None or any(views[name].view.discover is not None for name, _ in view_entities)
    names = _feature_names(problem, tables, views, view_entities)
    _check_accepted(problem, names | {d.name for d in step_features(problem)}, searched=searched)
    request = _request(problem, spine_table, joinable, views)
    steps = has_steps(problem)
    check_steps(problem, names)
    return CompiledProblem(
        problem,
        spine_table,
        label_table,
        (*spine_key, STEP) if steps else spine_key,
        tuple(view_entities),
        tuple(columns),
        frozenset(only),
        request=tuple(dict.fromkeys([*request, *(STEP_TYPES if steps else ())])),
        discovery=_discovery(problem, tables),
    )


def _discovery(problem: Problem, tables: Mapping[str, Table]) -> Schema | None:
    if problem.discover is None:
        if not problem.features:
            raise DeclarationError(f"{problem.where}: the problem has no features. Write `features:` or `discover:`.")
        return None
    grid = None if isinstance(problem.spine, RowsSpine) else problem.spine.key
    return compile_schema(problem.discover, tables, spine_table=problem.spine.table, spine_key=grid, where=problem.where)


def _table(name: str, tables: Mapping[str, Table], problem: Problem, what: str) -> Table:
    if name not in tables:
        raise UnknownNameError(f"{problem.where}: {what} names table {name!r}, which does not exist. {did_you_mean(name, tables)}")
    return tables[name]


def _spine(problem: Problem, table: Table) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the spine's key columns and all columns that features can be joined on."""
    types = contract_columns(table.contract)
    if isinstance(problem.spine, RowsSpine):
        if not table.key:
            raise DeclarationError(
                f"{problem.where}: the spine's table {table.name!r} has no key; a score must belong to one row. Declare its key."
            )
        if not table.availability:
            raise DeclarationError(
                f"{problem.where}: nothing says when rows of the spine's table {table.name!r} are known. Declare its available_at."
            )
        bound = bind_expression(problem.spine.cutoff, types, where=f"{problem.where}, spine.cutoff")
        # A date is its midnight, in UTC.
        if not bound.type.startswith("TIMESTAMP") and bound.type != "DATE":
            raise DeclarationError(
                f"{problem.where}: the cutoff `{problem.spine.cutoff}` is {bound.type}; it must be a timestamp or a date."
            )
        late = [c for c in bound.columns if table.available_at_column(c) != "_available_at"]
        if late:
            raise DeclarationError(f"{problem.where}: the cutoff reads {', '.join(sorted(late))}, known later than the row itself.")
        _check_known_before(problem, problem.spine, table, bound.columns)
        # Columns that become known later than the row cannot say which entity the row is about.
        joinable = tuple(c for c in types if table.available_at_column(c) == "_available_at")
        return table.key, joinable
    for column in problem.spine.key:
        if column not in types:
            raise UnknownNameError(
                f"{problem.where}: spine.each names column {column!r}, which {table.name!r} lacks. {did_you_mean(column, types)}"
            )
    if not table.availability:
        raise DeclarationError(f"{problem.where}: nothing says when rows of table {table.name!r} are known. Declare its available_at.")
    return problem.spine.key, problem.spine.key


def _check_known_before(problem: Problem, spine: RowsSpine, table: Table, cutoff_columns: frozenset[str]) -> None:
    """Refuse a cutoff at which no row of the spine can be known: nothing could be predicted, and no feature of it would have a value."""
    types, first = contract_columns(table.contract), table.availability[0].sql
    columns = cutoff_columns | bind_expression(first, types, where=f"{table.where}, available_at").columns
    if is_never_known(spine, first, {name: types[name] for name in columns}):
        raise DeclarationError(
            f"{problem.where}: no row of the spine's table {table.name!r} is known at its own cutoff: `{spine.cutoff}` is never after "
            f"`{first}`, from when its rows are available. Predict for a table that is known before, or take a later cutoff."
        )


def _check_label(problem: Problem, table: Table, joinable: tuple[str, ...]) -> None:
    types = contract_columns(table.contract)
    for column in problem.label.match:
        if column not in types:
            raise UnknownNameError(
                f"{problem.where}: label.match names {column!r}, which {table.name!r} lacks. {did_you_mean(column, types)}"
            )
        if column not in joinable:
            raise UnknownNameError(
                f"{problem.where}: label.match names {column!r}, which the spine lacks. {did_you_mean(column, joinable)}"
            )
    if not problem.label.match:
        raise DeclarationError(f"{problem.where}: label.match is empty; name the columns that the spine and {table.name!r} share.")
    if table.event_time is None:
        raise DeclarationError(
            f"{problem.where}: the label's table {table.name!r} has no event_time; its rows cannot be placed after a cutoff."
        )
    bound = bind_label(problem, table)
    check_task(problem, bound.type)
    own_row = isinstance(problem.spine, RowsSpine) and problem.spine.table == table.name and set(table.key) <= set(problem.label.match)
    # Whether such a row is known before its cutoff or not: none can be learnt from.
    known = sorted(c for c in bound.columns if table.available_at_column(c) == "_available_at")
    if own_row and len(known) == len(bound.columns):
        what = f"reads {', '.join(known)}" if known else "reads no column"
        raise DeclarationError(
            f"{problem.where}: the label `{problem.label.sql}` is taken from the very row that is predicted for and {what}: it is known as "
            f"soon as the row is, so there is nothing to predict. Where a row of {table.name!r} is filled up over time, declare when each "
            f"column becomes known: available_at: {{published_at: [...], finished_at: [{', '.join(known) or '...'}]}}."
        )
    if own_row and isinstance(problem.spine, RowsSpine):
        check_own_window(problem, problem.spine, table)


def _check_feature(problem: Problem, view: CompiledView, owner: str, column: str, found: list[tuple[str, tuple[str, ...]]]) -> None:
    if view.view.discover is not None:
        return
    names = {d.name for _, entity in found for d in view.definitions(entity)}
    if column not in names:
        raise UnknownNameError(f"{problem.where}: view {owner!r} has no feature {column!r}. {did_you_mean(column, names)}")


def _table_column(problem: Problem, table: Table, column: str, joinable: tuple[str, ...], label_table: Table) -> TableColumn:
    names = table.contract.column_names
    if column not in names:
        raise UnknownNameError(f"{problem.where}: table {table.name!r} has no column {column!r}. {did_you_mean(column, names)}")
    if not table.key or not set(table.key) <= set(joinable):
        raise DeclarationError(
            f"{problem.where}: {table.name}.{column} cannot be joined: its key ({', '.join(table.key) or 'none'}) is not in the spine, "
            f"which has {', '.join(joinable)}."
        )
    own_row = isinstance(problem.spine, RowsSpine) and table.name == problem.spine.table
    if table.name == label_table.name and set(table.key) <= set(problem.label.match) and not own_row:
        raise DeclarationError(
            f"{problem.where}: {table.name}.{column} is not known at the cutoff: the row of {table.name!r} with this "
            f"key is the one that the "
            "label is taken from. Use a view over earlier rows instead."
        )
    if table.partitions is not None and table.available_at_column(column) is None:
        raise DeclarationError(
            f"{problem.where}: {table.name}.{column} cannot be a feature: nothing says when it is known. Add it to the "
            f"table's available_at."
        )
    if isinstance(problem.spine, RowsSpine) and table.name == problem.spine.table and table.available_at_column(column) != "_available_at":
        raise DeclarationError(
            f"{problem.where}: {table.name}.{column} is not known at the cutoff: it becomes available later than the row itself "
            f"({table.available_at_column(column)}). Use a view over earlier rows instead."
        )
    return TableColumn(table.name, column, table.key)


def _request(problem: Problem, table: Table, joinable: tuple[str, ...], views: Mapping[str, CompiledView]) -> tuple[str, ...]:
    """Return the spine's columns that stand for what the caller will know; each must be known before the cutoff and of the same type."""
    made = STEP_TYPES if has_steps(problem) else {}
    types, joinable = contract_columns(table.contract) | made, (*joinable, *made)
    found: dict[str, None] = {}
    for feature in problem.features:
        owner, _, name = feature.partition(".")
        if owner not in views or not views[owner].view.is_expression:
            continue
        asked = [d for d in views[owner].definitions(views[owner].entities[0]) if name in ("", d.name)]
        for column, kind in request_columns(asked).items():
            if column not in joinable:
                late = column in types and isinstance(problem.spine, RowsSpine)
                why = f"{column!r} of {table.name!r} is known later than the row itself" if late else f"the spine has no column {column!r}"
                raise DeclarationError(
                    f"{problem.where}: view {owner!r} takes {column!r} from the request, which in training is a column of the spine, "
                    f"known before the cutoff; {why}. It has: {', '.join(joinable)}."
                )
            held = engine_type(types[column])
            if held != kind and (held, kind) != ("BIGINT", "DOUBLE"):
                raise DeclarationError(
                    f"{problem.where}: view {owner!r} takes {column!r} as {kind} from the request, but in {table.name!r} it is "
                    f"{types[column]}. Declare the same type in both."
                )
            found[column] = None
    return tuple(found)


def _check_accepted(problem: Problem, names: frozenset[str], *, searched: bool) -> None:
    """Refuse to accept leaks of a feature that does not exist (where no search makes any), or without a reason."""
    for name, reason in problem.leakage_allow.items():
        if not reason.strip():
            raise DeclarationError(f"{problem.where}: leakage.allow of {name!r} has no reason; say why the feature may know the answer.")
        if not searched and not any(fnmatchcase(known, name) for known in names):
            raise UnknownNameError(f"{problem.where}: leakage.allow names feature {name!r}. {did_you_mean(name, names)}")


def _feature_names(
    problem: Problem, tables: Mapping[str, Table], views: Mapping[str, CompiledView], entities: list[tuple[str, tuple[str, ...]]]
) -> frozenset[str]:
    """Return what the features are called in the training set; those that a search is to find are not among them."""
    known = [f for f in problem.features if f.partition(".")[0] not in views or views[f.partition(".")[0]].view.discover is None]
    asked = asked_definitions(known, views, tables, lambda view: [entity for name, entity in entities if name == view])
    return frozenset(d.name for d in with_distinct_names(asked, problem.where))
