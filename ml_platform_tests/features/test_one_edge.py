"""One place decides where a window begins and ends: a mistake there reaches everything that asks whether a row counts."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import polars as pl
import pytest

from ml_platform.audit.why import explain_value
from ml_platform.core.intervals import Interval
from ml_platform.features.declared import edges
from ml_platform.features.declared.explain import statement
from ml_platform.features.declared.view import FeatureColumn
from ml_platform.features.declared.window_spec import WindowSpec
from ml_platform.features.engine.change_points import change_points
from ml_platform.features.engine.engine import compute
from ml_platform.features.nested.evaluate import evaluate
from ml_platform.features.nested.tree import Aggregate, Link, Tree
from ml_platform.features.own_views.explain_code import handed_statement
from ml_platform.features.own_views.handmade import hand_over
from ml_platform.pipeline.tables.coverage import Reached
from ml_platform.sql.duck import connect
from ml_platform.tables.declared.table import DailyPartitions
from ml_platform_tests import flights_like as like
from ml_platform_tests.features.at_scale.bucketed import bucketed
from ml_platform_tests.features.brute_force import EPOCH, brute_force
from ml_platform_tests.features.declared_views import ARRIVALS, COLUMNS, a_view, definitions_of, hours
from ml_platform_tests.features.worlds import MICRO, T0

GRID = {"refresh": hours(1), "lag": hours(0.5), "tail": hours(4)}
(SUM,) = definitions_of(a_view(FeatureColumn("arr_delay", ("sum",), offset=hours(1)), windows=[hours(6)], **GRID))
# At every hour and a microsecond beside it, each with a power of two of its own: a sum says which rows are in it.
TIMES = [T0 - hours(h) + shift for h in range(16) for shift in (-MICRO, timedelta(0), MICRO)]
EVENTS = pl.DataFrame(
    {"origin": "EWR", "_available_at": TIMES, "landed_at": TIMES, "arr_delay": [2**n for n in range(len(TIMES))]},
    schema_overrides={"_available_at": pl.Datetime("us", "UTC"), "landed_at": pl.Datetime("us", "UTC")},
)
CUTOFFS = [T0 + shift for shift in (timedelta(0), hours(0.5), hours(2.5), hours(3), -hours(3))]
SPINE = pl.DataFrame({"origin": "EWR", "_cutoff": CUTOFFS}, schema_overrides={"_cutoff": pl.Datetime("us", "UTC")})


def by_engine(_: Any) -> Any:
    return compute(EVENTS, SPINE, [SUM])[SUM.name].to_list()


def by_change_points(_: Any) -> Any:
    always = replace(SUM, refresh=None, lag=timedelta(0), tail=None)
    near = Interval(T0 - hours(8), T0 + hours(8))
    return [change_points(EVENTS, [definition], near)["valid_from"].to_list() for definition in (SUM, always)]


def by_buckets(world: Any) -> Any:
    events = EVENTS.select(pl.col(c) if c in EVENTS.columns else pl.lit(None, pl.String).alias(c) for c in ("origin", "landed_at"))
    rows = events.with_columns(EVENTS["_available_at"], EVENTS["arr_delay"])
    return bucketed(world[1], rows, SPINE, [SUM])[SUM.name].to_list()


def by_statement(_: Any) -> Any:
    with connect() as con:
        con.register("events", EVENTS.to_arrow())
        con.register("spine", SPINE.with_row_index("_row").to_arrow())
        return con.sql(statement(SUM, source="events")).fetchall()


def by_features_of_features(_: Any) -> Any:
    link = Link("arrivals", ("origin",), ("_available_at",), "", ("origin",), ())
    node = Aggregate((link,), "count", "{}", (), "BIGINT", "Int64", window=hours(6))
    (found,) = evaluate({"arrivals": EVENTS}, SPINE, [Tree("", ("origin",), (), node)])
    return found.to_list()


def by_own_views(_: Any) -> Any:
    columns = tuple(c for c in COLUMNS if c.name in EVENTS.columns)
    table = replace(ARRIVALS, contract=replace(ARRIVALS.contract, columns=columns, key=()))
    rows = hand_over(table, EVENTS).at(T0, hours(6))
    with connect() as con:
        con.register("events", EVENTS.to_arrow())
        explained = con.sql(handed_statement(table, hours(6), f"TIMESTAMPTZ '{T0}'", source="events")).pl()
    assert sorted(rows["arr_delay"]) == sorted(explained["arr_delay"]), "the views' code and its explanation see the same"
    return sorted(rows["arr_delay"])


def by_coverage(_: Any) -> Any:
    reached = Reached()
    at_edges = [like.utc("2013-01-04 00:30") + hours(h) + shift for h in (0, 0.5, 1, 5, 10.5) for shift in (-MICRO, timedelta(0))]
    table = replace(like.ARRIVALS, partitions=DailyPartitions(like.START))
    always = replace(SUM, refresh=None, lag=timedelta(0), tail=None, window=timedelta(days=1))
    for definition in (always, replace(SUM, window=hours(9)), replace(SUM, window=timedelta(days=1), tail=timedelta(days=1))):
        reached.add_features(lambda _: table, pl.Series("_cutoff", at_edges), [definition])
    return [(one.first.tolist(), one.last.tolist()) for one in reached.reaches]


def by_why(world: Any) -> Any:
    workspace = world[0].workspace
    known = workspace.lake.read("flights/tables/arrivals").pl().filter(pl.col("origin") == "EWR")["_available_at"].sort()
    told = []
    for shift in (hours(1), hours(7)):
        definition = replace(SUM, refresh=None, lag=timedelta(0), tail=None if shift == hours(7) else hours(4))
        why = explain_value(workspace, definition, {"origin": "EWR"}, known[known.len() // 2] + shift)
        told.append((why.window_start, [r.available_at for r in why.counted], [r.counts_from for r in why.waiting]))
    return told


USERS: dict[str, Callable[[Any], Any]] = {
    "engine": by_engine, "change points": by_change_points, "buckets": by_buckets, "statement": by_statement,
    "features of features": by_features_of_features, "own views": by_own_views, "coverage": by_coverage, "why": by_why,
}  # fmt: skip


def no_offset(spec: WindowSpec) -> int | None:
    return None if spec.length is None else spec.length // MICRO


MISTAKES: dict[str, dict[str, Callable]] = {
    "the end is turned round": {"holds_end": lambda spec: spec.closed in {"left", "neither"}},
    "the start is turned round": {"holds_start": lambda spec: spec.closed in {"right", "neither"}},
    "the offset is dropped": {"_ends_before": lambda spec: 0, "_begins_before": no_offset},
    "the grid is rounded up": {"floor_to_grid": lambda micros, grid: -(-micros // (grid // MICRO)) * (grid // MICRO) if grid else micros},
}
# Features of features and views of the team's own have neither offset nor rounded start; SQL has its own way to round, which is held
# against the engine's in test_explain.py and test_edges.py.
WITHOUT = {("features of features", "offset"), ("own views", "offset"), ("features of features", "grid"), ("own views", "grid"),
           ("statement", "grid")}  # fmt: skip


@pytest.fixture(scope="module")
def world(tmp_path_factory):
    return like.world(tmp_path_factory.mktemp("edge"), landed=3), tmp_path_factory.mktemp("buckets")


@pytest.mark.parametrize("mistake", MISTAKES)
@pytest.mark.parametrize("user", USERS)
def test_a_mistake_at_the_edge_changes_what_every_user_of_it_says(monkeypatch, world, user: str, mistake: str):
    if any(user == name and word in mistake for name, word in WITHOUT):
        return
    right = USERS[user](world)
    for name, wrong in MISTAKES[mistake].items():
        monkeypatch.setattr(edges, name, wrong)
    assert USERS[user](world) != right


def test_every_user_says_what_the_rule_says(world):
    """Held against the loop and against plain comparisons, so that a mistake in the edge itself is one in each of them."""
    expected = brute_force(EVENTS, SPINE, [SUM])[SUM.name]
    assert by_engine(None) == expected
    assert by_buckets(world) == expected
    assert [row[1] for row in by_statement(None)] == expected
    history = change_points(EVENTS, [SUM], Interval(T0 - hours(24), T0 + hours(24)))
    assert [history.filter(pl.col("valid_from") <= cutoff)[-1, SUM.stored_name] for cutoff in CUTOFFS] == expected
    assert by_features_of_features(None) == [sum(cutoff - hours(6) <= time < cutoff for time in TIMES) for cutoff in CUTOFFS]
    assert by_own_views(None) == [2**n for n, time in enumerate(TIMES) if T0 - hours(6) <= time < T0]


def test_why_shows_the_rows_that_the_rule_counts(world):
    known = world[0].workspace.lake.read("flights/tables/arrivals").pl().filter(pl.col("origin") == "EWR")["_available_at"].sort().to_list()
    middle = known[len(known) // 2]
    (from_grid, counted, waiting), (start, later, _) = by_why(world)
    assert from_grid == EPOCH + (middle - hours(6) - EPOCH) // hours(4) * hours(4)
    assert counted == [time for time in known if from_grid <= time < middle]
    assert waiting == [time + hours(1) + MICRO for time in known if time >= middle][: len(waiting)]
    assert waiting
    assert start == middle
    assert later == [time for time in known if middle <= time < middle + hours(6)]
