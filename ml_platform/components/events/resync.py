"""Tell Dagster again what the lake holds: its event log is a mirror, and one that was lost is made anew from the ledger."""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import dagster as dg

from ml_platform.components.dagster_internals import DATA_VERSION_TAG, newest_events
from ml_platform.components.events.version_events import POINTER_METADATA, POINTER_VERSION, version_metadata, version_tags
from ml_platform.core.layers import TableName
from ml_platform.core.partitions import partition_text

if TYPE_CHECKING:
    from ml_platform.lake.lake import Lake
    from ml_platform.lake.ledger.provenance import InputContent
    from ml_platform.lake.ledger.version import Version

# Storage ids begin with it: a pointer before every event of an upstream asset.
_FIRST_EVENT = 1
_BATCH = 200
CodeVersion = Callable[[str, str, str], str | None]


@dataclass(frozen=True)
class Resynced:
    """What was done for one asset: its heads in the lake, those the log knew, those it was told, and those of no declared partition."""

    key: dg.AssetKey
    heads: int
    known: int
    reported: int
    outside: int = 0


@dataclass
class Resync:
    """Reports the heads of one branch of a lake to the instance that holds its history.

    Parameters
    ----------
    definitions : Definitions
        Of the code location: they say which tables are assets, of which partitions, standing on what.
    instance : DagsterInstance
        Holds the log.
    lake : Lake
        On the branch.
    declared_code : callable
        Takes project, layer and name; returns the code version that the lake would store today, None where nothing tells.
    say : callable
        Takes one line of progress.
    """

    definitions: dg.Definitions
    instance: dg.DagsterInstance
    lake: "Lake"
    declared_code: CodeVersion
    say: Callable[[str], None] = print
    _heads: dict[str, "dict[str | None, Version]"] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self._graph = self.definitions.resolve_asset_graph()
        self._tables = set(self.lake.tables())

    def run(self, wanted: Callable[[str], bool] | None = None) -> list[Resynced]:
        """Report what the log lacks, or has with another data version; what others stand on comes first."""
        done = []
        for key in self._graph.toposorted_asset_keys:
            table = TableName.of_parts(key.path)
            if table in self._tables and key in self._graph.materializable_asset_keys and (wanted is None or wanted(table)):
                done.append(self._asset(key, table))
        return done

    def _asset(self, key: dg.AssetKey, table: str) -> Resynced:
        partitions = self._graph.get(key).partitions_def
        heads = self._heads_of(table)
        fitting = {k: v for k, v in heads.items() if (k is None) == (partitions is None)}
        if partitions is not None:
            valid = set(partitions.get_partition_keys())
            fitting = {k: v for k, v in fitting.items() if k in valid}
        logged = self._logged(key, partitioned=partitions is not None)
        missing = {k: v for k, v in fitting.items() if logged.get(k) != self._data_version(key, v)}
        if missing:
            self._report(key, missing)
        return Resynced(key, len(heads), len(fitting) - len(missing), len(missing), len(heads) - len(fitting))

    def _report(self, key: dg.AssetKey, missing: "Mapping[str | None, Version]") -> None:
        waiting = sorted(missing.items(), key=lambda item: partition_text(item[0]))
        code_version = self._graph.get(key).code_version
        newest = self._newest(key) if code_version is not None else {}
        for start in range(0, len(waiting), _BATCH):
            batch = waiting[start : start + _BATCH]
            ids = [version.id for _, version in batch]
            made_from = self.lake.lineage.inputs_by_table(ids)
            contents: dict[int, list[InputContent]] = {}
            for content in self.lake.lineage.input_contents(ids) if code_version is not None else ():
                contents.setdefault(content.version_id, []).append(content)
            for partition, version in batch:
                self.instance.report_runless_asset_event(
                    dg.AssetMaterialization(
                        key,
                        partition=partition,
                        metadata={**version_metadata(version, made_from.get(version.id, ())), **_origin(version)},
                        tags=version_tags(
                            self._data_version(key, version),
                            self._code_version(key, version),
                            self._inputs(contents.get(version.id, ()), newest),
                        ),
                    )
                )
            self.say(f"{TableName.of_parts(key.path).short}: {min(start + _BATCH, len(waiting))} of {len(waiting)}")

    def _heads_of(self, table: str) -> "dict[str | None, Version]":
        if table not in self._heads:
            self._heads[table] = self.lake.versions.heads(table) if table in self._tables else {}
        return self._heads[table]

    def _logged(self, key: dg.AssetKey, *, partitioned: bool) -> dict[str | None, str | None]:
        """Return the data version that the log has of each partition."""
        if not partitioned:
            event = self.instance.get_latest_materialization_event(key)
            made = event.asset_materialization if event is not None else None
            return {} if made is None else {None: (made.tags or {}).get(DATA_VERSION_TAG)}
        tags = self.instance.event_log_storage.get_latest_tags_by_partition(
            key, dg.DagsterEventType.ASSET_MATERIALIZATION, [DATA_VERSION_TAG]
        )
        return {partition: found.get(DATA_VERSION_TAG) for partition, found in tags.items()}

    def _data_version(self, key: dg.AssetKey, version: "Version") -> str:
        return POINTER_VERSION if self._is_pointer(key) else version.data_hash

    def _is_pointer(self, key: dg.AssetKey) -> bool:
        return POINTER_METADATA in self._graph.get(key).metadata

    def _code_version(self, key: dg.AssetKey, version: "Version") -> str | None:
        """Return the asset's code version if the version was made by today's code, else another one: then it is shown as stale."""
        today = self._graph.get(key).code_version
        if today is None:
            return None
        # A hand-written asset is stored with the code version that Dagster knows.
        declared = (self.declared_code(*key.path) if len(key.path) == 3 else None) or today
        return today if declared == version.code_version else version.code_version or "(none)"

    def _newest(self, key: dg.AssetKey) -> dict[dg.AssetKey, tuple[str, int | None]]:
        """Return data version and storage id of the newest event of each upstream asset."""
        return newest_events(self.instance, list(self._graph.get(key).parent_keys))

    def _inputs(
        self, contents: "Iterable[InputContent]", newest: Mapping[dg.AssetKey, tuple[str, int | None]]
    ) -> dict[dg.AssetKey, tuple[str, int | None]]:
        """Return what was read of each upstream asset, so that Dagster sees what the lake knows: whether that is still its content."""
        # A corrected partition is made from its earlier deliveries too: what counts is the newest that was read.
        used: dict[str, dict[str | None, InputContent]] = {}
        for content in contents:
            used.setdefault(content.table, {})[content.partition] = content
        found: dict[dg.AssetKey, tuple[str, int | None]] = {}
        for parent, (version, pointer) in newest.items():
            table = "/".join(parent.path)
            read, heads = used.get(table, {}), self._heads_of(table)
            current = all(day in heads and heads[day].data_hash == content.data_hash for day, content in read.items())
            whole = read[None].data_hash if None in read and not self._is_pointer(parent) else version
            found[parent] = (whole, pointer if current else _FIRST_EVENT)
        return found


def _origin(version: "Version") -> dict[str, Any]:
    """Return what an event of a run would tell by itself: who published the version, and when."""
    return {"lake/run": version.run_id or "(unnamed)", "lake/published": dg.MetadataValue.timestamp(version.created)}
