from __future__ import annotations

from dataclasses import replace

import polars as pl
import pytest

from ml_platform.core.errors import DeclarationError, UnknownNameError
from ml_platform.features.engine.table_columns import column_definition, look_up_columns
from ml_platform.tables.declared.contract import Contract
from ml_platform_tests.features.declared_views import ARRIVALS, COLUMNS, FLIGHTS, hours
from ml_platform_tests.features.worlds import MICRO, T0, TIMES

SPINE = pl.DataFrame({"flight_id": ["a", "a", "a", "b", None], "_cutoff": [T0, T0 + MICRO, T0 + hours(2), T0, T0]})


def test_the_last_row_available_before_the_cutoff_counts():
    rows = pl.DataFrame(
        {"flight_id": ["a", "a", "a", "b"], "_available_at": [T0 + hours(1), T0, T0, T0], "temp": [3.0, 1.0, 2.0, 9.0]},
        schema_overrides={"_available_at": TIMES},
    )
    values, found = look_up_columns(rows, SPINE, [column_definition(ARRIVALS, "temp")])
    assert values["temp"].to_list() == [None, 2.0, 3.0, None, None]
    assert found.rows.tolist() == [-1, 2, 0, -1, -1]


def test_a_correction_to_nothing_is_nothing():
    rows = pl.DataFrame(
        {"flight_id": ["a", "a"], "_available_at": [T0 - hours(1), T0], "temp": [3.0, None]}, schema_overrides={"_available_at": TIMES}
    )
    assert look_up_columns(rows, SPINE, [column_definition(ARRIVALS, "temp")])[0]["temp"].to_list() == [3.0, None, None, None, None]


def test_reference_tables_are_read_as_they_are():
    planes = replace(ARRIVALS, availability=(), timeless=True)
    definition = column_definition(planes, "remark")
    assert definition.available_at == ()
    rows = pl.DataFrame({"flight_id": ["a", "c"], "remark": ["x", "y"]})
    assert look_up_columns(rows, SPINE, [definition])[0]["remark"].to_list() == ["x", "x", "x", None, None]


def test_a_column_counts_from_the_latest_of_key_and_value():
    assert column_definition(FLIGHTS, "cancelled").available_at == ("_available_at",)
    assert column_definition(FLIGHTS, "arr_delay").available_at == ("_available_at", "_available_at_2")


def test_what_cannot_be_a_feature():
    with pytest.raises(UnknownNameError, match=r"no column 'tmp'.*Did you mean 'temp'"):
        column_definition(ARRIVALS, "tmp")
    with pytest.raises(DeclarationError, match="'note' of table 'flights' cannot be a feature because nothing says when it is known"):
        column_definition(FLIGHTS, "note")
    with pytest.raises(DeclarationError, match="no key to find its row by"):
        column_definition(replace(ARRIVALS, contract=Contract(COLUMNS)), "temp")
