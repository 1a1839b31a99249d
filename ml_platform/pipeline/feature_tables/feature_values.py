"""Features of any spine as of its cutoffs: read from feature tables where these are up to date, computed from the tables elsewhere."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING

import numpy as np
import polars as pl

from ml_platform.core.errors import FeatureError
from ml_platform.core.intervals import BEGINNING, DAY, Interval, before, day_start, floor_day, from_micros
from ml_platform.features.declared.definition import CUTOFF, VALID_FROM, FeatureDefinition, definition_hash
from ml_platform.features.declared.edges import BEFORE, bounds, refreshed
from ml_platform.features.declared.kinds import ColumnFeature, ExpressionFeature, NestedFeature, WindowFeature
from ml_platform.features.engine.change_points import longest_reach, read_at
from ml_platform.features.engine.table_columns import look_up_columns
from ml_platform.features.timeline.event_columns import check_columns, to_micros
from ml_platform.lake.ledger.version import Version
from ml_platform.pipeline.feature_tables.expression_values import with_expressions
from ml_platform.pipeline.feature_tables.feature_events import TableHeads, heads_of, made_from, read_rows, versions_within
from ml_platform.pipeline.feature_tables.feature_jobs import handmade_history, history_fits, window_values
from ml_platform.pipeline.feature_tables.feature_table import DEFINITIONS, MADE_FROM, REACH, entity_schema, partition_interval
from ml_platform.pipeline.feature_tables.given_spine import utc_cutoffs
from ml_platform.pipeline.feature_tables.looked_up import read_answers, read_newest
from ml_platform.pipeline.feature_tables.nested_values import nested_values
from ml_platform.pipeline.layer_code import ENGINE, layer_code
from ml_platform.pipeline.tables.coverage import Reached
from ml_platform.pipeline.workspace import Workspace

if TYPE_CHECKING:
    pass

_LOG = logging.getLogger(__name__)

_MICROSECOND = timedelta(microseconds=1)
# So many days are asked for by name; a spine of many years, of which most have no partition, is not.
FEW_DAYS = 400
_COLUMN_TYPES = {"BIGINT": pl.Int64(), "DOUBLE": pl.Float64()}

Found = tuple[pl.DataFrame, list[Version]]


def features_at(
    workspace: Workspace,
    spine: pl.DataFrame,
    definitions: Sequence[FeatureDefinition],
    *,
    at: int | None = None,
    reached: Reached | None = None,
) -> Found:
    """Return features as of each row's cutoff.

    Parameters
    ----------
    workspace : Workspace
        Project and lake.
    spine : DataFrame of n rows
        ``_cutoff`` (UTC) and the entity columns of the definitions.
    definitions : sequence of FeatureDefinition
        Any features, of today's views or of an older model. Where a feature table holds exactly these definitions, made from exactly what
        the tables hold now, it is read; elsewhere they are computed. Both give the same values.
    at : int, optional
        Commit to read from; the newest one by default.
    reached : Reached, optional
        Filled with the days that each row reaches, for a caller who judges them itself. Without it, days that are missing raise.

    Returns
    -------
    values : DataFrame of n rows
        The spine, row by row, with one column per definition; a table's column takes the place of the spine's own of that name.
    inputs : list of Version
        What the values were made from, by id.

    Raises
    ------
    FeatureError
        If the spine lacks an entity column, has it in another type, or has a column that is named like a feature.
    MissingDaysError
        If a window reaches a day of a table that is not there, and no declaration of the table says what that means.
    """
    at = workspace.lake.versions.newest_commit() if at is None else at
    if reached is None:
        judged = Reached()
        found = features_at(workspace, spine, definitions, at=at, reached=judged)
        judged.coverage(workspace, at).require("Features cannot be computed:")
        return found
    _check_spine(spine, definitions)
    commit = _Commit(workspace, at, reached)
    spine = spine.with_columns(utc_cutoffs(spine[CUTOFF]))
    if any(isinstance(d, ExpressionFeature) for d in definitions):
        return with_expressions(partial(features_at, workspace, at=commit.at, reached=reached), spine, definitions)
    reached.add_features(workspace.project.table, spine[CUTOFF], definitions)
    columns: dict[str, pl.Series] = {}
    versions: dict[int, Version] = {}
    for group in _grouped(definitions, lambda d: d.source):
        values, used = _VALUES.get(type(group[0]), _view_values)(commit, spine, group)
        columns |= {name: values[name] for name in values.columns}
        versions |= {v.id: v for v in used}
    return spine.with_columns(columns[d.name].alias(d.name) for d in definitions), [versions[i] for i in sorted(versions)]


@dataclass(frozen=True)
class _Commit:
    """The lake at one commit; what the tables hold there is looked up once."""

    workspace: Workspace
    at: int
    reached: Reached
    _heads: dict[str, TableHeads] = field(default_factory=dict)
    _made_from: dict[tuple[tuple[str, ...], str, int], str] = field(default_factory=dict)

    def heads(self, names: Iterable[str]) -> list[TableHeads]:
        names = list(names)
        self._heads.update({h.table.name: h for h in heads_of(self.workspace, [n for n in names if n not in self._heads], self.at)})
        return [self._heads[n] for n in names]

    def made_from(self, heads: Sequence[TableHeads], day: str, seconds: int) -> str:
        """Return the hash of what a day of a feature table would be made from now; asked once for all entities of a view."""
        key = (tuple(head.table.name for head in heads), day, seconds)
        if key not in self._made_from:
            interval = partition_interval(self.workspace.project, day)
            self._made_from[key] = made_from(
                versions_within(heads, Interval(before(interval.start, timedelta(seconds=seconds)), interval.end))
            )
        return self._made_from[key]


def _grouped(definitions: Iterable[FeatureDefinition], key: Callable[[FeatureDefinition], tuple]) -> list[list[FeatureDefinition]]:
    groups: dict[tuple, list[FeatureDefinition]] = {}
    for definition in definitions:
        groups.setdefault(key(definition), []).append(definition)
    return list(groups.values())


def _view_values(commit: _Commit, spine: pl.DataFrame, definitions: list[FeatureDefinition]) -> Found:
    """Read the entities whose feature table holds these values, and compute the others together."""
    cutoffs = _spanned(spine)
    if cutoffs is None:
        return _computed(commit, spine, definitions, [], Interval(BEGINNING, BEGINNING))
    heads = commit.heads(name for name, _ in definitions[0].looked_at)
    found: list[pl.DataFrame] = []
    used: list[Version] = []
    rest: list[FeatureDefinition] = []
    for group in _grouped(definitions, lambda d: d.entity):
        stored = _stored_versions(commit, group, cutoffs, heads)
        # A history is looked up in one piece: one that is too large for that is computed again, which can be cut.
        if stored and history_fits(commit.workspace, stored, len(group)):
            names = [*group[0].entity, VALID_FROM, *(d.stored_name for d in group)]
            whole = commit.workspace.lake.versions.read(stored, columns=names)
            # All in the types of the newest, whichever of them are read.
            history = read_newest(lambda some, whole=whole: replace(whole, versions=tuple(some)).pl(), stored, spine, group[0].entity)
            found.append(read_at(history, spine, group))
            used += stored
        else:
            rest += group
    _LOG.info("Features of %s: %s of %s are read from feature tables", definitions[0].view, len(definitions) - len(rest), len(definitions))
    if rest:
        values, versions = _computed(commit, spine, rest, heads, cutoffs)
        found, used = [*found, values], [*used, *versions]
    return pl.concat(found, how="horizontal"), used


def _computed(
    commit: _Commit, spine: pl.DataFrame, definitions: list[FeatureDefinition], heads: list[TableHeads], cutoffs: Interval
) -> Found:
    workspace = commit.workspace
    reach = Interval(before(cutoffs.start, longest_reach(definitions)), cutoffs.end)
    versions = versions_within(heads, reach)
    if isinstance(definitions[0], WindowFeature):
        return window_values(workspace, workspace.project.table(definitions[0].table), versions, spine, definitions), versions
    micros, known = to_micros(spine[CUTOFF])
    refreshes = [from_micros(int(t)) for t in np.unique(refreshed(micros[known], definitions[0].refresh))]
    history = handmade_history(workspace, heads, definitions, refreshes if heads else [], entity_schema(workspace, definitions[0]))
    return read_at(history, spine, definitions), versions


def _stored_versions(commit: _Commit, definitions: list[FeatureDefinition], cutoffs: Interval, heads: list[TableHeads]) -> list[Version]:
    """Return the feature partitions that hold the values of these cutoffs; none if one is missing, of other definitions or out of date.

    A day that no row can reach has no change points, so that nothing was made of it and nothing is missing.
    """
    workspace, first = commit.workspace, definitions[0]
    if workspace.project.partitions is None:
        return []
    back = max(definition.standing for definition in definitions)
    start = max(floor_day(before(cutoffs.start, back)), day_start(workspace.project.partitions.start))
    if start >= cutoffs.end:
        return []
    days = None if cutoffs.end - start > FEW_DAYS * DAY else list(Interval(start, cutoffs.end).days())
    readable = workspace.lake.versions.resolve(workspace.table("features", first.feature_table), partitions=days, at=commit.at)
    stored = {version.partition: version for version in readable}
    if not stored:
        return []
    hashes, engine = {d.declared_name: definition_hash([d.as_declared]) for d in definitions}, layer_code("features")
    found = []
    for day in Interval(start, cutoffs.end).days():
        version = stored.get(day)
        if version is None:
            interval = partition_interval(workspace.project, day)
            if versions_within(heads, Interval(before(interval.start, back), interval.end)):
                return []
            continue
        if hashes.items() - version.properties[DEFINITIONS].items():
            return []
        # Other code may give other values of the same definitions: then all are computed, by the code that is here.
        if version.properties.get(ENGINE) != engine:
            return []
        if version.properties[MADE_FROM] != commit.made_from(heads, day, version.properties[REACH]):
            return []
        found.append(version)
    return found


def _column_values(commit: _Commit, spine: pl.DataFrame, definitions: list[FeatureDefinition]) -> Found:
    """Look up columns of a table; of a table with partitions only those count as inputs in which a row was found."""
    first = definitions[0]
    workspace, table = commit.workspace, commit.workspace.project.table(first.table)
    cutoffs = _spanned(spine)
    versions = [] if cutoffs is None else versions_within(commit.heads([table.name]), Interval(BEGINNING, cutoffs.end))
    wanted = [*first.entity, *first.available_at, *(str(d.value) for d in definitions)]
    day = "_partition" if table.partitions else None
    read = partial(read_rows, workspace, table, columns=wanted, partition_column=day)
    rows = read(versions) if day is None else read_answers(read, versions, spine, first.entity, first.available_at, day)
    values, found = look_up_columns(rows, spine, definitions)
    # Where a row was found its value is known; where none was, it may stand in any day before the cutoff.
    missing = found.known & (found.rows < 0)
    commit.reached.add_times(table, *bounds(BEFORE, found.cutoffs), missing, f"column {definitions[0].name}", looked_up=True)
    values = values.with_columns(pl.col(d.name).cast(_COLUMN_TYPES[d.type]) for d in definitions if d.type in _COLUMN_TYPES)
    if table.partitions is None:
        return values, versions
    days = set(rows["_partition"].gather(np.unique(found.rows[found.rows >= 0])).unique())
    return values, [v for v in versions if v.partition in days]


def _nested_values(commit: _Commit, spine: pl.DataFrame, definitions: list[FeatureDefinition]) -> Found:
    return nested_values(commit.workspace, commit.heads, spine, definitions, _spanned(spine), commit.reached)


# How the features of each kind are found; what a view makes is read from its feature table, or computed.
_VALUES: dict[type[FeatureDefinition], Callable[[_Commit, pl.DataFrame, list[FeatureDefinition]], Found]] = {
    ColumnFeature: _column_values,
    NestedFeature: _nested_values,
}


def _spanned(spine: pl.DataFrame) -> Interval | None:
    """Return the time from the first to the last cutoff; None if there is none."""
    first, last = spine[CUTOFF].min(), spine[CUTOFF].max()
    if not isinstance(first, datetime) or not isinstance(last, datetime):
        return None
    return Interval(first, last + _MICROSECOND)


def _check_spine(spine: pl.DataFrame, definitions: Sequence[FeatureDefinition]) -> None:
    check_columns(spine, [CUTOFF, *(c for d in definitions for c in d.entity)], "The spine")
    seen: set[str] = set()
    for definition in definitions:
        if definition.name in seen:
            raise FeatureError(f"Two features are named {definition.name!r}. Ask for one of them, or rename one in its view.")
        seen.add(definition.name)
        if definition.name in spine.columns and not isinstance(definition, ColumnFeature):
            raise FeatureError(f"The spine has a column {definition.name!r} already, which is the name of a feature. Rename the column.")
