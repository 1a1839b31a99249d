"""The pandera schema and the engine are two answers to one contract: they reject the same rows."""

import math
import warnings
from datetime import UTC, date, datetime
from decimal import Decimal

import pandas as pd
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml_platform.core.errors import DeclarationError
from ml_platform.tables.declared.contract import Column, Contract, RowRule
from ml_platform.tables.declared.types import arrow_type, polars_type
from ml_platform.tables.judged.pandera_schema import to_pandera
from ml_platform_tests.effort import examples
from ml_platform_tests.tables.judged_deliveries import delivery, judged, table

CONTRACT = Contract(
    (
        Column("id", "string", nullable=False),
        Column("small", "int8", minimum=-3, maximum=3),
        Column("whole", "int64", nullable=False, minimum=-(10**15)),
        Column("ratio", "float64", minimum=0.1, maximum=0.7),
        Column("short", "float32", minimum=0.1),
        Column("sure", "float64", nullable=False),
        Column("flag", "bool", nullable=False),
        Column("code", "string", one_of=("NO", "SE")),
        Column("level", "int16", one_of=(1, 2)),
        Column("tail", "string", matches="N[0-9]{1,3}|X"),
        Column("day", "date", minimum=date(2013, 1, 2), maximum=date(2013, 1, 3)),
        Column("at", "timestamp", maximum=datetime(2013, 1, 2, tzinfo=UTC)),
        Column("fare", "decimal(9,2)", minimum=Decimal("0.50"), maximum=Decimal("9.99")),
    ),
    key=("id",),
    rules=(RowRule("smaller", "small < whole"), RowRule("parsed", "CAST(tail[2:] AS INTEGER) < 500 OR flag")),
)
TYPES = {c.name: arrow_type(c.type) for c in CONTRACT.columns}
VALUES = {
    "id": ["1", "2", "3", None],
    "small": [-4, -3, 0, 3, 4, None],
    "whole": [-(10**15) - 1, -(10**15), 0, 2, 10**15, None],
    "ratio": [0.1, 0.7, math.nextafter(0.1, 0), math.nextafter(0.7, 1), math.inf, math.nan, None],
    "short": [0.1, 0.09, 0.11, math.nan, None],
    "sure": [1.0, math.nan, None, -math.inf],
    "flag": [True, False, None],
    "code": ["NO", "SE", "no", "", None],
    "level": [1, 2, 3, None],
    "tail": ["N1", "N999", "N1234", "X", "N1\n", "", None],
    "day": [date(2013, 1, d) for d in (1, 2, 3, 4)] + [None],
    "at": [datetime(2013, 1, 1, tzinfo=UTC), datetime(2013, 1, 2, tzinfo=UTC), datetime(2013, 1, 2, 0, 0, 0, 1, tzinfo=UTC), None],
    "fare": [Decimal(f) for f in ("0.49", "0.50", "9.99", "10.00")] + [None],
}
GOOD = {"id": "1", "small": 0, "whole": 2, "ratio": 0.5, "short": 1.0, "sure": 1.0, "flag": True, "code": "NO", "level": 1, "tail": "N1",
        "day": date(2013, 1, 2), "at": datetime(2013, 1, 1, tzinfo=UTC), "fare": Decimal("1.00")}  # fmt: skip
# Mostly good rows: where everything is broken at once, one rule too few is not seen.
ROW = st.fixed_dictionaries(
    {n: st.one_of(st.just(GOOD[n]), st.sampled_from(v)) if n != "id" else st.sampled_from(v) for n, v in VALUES.items()}
)


def by_engine(rows):
    _, kept, rejected = judged(table(CONTRACT, daily=False), delivery(rows, day=""), types=TYPES)
    assert len(kept) + len(rejected) == len(rows)
    return {r["_row"]: set(r["_rules"]) for r in rejected}


