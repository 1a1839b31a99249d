"""Whether what came later decides which rows a table has: by rules that reject rows, or in what a derived table selects."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

import polars as pl

from ml_platform.core.intervals import DAY, Interval
from ml_platform.lake.ledger.version import Version
from ml_platform.pipeline.tables.derived import Inputs, compute_derived
from ml_platform.pipeline.workspace import Workspace
from ml_platform.project.project import Project
from ml_platform.sql.binding import bind_expression
from ml_platform.tables.declared.rules import row_rules, type_rule_name
from ml_platform.tables.declared.table import AVAILABLE_AT, Table
from ml_platform.tables.declared.types import contract_columns
from ml_platform.tables.derived import PARTITION
from ml_platform.training.leakage import Suspicion

# So many rejected rows of a table move no population.
FEW_REJECTED = 0.01


def late_rejections(table: Table, versions: Iterable[Version]) -> tuple[Suspicion, ...]:
    """Return whether rows of a spine's table were rejected for what became known later than the row.

    Parameters
    ----------
    table : Table
        The spine's.
    versions : iterable of Version
        Its partitions that were read; they record what broke which rule.

    Returns
    -------
    tuple of Suspicion
        One of rule ``population`` where more than 1 % of the delivered rows are missing for that.
    """
    later = _later_rules(table)
    if not later:
        return ()
    broken: Counter[str] = Counter()
    delivered = 0
    for version in versions:
        delivered += int(version.properties.get("rows_delivered", 0))
        broken.update({rule: rows for rule, rows in version.properties.get("broken", {}).items() if rule in later})
    share = broken.total() / delivered if delivered else 0.0
    if share <= FEW_REJECTED:
        return ()
    names = ", ".join(name for name, _ in broken.most_common(3))
    says = (
        f"{broken.total()} of {delivered} rows of {table.name!r} ({share:.1%}) were rejected by rules over columns that become known later "
        f"than the row ({names}): which rows there are tells how they ended. Make these rules warn, or declare population: {{allow: why}}."
    )
    return (Suspicion("population", "", broken.total(), share, says),)


def derived_below(project: Project, names: Iterable[str]) -> list[Table]:
    """Return the derived tables among some tables, and those that these are derived from."""
    found: dict[str, Table] = {}
    waiting = list(names)
    while waiting:
        table = project.table(waiting.pop())
        if table.is_derived and table.name not in found:
            found[table.name] = table
            waiting += list(table.reads)
    return [found[name] for name in sorted(found)]


@dataclass(frozen=True)
class Decided:
    """How many rows of a derived table that were known before a moment came, went or changed with what became known after it."""

    table: str
    rows: int
    of: int
    example: str


def decided_later(before: Workspace, after: Workspace, table: Table, moment: datetime) -> Decided:
    """Compute a derived table around a moment twice: as its inputs are, and with all that becomes known at or after the moment changed.

    Parameters
    ----------
    before, after : Workspace
        The same project; the lake of ``after`` hands over tables with changed values (no row more or less).
    table : Table
        A derived table, by SQL or by a function.
    moment : datetime
        Rows that say that they were known before it must be the same, and no other may say so.

    Returns
    -------
    Decided
    """
    keys: Sequence[str | None] = [None]
    if table.partitions is not None:
        keys = before.project.file_days(table, Interval(moment - DAY, moment + DAY))
    known = []
    for workspace in (before, after):
        parts = compute_derived(workspace, table, [k for k in keys if Inputs.of_table(workspace, table, [k]).missing(k) is None])
        frames = [pl.DataFrame(part) for _, part in parts]
        rows = pl.concat(frames, how="diagonal_relaxed") if frames else pl.DataFrame()
        if AVAILABLE_AT not in rows.columns:
            return Decided(table.name, 0, rows.height, "")
        columns = [c for c in table.contract.column_names if c in rows.columns]
        inside = rows if PARTITION not in rows.columns or table.partitions is None else rows.filter(pl.col(PARTITION).is_in(list(keys)))
        known.append(inside.filter(pl.col(AVAILABLE_AT) < moment).select(columns))
    gone = known[0].join(known[1], on=known[0].columns, how="anti", nulls_equal=True)
    come = known[1].join(known[0], on=known[0].columns, how="anti", nulls_equal=True)
    example = next(iter([*gone.head(1).to_dicts(), *come.head(1).to_dicts()]), {})
    shown = ", ".join(f"{c}={example[c]}" for c in (table.key or tuple(example))[:4]) if example else ""
    return Decided(table.name, gone.height + come.height, known[0].height, shown)


def _later_rules(table: Table) -> set[str]:
    """Return the names of the rules that reject a row for a column that is known later than the row."""
    times = table.available_at_columns
    if len(times) < 2:
        return set()
    types = contract_columns(table.contract)
    first = {table.available_at_column(c) for c in table.key} or {times[0]}
    later = {c for c in types if table.available_at_column(c) not in first}
    found = {type_rule_name(c) for c in later}
    written = {rule.name: bind_expression(rule.sql, types, where=table.where).columns for rule in table.contract.rules}
    for rule in row_rules(table.contract):
        if rule.severity == "reject" and (written.get(rule.name, frozenset({rule.column})) & later):
            found.add(rule.name)
    return found
