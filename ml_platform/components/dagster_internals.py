"""Every private name of Dagster that the components stand on: each looked for once, here, with what is done where it is gone.

Dagster announces changes of its public names; these it may rename in any version. `MISSING` has those that this Dagster does not have.
What stands beside them works without: a tag has the value that it always had, and a function says in its docstring what is lost.
"""

import json
import logging
from collections.abc import Iterator, Sequence
from importlib import import_module
from typing import TYPE_CHECKING, Any

import dagster as dg

_LOG = logging.getLogger(__name__)

MISSING: list[str] = []


def _found(module: str, name: str, instead: Any = None) -> Any:
    """Return a name of a module of Dagster; what is given instead, and a note in `MISSING`, if it is not there."""
    try:
        return getattr(import_module(module), name)
    except (ImportError, AttributeError):
        MISSING.append(f"{module}.{name}")
        _LOG.warning("This Dagster has no %s.%s; what stands on it works without it, or says what is lost", module, name)
        return instead


_TAGS = "dagster._core.storage.tags"
PARTITION_TAG: str = _found(_TAGS, "PARTITION_NAME_TAG", "dagster/partition")
RANGE_START_TAG: str = _found(_TAGS, "ASSET_PARTITION_RANGE_START_TAG", "dagster/asset_partition_range_start")
RANGE_END_TAG: str = _found(_TAGS, "ASSET_PARTITION_RANGE_END_TAG", "dagster/asset_partition_range_end")
SENSOR_TAG: str = _found(_TAGS, "SENSOR_NAME_TAG", "dagster/sensor_name")
BACKFILL_TAG: str = _found(_TAGS, "BACKFILL_ID_TAG", "dagster/backfill")
WILL_RETRY_TAG: str = _found(_TAGS, "WILL_RETRY_TAG", "dagster/will_retry")
# A run whose asset events the asset reports itself: without it Dagster copies one data version to every partition of a range.
DEFERS_EVENTS_TAG: str = _found(_TAGS, "EXTERNALLY_MANAGED_ASSETS_TAG", "dagster/defer_asset_events")

_VERSIONS = "dagster._core.definitions.data_version"
CODE_VERSION_TAG: str = _found(_VERSIONS, "CODE_VERSION_TAG", "dagster/code_version")
DATA_VERSION_TAG: str = _found(_VERSIONS, "DATA_VERSION_TAG", "dagster/data_version")
# The data version of an asset that was never materialized.
FIRST_VERSION: str = _found(_VERSIONS, "DEFAULT_DATA_VERSION", dg.DataVersion("INITIAL")).value

_STORAGE = "dagster._core.storage"
# Their types; at run time those that others import are found by `__getattr__` below.
if TYPE_CHECKING:
    from dagster._core.errors import DagsterUserCodeProcessError
    from dagster._core.storage.compute_log_manager import CapturedLogContext  # noqa: F401
    from dagster._core.storage.event_log.sqlite.sqlite_event_log import (
        INDEX_SHARD_NAME,  # noqa: F401
        SqliteEventLogStorage,  # noqa: F401
    )
    from dagster._core.storage.local_compute_log_manager import LocalComputeLogManager  # noqa: F401
    from dagster._core.storage.runs import SqliteRunStorage  # noqa: F401
    from dagster._core.storage.schedules.sqlite.sqlite_schedule_storage import SqliteScheduleStorage  # noqa: F401
    from dagster._core.storage.sqlite_storage import DagsterSqliteStorage  # noqa: F401
else:
    # An error that another process told is shown as that process told it; without it our message stands in a traceback.
    DagsterUserCodeProcessError = _found("dagster._core.errors", "DagsterUserCodeProcessError", Exception)

# Looked for when they are first asked for: storages bring a database library with them, and loading definitions must not.
_LATER: dict[str, tuple[str, Any]] = {
    # The history with kept connections; without them it is kept by Dagster's own storage (`instance/storage_parts.py`).
    "DagsterSqliteStorage": (f"{_STORAGE}.sqlite_storage", None),
    "INDEX_SHARD_NAME": (f"{_STORAGE}.event_log.sqlite.sqlite_event_log", ""),
    "SqliteEventLogStorage": (f"{_STORAGE}.event_log.sqlite.sqlite_event_log", object),
    "SqliteRunStorage": (f"{_STORAGE}.runs", object),
    "SqliteScheduleStorage": (f"{_STORAGE}.schedules.sqlite.sqlite_schedule_storage", object),
    # Logs of runs in files, which also serve the lake's pages; without them `lake_pages` says what to write in dagster.yaml.
    "CapturedLogContext": (f"{_STORAGE}.compute_log_manager", None),
    "LocalComputeLogManager": (f"{_STORAGE}.local_compute_log_manager", None),
}


def __getattr__(name: str) -> Any:
    if name not in _LATER:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    module, instead = _LATER[name]
    globals()[name] = found = _found(module, name, instead)
    return found


# Where Dagster keeps small results in files, as `dagster.yaml` names it.
LOCAL_ARTIFACTS = (f"{_STORAGE}.root", "LocalArtifactStorage")

_SerializableErrorInfo = _found("dagster_shared.error", "SerializableErrorInfo")
_copy = _found("dagster_shared.record", "copy")
_Target = _found("dagster._core.definitions.asset_checks.asset_check_evaluation", "AssetCheckEvaluationTargetMaterializationData")
_positions = _found("dagster_shared.yaml_utils", "parse_yaml_with_source_position")
_Cursor = _found("dagster._core.definitions.asset_daemon_cursor", "AssetDaemonCursor")
_serialize = _found("dagster_shared.serdes", "serialize_value")
_deserialize = _found("dagster_shared.serdes", "deserialize_value")
_Planned = _found("dagster._core.events", "AssetMaterializationPlannedData")
_redirect = _found("dagster._core.execution.compute_logs", "redirect_to_file")


