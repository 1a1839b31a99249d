"""The check ``future`` of a training set: change everything that becomes known at or after a cutoff, and no feature may move.

The features are computed as they always are where no feature table holds them, by ``features_at`` itself; only what it reads of the
tables is another. So whatever kind a feature is of, what it reads is changed with it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import polars as pl

from ml_platform.core.errors import MlPlatformError
from ml_platform.core.hashing import content_hash
from ml_platform.core.intervals import from_micros, to_micros
from ml_platform.features.declared.definition import CUTOFF, FeatureDefinition
from ml_platform.features.declared.edges import holds_end, refreshed
from ml_platform.features.declared.inputs import leaves
from ml_platform.pipeline.outcome import CheckOutcome
from ml_platform.pipeline.tables.coverage import Reached
from ml_platform.pipeline.training.changed_lake import from_moment, seen
from ml_platform.pipeline.training.population import decided_later, derived_below
from ml_platform.pipeline.workspace import Workspace
from ml_platform.tables.declared.table import Table
from ml_platform.training.perturbation import unequal

# The sample: so many training sets of a run, so many rows of each, each at its own moments. A training set costs some 0.5 s.
SETS, ROWS = 4, 40
# Sums of floats may differ in their last bits when other rows stand beside them.
TOLERANCE = 1e-6
_MICROSECOND = timedelta(microseconds=1)


def check_future(
    workspace: Workspace, sets: Mapping[str, pl.DataFrame], definitions: Sequence[FeatureDefinition], *, at: int, spine: Table | None = None
) -> CheckOutcome:
    """Change the future of a sample of each training set's rows, and look whether a feature of theirs moves.

    Two moments are looked at: a row's own cutoff, and the coarsest refresh before it, because what appears at the very refresh is the
    future as well. A view that declares another edge (``closed: right``) says that what appears at the very moment counts; for its
    features only what comes after is changed.

    Parameters
    ----------
    workspace : Workspace
        Project and lake.
    sets : mapping of str to DataFrame
        Training date to its spine rows.
    definitions : sequence of FeatureDefinition
        The features.
    at : int
        Commit that they are made from.
    spine : Table, optional
        The spine's table, if later knowledge may not decide which rows it has. Derived tables are computed anew, as are those
        that the features read: rows that were known before the moment must be the same.

    Returns
    -------
    CheckOutcome
        ``future``; a row per feature that moved, with an example.
    """
    chosen = _spread(sorted(day for day, rows in sets.items() if rows.height), SETS)
    tables = sorted({name for d in leaves(definitions) for name in (d.table, *(t for t, _ in d.reads))} & set(workspace.project.tables))
    steady = [name for name in tables if not workspace.project.table(name).availability]
    derived = derived_below(workspace.project, [*tables, *([spine.name] if spine is not None else [])])
    kept: dict[Any, pl.DataFrame] = {}
    found: list[dict[str, Any]] = []
    values = 0
    for day in chosen:
        for moment, rows in moments(day, sets[day], definitions):
            for some, edge in _by_edge(definitions):
                values += rows.height * len(some)
                moved = moved_features(workspace, rows, some, moment + edge, at=at, kept=kept)
                found += [{"training_date": day, **row} for row in moved]
            found += [{"training_date": day, **row} for row in moved_tables(workspace, derived, moment, kept)]
    return CheckOutcome(
        "future",
        passed=not found,
        severity="error",
        summary=_summary(found, values, len(chosen), len(sets), steady),
        rows=tuple(found),
        numbers={"moved": float(len(found)), "values": float(values), "training_sets": float(len(chosen))},
    )


def moved_features(
    workspace: Workspace,
    spine: pl.DataFrame,
    definitions: Sequence[FeatureDefinition],
    moment: datetime,
    *,
    at: int,
    kept: dict[Any, pl.DataFrame] | None = None,
) -> list[dict[str, Any]]:
    """Return the features that move when everything that becomes known at or after a moment is changed.

    Parameters
    ----------
    workspace : Workspace
        Project and lake.
    spine : DataFrame
        Rows with cutoffs at or before the moment.
    definitions : sequence of FeatureDefinition
        Of any kind.
    moment : datetime
        From when the rows of all tables that declare an availability are changed.
    at : int
        Commit of the lake.
    kept : dict, optional
        What was read before; filled with what is read now.

    Returns
    -------
    list of dict
        ``feature``, ``moment``, ``rows`` (how many values moved), ``was``, ``became`` and ``cutoff`` of the first of them. One with the
        error instead, if the changed rows make it fail.
    """
    from ml_platform.pipeline.feature_tables.feature_values import features_at

    entities = [column for d in definitions for column in d.entity]
    changed = from_moment(moment, entities)
    kept = {} if kept is None else kept
    before, after = (seen(workspace, how, kept) for how in (None, changed))
    expected, _ = features_at(before, spine, definitions, at=at, reached=Reached())
    try:
        got, _ = features_at(after, spine, definitions, at=at, reached=Reached())
    except MlPlatformError as error:
        # Only handmade code can fail for what it should never have been handed.
        return [{"feature": "", "moment": moment, "rows": spine.height, "was": "", "became": str(error), "cutoff": None}]
    found = []
    for name in (d.name for d in definitions):
        count = unequal(expected[name], got[name], TOLERANCE)
        if count:
            first = next(n for n in range(spine.height) if unequal(expected[name].slice(n, 1), got[name].slice(n, 1), TOLERANCE))
            found.append(
                {"feature": name, "moment": moment, "rows": count, "was": str(expected[name][first]), "became": str(got[name][first]),
                 "cutoff": spine[CUTOFF][first]}
            )  # fmt: skip
    return found


def moved_tables(
    workspace: Workspace, derived: Iterable[Table], moment: datetime, kept: dict[Any, pl.DataFrame] | None = None
) -> list[dict[str, Any]]:
    """Return the derived tables of which rows that were known before a moment come, go or change with what becomes known after it.

    Parameters
    ----------
    workspace : Workspace
        Project and lake.
    derived : iterable of Table
        Derived tables.
    moment : datetime
        From when what they are derived from is changed.
    kept : dict, optional
        What was read before; filled with what is read now.

    Returns
    -------
    list of dict
        As of :func:`moved_features`, with the table in place of the feature.
    """
    found = []
    kept = {} if kept is None else kept
    change = from_moment(moment, [], same_rows=True)
    before, after = (seen(workspace, how, kept) for how in (None, change))
    for table in derived:
        decided = decided_later(before, after, table, moment)
        if decided.rows:
            found.append(
                {"feature": f"table {table.name}", "moment": moment, "rows": decided.rows, "was": f"{decided.of} rows known before it",
                 "became": f"{decided.rows} of them come, go or change, such as {decided.example}", "cutoff": None}
            )  # fmt: skip
    return found


def moments(day: str, rows: pl.DataFrame, definitions: Iterable[FeatureDefinition]) -> list[tuple[datetime, pl.DataFrame]]:
    """Return the moments at which a training set is looked at, each with the rows that may not move.

    Which rows they are follows from the training date: the same for the same date, others for the next.
    """
    known = rows.filter(pl.col(CUTOFF).is_not_null()).sort(CUTOFF, maintain_order=True)
    if known.is_empty():
        return []
    # The last row before the moment that a row of the sample has itself: its cutoff is the moment, to the microsecond.
    moment = known[CUTOFF][int(content_hash(day), 16) % known.height]
    near = known.filter(pl.col(CUTOFF) <= moment).tail(ROWS)
    found = [(moment, near)]
    refreshes = [d.refresh for d in leaves(definitions) if d.refresh is not None]
    if refreshes:
        edge = from_micros(refreshed(to_micros(moment), max(refreshes)))
        found.append((edge, near.with_columns(pl.lit(edge).cast(near.schema[CUTOFF]).alias(CUTOFF))))
    return found


def _by_edge(definitions: Sequence[FeatureDefinition]) -> list[tuple[list[FeatureDefinition], timedelta]]:
    """Split features by what counts at the very moment: nothing, or (``closed``) what their view declares to count."""
    declared = {d: any(holds_end(leaf.span) for leaf in leaves([d])) for d in definitions}
    parts = [
        ([d for d in definitions if declared[d] == is_closed], edge)
        for is_closed, edge in ((False, 0 * _MICROSECOND), (True, _MICROSECOND))
    ]
    return [(some, edge) for some, edge in parts if some]


def _spread(days: Sequence[str], most: int) -> list[str]:
    """Return at most so many of the days at even distances, the last among them."""
    if len(days) <= most:
        return list(days)
    return [days[round((n + 1) * len(days) / most) - 1] for n in range(most)]


def _summary(found: Sequence[Mapping[str, Any]], values: int, looked: int, sets: int, steady: Sequence[str]) -> str:
    what = f"{values:,} values of {looked} of {sets} training sets" if looked < sets else f"{values:,} values"
    if not found:
        more = f" {', '.join(steady)} say nothing of when their rows are known and stayed as they are." if steady else ""
        return f"Everything that became known at or after a cutoff was changed: none of {what} moved.{more}"
    first = found[0]
    if not first["feature"]:
        return f"Features cannot be computed when what came at or after {first['moment']} is changed, so they read it: {first['became']}"
    names = sorted({row["feature"] for row in found})
    return (
        f"{len(names)} moved when what came at or after {first['moment']} was changed: {', '.join(names[:5])}"
        f"{'...' if len(names) > 5 else ''}. {first['feature']} was {first['was']} and became {first['became']}: it knows the future."
    )
