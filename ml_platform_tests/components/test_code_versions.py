"""One code version for Dagster, the lake and ``plan``: of every field of every declaration all see the same, and what decides is seen."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest

from ml_platform.components.assets import feature_assets, problem_assets, table_assets
from ml_platform.core import source_code
from ml_platform.features.declared.definition import definition_hash
from ml_platform.features.declared.view import Discover, FeatureColumn, FeatureView
from ml_platform.lake.retention.rules import Retention
from ml_platform.pipeline.declared_code import declared_code_version
from ml_platform.pipeline.layer_code import layer_code
from ml_platform.project.project import Project
from ml_platform.tables.declared.contract import Column, Reference, RowRule
from ml_platform.tables.declared.sources.files import FileSource
from ml_platform.tables.declared.table import Availability, DailyPartitions, Table
from ml_platform.training.problem import Monitor, Problem, RowsSpine
from ml_platform_tests import flights_like as like

HOUR, DAY = timedelta(hours=1), timedelta(days=1)
# Which layers a field decides the content of, each field changed once. None: what it says is for readers, or decides when something is
# made, published or kept; no content depends on it. A new field fails the test until somebody has looked at it.
TABLE: dict[str, tuple[Any, str | None]] = {
    "name": (None, None),
    "source": (FileSource("arrivals/{day}.csv", "csv"), "raw"),
    "contract": (None, None),
    "description": ("Another.", None),
    "partitions": (DailyPartitions(date(2013, 1, 1), None, -1, 3), "tables"),
    "event_time": ("seen_at", "tables"),
    "availability": ((Availability("landed_at + interval 1 minute"),), "tables"),
    "delay": (HOUR, "tables"),
    "late_after": (HOUR, "tables"),
    "timeless": (True, "tables"),
    "publish": ("strict", None),
    "every": (None, None),
    "missing_days": ("allowed", "tables"),
    "longest_silence": (DAY, "tables"),
    "lost_days": (frozenset({date(2013, 1, 5)}), "tables"),
    "owners": (("team:x",), None),
    "tags": ({"a": "b"}, None),
    "retention": (Retention(timedelta(days=3)), None),
    "where": ("elsewhere.yaml:7", None),
}
CONTRACT: dict[str, tuple[Any, str | None]] = {
    "columns": (None, None),
    "key": (("flight_id", "origin"), "tables"),
    "rules": ((RowRule("some", "arr_delay > 0"),), "tables"),
    "references": ((Reference(("carrier",), "schedule", ("carrier",)),), "tables"),
    "max_rejected": (0.5, "tables"),
    "min_rows": (7, "tables"),
    "max_shrink": (0.5, "tables"),
    "extra_columns": ("ignore", "tables"),
    "known_early": ("allow", "tables"),
}
COLUMN: dict[str, tuple[Any, str | None]] = {
    "name": ("other", "tables"),
    "type": ("int16", "tables"),
    "nullable": (False, "tables"),
    "description": ("Another.", None),
    "minimum": (-7, "tables"),
    "maximum": (7, "tables"),
    "one_of": ((1, 2), "tables"),
    "matches": ("x.*", "tables"),
    "zone": ("Europe/Oslo", "tables"),
    "was": (("before",), "tables"),
    "format": ("epoch_s", "tables"),
    "made_of": (("day", "clock"), "tables"),
    "optional": (True, "tables"),
}
SOURCE: dict[str, tuple[Any, str | None]] = {
    "pattern": ("arrivals/{day}*.csv", "raw"),
    "format": ("csv", "raw"),
    "null_values": (("-",), "tables"),
    "encoding": ("cp1252", "raw"),
    "names": (("flight_id", "landed_at"), "raw"),
}
PROBLEM: dict[str, tuple[Any, str | None]] = {
    "name": (None, None),
    "spine": (RowsSpine("schedule", "scheduled_at - interval 3 hours"), "training"),
    "label": (None, None),
    "features": (("delays",), "training"),
    "task": ("binary", "training"),
    "quantiles": (None, None),
    "training": (None, None),
    "selection": (None, None),
    "model": (None, None),
    "monitor": (Monitor(persistence=3), None),
    "promote_margin": (0.5, None),
    "population_allow": ("it is right", "training"),
    "leakage_allow": ({"distance": "it is right"}, "training"),
    "retention": (Retention(timedelta(days=3)), None),
    "description": ("Another.", None),
    "owners": (("team:x",), None),
    "tags": ({"a": "b"}, None),
    "discover": (None, None),
    "where": ("elsewhere.yaml:7", None),
}
LABEL: dict[str, tuple[Any, str | None]] = {
    "table": (None, None),
    "match": (None, None),
    "sql": ("max(arr_delay) > 30", "training"),
    "horizon": (timedelta(hours=40), "training"),
    "without_rows": ("null", "training"),
}
TRAINING: dict[str, tuple[Any, str | None]] = {
    "every": (timedelta(days=3), None),
    "look_back": (timedelta(days=41), "training"),
    "validate": (timedelta(days=8), "training"),
    "test": (timedelta(days=8), "training"),
    "max_rows": (5_000, "training"),
}
SELECTION: dict[str, tuple[Any, str | None]] = {
    "method": ("all", "selected"),
    "sizes": ((3, 4), "selected"),
    "tolerance": (0.5, "selected"),
    "every": (timedelta(days=30), None),
    "selectors": (("gain",), "selected"),
}
MODEL: dict[str, tuple[Any, str | None]] = {
    "trainer": ("logistic", "models"),
    "baseline": ("constant", "models"),
    "metrics": (("auc",), "models"),
    "params": ({"num_leaves": 7}, "models"),
}
# `latest` has a time-to-live.
VIEW_BASE = replace(like.DELAYS, features=(FeatureColumn("over", ("mean", "latest"), "arr_delay - 15"), *like.DELAYS.features), ttl=DAY)
VIEW: dict[str, tuple[Any, str | None]] = {
    "name": (None, None),
    "entities": (None, None),
    "source": (None, None),
    "sql": (None, None),
    "python": (None, None),
    "reads": (None, None),
    "windows": ((DAY, 3 * DAY), "features"),
    "refresh": (DAY, "features"),
    "features": (VIEW_BASE.features[:1], "features"),
    "discover": (Discover(("arr_delay",)), "features"),
    "ttl": (2 * DAY, "features"),
    "closed": ("right", "features"),
    "lag": (HOUR, "features"),
    "tail": (HOUR, "features"),
    "store": (None, None),
    "retention": (Retention(timedelta(days=3)), None),
    "description": ("Another.", None),
    "owners": (("team:x",), None),
    "tags": ({"a": "b"}, None),
    "where": ("elsewhere.yaml:7", None),
    "request": (None, None),
    "inputs": (None, None),
}
FEATURE: dict[str, tuple[Any, str | None]] = {
    "name": (None, None),
    "functions": (("mean", "min"), "features"),
    "sql": ("arr_delay + 1", "features"),
    "windows": ((3 * DAY,), "features"),
    "ttl": (3 * DAY, "features"),
    "where": ("arr_delay > 0", "features"),
    "offset": (HOUR, "features"),
}
LAYERS = ("raw", "tables", "features", "training", "selected", "models")


def versions(project: Project) -> tuple[dict[str, str | None], dict[str, str | None]]:
    """Return the code version of every asset as Dagster has it, and as the lake and ``plan`` ask for it."""
    assets = [asset for table in project.tables.values() for asset in table_assets.assets_of(project, table)]
    assets += [asset for view in project.views.values() for asset in feature_assets.assets_of(project, view)]
    assets += [asset for problem in project.problems.values() for asset in problem_assets.assets_of(project, problem)]
    specs = {"/".join(spec.key.path[1:]): spec for asset in assets for spec in asset.specs if len(spec.key.path) == 3}
    dagster = {name: spec.code_version for name, spec in specs.items() if name.split("/")[0] in LAYERS}
    return dagster, {name: declared_code_version(project, *name.split("/")) for name in dagster}


def bent(base: Any, fields: dict[str, tuple[Any, str | None]], part: str) -> Iterator[tuple[str, Any, str | None]]:
    """Yield the declaration with one field changed at a time; every field must be listed."""
    assert set(fields) == {field.name for field in dataclasses.fields(base)}, part
    for name, (value, layer) in fields.items():
        if value is not None:
            yield f"{part}.{name}", replace(base, **{name: value}), layer


def bent_tables() -> Iterator[tuple[str, tuple[Table, Table], str | None]]:
    # A second time, a column that the declared fields can name.
    seen = replace(like.ARRIVALS.contract, columns=(*like.ARRIVALS.contract.columns, Column("seen_at", "timestamp")))
    arrivals = replace(like.ARRIVALS, contract=seen)
    for what, table, layer in bent(arrivals, TABLE, "table"):
        # Only a feed whose empty days have no file can be silent.
        given = {"missing_days": "are_empty"} if what == "table.longest_silence" else {}
        yield what, (replace(arrivals, **given), replace(table, **given)), layer
    from_files = replace(arrivals, source=FileSource("arrivals/{day}.csv"))
    for what, source, layer in bent(from_files.source, SOURCE, "source"):
        yield what, (from_files, replace(arrivals, source=source)), layer
    for what, contract, layer in bent(arrivals.contract, CONTRACT, "contract"):
        yield what, (arrivals, replace(arrivals, contract=contract)), layer
    for what, column, layer in bent(Column("extra", "int32"), COLUMN, "column"):
        # Only text is matched, and only a time has a zone, a format, or several columns that it is made of.
        kind = {"column.matches": "string", **dict.fromkeys(("column.zone", "column.format", "column.made_of"), "timestamp")}.get(what)
        before = Column("extra", kind or "int32")
        after = replace(column, type=kind) if kind else column
        yield what, (_with_column(arrivals, before), _with_column(arrivals, after)), layer


def _with_column(table: Table, column: Column) -> Table:
    return replace(table, contract=replace(table.contract, columns=(*table.contract.columns, column)))


def bent_views() -> Iterator[tuple[str, FeatureView, str | None]]:
    yield from bent(VIEW_BASE, VIEW, "view")
    for what, column, layer in bent(VIEW_BASE.features[0], FEATURE, "feature"):
        yield what, replace(VIEW_BASE, features=(column, *VIEW_BASE.features[1:])), layer


def bent_problems() -> Iterator[tuple[str, Problem | tuple[Problem, Problem], str | None]]:
    problem = like.LATE_ARRIVAL
    yield from bent(problem, PROBLEM, "problem")
    for part, fields in (("label", LABEL), ("training", TRAINING), ("selection", SELECTION), ("model", MODEL)):
        for what, inner, layer in bent(getattr(problem, part), fields, part):
            yield what, replace(problem, **{part: inner}), layer
    label = replace(problem.label, sql="max(arr_delay)", without_rows="exclude")
    number = replace(problem, label=label, task="quantiles", quantiles=(0.5,))
    yield "problem.quantiles", (number, replace(number, quantiles=(0.1, 0.9))), "models"


BENT = {"tables": bent_tables, "views": bent_views, "problems": bent_problems}


@pytest.mark.slow
@pytest.mark.parametrize("kind", list(BENT))
def test_of_every_field_dagster_and_the_lake_see_the_same(kind: str) -> None:
    found: dict[str, set[str]] = {}
    wanted: dict[str, set[str]] = {}
    for what, changed, layer in BENT[kind]():
        before, after = changed if isinstance(changed, tuple) else (None, changed)
        mine, theirs = versions(_project(kind, before)), versions(_project(kind, after))
        assert mine[0] == mine[1], what
        assert theirs[0] == theirs[1], what
        assert all(mine[0].values()), what
        found[what] = {name.split("/")[0] for name in theirs[0] if mine[0].get(name) != theirs[0][name]}
        wanted[what] = set() if layer is None else {layer}
    missed = {what for what in wanted if not wanted[what] <= found[what]}
    # A change of times or keys may show in what reads the table too; that of a presentation shows nowhere.
    shown = {what: found[what] for what in wanted if not wanted[what] and found[what]}
    assert (missed, shown) == (set(), {})


def _project(kind: str, changed: Any) -> Project:
    if kind == "problems":
        return like.project(problem=changed or like.LATE_ARRIVAL)
    if kind == "views":
        return like.project(views=[changed or VIEW_BASE])
    return like.project(tables=[changed, *(t for t in (like.SCHEDULE, like.ARRIVALS) if t.name != changed.name)])


@pytest.mark.slow
def test_other_code_is_seen_by_all_and_only_where_it_computes(monkeypatch: pytest.MonkeyPatch) -> None:
    before, _ = versions(like.project())
    definitions = definition_hash(like.project().view("delays").definitions(("origin",)))
    read = source_code._source
    for module, change, layers in (
        ("features.kernels.sums", "\nADDED = 1\n", {"features", "training"}),
        ("features.kernels.sums", "\n# Said otherwise.\n", set()),
        ("tables.delivered.read_files", "\nADDED = 1\n", {"raw"}),
        ("models.trainers.built_in.lightgbm", "\nADDED = 1\n", {"selected", "models"}),
        ("models.trainers.built_in.ridge", "\nADDED = 1\n", {"models"}),
        ("selection.selectors.l1", "\nADDED = 1\n", {"selected"}),
        ("lake.reading.history", "\nADDED = 1\n", set()),
    ):
        monkeypatch.setattr(source_code, "_source", lambda name, m=module, c=change: read(name) + (c if name == m else ""))
        source_code._digest.cache_clear()
        source_code.code_hash.cache_clear()
        dagster, lake = versions(like.project())
        assert dagster == lake
        assert {name.split("/")[0] for name in before if before[name] != dagster[name]} == layers, module
        # What a model remembers of its features are their definitions: these are the same by whatever code.
        assert definition_hash(like.project().view("delays").definitions(("origin",))) == definitions
    monkeypatch.undo()
    source_code._digest.cache_clear()
    source_code.code_hash.cache_clear()
    assert versions(like.project())[0] == before


@pytest.mark.parametrize(
    ("module", "layers"),
    [
        ("registry.promotion", {"champion"}),
        ("monitoring.drift", {"monitoring"}),
        ("monitoring.evidently_report", set()),
        ("pipeline.scoring.hindsight", {"outcomes", "monitoring"}),
        ("training.labels", {"outcomes", "champion"}),
        ("lake.reading.history", set()),
    ],
)
def test_what_is_recorded_says_by_which_code(module: str, layers: set[str], monkeypatch: pytest.MonkeyPatch) -> None:
    recorded = ("outcomes", "champion", "monitoring")
    before = {layer: layer_code(layer) for layer in recorded}
    read = source_code._source
    with monkeypatch.context() as changed:
        changed.setattr(source_code, "_source", lambda name: read(name) + ("\nADDED = 1\n" if name == module else ""))
        source_code._digest.cache_clear()
        source_code.code_hash.cache_clear()
        assert {layer for layer in recorded if layer_code(layer) != before[layer]} == layers
    source_code._digest.cache_clear()
    source_code.code_hash.cache_clear()
    assert {layer: layer_code(layer) for layer in recorded} == before
