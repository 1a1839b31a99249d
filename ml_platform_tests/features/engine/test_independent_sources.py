"""The engine against Featuretools, pandas and Polars, which share none of its code."""

from __future__ import annotations

import warnings
from datetime import timedelta

import numpy as np
import pandas as pd
import polars as pl
import pytest

from ml_platform.features.declared.view import FeatureColumn
from ml_platform.features.engine.engine import compute
from ml_platform_tests.features.declared_views import a_view, definitions_of
from ml_platform_tests.features.engine.test_engine import many_events

WINDOWS = (timedelta(hours=3), timedelta(days=1), timedelta(days=7))
COLUMNS = (
    FeatureColumn(
        "arr_delay", ("count", "sum", "mean", "var", "std", "skew", "min", "max", "median", "mode", "distinct", "first", "last", "trend")
    ),
    FeatureColumn("late", ("share",), sql="arr_delay > 15"),
    FeatureColumn("rows", ("time_since", "time_since_first", "avg_time_between")),
)
NAMES = {
    "count": "COUNT(rows)", "sum": "SUM(rows.arr_delay)", "mean": "MEAN(rows.arr_delay)", "var": "VARIANCE(rows.arr_delay)",
    "std": "STD(rows.arr_delay)", "skew": "SKEW(rows.arr_delay)", "min": "MIN(rows.arr_delay)", "max": "MAX(rows.arr_delay)",
    "median": "MEDIAN(rows.arr_delay)", "mode": "MODE(rows.category)", "distinct": "NUM_UNIQUE(rows.category)",
    "first": "FIRST(rows.arr_delay)", "last": "LAST(rows.arr_delay)", "trend": "TREND(rows.arr_delay, at)",
    "share": "PERCENT_TRUE(rows.late)", "time_since": "TIME_SINCE_LAST(rows.at)", "time_since_first": "TIME_SINCE_FIRST(rows.at)",
    "avg_time_between": "AVG_TIME_BETWEEN(rows.at)",
}  # fmt: skip
PRIMITIVES = sorted({name.partition("(")[0].lower() for name in NAMES.values()})


def close(ours: pl.Series, theirs: pd.Series | np.ndarray) -> None:
    np.testing.assert_allclose(
        ours.cast(pl.Float64).fill_null(np.nan).to_numpy(), np.asarray(theirs, dtype=np.float64), rtol=1e-9, atol=1e-12, err_msg=ours.name
    )


@pytest.fixture(scope="module")
def flights() -> tuple[pl.DataFrame, pl.DataFrame]:
    # The event time is the availability here: Featuretools and the rolling windows of others know no second time.
    events, spine = many_events(1500)
    events = events.with_columns(landed_at="_available_at").sort("_available_at")
    return events, pl.concat([spine.head(25), events.tail(10).select("origin", "dest", _cutoff="_available_at")])


@pytest.mark.slow
@pytest.mark.parametrize("window", WINDOWS)
def test_equals_featuretools(flights, window: timedelta):
    events, spine = flights
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import featuretools as ft

        rows = events.select(
            "origin", "arr_delay", "late", at=pl.col("_available_at").dt.replace_time_zone(None), category=pl.col("arr_delay")
        ).to_pandas().assign(row=range(events.height))  # fmt: skip
        es = ft.EntitySet("flights")
        es.add_dataframe(dataframe_name="airports", dataframe=pd.DataFrame({"origin": ["EWR", "JFK", "LGA"]}), index="origin")
        es.add_dataframe(dataframe_name="rows", dataframe=rows, index="row", time_index="at", logical_types={"category": "Categorical"})
        es.add_relationship("airports", "origin", "rows", "origin")
        features = ft.dfs(
            entityset=es, target_dataframe_name="airports", agg_primitives=PRIMITIVES, trans_primitives=[], max_depth=1, features_only=True
        )
        asked = pd.DataFrame({"origin": spine["origin"].to_list(), "time": spine["_cutoff"].dt.replace_time_zone(None).to_pandas()})
        theirs = ft.calculate_feature_matrix(
            features, es, cutoff_time=asked, training_window=f"{window // timedelta(hours=1)} hours", include_cutoff_time=False
        )
    theirs = theirs.set_index([theirs.index, asked["time"]])
    definitions = definitions_of(a_view(*COLUMNS, windows=[window], refresh=None))
    ours = compute(events, spine, definitions)
    assert theirs["COUNT(rows)"].notna().all()
    for definition in definitions:
        expected = theirs[NAMES[definition.function]].astype("float64")
        if definition.function == "trend":
            expected = expected * 86_400 / _units(events, spine, window)
        if definition.function == "distinct":
            expected = expected.fillna(0)
        close(ours[definition.name], expected)


