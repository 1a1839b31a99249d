"""Deliveries that would take rows away: a version that loses too much of the one it would replace waits for a yes."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

from ml_platform.core.partitions import partition_text
from ml_platform.lake.ledger.version import Version
from ml_platform.pipeline.tables.accepted import accepted_contents, content_of, delivered_version
from ml_platform.pipeline.workspace import Workspace
from ml_platform.sql.duck import quote_name, session
from ml_platform.tables.declared.table import Table

if TYPE_CHECKING:
    import pyarrow as pa

# Of a small partition a few rows may always go, but never all of them.
FEW_ROWS = 3


@dataclass(frozen=True)
class Loss:
    """What a partition's version would lose of the one it would replace.

    ``lost`` of ``before`` counts ``unit`` (keys where the table has a key, else rows); ``content`` identifies what was delivered and
    ``replaces`` the content that is readable now.
    """

    content: str
    replaces: str
    version: int
    rows_before: int
    rows_after: int
    unit: str
    before: int
    lost: int

    def describe(self, table: Table, partition: str | None, allowed: float) -> str:
        """Say what would go, what stays readable and what to do."""
        where = f"{table.name} {partition}" if partition else table.name
        return (
            f"{self.lost:,} of {self.before:,} {self.unit} ({self.lost / self.before:.1%}) of version {self.version}, which is readable, "
            f"are not in what was delivered now ({self.rows_before:,} rows before, {self.rows_after:,} now); "
            f"max_shrink allows {allowed:.1%}. "
            f"Version {self.version} stays readable. Deliver the rest, or accept the loss: "
            f"ml-platform accept-delivery {where} --by NAME --reason TEXT"
        )


def find_losses(
    workspace: Workspace,
    table: Table,
    sources: Mapping[str | None, Sequence[Version]],
    rows: pa.Table,
    code_version: str,
    contents: Mapping[str | None, str] | None = None,
) -> dict[str | None, Loss]:
    """Return the partitions that would lose more than the table allows, and that nobody has accepted.

    Parameters
    ----------
    workspace : Workspace
        Project and lake.
    table : Table
        Its contract's ``max_shrink`` and key decide.
    sources : mapping of partition to versions
        What each partition is made from now.
    rows : pyarrow.Table
        The rows that would be published, with ``_partition``.
    code_version : str
        Of what makes them.
    contents : mapping of partition to str, optional
        What identifies the delivery of each partition, where one delivery holds many.

    Returns
    -------
    dict of partition to Loss
        Where another delivery makes the difference. What a changed declaration leaves out of the same delivery is meant.
    """
    allowed = table.max_shrink
    if allowed >= 1:
        return {}
    here = workspace.table("tables", table.name)
    made = [head for head in workspace.lake.versions.resolve(here, partitions=list(sources)) if head.rows]
    # Of a history of many days in one question to the ledger.
    before = {} if table.is_derived else workspace.lake.lineage.edges(made)
    heads = {
        head.partition: head
        for head in made
        if (
            head.code_version == code_version
            if table.is_derived
            else _delivers_otherwise(workspace, table, before[head.id], sources[head.partition])
        )
    }
    found = {}
    for partition, loss in _losses(workspace, table, heads, sources, rows, contents or {}).items():
        is_too_much = loss.lost > max(allowed * loss.before, FEW_ROWS) or (not loss.rows_after and loss.lost)
        if is_too_much and (loss.content, loss.replaces) not in accepted_contents(workspace, table.name, partition):
            found[partition] = loss
    return found


def as_properties(loss: Loss) -> dict[str, object]:
    """Return what a rejected version records of its loss."""
    return {"loss": asdict(loss)}


def _delivers_otherwise(workspace: Workspace, table: Table, before: Sequence[int], sources: Sequence[Version]) -> bool:
    """Whether what a partition is made from is another delivery than what its readable version was made from."""
    newest = delivered_version(workspace, table, sources)
    return newest is None or newest.id not in before


def _losses(
    workspace: Workspace,
    table: Table,
    heads: Mapping[str | None, Version],
    sources: Mapping[str | None, Sequence[Version]],
    rows: pa.Table,
    contents: Mapping[str | None, str],
) -> dict[str | None, Loss]:
    by_key = [h for h in heads.values() if table.key and h.gone is None and set(table.key) <= set(h.schema.names)]
    keys = _lost_keys(workspace, table, by_key, rows) if by_key else {}
    with session() as con:
        con.register("now", rows.select(["_partition"]))
        counts = dict(con.execute("SELECT _partition, count(*) FROM now GROUP BY _partition").fetchall())
    found = {}
    for partition, head in heads.items():
        after = counts.get(partition_text(partition), 0)
        unit = "keys" if head in by_key else "rows"
        lost = keys.get(partition_text(partition), 0) if head in by_key else max(0, head.rows - after)
        content = contents.get(partition) or content_of(workspace, table, sources[partition])
        found[partition] = Loss(content, head.data_hash, head.id, head.rows, after, unit, head.rows, lost)
    return found


def _lost_keys(workspace: Workspace, table: Table, heads: Sequence[Version], rows: pa.Table) -> dict[str, int]:
    """Return by partition how many keys of the readable versions are not among the new rows."""
    before = workspace.lake.versions.read(heads, columns=list(table.key), partition_column="_partition").arrow()
    with session() as con:
        con.register("before", before)
        con.register("now", rows.select(["_partition", *table.key]))
        types = {name: kind for name, kind, *_ in con.execute("DESCRIBE now").fetchall()}
        # A key whose type was changed since is the same key.
        same = " AND ".join(f"try_cast(before.{quote_name(k)} AS {types[k]}) IS NOT DISTINCT FROM now.{quote_name(k)}" for k in table.key)
        return dict(
            con.execute(
                "SELECT coalesce(before._partition, ''), count(*) FROM before ANTI JOIN now "
                f"ON coalesce(before._partition, '') = now._partition AND {same} GROUP BY ALL"
            ).fetchall()
        )
