"""The two assets of a table: ``raw`` is what was delivered, ``tables`` the rows that keep the contract."""

from collections.abc import Iterable, Sequence

import dagster as dg

from ml_platform.components.assets.asset_plan import AssetPlan, Dep, asset_of
from ml_platform.components.assets.automation import follows_its_day, follows_landed_days
from ml_platform.components.assets.mappings import days_up, window
from ml_platform.components.assets.ready import Ready, Waits
from ml_platform.pipeline.declared_code import declared_code_version
from ml_platform.project.project import Project
from ml_platform.tables.declared.contract import Contract
from ml_platform.tables.declared.table import Table

CONTRACT_CHECKS = {
    "contract": "Every row keeps the contract or is in quarantine with the rules it broke; a partition with too many, or "
    "one that loses more rows than max_shrink allows, is stopped.",
    "contract_warnings": "Rules that only warn, such as references to other tables.",
}

DECLARED = {
    "declared_availability": "Rows that landed in the regular flow came when they are declared to be known, or count from when they came.",
}


_SPLIT = (
    " A delivery holds many days; each row keeps the origin of the delivery that first brought it, and one that is not delivered any more "
    "stays with the time when it was missed (`_withdrawn_at`). The table's days are made from it, and only those whose rows have changed."
)


def assets_of(project: Project, table: Table) -> list[dg.AssetsDefinition]:
    """Return the raw and the table asset of ``table``; a derived table has no raw one."""
    if table.is_derived:
        return [asset_of(_derived_plan(project, table))]
    return [asset_of(_raw_plan(project, table)), asset_of(_table_plan(project, table))]


def table_plan(project: Project, name: str) -> AssetPlan:
    """Return the plan of the asset of a table's rows, delivered or derived."""
    table = project.table(name)
    return _derived_plan(project, table) if table.is_derived else _table_plan(project, table)


def follows_days_of(
    project: Project, names: Iterable[str], pointers: Sequence[dg.AssetKey] = (), awaited: Sequence[dg.AssetKey] = ()
) -> dg.AutomationCondition:
    """Return the condition of what follows the landed days of the tables ``names``; through derived tables down to their sources.

    Where a delivery holds many days, its raw asset has none: days have landed when the table has them. ``pointers`` and ``awaited`` are
    those of :func:`ml_platform.components.assets.automation.follows_landed_days`.
    """
    found: dict[str, Table] = {}
    waiting = list(names)
    while waiting:
        table = project.table(waiting.pop())
        if table.is_derived:
            waiting += list(table.reads)
        elif table.partitions is not None:
            found[table.name] = table
    # Of days without files that are empty by declaration none ever lands: they are there up to the last of which that is known.
    by_table = [name for name in sorted(found) if found[name].splits or found[name].missing_days == "are_empty"]
    raw = [dg.AssetKey([project.name, "raw", name]) for name in sorted(found) if name not in by_table]
    condition = follows_landed_days(raw, pointers, awaited)
    if not by_table:
        return condition

    def waits(workspace, days):
        from ml_platform.pipeline.tables.presence import Presence, day_number

        waiting = {}
        for name in by_table:
            presence = Presence.of(workspace, name)
            there = presence.present
            known = range(int(there[0]), presence.known_until) if there.size else range(0)
            waiting |= {day: f"{name} has not landed" for day in days if day_number(day) not in known}
        return waiting

    return (condition & Ready(project, waits)).with_label(condition.get_label())


def column_schema(contract: Contract) -> dg.TableSchema:
    """Return a contract's columns as Dagster shows them."""
    return dg.TableSchema(
        [
            dg.TableColumn(
                c.name,
                c.type,
                c.description or None,
                constraints=dg.TableColumnConstraints(nullable=c.nullable, unique=c.name in contract.key),
            )
            for c in contract.columns
        ]
    )


def _raw_plan(project: Project, table: Table) -> AssetPlan:
    def run(workspace, keys):
        from ml_platform.pipeline.delivery.raw import materialize_raw

        return materialize_raw(workspace, table.name, keys)

    def judge(workspace, which, _names):
        from ml_platform.audit.published_checks import judge_raw

        return judge_raw(workspace, table.name, which)

    def landed(workspace, keys):
        from ml_platform.pipeline.delivery.landing import landed_days

        return landed_days(workspace, table, keys)

    source = table.source
    deps = (Dep(dg.AssetKey(list(source.upstream))),) if source.upstream else ()
    return AssetPlan(
        project=project,
        layer="raw",
        name=table.name,
        run=run,
        description=f"What was delivered for **{table.name}**, {source.words}: every row with its file, position and delivery "
        f"time. Nothing is judged "
        f"here but whether it can be read.{_SPLIT if table.splits else ''}\n\n{table.description}",
        partitions=table.raw_partitions,
        deps=deps,
        checks={"arrival": "Every requested day has landed, and every file could be read."},
        judge=judge,
        owners=table.owners,
        tags=table.tags,
        kinds=(source.icon, "parquet"),
        # A delivery of many days changes few of them: the days that it leaves as they were are not out of date.
        pointer=table.splits,
        landed=None if table.splits else landed,
        code_version=declared_code_version(project, "raw", table.name),
    )


def _table_plan(project: Project, table: Table) -> AssetPlan:
    raw = dg.AssetKey([project.name, "raw", table.name])
    # Which days a delivery of many has changed is known when it is opened: the landing sensor asks for them.
    return _checked_plan(project, table, (Dep(raw),), None if table.splits else follows_its_day())


def _derived_plan(project: Project, table: Table) -> AssetPlan:
    deps = tuple(
        Dep(
            dg.AssetKey([project.name, "tables", read]),
            window(-days_up(back), 0) if table.partitions and project.table(read).partitions else None,
        )
        for read, back in table.reads.items()
    )
    condition = follows_days_of(project, [table.name]) if table.partitions else follows_its_day()

    def waits(workspace, days):
        from ml_platform.pipeline.tables.derived import Inputs

        inputs = Inputs.of_table(workspace, table, days)
        return {day: reason for day in days if (reason := inputs.missing(day)) is not None}

    return _checked_plan(project, table, deps, condition, waits)


def _checked_plan(
    project: Project, table: Table, deps: tuple[Dep, ...], condition: dg.AutomationCondition | None, waits: Waits | None = None
) -> AssetPlan:
    def run(workspace, keys):
        from ml_platform.pipeline.tables.table import materialize_table

        return materialize_table(workspace, table.name, keys)

    def judge(workspace, which, _names):
        from ml_platform.audit.published_checks import judge_tables

        return judge_tables(workspace, table.name, which)

    def landed(workspace, keys):
        known = {version.partition for version in workspace.lake.versions.resolve(workspace.table("raw", table.name), partitions=keys)}
        return [key for key in keys if key in known]

    told = (table.description or f"Rows of {table.name}").rstrip()
    told += "" if told.endswith((".", "!", "?")) else "."
    key = f" One row per {', '.join(table.key)}." if table.key else ""
    return AssetPlan(
        project=project,
        layer="tables",
        name=table.name,
        run=run,
        description=f"{told}{key} Rows that break the contract stand in quarantine with the rules they broke.",
        partitions=table.partitions,
        deps=deps,
        checks=CONTRACT_CHECKS | (DECLARED if not table.is_derived and table.availability and table.raw_partitions else {}),
        judge=judge,
        owners=table.owners,
        tags=table.tags,
        kinds=("duckdb", "table"),
        code_version=declared_code_version(project, "tables", table.name),
        column_schema=column_schema(table.contract),
        automation=condition,
        waits=waits,
        landed=None if table.is_derived or table.splits else landed,
    )