def by_pandera(schema, frame):
    import pandera.errors

    try:
        schema.validate(frame, lazy=True)
    except pandera.errors.SchemaErrors as failure:
        cases = failure.failure_cases
        cases = cases.to_dict("records") if isinstance(cases, pd.DataFrame) else cases.to_dicts()
        assert all(c["index"] is not None for c in cases), cases
        found = {}
        for case in cases:
            rule = f"not_null_{case['column']}" if case["check"] == "not_nullable" else case["check"]
            found.setdefault(int(case["index"]), set()).add(rule)
        return found
    return {}


def polars_frame(rows):
    return pl.DataFrame({c.name: pl.Series([r[c.name] for r in rows], dtype=polars_type(c.type)) for c in CONTRACT.columns})


def pandas_frame(rows):
    return polars_frame(rows).to_arrow().to_pandas()


POLARS, PANDAS = to_pandera(CONTRACT), to_pandera(CONTRACT, "pandas")


@pytest.mark.slow
@settings(max_examples=examples(20))
@given(st.lists(ROW, min_size=1, max_size=6))
def test_polars_rejects_the_rows_and_rules_that_the_engine_does(rows):
    assert by_pandera(POLARS, polars_frame(rows)) == by_engine(rows)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:The behavior of DataFrame concatenation:FutureWarning")  # pandera's own report of failures
@settings(max_examples=examples(20))
@given(st.lists(ROW, min_size=1, max_size=6))
def test_pandas_rejects_the_rows_and_rules_that_the_engine_does(rows):
    assert by_pandera(PANDAS, pandas_frame(rows)) == by_engine(rows)


@pytest.mark.parametrize(("column", "wrong"), [("whole", "int32"), ("day", "timestamp"), ("code", "int64"), ("flag", "string")])
def test_polars_refuses_a_column_of_another_type(column, wrong):
    import pandera.errors

    frame = polars_frame([GOOD]).with_columns(pl.lit(None, dtype=polars_type(wrong)).alias(column))
    with pytest.raises(pandera.errors.SchemaErrors, match=column):
        POLARS.validate(frame, lazy=True)


@pytest.mark.parametrize("backend", ["polars", "pandas"])
def test_a_missing_and_an_extra_column_are_refused_as_the_contract_says(backend):
    import pandera.errors

    make = polars_frame if backend == "polars" else pandas_frame
    frame = make([GOOD])
    schema = to_pandera(CONTRACT, backend)
    extra = frame.with_columns(x=pl.lit(1)) if backend == "polars" else frame.assign(x=1)
    with pytest.raises(pandera.errors.SchemaErrors, match="x"):
        schema.validate(extra, lazy=True)
    with pytest.raises(pandera.errors.SchemaErrors, match="fare"):
        schema.validate(frame.drop("fare") if backend == "polars" else frame.drop(columns="fare"), lazy=True)
    ignoring = to_pandera(Contract(CONTRACT.columns, extra_columns="ignore"), backend)
    ignoring.validate(extra, lazy=True)


@pytest.mark.parametrize("backend", ["polars", "pandas"])
def test_a_warning_warns_and_passes(backend):
    warned = to_pandera(Contract(CONTRACT.columns, rules=(RowRule("never", "FALSE", severity="warn"),)), backend)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        warned.validate((polars_frame if backend == "polars" else pandas_frame)([GOOD]), lazy=True)
    assert any("never" in str(w.message) for w in said)


def test_there_are_two_backends():
    with pytest.raises(DeclarationError, match=r"no pandera schema for 'panda'.*Did you mean 'pandas'"):
        to_pandera(CONTRACT, "panda")


def test_the_rows_of_a_lazy_frame_are_judged_too():
    import pandera.errors

    good, bad = polars_frame([GOOD]), polars_frame([GOOD | {"small": 4, "code": "no"}])
    schema = to_pandera(CONTRACT, "polars")
    assert schema.validate(good.lazy()).collect().equals(good)
    for frame in (bad, bad.lazy()):
        with pytest.raises(pandera.errors.SchemaErrors, match="range_small"):
            schema.validate(frame, lazy=True)
        with pytest.raises(pandera.errors.SchemaError, match=r"range_small|one_of_code"):
            schema(frame)
