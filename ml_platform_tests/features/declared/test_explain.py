from __future__ import annotations

from datetime import timedelta

import polars as pl
import pytest

from ml_platform.features.compile import compile_view
from ml_platform.features.declared.explain import sentence, statement
from ml_platform.features.declared.view import FeatureColumn, FeatureView
from ml_platform.features.engine.engine import compute
from ml_platform.features.engine.table_columns import column_definition
from ml_platform.sql.duck import session
from ml_platform_tests.features.declared_views import (
    ARRIVALS,
    EVERY_FUNCTION,
    EVERY_WINDOW,
    SPECS,
    TABLES,
    WHERE,
    a_view,
    definitions_of,
    hours,
)
from ml_platform_tests.features.worlds import check, random_world


@pytest.mark.slow
@pytest.mark.parametrize("refresh", [None, hours(1), timedelta(days=1)])
def test_the_statement_computes_what_the_engine_computes(refresh: timedelta | None):
    events, spine = random_world(7)
    events = events.with_columns(late=pl.col("arr_delay") > 15)
    definitions = definitions_of(a_view(*EVERY_FUNCTION, entities=[("origin",), ("origin", "dest")], refresh=refresh))
    nobody = pl.DataFrame({"origin": ["LGA", None], "dest": [None, None], "_cutoff": [spine["_cutoff"][0], None]}, schema=spine.schema)
    spine = pl.concat([spine, nobody])
    with session() as con:
        con.register("events", events.to_arrow())
        con.register("spine", spine.with_row_index("_row").to_arrow())
        found = {d.name: con.sql(statement(d, source="events")).pl()[d.name].to_list() for d in definitions}
    check(compute(events, spine, definitions), found, 1e10)


@pytest.mark.slow
@pytest.mark.parametrize("closed", ["left", "right", "both", "neither"])
def test_the_statement_computes_windows_of_every_kind(closed: str):
    events, spine = random_world(8)
    view = a_view(*EVERY_WINDOW, windows=SPECS, refresh=hours(1), closed=closed, lag=timedelta(minutes=30), tail=hours(4))
    definitions = definitions_of(view)
    filtered = events.with_columns(late_temp="temp").with_columns((pl.col("arr_delay") > 15).alias(f"where {WHERE}"))
    with session() as con:
        con.register("events", events.to_arrow())
        con.register("spine", spine.with_row_index("_row").to_arrow())
        found = {d.name: con.sql(statement(d, source="events")).pl()[d.name].to_list() for d in definitions}
    check(compute(filtered, spine, definitions), found, 1e10)


def test_sentences():
    view = a_view(
        FeatureColumn("late", ("share",), sql="arr_delay > 15"), FeatureColumn("temp", ("latest",), ttl=hours(6)), windows=[hours(3)]
    )
    late, latest = definitions_of(view)
    assert late.description == (
        "Share of rows (0 to 1) with late (arr_delay > 15) within the 3h before the cutoff, per origin, from arrivals; refreshed hourly."
    )
    assert latest.description == "Latest temp not older than 6h, per origin, from arrivals; refreshed hourly."
    own = FeatureView("own", (("origin",),), sql="SELECT origin, count(*) AS n FROM arrivals GROUP BY 1", reads={"arrivals": hours(48)})
    made = compile_view(own, TABLES).definitions(("origin",))[0]
    assert sentence(made) == "n per origin, made by SQL of view own from arrivals (2d back); refreshed daily."
    assert "GROUP BY 1" in statement(made)
    column = column_definition(ARRIVALS, "temp")
    assert column.description == "temp of arrivals for the row's flight_id, as it was known at the cutoff."
    assert 't."_available_at" < s._cutoff' in statement(column)
