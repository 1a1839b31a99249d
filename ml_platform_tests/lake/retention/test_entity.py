from datetime import UTC, date, datetime, time
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_platform.lake.retention.entity import is_entity, is_value, near_values


def found(values, value, of=None):
    return is_value(pa.chunked_array([pa.array(values, of)]), value).tolist()


@pytest.mark.parametrize(
    ("values", "of", "value", "expected"),
    [
        ([17, None, 18], pa.int64(), "17.00", [True, False, False]),
        ([17.0, float("nan")], pa.float64(), "nan", [False, False]),
        ([0.1, 0.2], pa.float32(), "0.1", [True, False]),
        ([2.0**53], pa.float64(), str(2**53 + 1), [False]),
        ([Decimal("1.50")], pa.decimal128(5, 2), "1.5", [True]),
        ([Decimal("1.50")], pa.decimal128(5, 2), "1.501", [False]),
        ([1], pa.int8(), "300", [False]),
        ([1e300], pa.float64(), "1e400", [False]),
        ([True, False, None], pa.bool_(), "yes", [True, False, False]),
        ([date(2024, 1, 1)], pa.date32(), "2024-01-01T00:00:00", [True]),
        ([date(2024, 1, 1)], pa.date32(), "2024-01-01T00:00:01", [False]),
        ([time(1, 2, 3)], pa.time64("us"), "01:02:03", [True]),
        ([1_700_000_000_123_456_789], pa.timestamp("ns"), "2023-11-14T22:13:20.123456789", [True]),
        ([1_700_000_000_123_456], pa.timestamp("us"), "2023-11-14T22:13:20.123456789", [False]),
        (["a"], pa.string(), "A", [False]),
        ([b"a"], pa.binary(), b"a", [True]),
        ([["a"]], pa.list_(pa.string()), "a", [False]),
        ([None], pa.null(), "None", [False]),
        ([], pa.int64(), "1", []),
    ],
)
def test_a_value_is_itself_in_every_type(values, of, value, expected):
    assert found(values, value, of) == expected


@given(st.lists(st.none() | st.integers(-(2**63), 2**63 - 1)), st.integers(-(2**63), 2**63 - 1))
def test_whole_numbers_are_found_exactly(values, wanted):
    assert found([*values, wanted], wanted, pa.int64()) == [v == wanted for v in [*values, wanted]]
    texts = [None if v is None else str(v) for v in [*values, wanted]]
    assert found(texts, wanted, pa.string()) == [v == wanted for v in [*values, wanted]]


@given(st.datetimes(timezones=st.just(UTC), min_value=datetime(1900, 1, 1), max_value=datetime(2200, 1, 1)))
def test_an_instant_is_found_in_every_zone(moment):
    for kind in (pa.timestamp("us", "UTC"), pa.timestamp("ns", "Asia/Kolkata"), pa.timestamp("us")):
        stored = [moment if kind.tz else moment.replace(tzinfo=None)]
        assert found(stored, moment, kind) == found(stored, moment.isoformat(), kind) == [True]


def test_all_values_of_an_entity_must_be_there():
    rows = pa.table({"carrier": ["AA", "AA", "UA", None], "flight": [1.0, 2.0, 1.0, 1.0]})
    assert np.flatnonzero(is_entity(rows, {"carrier": "AA", "flight": 1})).tolist() == [0]


def test_what_comes_close_is_counted_by_value():
    column = pa.chunked_array([["Ann", "ann ", "\uff21nn", None], ["ann ", "Bob"]])
    assert near_values(column, "Ann") == {"ann ": 2, "\uff21nn": 1}
    assert near_values(pa.chunked_array([["017", "17.0", "17", "1.7e1", "x17"]]), 17) == {"017": 1, "17.0": 1, "1.7e1": 1}
    assert near_values(pa.chunked_array([["2024-01-01 00:00:00+00:00", "2024-01-02"]]), "2024-01-01") == {"2024-01-01 00:00:00+00:00": 1}
    assert near_values(pa.chunked_array([[17, 18]]), "17") == {}
