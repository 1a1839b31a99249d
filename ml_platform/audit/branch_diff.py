"""What a branch would change in its parent: rows, features, models, and what it costs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ml_platform.core.layers import TableName
from ml_platform.core.partitions import partition_text
from ml_platform.lake.branching.branch_size import OwnFiles
from ml_platform.lake.branching.branches import Branch, Change
from ml_platform.lake.lake import Lake
from ml_platform.lake.ledger.version import ARTIFACT, Version
from ml_platform.lake.reading.diff import TableDiff
from ml_platform.pipeline.feature_tables.feature_table import DEFINITIONS
from ml_platform.pipeline.row_key import row_key
from ml_platform.project.project import Project
from ml_platform.registry.pointer import Judgement, from_rows, last_promotion


@dataclass(frozen=True)
class ChangedTable:
    """What a branch has published of one table, beside its parent's newest: partitions and rows, and what that costs."""

    diff: TableDiff
    changes: tuple[Change, ...]
    own: OwnFiles

    @property
    def table(self) -> str:
        """The lake's name of the table."""
        return self.diff.table

    @property
    def conflicts(self) -> int:
        """In how many partitions the parent has moved on since."""
        return sum(change.is_conflict for change in self.changes)

    def partitions(self, status: str) -> int:
        """Return how many partitions are ``added``, ``changed`` or the ``same``."""
        return sum(part.status == status for part in self.diff.partitions)

    def rows(self, what: str) -> int:
        """Return how many rows were ``added``, ``removed`` or ``changed``."""
        return sum(getattr(part, f"rows_{what}") for part in self.diff.partitions)


@dataclass(frozen=True)
class ChangedFeature:
    """One feature that a table of the branch has (``added``), has no longer (``removed``) or defines otherwise (``changed``)."""

    table: str
    feature: str
    change: str


@dataclass(frozen=True)
class ModelBeside:
    """One metric of a model that was trained on the branch, beside the parent's champion: each on its own untouched rows."""

    problem: str
    training_date: str
    version: int
    metric: str
    value: Mapping[str, Any]
    champion_version: int | None
    champion_value: Mapping[str, Any] | None


@dataclass(frozen=True)
class BranchDiff:
    """All that a branch would change in its parent; ``verdicts`` are the judgements that were made on the branch."""

    branch: Branch
    tables: tuple[ChangedTable, ...]
    features: tuple[ChangedFeature, ...]
    models: tuple[ModelBeside, ...]
    verdicts: tuple[tuple[str, Judgement], ...]

    @property
    def bytes(self) -> int:
        """What the branch has added to the disk."""
        return sum(table.own.bytes for table in self.tables)


def diff_branch(lake: Lake, name: str, projects: Mapping[str, Project], wanted: Callable[[str], bool] | None = None) -> BranchDiff:
    """Compare what a branch has published with what its parent holds now.

    Parameters
    ----------
    lake : Lake
        The lake, on any branch.
    name : str
        The branch.
    projects : mapping of str to Project
        The declarations by project: they say which columns tell rows apart.
    wanted : callable, optional
        Takes a table's name; only tables for which it is true are compared.

    Returns
    -------
    BranchDiff
        Only partitions that the branch has published and not merged; what the parent alone has changed since is none of its differences.

    Raises
    ------
    UnknownBranchError
        If there is no such branch.
    """
    here = lake.on(name)
    changes = here.branches.changes(wanted)
    branch = next(branch for branch in lake.branches.all() if branch.name == name)
    parent = lake.on(branch.parent)
    own = here.branches.own_files()
    by_table: dict[TableName, list[Change]] = {}
    for change in changes:
        by_table.setdefault(change.table, []).append(change)
    for table in own:
        # Rejected partitions are no changes, but take room.
        if wanted is None or wanted(table):
            by_table.setdefault(TableName(table), [])
    tables = []
    for table, found in sorted(by_table.items()):
        project = projects.get(table.project)
        key = row_key(project, table) if project else ()
        tables.append(ChangedTable(_diff(here, table, found, key), tuple(found), own.get(table, OwnFiles(0, 0))))
    return BranchDiff(
        branch,
        tuple(tables),
        tuple(feature for table, found in by_table.items() for feature in _features(here, parent, table, found)),
        tuple(row for table, found in by_table.items() if table.layer == "models" for row in _beside(parent, table, found)),
        tuple((table, _judged(here, table)[-1]) for table, found in by_table.items() if table.layer == "champion" and found),
    )


def _diff(lake: Lake, table: str, changes: Sequence[Change], key: tuple[str, ...]) -> TableDiff:
    old = {change.partition: change.parent for change in changes if change.parent is not None}
    new = {change.partition: change.head for change in changes}
    # A key that was declared anew is not in the older rows: these are then compared as a whole.
    known = all(column in version.schema.names for column in key for version in (*old.values(), *new.values()))
    return lake.versions.diff(table, old, new, key=key if known else ())


def _features(here: Lake, parent: Lake, table: TableName, changes: Sequence[Change]) -> list[ChangedFeature]:
    """Return what the newest partition of the branch defines otherwise than the parent's version of it (or its newest)."""
    if table.layer not in _DEFINED or not changes:
        return []
    newest = max(changes, key=lambda change: partition_text(change.partition))
    before = newest.parent or max(parent.versions.resolve(table), key=lambda version: partition_text(version.partition), default=None)
    old = _definitions(parent, before) if before is not None else {}
    new = _definitions(here, newest.head)
    told = {**{f: "removed" for f in old if f not in new}, **{f: "added" for f in new if f not in old}}
    told |= {f: "changed" for f in new if f in old and new[f] != old[f]}
    return [ChangedFeature(table, feature, what) for feature, what in sorted(told.items(), key=lambda pair: (pair[1], pair[0]))]


def _definitions(lake: Lake, version: Version) -> dict[str, str]:
    """Return the features of a version by name, with the hash of each definition where it keeps one."""
    return _DEFINED[version.table.layer](lake, version)


def _chosen(lake: Lake, version: Version) -> dict[str, str]:
    rows = lake.versions.read([version], columns=["feature", "chosen"]).arrow().to_pylist()
    return {row["feature"]: "" for row in rows if row["chosen"]}


# The layers whose versions say which features they have, and where.
_DEFINED: Mapping[str, Callable[[Lake, Version], dict[str, str]]] = {
    "features": lambda _, version: dict(version.properties[DEFINITIONS]),
    "training": lambda _, version: dict.fromkeys(version.properties["features"], ""),
    "selected": _chosen,
}


def _beside(parent: Lake, table: TableName, changes: Sequence[Change]) -> list[ModelBeside]:
    champion = _champion(parent, table)
    other = {} if champion is None else champion.properties["metrics"]
    return [
        ModelBeside(
            table.name,
            str(change.partition),
            change.head.id,
            metric,
            value,
            champion.id if champion else None,
            other.get(metric),
        )
        for change in changes
        if change.head.kind == ARTIFACT
        for metric, value in change.head.properties["metrics"].items()
    ]


def _champion(lake: Lake, table: str) -> Version | None:
    promoted = last_promotion(_judged(lake, table.replace("/models/", "/champion/")))
    return None if promoted is None else lake.versions.get(promoted.model_version)


def _judged(lake: Lake, table: str) -> tuple[Judgement, ...]:
    heads = lake.versions.resolve(table)
    return from_rows(lake.versions.read(heads).arrow().to_pylist()) if heads else ()
