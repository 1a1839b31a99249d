from datetime import UTC, date, datetime
from decimal import Decimal

import pytest

from ml_platform.sql.duck import session
from ml_platform.tables.declared.contract import Column
from ml_platform.tables.judged.casts import cast_column

NOON = datetime(2013, 7, 5, 12, tzinfo=UTC)
BROKEN = "broken"
NULLS = ("", "NA")


def cast(type_, value, delivered="VARCHAR", *, zone=None, is_text=True):
    """Return the typed value, None for no value, BROKEN for a value that is none of the type."""
    found = cast_column(Column("x", type_, zone=zone), delivered, NULLS, is_text=is_text)
    with session() as con:
        con.execute(f"CREATE TEMP TABLE t AS SELECT CAST(? AS {delivered}) AS x", [value])
        typed, broken = con.execute(f"SELECT {found.value}, coalesce({found.broken or 'FALSE'}, FALSE) FROM t").fetchall()[0]
    assert not (broken and typed is not None)
    return BROKEN if broken else typed


@pytest.mark.slow
@pytest.mark.parametrize(
    ("type_", "text", "expected"),
    [
        ("int16", "12", 12),
        ("int16", "12.0", 12),
        ("int16", " 7 ", 7),
        ("int16", "-3", -3),
        ("int16", "12.6", BROKEN),
        ("int16", "40000", BROKEN),
        ("int16", "0x1F", BROKEN),
        ("int16", "twelve", BROKEN),
        ("int16", "NA", None),
        ("int16", "", None),
        ("int64", "9007199254740993", 9007199254740993),
        ("float64", "1.5", 1.5),
        ("float64", "nan", None),
        ("float64", "1,5", BROKEN),
        ("decimal(9,2)", "12.05", Decimal("12.05")),
        ("decimal(9,2)", "12.050", Decimal("12.05")),
        ("decimal(9,2)", "12.055", BROKEN),
        ("bool", "true", True),
        ("bool", "maybe", BROKEN),
        ("date", "2013-07-05", date(2013, 7, 5)),
        ("date", "2013-07-05 10:00", BROKEN),
        ("date", "2013-02-30", BROKEN),
        ("date", "epoch", BROKEN),
        ("timestamp", "2013-07-05T12:00:00Z", NOON),
        ("timestamp", "2013-07-05 12:00:00", NOON),
        ("timestamp", "2013-07-05T08:00:00-04:00", NOON),
        ("timestamp", "2013-07-05 25:00", BROKEN),
        ("timestamp", "infinity", BROKEN),
        ("timestamp", "12:00", BROKEN),
        ("string", "NA", None),
        ("string", "007", "007"),
    ],
)
def test_text_becomes_a_value_or_is_named_broken(type_, text, expected):
    assert cast(type_, text) == expected


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("2013-07-05 08:00:00", NOON),
        ("2013-01-05 07:00", datetime(2013, 1, 5, 12, tzinfo=UTC)),
        ("2013-07-05T12:00:00Z", NOON),
        ("2013-07-05T14:00:00+02", NOON),
        ("2013-07-05", datetime(2013, 7, 5, 4, tzinfo=UTC)),
    ],
)
def test_a_time_without_zone_is_in_the_zone_of_its_column(text, expected):
    assert cast("timestamp", text, zone="America/New_York") == expected


@pytest.mark.slow
@pytest.mark.parametrize(
    ("type_", "value", "delivered", "expected"),
    [
        ("int16", 5, "BIGINT", 5),
        ("int16", 70000, "BIGINT", BROKEN),
        ("int16", 1.0, "DOUBLE", 1),
        ("int16", 1.5, "DOUBLE", BROKEN),
        ("int16", float("nan"), "DOUBLE", None),
        ("float64", float("nan"), "DOUBLE", None),
        ("float64", 3, "INTEGER", 3.0),
        ("float32", 1e300, "DOUBLE", BROKEN),
        ("float32", 0.1, "DOUBLE", BROKEN),
        ("float32", 0.5, "DOUBLE", 0.5),
        ("float32", float("nan"), "DOUBLE", None),
        ("float32", 2**24 + 1, "INTEGER", BROKEN),
        ("float64", 2**53 + 1, "BIGINT", BROKEN),
        ("float64", 2**53, "BIGINT", 2.0**53),
        ("float64", Decimal("0.1"), "DECIMAL(4,2)", 0.1),
        ("timestamp", "2013-07-05 12:00:00.000000001", "TIMESTAMP_NS", BROKEN),
        ("decimal(9,2)", 1.25, "DOUBLE", Decimal("1.25")),
        ("decimal(9,2)", 1.255, "DOUBLE", BROKEN),
        ("timestamp", "2013-07-05 12:00", "TIMESTAMP", NOON),
        ("timestamp", "2013-07-05 12:00", "TIMESTAMP_NS", NOON),
        ("timestamp", "2013-07-05", "DATE", datetime(2013, 7, 5, tzinfo=UTC)),
        ("date", "2013-07-05 00:00", "TIMESTAMP", date(2013, 7, 5)),
        ("date", "2013-07-05 12:00", "TIMESTAMP", BROKEN),
    ],
)
def test_a_typed_value_arrives_unchanged_or_is_broken(type_, value, delivered, expected):
    assert cast(type_, value, delivered, is_text=False) == expected


@pytest.mark.parametrize(
    ("type_", "delivered"),
    [("timestamp", "BIGINT"), ("string", "BIGINT"), ("bool", "INTEGER"), ("int16", "BOOLEAN"), ("int16", "DATE"), ("string", "INTEGER[]")],
)
def test_other_kinds_do_not_turn_into_each_other(type_, delivered):
    assert cast_column(Column("x", type_), delivered) is None


def test_text_of_a_typed_format_keeps_na_as_a_word():
    assert cast("string", "NA", is_text=False) == "NA"
    assert cast("int16", "NA", is_text=False) is None


def test_a_time_in_nanoseconds_is_cut_where_its_column_says_so():
    found = cast_column(Column("x", "timestamp", format="cut_to_us"), "TIMESTAMP_NS", NULLS)
    with session() as con:
        con.execute(
            "CREATE TEMP TABLE t AS SELECT unnest(['2013-07-05 12:00:00.000001999', '1969-12-31 23:59:59.999999999'])::TIMESTAMP_NS AS x"
        )
        cut = [(NOON.replace(microsecond=1), False), (datetime(1969, 12, 31, 23, 59, 59, 999999, tzinfo=UTC), False)]
        assert con.execute(f"SELECT {found.value}, {found.broken} FROM t").fetchall() == cut
    assert "cut_to_us" in cast_column(Column("x", "timestamp"), "TIMESTAMP_NS", NULLS).says
