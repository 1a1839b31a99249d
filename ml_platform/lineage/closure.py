"""The lineage of versions as plain rows: everything they were made from, table by table, down to the landing files."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property

from ml_platform.core.layers import TableName, flow_place
from ml_platform.core.partitions import partition_text
from ml_platform.lake.lake import Lake
from ml_platform.lake.ledger.version import Version


@dataclass(frozen=True)
class LandedFile:
    """One delivery that a raw version holds; ``size`` in bytes. ``fetched`` is True for what a function gave back instead of a file."""

    table: TableName
    partition: str | None
    name: str
    size: int
    sha256: str
    rows: int
    delivered_at: datetime
    fetched: bool
    version: int
    commit: int


@dataclass(frozen=True)
class TableUse:
    """What a lineage holds of one table: which versions, of which partitions, from which commits (each range with both ends).

    ``first`` and ``last`` are partition keys, None for a table without partitions; ``bytes`` are those of the stored files.
    """

    table: TableName
    versions: int
    partitions: int
    first: str | None
    last: str | None
    rows: int
    bytes: int
    first_version: int
    last_version: int
    first_commit: int
    last_commit: int


@dataclass(frozen=True, eq=False)
class Lineage:
    """The closure of ``subjects``: ``versions`` holds them and all they were made from, by id; ``edges`` the inputs of each of these.

    ``ends`` names tables whose versions were not followed any further.
    """

    subjects: tuple[Version, ...]
    versions: tuple[Version, ...]
    edges: Mapping[int, tuple[int, ...]]
    ends: frozenset[str] = frozenset()

    @cached_property
    def sources(self) -> tuple[Version, ...]:
        """The versions that the subjects were made from, without themselves, by id."""
        own = {version.id for version in self.subjects}
        return tuple(version for version in self.versions if version.id not in own)

    @cached_property
    def files(self) -> tuple[LandedFile, ...]:
        """The landing files at the far end, by table, partition and name."""
        return tuple(
            sorted((f for v in self.versions for f in landed_files(v)), key=lambda f: (f.table, partition_text(f.partition), f.name))
        )

    @cached_property
    def arrows(self) -> tuple[tuple[str, str], ...]:
        """Pairs of tables (from, to) of which a version of the second was made from one of the first, in order."""
        table = {version.id: version.table for version in self.versions}
        return tuple(sorted({(table[i], table[made]) for made, inputs in self.edges.items() for i in inputs if i in table}))


def lineage_of(lake: Lake, versions: Iterable[Version]) -> Lineage:
    """Follow versions back to what they were made from.

    Parameters
    ----------
    lake : Lake
        Where they are.
    versions : iterable of Version
        Any versions: a model, a day of predictions, a partition of a table.

    Returns
    -------
    Lineage
        Complete: every version that any of them depends on in any number of steps.
    """
    subjects = tuple(versions)
    closure = tuple(lake.lineage.closure(subjects))
    edges = lake.lineage.edges(version.id for version in closure)
    return Lineage(subjects, closure, {made: ids for made, ids in edges.items() if ids})


def day_lineage_of(lake: Lake, version: Version) -> Lineage:
    """Follow a day of predictions back to its own rows, and to the training set of the model that scored them, but not behind that.

    A training set holds most of the lake: what the day itself was made from would be lost in it. The model's own lineage has the rest.
    """
    versions, edges = lake.lineage.closure_until([version.id], lambda v: v.table.layer == "training")
    return Lineage((version,), tuple(versions), edges, frozenset(v.table for v in versions if v.table.layer == "training"))


def landed_files(version: Version) -> list[LandedFile]:
    """Return the deliveries that a version holds: none unless it is raw."""
    fetched = version.properties.get("format") == "arrow"
    return [
        LandedFile(
            table=version.table,
            partition=version.partition,
            name=file["name"],
            size=file["size"],
            sha256=file["sha256"],
            rows=file.get("rows", 0),
            delivered_at=datetime.fromisoformat(file["delivered_at"]),
            fetched=fetched,
            version=version.id,
            commit=version.commit,
        )
        for file in version.properties.get("files", ())
    ]


def table_uses(versions: Iterable[Version]) -> tuple[TableUse, ...]:
    """Summarise versions per table, the layers in the order in which data flows through them."""
    by_table: dict[TableName, list[Version]] = {}
    for version in versions:
        by_table.setdefault(version.table, []).append(version)
    return tuple(_use(table, by_table[table]) for table in sorted(by_table, key=flow_order))


def flow_order(table: str) -> tuple[int, str]:
    """Return by what tables are sorted: the place of their layer in the flow of data (unknown layers last), then their name.

    Examples
    --------
    >>> sorted(["shop/models/churn", "shop/raw/orders", "shop/reports/churn", "shop/features/a"], key=flow_order)
    ['shop/raw/orders', 'shop/features/a', 'shop/models/churn', 'shop/reports/churn']
    """
    return (flow_place(TableName(table).layer), table)


def _use(table: TableName, versions: Sequence[Version]) -> TableUse:
    keys = sorted({version.partition for version in versions if version.partition is not None})
    ids = [version.id for version in versions]
    commits = [version.commit for version in versions]
    return TableUse(
        table=table,
        versions=len(versions),
        partitions=len(keys),
        first=keys[0] if keys else None,
        last=keys[-1] if keys else None,
        rows=sum(version.rows for version in versions),
        bytes=sum(version.bytes for version in versions),
        first_version=min(ids),
        last_version=max(ids),
        first_commit=min(commits),
        last_commit=max(commits),
    )
