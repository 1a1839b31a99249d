"""How every table that a problem stands on stands: what is there, what is to be made and why, what was stopped, what waits.

The one answer of ``ml-platform run``, which makes what is to be made, and of ``ml-platform status``, which shows it. The ledger and the
names, sizes and times of the landed files are read, and no row.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from ml_platform.core.intervals import shift_day
from ml_platform.core.layers import TableName
from ml_platform.core.partitions import partition_of
from ml_platform.lake.ledger.version import Version
from ml_platform.pipeline.declared_code import declared_code_version
from ml_platform.pipeline.delivery.landing import new_deliveries, scan
from ml_platform.pipeline.feature_tables.feature_events import last_known_day, made_from
from ml_platform.pipeline.feature_tables.feature_table import MADE_FROM, feature_task, partition_interval, waiting_features
from ml_platform.pipeline.standing.needed import FeatureTable
from ml_platform.pipeline.workspace import Workspace
from ml_platform.tables.declared.table import Table

Key = str | None
Content = tuple[TableName, Key, str]
NEW, OTHER, FETCHED = "new", "what it was made from has changed", "to be fetched"
DECLARED = "made by another declaration, or other code, than there is now"


@dataclass(frozen=True)
class Standing:
    """One asset: its readable partitions, those to be made with the reason, those that were stopped, and those that wait for their time.

    ``problem`` says why nothing could be found out about it, and ``left_out`` which days nobody asks for.
    """

    table: TableName
    heads: Mapping[Key, Version]
    due: Mapping[Key, str] = field(default_factory=dict)
    stopped: Mapping[Key, str] = field(default_factory=dict)
    waiting: Mapping[Key, str] = field(default_factory=dict)
    problem: str = ""
    left_out: str = ""

    @property
    def layer(self) -> str:
        """Its layer, such as ``features``."""
        return self.table.layer

    @property
    def name(self) -> str:
        """Its name in the layer."""
        return self.table.name

    @property
    def newest(self) -> str | None:
        """The newest day that can be read; None where there is none, or no days."""
        return max((key for key in self.heads if key is not None), default=None)

    @property
    def rows(self) -> int:
        """Rows of everything that can be read."""
        return sum(version.rows for version in self.heads.values())


def raw_standings(workspace: Workspace, names: Sequence[str], *, until: str | None = None) -> list[Standing]:
    """Compare what lies in the landing zone with what was taken in.

    Parameters
    ----------
    workspace : Workspace
        Project, lake, clock and landing zone.
    names : sequence of str
        Tables that are delivered.
    until : str, optional
        The last day to look at.
    """
    problems: dict[str, str] = {}
    left_out = set(workspace.project.tables) - set(names)
    found = scan(workspace, problems, leave_out=left_out)
    changed: dict[str, set[str]] = {}
    seen: Mapping[str, Mapping[str, str]] = {}
    # So much is compared by content at a time: go on until all is.
    while True:
        deliveries = new_deliveries(workspace, found, seen)
        for table, keys in deliveries.changed.items():
            changed.setdefault(table, set()).update(keys)
        seen = deliveries.seen
        if not deliveries.later:
            break
    return [_raw(workspace, workspace.project.table(name), changed.get(name, set()), problems.get(name, ""), until) for name in names]


def _raw(workspace: Workspace, table: Table, changed: Iterable[str], problem: str, until: str | None) -> Standing:
    lake_table = workspace.table("raw", table.name)
    heads = workspace.lake.versions.heads(lake_table)
    due: dict[Key, str] = {partition_of(key): NEW for key in sorted(changed)}
    if not table.source.is_watched:
        from ml_platform.pipeline.delivery.fetching import days_to_fetch

        due = {partition_of(key): FETCHED for key in days_to_fetch(workspace, table, workspace.clock.now())}
    declared = declared_code_version(workspace.project, "raw", table.name)
    due = {key: DECLARED for key, head in heads.items() if head.code_version != declared} | due
    return Standing(lake_table, heads, _until(due, until), problem=problem)


def table_standing(workspace: Workspace, name: str, *, until: str | None = None) -> Standing:
    """Compare a table's partitions with what they are made from: the raw rows of their day, or for a derived one the tables it reads."""
    table, lake_table = workspace.project.table(name), workspace.table("tables", name)
    heads = workspace.lake.versions.heads(lake_table)
    declared = declared_code_version(workspace.project, "tables", name)
    stopped = workspace.lake.versions.rejected(lake_table)
    judged = [*heads.values(), *stopped.values()]
    if table.splits:
        return _split_standing(workspace, table, until)
    used = contents_of(workspace, judged)
    wanted, waiting = _derived_inputs(workspace, table, until) if table.is_derived else (_raw_inputs(workspace, name), {})
    seen = {table for contents in wanted.values() for table, _, _ in contents}
    due: dict[Key, str] = {}
    held: dict[Key, str] = {}
    for key, contents in wanted.items():
        # Tables that the contract refers to are inputs too, which decide about single rows and ask for nothing.
        versions = sorted((v for v in (heads.get(key), stopped.get(key)) if v is not None), key=lambda v: v.id)
        newest = versions[-1] if versions else None
        if newest is None:
            due[key] = NEW
        elif newest.code_version != declared:
            due[key] = DECLARED
        elif {one for one in used.get(newest.id, ()) if one[0] in seen} != contents:
            due[key] = OTHER
        elif newest.kind != "data":
            held[key] = str(newest.properties.get("reason", "its rows broke the contract"))
    return Standing(lake_table, heads, _until(due, until), held, waiting)


