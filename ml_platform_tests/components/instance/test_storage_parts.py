"""A Dagster that has renamed something under the local history: events are stored all the same, and a warning says by what."""

from __future__ import annotations

import importlib
import inspect
import re
import shutil
import sys
import types
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from pathlib import Path

import dagster as dg
import pytest

from ml_platform.components.instance.storage_parts import PARTS, DagsterSqliteStorage, lacking_parts
from ml_platform.components.local_storage import LocalStorage

# What the storage is made of, those that others import first.
STOCK = [
    "dagster._core.storage.event_log.sql_event_log",
    "dagster._core.storage.event_log.sqlite.sqlite_event_log",
    "dagster._core.storage.runs.sqlite.sqlite_run_storage",
    "dagster._core.storage.runs.sqlite",
    "dagster._core.storage.runs",
    "dagster._core.storage.schedules.sqlite.sqlite_schedule_storage",
    "dagster._core.storage.sqlite_storage",
]
OURS = ["ml_platform.components.dagster_internals", "ml_platform.components.instance.storage_parts", LocalStorage.__module__]
KEY = dg.AssetKey("told")
DAYS = ["2024-01-02", "2024-01-03"]

# Every name in our code that begins with an underscore and is not its own, and what it takes from the modules of the storage.
PRIVATE = sorted({name for methods in PARTS.values() for name in methods if name.startswith("_")} | {"_conn_string"})
IMPORTED = ["INDEX_SHARD_NAME", "SqliteEventLogStorage", "SqliteRunStorage", "SqliteScheduleStorage"]
PUBLIC = ["conn_string_for_shard", "path_for_shard", "has_table"]


@contextmanager
def renamed(pattern: str, into: str) -> Iterator[types.ModuleType]:
    """Yield our storage over a Dagster whose storage modules have a word replaced, wherever it stands in them."""
    with pytest.MonkeyPatch.context() as patch:
        # Imports look at the package's attribute first, and a copy sets it.
        for name in [*STOCK, *OURS]:
            package, _, short = name.rpartition(".")
            patch.setattr(sys.modules[package], short, sys.modules[name], raising=False)
        for name in STOCK:
            module = sys.modules[name]
            source = re.sub(pattern, into, inspect.getsource(module))
            copy = types.ModuleType(name)
            copy.__dict__.update(__file__=module.__file__, __package__=module.__package__, __path__=getattr(module, "__path__", None))
            patch.setitem(sys.modules, name, copy)
            exec(compile(source, str(module.__file__), "exec"), copy.__dict__)  # noqa: S102 - Dagster's own text
        for name in OURS:
            patch.delitem(sys.modules, name)
        yield importlib.import_module(OURS[-1])


def stored(folder: Path) -> tuple[list[str], str, str | None]:
    """Store one event by itself, two of another run in a block; return the days that are known, the storage, and the newest day."""
    config = {"base_dir": str(folder / "history")}
    ours = {"custom": {"module": OURS[-1], "class": "LocalStorage", "config": config}}
    with dg.DagsterInstance.local_temp(str(folder), overrides={"storage": ours, "telemetry": {"enabled": False}}) as instance:
        instance.report_runless_asset_event(dg.AssetMaterialization(KEY, partition="2024-01-01"))
        events = instance.event_log_storage
        with getattr(events, "together", nullcontext)():
            for day in DAYS:
                instance.report_runless_asset_event(dg.AssetMaterialization(KEY, partition=day))
        newest = instance.get_latest_materialization_event(KEY)
        assert instance.get_runs() == []
        return (
            sorted(instance.get_materialized_partitions(KEY)),
            type(events).__name__,
            newest.asset_materialization.partition if newest and newest.asset_materialization else None,
        )


@pytest.fixture(scope="module")
def begun(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a history in which nothing has happened: making its files takes a second."""
    folder = tmp_path_factory.mktemp("begun")
    LocalStorage(str(folder / "history")).dispose()
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("name", [*PRIVATE, *PUBLIC, *IMPORTED])
def test_a_renamed_part_leaves_the_history_to_dagster_s_own_storage(name: str, begun: Path, tmp_path: Path) -> None:
    if name not in ("_connect", "_initdb"):
        shutil.copytree(begun, tmp_path, dirs_exist_ok=True)
    with renamed(rf"\b{name}\b", f"{name}_renamed"), pytest.warns(RuntimeWarning, match=rf"kept by its own SQLite storage.*{name}"):
        days, storage, newest = stored(tmp_path)
    assert (days, newest) == (["2024-01-01", *DAYS], DAYS[-1])
    assert storage.startswith("SqliteEventLogStorage")
    if name == "_connect":
        with warnings.catch_warnings():
            warnings.simplefilter("error", RuntimeWarning)
            assert stored(tmp_path)[:2] == (days, "LocalEventLogStorage"), "the files are the same: either goes on where the other stopped"


@pytest.mark.slow
def test_other_parameters_are_another_part(tmp_path: Path) -> None:
    other = renamed(r"def _connect\(self, shard: str\)", "def _connect(self, shard: str, mode: str = 'rw')")
    with other, pytest.warns(RuntimeWarning, match=r"lacks SqliteEventLogStorage\._connect\(shard\)"):
        assert stored(tmp_path) == (["2024-01-01", *DAYS], "SqliteEventLogStorage", DAYS[-1])


@pytest.mark.slow
def test_a_method_that_dagster_no_longer_calls_makes_nobody_wait_for_himself(tmp_path: Path) -> None:
    """The name is still there and looks as it did, but the connections come from elsewhere."""
    with renamed(r"return self\._connect\(", "return self._connect_anew("):
        stock = sys.modules["dagster._core.storage.event_log.sqlite.sqlite_event_log"].SqliteEventLogStorage
        stock._connect_anew = stock._connect
        assert stored(tmp_path) == (["2024-01-01", *DAYS], "LocalEventLogStorage", DAYS[-1])


def test_a_storage_that_is_not_there_at_all_says_what_to_write() -> None:
    with (
        pytest.raises(ImportError, match=r"Write `storage: \{sqlite: \{base_dir: \.\.\.\}\}` in place of"),
        renamed(r"\bclass DagsterSqliteStorage\b", "class DagsterSqliteHistory"),
    ):
        pass


@pytest.mark.slow
def test_under_this_dagster_nothing_is_lacking(tmp_path: Path) -> None:
    assert stored(tmp_path)[1] == "LocalEventLogStorage"
    assert lacking_parts(DagsterSqliteStorage(str(tmp_path / "stock"))) == []


def test_every_private_part_that_the_storage_uses_is_looked_for() -> None:
    source = Path(sys.modules[OURS[-1]].__file__ or "").read_text(encoding="utf-8")
    own = set(re.findall(r"def (_\w+)", source)) | set(re.findall(r"self\.(_\w+)(?::[^=\n]+)? = ", source))
    used = set(re.findall(r"\.(_[a-z]\w*)", source))
    assert used - own <= set(PRIVATE)
    assert {name for name in PRIVATE if name not in used | own} == set()
