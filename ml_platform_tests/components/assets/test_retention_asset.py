"""Retention as an asset: declared in YAML, asked for by a schedule, run in this process."""

from __future__ import annotations

import itertools
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import pyarrow as pa
import pytest

from ml_platform.components.instance.branch_guard import check_history
from ml_platform.components.opened_projects import open_rules
from ml_platform.lake.lake import Lake
from ml_platform.lake.ledger import commit_log
from ml_platform.lake.retention import collecting
from ml_platform.lake.retention.rules import Rule
from ml_platform_tests.components.declarations.test_declarations import chain
from ml_platform_tests.components.shop import tree_of, write_project

_NUMBER = itertools.count()
TABLE = "shop/tables/orders"
DEFAULT = """
---
type: ml_platform.Retention
attributes:
  superseded_for: 1h
  versions: 1
  layers: {raw: forever, features: {superseded_for: 7d}}
"""


def load(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, add: str = "", swap: tuple[str, str] | None = None
) -> tuple[Path, dg.Definitions]:
    package = f"kept_shop_{next(_NUMBER)}"
    root = write_project(tmp_path / package, package=package, swap=swap)
    declarations = root / package / "defs" / "shop" / "defs.yaml"
    declarations.write_text(declarations.read_text() + add)
    monkeypatch.syspath_prepend(str(root))
    return root, tree_of(root).build_defs()


def clock(monkeypatch: pytest.MonkeyPatch, module: object, time: datetime) -> None:
    class Moved(datetime):
        @classmethod
        def now(cls, tz=None):
            return time

    monkeypatch.setattr(module, "datetime", Moved)
    if module is collecting:
        # The clock that dates the files is the same machine's.
        monkeypatch.setattr(collecting, "store_time", lambda store, **_: time)


def run(definitions: dg.Definitions, instance: dg.DagsterInstance) -> dg.ExecuteInProcessResult:
    return definitions.resolve_job_def("shop_retention").execute_in_process(instance=instance, raise_on_error=False)


@pytest.mark.slow
def test_the_schedule_is_on_only_where_a_retention_is_declared(tmp_path, monkeypatch):
    off = load(tmp_path, monkeypatch)[1].resolve_schedule_def("shop_retention")
    on = load(tmp_path, monkeypatch, add=DEFAULT)[1].resolve_schedule_def("shop_retention")
    monkeypatch.setenv("ML_PLATFORM_BRANCH", "dev")
    elsewhere = load(tmp_path, monkeypatch, add=DEFAULT)[1].resolve_schedule_def("shop_retention")
    assert [s.default_status.value for s in (off, on, elsewhere)] == ["STOPPED", "RUNNING", "STOPPED"]
    assert (on.cron_schedule, on.execution_timezone, on.job_name) == ("30 3 * * *", "UTC", "shop_retention")


@pytest.mark.slow
def test_rules_are_those_of_the_declarations(tmp_path, monkeypatch):
    swap = ("  key: [order_id]\n", "  key: [order_id]\n  retention: {superseded_for: 30d, versions: 2}\n")
    root, _ = load(tmp_path, monkeypatch, add=DEFAULT, swap=swap)
    month = (timedelta(days=30), 2)
    assert open_rules(root) == (
        *(Rule(f"shop/{layer}/orders", *month) for layer in ("raw", "tables", "quarantine")),
        Rule("shop/features/*", timedelta(days=7)),
        Rule("shop/raw/*"),
        Rule("shop/*", timedelta(hours=1), 1),
    )


@pytest.mark.slow
def test_a_run_collects_and_tells_what_and_why(tmp_path, monkeypatch):
    root, definitions = load(tmp_path, monkeypatch, add=DEFAULT)
    lake = Lake.open(root / "data" / "lake")
    now = datetime.now(UTC)
    clock(monkeypatch, commit_log, now - timedelta(days=3))
    old, _ = (lake.writing.publish([lake.writing.stage(TABLE, "2024-01-01", pa.table({"x": [x]}))]).versions[0] for x in (1, 2))
    with dg.DagsterInstance.ephemeral() as instance:
        assert run(definitions, instance).success
        assert lake.versions.get(old.id).gone is None
        clock(monkeypatch, collecting, now + timedelta(days=1, hours=1))
        result = run(definitions, instance)
        assert result.success
        newest = instance.get_latest_materialization_event(dg.AssetKey(["shop", "lake", "retention"]))
    assert "no longer read (rule for shop/*)" in lake.versions.get(old.id).gone.rule
    told = {name: value.value for name, value in newest.asset_materialization.metadata.items()}
    assert (told["versions_collected"], told["versions_marked"], told["bytes_freed"]) == (1, 0, old.bytes)
    assert [record.data for record in told["collected"].records] == [
        {"table": TABLE, "versions": 1, "more": f"bytes {old.bytes}; why {lake.versions.get(old.id).gone.rule}"}
    ]
    assert told["summary"].startswith("1 versions collected")
    assert lake.read(TABLE).arrow().to_pylist() == [{"x": 2}]