def _split_standing(workspace: Workspace, table: Table, until: str | None) -> Standing:
    """Compare the days of a table with what the newest delivery of many says of them."""
    from ml_platform.pipeline.tables.split import raw_head, today_of
    from ml_platform.pipeline.tables.split_table import changed_days

    lake_table = workspace.table("tables", table.name)
    heads, stopped = workspace.lake.versions.heads(lake_table), workspace.lake.versions.rejected(lake_table)
    declared = declared_code_version(workspace.project, "tables", table.name)
    delivered, today = raw_head(workspace, table), today_of(workspace)
    due: dict[Key, str] = {key: DECLARED for key, head in heads.items() if head.code_version != declared}
    changed = [] if delivered is None else changed_days(workspace, table, delivered)
    # A day is a partition when it is over; rows that lie ahead wait.
    due |= {day: OTHER if day in heads else NEW for day in changed if day < today}
    held = {
        key: str(one.properties.get("reason", "its rows broke the contract"))
        for key, one in stopped.items()
        if key not in due and (key not in heads or heads[key].id < one.id)
    }
    return Standing(lake_table, heads, _until(due, until), held, {day: f"{day} is not over" for day in changed if day >= today})


def contents_of(workspace: Workspace, versions: Iterable[Version]) -> dict[int, set[Content]]:
    """Return by version the table, partition and content of each of its inputs, of those that have any.

    Of a partition that was delivered again what stands on it is made from all its deliveries: the newest is what it is up to date with.
    """
    newest: dict[int, dict[tuple[TableName, Key], tuple[int, str]]] = {}
    for one in workspace.lake.lineage.input_contents(versions):
        places = newest.setdefault(one.version_id, {})
        places[one.table, one.partition] = max(places.get((one.table, one.partition), (0, "")), (one.input_id, one.data_hash))
    return {version: {(*place, content) for place, (_, content) in places.items()} for version, places in newest.items()}


def _raw_inputs(workspace: Workspace, name: str) -> dict[Key, set[Content]]:
    raw = workspace.table("raw", name)
    return {key: {(raw, key, head.data_hash)} for key, head in workspace.lake.versions.heads(raw).items()}


def _derived_inputs(workspace: Workspace, table: Table, until: str | None) -> tuple[dict[Key, set[Content]], dict[Key, str]]:
    """Return what each partition of a derived table would be made from now, and why others cannot be made."""
    from ml_platform.pipeline.tables.derived import Inputs

    keys: list[Key] = [None]
    if table.partitions is not None:
        daily = [name for name in table.reads if workspace.project.table(name).partitions is not None]
        keys = [*sorted({k for name in daily[:1] for k in workspace.lake.partitions(workspace.table("tables", name)) if k is not None})]
    keys = [key for key in keys if until is None or key is None or key <= until]
    inputs = Inputs.of_table(workspace, table, keys)
    missing = {key: inputs.missing(key) for key in keys}
    wanted = {key: {(v.table, v.partition, v.data_hash) for v in inputs.versions(key)} for key in keys if missing[key] is None}
    return wanted, {key: why for key, why in missing.items() if why is not None}


def feature_standing(workspace: Workspace, one: FeatureTable, *, until: str | None = None, since: str | None = None) -> Standing:
    """Compare the days of a feature table with what their windows reach now.

    Parameters
    ----------
    workspace : Workspace
        Project and lake.
    one : FeatureTable
        The feature table.
    until : str, optional
        The last day to look at.
    since : str, optional
        The first day that somebody reads. Of those before it only what is there already is kept up to date: of a table whose history is
        longer than what is learnt from, most days would be made for nobody.
    """
    view, entity = one
    project, name = workspace.project, view.asset_names[entity]
    lake_table = workspace.table("features", name)
    heads = workspace.lake.versions.heads(lake_table)
    task, days = feature_task(workspace, view.name, entity), _days_of(workspace, view.tables)
    days = [day for day in days if until is None or day <= until]
    asked = [day for day in days if since is None or day >= since or day in heads]
    left_out = f"{len(days) - len(asked)} days before {since} are not made: no training looks back so far" if len(asked) < len(days) else ""
    days = asked
    waiting = waiting_features(workspace, view.name, entity, days)
    declared = declared_code_version(project, "features", name)
    due: dict[Key, str] = {}
    for day in (day for day in days if day not in waiting):
        head = heads.get(day)
        if head is None:
            due[day] = NEW
        elif head.code_version != declared:
            due[day] = DECLARED
        elif head.properties.get(MADE_FROM) != made_from(task.inputs(partition_interval(project, day))):
            due[day] = OTHER
    return Standing(lake_table, heads, due, waiting={**waiting}, left_out=left_out)


def _days_of(workspace: Workspace, tables: Iterable[str]) -> list[str]:
    """Return the days from the project's first to the last that is known of any of the tables."""
    days = workspace.project.partitions
    if days is None:
        return []
    landed = [day for name in tables if (day := last_known_day(workspace, name)) is not None]
    if not landed:
        return []
    found = [days.start.isoformat()]
    while found[-1] < max(landed):
        found.append(shift_day(found[-1], 1))
    return found


def _until(due: Mapping[Key, str], until: str | None) -> dict[Key, str]:
    return {key: why for key, why in due.items() if until is None or key is None or key <= until}
