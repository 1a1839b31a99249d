"""The contract of functions of windows."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from ml_platform.core.intervals import Interval
from ml_platform.features.compile import compile_view
from ml_platform.features.declared.explain import statement
from ml_platform.features.declared.functions.registry import find_function
from ml_platform.features.declared.view import FeatureColumn, FeatureView
from ml_platform.features.declared.window_spec import WindowSpec
from ml_platform.features.engine.change_points import change_points, read_at
from ml_platform.features.engine.engine import compute
from ml_platform.features.timeline.event_rows import to_events
from ml_platform.sql.duck import connect
from ml_platform.tables.declared.contract import Column, Contract
from ml_platform.tables.declared.sources.files import FileSource
from ml_platform.tables.declared.table import Availability, DailyPartitions, Table
from ml_platform.tables.declared.types import contract_columns

if TYPE_CHECKING:
    from ml_platform.features.declared.definition import FeatureDefinition
    from ml_platform.features.declared.functions.function import Function

NOON = datetime(2024, 5, 1, 12, tzinfo=UTC)
HOUR = timedelta(hours=1)
_COLUMNS = {"number": ("int32", "BIGINT"), "level": ("float64", "DOUBLE"), "word": ("string", "VARCHAR"), "flag": ("bool", "BOOLEAN")}
_TABLE = Table(
    "events",
    FileSource("events/{day}.parquet"),
    Contract((Column("key", "string"), Column("at", "timestamp"), *(Column(name, kind) for name, (kind, _) in _COLUMNS.items()))),
    partitions=DailyPartitions(date(2024, 1, 1)),
    event_time="at",
    availability=(Availability("at"),),
    where="contract",
)


def made_rows(seed: int = 0, events: int = 60) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return events at and around the edges of windows of three hours and a day, some without a value, and rows to compute for."""
    rng = np.random.default_rng(seed)
    edges = [NOON - back * HOUR + shift * timedelta(microseconds=1) for back in (0, 1, 3, 4, 24, 25) for shift in (-1, 0, 1)]
    times = [edges[n] for n in rng.integers(0, len(edges), events)]
    happened = [time - timedelta(minutes=int(back)) for time, back in zip(times, rng.integers(0, 600, events), strict=True)]
    frame = pl.DataFrame({
        "key": rng.choice(["a", "b"], events), "at": happened, "_available_at": times, "number": rng.integers(-5, 20, events),
        "level": rng.normal(size=events).round(3), "word": rng.choice(["x", "y"], events), "flag": rng.random(events) < 0.5,
    })  # fmt: skip
    gaps = [pl.when(pl.Series(rng.random(events) < 0.2)).then(None).otherwise(name).alias(name) for name in _COLUMNS]
    times_of_day = pl.col("at", "_available_at").cast(pl.Datetime("us", "UTC"))
    asked = [*edges, NOON + HOUR / 2, NOON + 23 * HOUR]
    spine = pl.DataFrame({"key": [key for key in ("a", "b", "nobody") for _ in asked], "_cutoff": asked * 3})
    return (
        frame.with_columns(times_of_day, pl.col("number").cast(pl.Int32)).with_columns(gaps),
        spine.with_columns(pl.col("_cutoff").cast(pl.Datetime("us", "UTC"))),
    )


def definitions_for(function: Function) -> tuple[FeatureDefinition, ...]:
    """Return features of a function: of every column that it takes, over windows of every kind."""
    columns = [FeatureColumn(name, (function.name,), ttl=6 * HOUR) for name, (_, kind) in _COLUMNS.items() if function.takes(kind)]
    columns += [FeatureColumn("rows", (function.name,))] if function.of_rows else []
    windows = (3 * HOUR, 24 * HOUR, WindowSpec(rows=3), WindowSpec())
    view = FeatureView("made", (("key",),), source="events", windows=windows, refresh=HOUR, features=tuple(columns), where="contract")
    return compile_view(view, {"events": _TABLE}).definitions(("key",))


class FunctionContract:
    """What every function of windows keeps. Subclass it, with the ``names`` of yours."""

    names: ClassVar[tuple[str, ...]] = ()

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Run each test for each function."""
        metafunc.parametrize("name", self.names)

    def asked(self, name: str) -> tuple[FeatureDefinition, ...]:
        """Return the features that a function is asked for."""
        function = find_function(name)
        assert function is not None, f"there is no function {name!r}"
        return definitions_for(function)

    def test_it_computes_what_its_sql_says(self, name: str) -> None:
        events, spine = made_rows()
        asked = self.asked(name)
        values = compute(events, spine, asked)
        with connect() as con:
            con.register("events", events.to_arrow())
            con.register("spine", spine.with_row_index("_row").to_arrow())
            for one in asked:
                expected = con.sql(statement(one, source="events")).pl().select(one.name)
                assert_frame_equal(values.select(one.name), expected, check_dtypes=False, rel_tol=1e-6, abs_tol=1e-6)

    def test_values_have_the_declared_type_and_an_empty_window_has_its_own(self, name: str) -> None:
        events, spine = made_rows()
        asked, function = self.asked(name), find_function(name)
        typed = to_events(events, contract_columns(_TABLE.contract), asked)
        nothing = compute(typed.clear(), spine.head(1), asked)
        kinds = {"BIGINT": pl.Int64(), "DOUBLE": pl.Float64(), "VARCHAR": pl.String(), "BOOLEAN": pl.Boolean()}
        for one in asked:
            assert compute(typed, spine, [one]).schema[one.name] == kinds.get(one.type, pl.Datetime("us", "UTC"))
            assert nothing[one.name].to_list() == [function.empty if function else None]

    def test_values_read_from_change_points_are_the_same(self, name: str) -> None:
        events, spine = made_rows()
        asked = self.asked(name)
        history = change_points(events, asked, Interval(NOON - timedelta(days=9), NOON + timedelta(days=9)))
        assert_frame_equal(read_at(history, spine, asked), compute(events, spine, asked), rel_tol=1e-6, abs_tol=1e-6)

    def test_what_comes_later_changes_nothing(self, name: str) -> None:
        events, spine = made_rows()
        asked = self.asked(name)
        early = spine.filter(pl.col("_cutoff") <= NOON - 3 * HOUR)
        known = events.filter(pl.col("_available_at") < NOON - 3 * HOUR)
        assert_frame_equal(compute(events, early, asked), compute(known, early, asked), rel_tol=1e-6, abs_tol=1e-6)