@pytest.mark.slow
def test_a_project_without_retention_deletes_nothing_but_orphans(tmp_path, monkeypatch):
    root, definitions = load(tmp_path, monkeypatch)
    lake = Lake.open(root / "data" / "lake")
    clock(monkeypatch, commit_log, datetime.now(UTC) - timedelta(days=300))
    for x in (1, 2):
        lake.writing.publish([lake.writing.stage(TABLE, "2024-01-01", pa.table({"x": [x]}))])
    orphan = lake.writing.stage(TABLE, "2024-01-01", pa.table({"x": [3]}))
    clock(monkeypatch, collecting, datetime.now(UTC) + timedelta(days=2))
    with dg.DagsterInstance.ephemeral() as instance:
        assert run(definitions, instance).success
        event = instance.get_latest_materialization_event(dg.AssetKey(["shop", "lake", "retention"]))
    told = {name: value.value for name, value in event.asset_materialization.metadata.items()}
    assert (told["versions_collected"], told["versions_marked"], told["orphans_deleted"]) == (0, 0, 0)
    assert told["orphans_put_into_the_trash"] == 1
    assert orphan.files[0].path in told["summary"]
    assert all(v.gone is None for v in lake.history(TABLE))


@pytest.mark.slow
def test_a_run_with_the_ledger_that_was_moved_away_deletes_nothing_and_says_where_it_went(tmp_path, monkeypatch):
    root, definitions = load(tmp_path, monkeypatch, add=DEFAULT)
    lake = Lake.open(root / "data" / "lake")
    lake.writing.publish([lake.writing.stage(TABLE, "2024-01-01", pa.table({"x": [1]}))])
    moved = Lake.open(root / "data" / "lake", ledger=f"sqlite:///{tmp_path}/elsewhere.sqlite")
    lake.health.move_ledger(moved.health)
    moved.writing.publish([moved.writing.stage(TABLE, "2024-01-01", pa.table({"x": [2]}))])
    clock(monkeypatch, collecting, datetime.now(UTC) + timedelta(days=40))
    with dg.DagsterInstance.ephemeral() as instance:
        result = run(definitions, instance)
    (failure,) = [e for e in result.all_events if e.is_step_failure]
    assert re.search(r"was moved to .*/elsewhere\.sqlite on", str(failure.step_failure_data))
    assert moved.read(TABLE).arrow().to_pylist() == [{"x": 2}]
    assert len(list(lake._opened.store.list("data"))) == 2


def test_on_a_branch_the_run_fails_with_the_reason(tmp_path, monkeypatch):
    monkeypatch.setenv("ML_PLATFORM_BRANCH", "dev")
    root, definitions = load(tmp_path, monkeypatch, add=DEFAULT)
    Lake.open(root / "data" / "lake").branches.create("dev")
    with dg.DagsterInstance.ephemeral() as instance:
        check_history(instance, "dev")
        result = run(definitions, instance)
    assert not result.success
    (failure,) = [e for e in result.all_events if e.is_step_failure]
    assert "this is its branch 'dev': run it on 'main'" in failure.step_failure_data.user_failure_data.description


KEY = "  key: [order_id]\n"
WRONG = [
    (
        "a word",
        (KEY, KEY + "  retention: never\n"),
        "",
        r"Table 'orders'\): retention is 'never'. Write forever",
    ),
    ("no unit", (KEY, KEY + "  retention: {superseded_for: 30 days}\n"), "", r"retention\.superseded_for '30 days'.*unit"),
    ("no version", (KEY, KEY + "  retention: {versions: 0}\n"), "", r"newest 0 versions cannot be kept: give 1 or more"),
    ("another key", (KEY, KEY + "  retention: {version: 1}\n"), "", r"version"),
    ("an unknown layer", None, DEFAULT.replace("features:", "feature:"), r"layers names 'feature'.*Did you mean 'features'"),
    ("a second one", None, DEFAULT + DEFAULT, r"has a second retention.*Keep one"),
    ("a wrong layer", None, DEFAULT.replace("raw: forever", "raw: never"), r"layers\.raw is 'never'. Write forever"),
]


@pytest.mark.parametrize(("swap", "add", "told"), [w[1:] for w in WRONG], ids=[w[0] for w in WRONG])
def test_a_wrong_retention_fails_at_load(tmp_path, monkeypatch, swap, add, told):
    with pytest.raises(Exception, match=r"(?s).*") as caught:
        load(tmp_path, monkeypatch, add=add, swap=swap)
    assert re.search(told, chain(caught.value), re.DOTALL), chain(caught.value)