def _units(events: pl.DataFrame, spine: pl.DataFrame, window: timedelta) -> list[int]:
    """Return the seconds of the unit in which Featuretools tells each trend: the largest that the first row's time is a multiple of."""
    units = []
    for origin, cutoff in spine.select("origin", "_cutoff").iter_rows():
        inside = events.filter(
            pl.col("origin") == origin, pl.col("_available_at") >= cutoff - window, pl.col("_available_at") < cutoff
        )  # fmt: skip
        first = int(inside["_available_at"][0].timestamp()) if inside.height else 0
        units.append(next(unit for unit in (86_400, 3_600, 60, 1) if first % unit == 0))
    return units


def test_where_featuretools_differs_is_as_documented():
    """It takes a NULL last value for the last one, and counts NULL as not true; the engine skips NULLs throughout."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        from featuretools.primitives import Last, PercentTrue, Std, Sum

        assert pd.isna(Last()(pd.Series([1.0, np.nan])))
        assert PercentTrue()(pd.Series([True, None], dtype="boolean")) == 0.5
        assert Sum()(pd.Series([np.nan])) == 0
        # In a feature matrix it is the sample deviation, as here (tested above); the primitive alone is the population's.
        assert Std()(pd.Series([1.0, 3.0])) == 1.0


@pytest.mark.parametrize("window", WINDOWS)
def test_equals_pandas_rolling(flights, window: timedelta):
    events, _ = flights
    # pandas has rolling windows at the events' own times only, so these are the cutoffs; closed="left" is [t - w, t).
    frame = events.select("origin", "arr_delay", at=pl.col("_available_at").dt.replace_time_zone(None)).to_pandas()
    frame = frame.groupby(["origin", "at"], as_index=False).first()
    events = pl.DataFrame(frame).with_columns(_available_at=pl.col("at").dt.replace_time_zone("UTC").cast(pl.Datetime("us", "UTC")))
    events = events.with_columns(landed_at="_available_at", late=pl.col("arr_delay") > 15)
    spine = events.select("origin", _cutoff="_available_at")
    definitions = definitions_of(a_view(COLUMNS[0], windows=[window], refresh=None))
    ours = compute(events, spine, definitions)
    rolling = frame.set_index("at").groupby("origin")["arr_delay"].rolling(window, closed="left")
    for definition in definitions:
        if definition.function in {"mean", "var", "std", "min", "max", "median"}:
            close(ours[definition.name], getattr(rolling, definition.function)().to_numpy())
    close(ours[definitions[1].name], rolling.sum().fillna(0).to_numpy())
    close(ours[definitions[0].name], rolling.count().fillna(0).to_numpy())


@pytest.mark.parametrize("window", WINDOWS)
def test_equals_polars_rolling(flights, window: timedelta):
    events, _ = flights
    events = events.unique(["origin", "_available_at"], maintain_order=True)
    spine = events.select("origin", _cutoff="_available_at")
    definitions = definitions_of(a_view(COLUMNS[0], windows=[window], refresh=None))
    ours = compute(events, spine, definitions)
    by = {"by": "_available_at", "window_size": window, "closed": "left"}
    delay = pl.col("arr_delay")
    rolled = events.select(
        mean=delay.rolling_mean_by(**by).over("origin"),
        std=delay.rolling_std_by(**by, min_samples=2).over("origin"),
        min=delay.rolling_min_by(**by).over("origin"),
        max=delay.rolling_max_by(**by).over("origin"),
    )
    for definition in definitions:
        if definition.function in rolled.columns:
            close(ours[definition.name], rolled[definition.function].cast(pl.Float64).fill_null(np.nan).to_numpy())
