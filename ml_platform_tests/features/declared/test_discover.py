from __future__ import annotations

import polars as pl

from ml_platform.features.compile import compile_view
from ml_platform.features.declared.discover import PRIMITIVES
from ml_platform.features.declared.view import Discover, FeatureColumn
from ml_platform.features.engine.engine import compute
from ml_platform_tests.features.brute_force import brute_force
from ml_platform_tests.features.declared_views import TABLES, a_view, definitions_of, hours
from ml_platform_tests.features.worlds import check, random_world


def test_the_engine_computes_what_featuretools_finds():
    view = a_view(discover=Discover(columns=("arr_delay", "temp", "late", "remark")[:2]), entities=[("origin",), ("origin", "dest")])
    found = definitions_of(view)
    per_column = {"sum", "mean", "std", "min", "max", "last_row"}
    assert {(d.value, d.function) for d in found} == {
        *((c, f) for c in ("arr_delay", "temp") for f in per_column), (None, "count"), (None, "time_since"),
    }  # fmt: skip
    assert {d.window for d in found} == set(view.windows)
    events, spine = random_world(4)
    events = events.with_columns(pl.col("arr_delay").cast(pl.Int64))
    check(compute(events, spine, found), brute_force(events, spine, found), 1e10)


def test_every_primitive_that_the_engine_knows_is_computed():
    view = a_view(discover=Discover(columns=("arr_delay", "remark", "cancelled"), primitives=tuple(PRIMITIVES)), windows=[hours(6)])
    found = definitions_of(view)
    assert {d.function for d in found} == set(PRIMITIVES.values())
    events, spine = random_world(5)
    events = events.with_columns(pl.col("arr_delay").cast(pl.Int64), cancelled=pl.col("late").shuffle(1))
    events = events.with_columns(pl.when(pl.int_range(pl.len()) % 5 > 0).then("cancelled").alias("cancelled"))
    share = next(d for d in found if d.function == "share")
    assert share.sql == 'coalesce("cancelled", FALSE)'
    evaluated = events.with_columns(pl.col("cancelled").fill_null(False).alias("cancelled is true"))
    check(compute(evaluated, spine, [share]), brute_force(evaluated, spine, [share]))
    others = [d for d in found if d is not share]
    check(compute(events, spine, others), brute_force(events, spine, others), 1e10)


def test_types_decide_what_is_found():
    found = definitions_of(a_view(discover=Discover(columns=("cancelled", "remark", "published_at")), windows=[hours(3)]))
    functions = {(d.value, d.function) for d in found}
    assert ("cancelled is true", "share") in functions
    assert ("remark", "last_row") in functions
    assert not {("remark", "mean"), ("cancelled", "mean"), ("published_at", "mean")} & functions


def test_columns_that_nothing_says_the_availability_of_are_not_offered():
    found = definitions_of(a_view(discover=Discover(), source="flights", windows=[hours(3)]))
    values = {d.value for d in found}
    assert "note" not in values
    assert not {"origin", "flight_id", "landed_at"} & values
    assert {"arr_delay", "temp", "cancelled", "remark", None} <= values


def test_declared_features_come_first_and_the_number_is_bounded():
    view = a_view(FeatureColumn("arr_delay", ("mean",)), discover=Discover(max_features=5), windows=[hours(3)])
    compiled = compile_view(view, TABLES)
    found = compiled.definitions(("origin",))
    assert found[0].name == "origin_arr_delay_mean_3h"
    assert 5 <= len(found) <= 6
    assert len({d.name for d in found}) == len(found)
    every = {d.name for d in definitions_of(a_view(FeatureColumn("arr_delay", ("mean",)), discover=Discover(), windows=[hours(3)]))}
    assert set(compiled.left_out(("origin",))) == every - {d.name for d in found}


def test_a_limit_keeps_or_drops_all_windows_of_a_feature():
    view = a_view(discover=Discover(max_features=3), windows=[hours(3), hours(6)])
    found = definitions_of(view)
    assert [(d.value, d.function) for d in found] == [(found[0].value, found[0].function)] * 2
