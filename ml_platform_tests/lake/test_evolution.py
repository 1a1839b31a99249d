import itertools

import pyarrow as pa
import pytest

from ml_platform.lake.evolution import can_become

TYPES = [
    *(pa.int8(), pa.int16(), pa.int64(), pa.uint8(), pa.uint64(), pa.float32(), pa.float64(), pa.bool_(), pa.string(), pa.large_string()),
    *(pa.binary(), pa.date32(), pa.timestamp("us"), pa.timestamp("us", tz="UTC"), pa.timestamp("ns", tz="UTC")),
    *(pa.decimal128(5, 2), pa.decimal128(9, 4), pa.decimal128(9, 8), pa.null(), pa.list_(pa.int64())),
]


def test_what_may_become_another_type_can_be_cast_by_arrow():
    allowed = [(old, new) for old, new in itertools.product(TYPES, TYPES) if can_become(old, new)]
    assert all(pa.array([None], old).cast(new).type == new for old, new in allowed)
    assert len(TYPES) < len(allowed) < len(TYPES) ** 2 / 2


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (pa.int16(), pa.int64(), True),
        (pa.int64(), pa.int16(), True),  # refused by the cast itself where a value does not fit
        (pa.int64(), pa.float64(), True),
        (pa.int64(), pa.float32(), False),
        (pa.float64(), pa.float32(), False),
        (pa.float64(), pa.int64(), False),
        (pa.bool_(), pa.int8(), False),
        (pa.string(), pa.int64(), False),
        (pa.int64(), pa.string(), False),
        (pa.string(), pa.large_string(), True),
        (pa.timestamp("us"), pa.timestamp("us", tz="UTC"), False),
        (pa.timestamp("ns", tz="UTC"), pa.timestamp("us", tz="UTC"), False),
        (pa.decimal128(5, 2), pa.decimal128(9, 4), True),
        (pa.decimal128(5, 2), pa.decimal128(9, 8), False),
        (pa.null(), pa.list_(pa.int64()), True),
    ],
    ids=str,
)
def test_what_may_become_what(old, new, expected):
    assert can_become(old, new) is expected