def missing(storage_only: bool = False) -> list[str]:
    """Return what this Dagster lacks, or only what its SQLite storage lacks."""
    for name in _LATER:
        if name not in globals():
            __getattr__(name)
    parts = ("sqlite", "SqliteRunStorage")
    return [name for name in MISSING if not storage_only or any(part in name for part in parts)]


def data_version_of(entry: Any) -> str:
    """Return the data version that an event of an asset names; that of an asset without events if it names none."""
    tags = (entry.dagster_event.step_materialization_data.materialization.tags if entry.dagster_event else None) or {}
    return tags.get(DATA_VERSION_TAG) or FIRST_VERSION


def tied_to(evaluation: Any, materialization: Any) -> Any:
    """Return a verdict on a check, tied to the record of a materialization, or to none.

    Without Dagster's own words for it the verdict stays tied to the partition's: it then says "not evaluated" once another one is made.
    """
    if _copy is None or _Target is None:
        return evaluation
    if materialization is None:
        return _copy(evaluation, target_materialization_data=None)
    newest = _Target(run_id=materialization.run_id, storage_id=materialization.storage_id, timestamp=materialization.timestamp)
    return _copy(evaluation, target_materialization_data=newest)


def told_error(message: str, cls_name: str) -> dict[str, Any] | None:
    """Return the words with which Dagster shows one message and no steps; None where it has none."""
    if _SerializableErrorInfo is None or DagsterUserCodeProcessError is Exception:
        return None
    return {"user_code_process_error_infos": [_SerializableErrorInfo(message=f"{message}\n", stack=[], cls_name=cls_name)]}


def positions_in(text: str, name: str) -> Any:
    """Return where each word of a YAML document stands; None without Dagster's reader, and messages name no line."""
    return None if _positions is None else _positions(text, name).source_position_tree


def cursor_as_text(cursor: Any) -> str | None:
    """Return what automation has seen so far, to be kept in a file; None if it cannot be kept."""
    if cursor is None or _serialize is None or _Cursor is None:
        return None
    return _serialize(cursor)


def cursor_from_text(text: str | None) -> Any:
    """Return what automation had seen; None if nothing was kept, or not by this Dagster: it takes note of what there is anew."""
    if not text or _deserialize is None or _Cursor is None:
        return None
    try:
        return _deserialize(text, _Cursor)
    except (json.JSONDecodeError, dg.DagsterError, TypeError):
        return None


def redirect_to_file() -> Any:
    """Return Dagster's way of leading a stream into a file; None where it has it elsewhere: a process of its own copies it then."""
    return _redirect


def planned_event(context: dg.AssetExecutionContext, key: dg.AssetKey, day: str | None) -> dg.DagsterEvent | None:
    """Return the event that a running step is about to make a partition; None without Dagster's words for it.

    A partition that such a step fails to make is then not marked as failed, only its run is.
    """
    if _Planned is None:
        return None
    planned = _Planned(key, partition=day, partitions_subset=None)
    return dg.DagsterEvent.build_asset_materialization_planned_event(context.run.job_name, _step(context).step.key, planned)


def components_below(tree: dg.ComponentTree, of_type: type) -> Iterator[tuple[Any, Any]]:
    """Yield the components of a type below a tree with where each is declared.

    Without Dagster's tree of declarations the place is None: those written in Python belong to the folder of all definitions then.
    """
    declarations = getattr(tree, "_component_decl_tree", None)
    if declarations is None:
        yield from ((None, component) for component in tree.get_all_components(of_type=of_type))
        return
    for location, declaration in declarations().items():
        if isinstance(declaration.component_type, type) and issubclass(declaration.component_type, of_type):
            component = tree.load_component(location)
            if isinstance(component, of_type):
                yield location, component


def asset_layer(context: dg.AssetExecutionContext) -> Any:
    """Return what a running step knows of the assets of its run: keys, parents, code versions, partition mappings.

    Of what is called here no name is private, and there is no other way to it: a Dagster without it fails the step with its own words.
    """
    return _step(context).job_def.asset_layer


def inputs_read(context: dg.AssetExecutionContext, parents: Sequence[dg.AssetKey]) -> dict[dg.AssetKey, tuple[str, int | None]]:
    """Return, per upstream asset, the data version and the storage id of its newest event when the step began.

    Without Dagster's own look-up the newest event is looked up now.
    """
    step = _step(context)
    ask = getattr(step, "maybe_fetch_and_get_input_asset_version_info", None)
    if ask is None:
        return newest_events(context.instance, parents)
    found = {}
    for key in parents:
        info = ask(key)
        version = FIRST_VERSION if info is None or info.data_version is None else info.data_version.value
        found[key] = (version, None if info is None else info.storage_id)
    return found


def newest_events(instance: dg.DagsterInstance, keys: Sequence[dg.AssetKey]) -> dict[dg.AssetKey, tuple[str, int | None]]:
    """Return data version and storage id of the newest materialization of each asset."""
    newest: dict[dg.AssetKey, tuple[str, int | None]] = dict.fromkeys(keys, (FIRST_VERSION, None))
    for record in instance.get_asset_records(keys) if keys else ():
        last = record.asset_entry.last_materialization_record
        if last is not None:
            newest[record.asset_entry.asset_key] = (data_version_of(last.event_log_entry), last.storage_id)
    return newest


def _step(context: dg.AssetExecutionContext) -> Any:
    return context.get_step_execution_context()
