from datetime import UTC, date, datetime
from decimal import Decimal

import polars as pl
import pyarrow as pa
import pytest

from ml_platform.core.errors import DeclarationError
from ml_platform.sql.duck import session
from ml_platform.tables.declared.contract import Column, Contract
from ml_platform.tables.declared.sources.files import FileSource
from ml_platform.tables.declared.sources.sql import SqlSource
from ml_platform.tables.declared.table import Availability, Table
from ml_platform.tables.declared.types import (
    arrow_type,
    check_literal,
    check_type,
    duckdb_type,
    polars_type,
    sql_literal,
    stored_columns,
    stored_schema,
    type_of,
)  # fmt: skip

ALL = ["bool", "int8", "int16", "int32", "int64", "float32", "float64", "string", "date", "timestamp", "decimal(9,2)"]


@pytest.mark.parametrize("name", ALL)
def test_a_type_is_the_same_in_every_engine(name):
    with session() as con:
        through_duckdb = con.sql(f"SELECT NULL::{duckdb_type(name)} AS x").to_arrow_table().schema.field("x").type
    assert through_duckdb == arrow_type(name)
    assert pl.Series([None], dtype=polars_type(name)).to_arrow().type in (arrow_type(name), pa.large_string(), pa.string_view())
    assert type_of(duckdb_type(name)) == name


def test_types_are_canonical():
    assert check_type(" Decimal(9, 2) ", "w") == "decimal(9,2)"


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ("str", r"orders.yaml: 'str' is not the type of a column. Write 'string'"),
        ("int46", "Did you mean 'int64'"),
        (True, "True is not the type"),
        ("decimal(40,2)", "1 to 38 digits"),
        ("decimal(2,4)", "1 to 38 digits"),
    ],
)
def test_an_unknown_type_says_which_exist(given, message):
    with pytest.raises(DeclarationError, match=message):
        check_type(given, "orders.yaml")


@pytest.mark.parametrize(
    ("type_", "value", "message"),
    [
        ("string", False, "YAML reads NO, no, off and n as False"),
        ("string", 720, "YAML reads 12:00 as 720 and 007 as 7; this one may have been 12:00"),
        ("string", 7, "may have been 07"),
        ("string", 1.1, "YAML reads 1.10 as the number 1.1"),
        ("string", date(2013, 1, 5), "YAML reads 2013-01-05 as a date"),
        ("string", None, "YAML reads null"),
        ("int16", True, "YAML reads yes, on and y as True"),
        ("int16", "7", "without quotes"),
        ("int16", 1.5, "whole number"),
        ("int16", 40000, "goes from -32768 to 32767"),
        ("int16", [1], "Write a number"),
        ("float64", float("nan"), "finite"),
        ("decimal(9,2)", 1.234, "more digits"),
        ("bool", 1, "true or false"),
        ("date", "5.1.2013", "Write a day as 2013-01-05"),
        ("date", 720, "YAML reads 12:00 as the number 720"),
        ("timestamp", 720, "YAML reads 12:00 as the number 720"),
        ("timestamp", "noon", "Write a time as"),
    ],
)
def test_a_literal_of_another_type_names_the_trap(type_, value, message):
    with pytest.raises(DeclarationError, match=message):
        check_literal(Column("x", type_), value, "orders.yaml")


@pytest.mark.parametrize(
    ("type_", "value", "expected"),
    [
        ("int16", 3.0, 3),
        ("float32", 3, 3.0),
        ("decimal(9,2)", 1.5, Decimal("1.50")),
        ("date", "2013-01-05", date(2013, 1, 5)),
        ("timestamp", date(2013, 1, 5), datetime(2013, 1, 5, tzinfo=UTC)),
        ("timestamp", "2013-01-05T10:00:00+02:00", datetime(2013, 1, 5, 8, tzinfo=UTC)),
        ("string", "NO", "NO"),
        ("bool", True, True),
    ],
)
def test_a_literal_becomes_a_value_of_its_column(type_, value, expected):
    column = Column("x", type_)
    found = check_literal(column, value)
    assert found == expected
    with session() as con:
        assert con.execute(f"SELECT {sql_literal(column, found)}").fetchall()[0][0] == expected


def test_a_literal_time_without_zone_is_in_the_columns_zone():
    found = check_literal(Column("x", "timestamp", zone="America/New_York"), "2013-07-05 10:00")
    assert found == datetime(2013, 7, 5, 14, tzinfo=UTC)


def test_stored_columns_follow_what_is_declared():
    contract = Contract((Column("id", "string"), Column("late", "bool")))
    two = Table("t", FileSource("t.csv"), contract, availability=(Availability("id"), Availability("late", ("late",))))
    assert list(stored_columns(two)) == ["id", "late", "_available_at", "_available_at_2", "_file", "_row"]
    assert stored_schema(two).names == list(stored_columns(two))
    assert list(stored_columns(Table("t", FileSource("t.csv"), contract))) == ["id", "late", "_available_at", "_file", "_row"]
    assert list(stored_columns(Table("t", FileSource("t.csv"), contract, timeless=True))) == ["id", "late", "_file", "_row"]
    assert list(stored_columns(Table("t", SqlSource("SELECT 1"), contract))) == ["id", "late", "_available_at"]
