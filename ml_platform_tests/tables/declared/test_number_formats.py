"""Numbers with a decimal comma or parted thousands arrive unchanged, and what is no number of the format is broken, never guessed."""

from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_platform.core.errors import DeclarationError
from ml_platform.sql.duck import session
from ml_platform.tables.declared.contract import Column
from ml_platform.tables.declared.number_formats import NUMBER_FORMATS, NumberFormat
from ml_platform.tables.declared.parse import parse_contract
from ml_platform.tables.judged.casts import cast_column


def read(format_, type_, texts):
    """Return the typed values of texts, and which of them are broken."""
    found = cast_column(Column("x", type_, format=format_), "VARCHAR", ("",), is_text=True)
    with session() as con:
        con.execute("CREATE TEMP TABLE t AS SELECT unnest(?::VARCHAR[]) AS x", [texts])
        return con.execute(f"SELECT {found.value}, coalesce({found.broken or 'FALSE'}, FALSE) FROM t").fetchall()


@pytest.mark.slow
@pytest.mark.parametrize("format_", NUMBER_FORMATS)
@given(numbers=st.lists(st.decimals(-(10**9), 10**9, places=3), min_size=1, max_size=20), grouped=st.booleans())
def test_a_number_arrives_unchanged(format_, numbers, grouped):
    parts = NumberFormat.of(format_)
    plain = [f"{number:,}" if grouped else f"{number:f}" for number in numbers]
    written = [text.translate({ord(","): parts.thousands, ord("."): parts.decimals}) for text in plain]
    assert read(format_, "decimal(18,3)", written) == [(number, False) for number in numbers]
    assert [value for value, _ in read(format_, "float64", written)] == [float(number) for number in numbers]


@pytest.mark.parametrize(
    ("format_", "text", "expected"),
    [
        ("1.234,5", "62,31", 62.31),
        ("1.234,5", "1.234", 1234.0),
        ("1.234,5", "62.31", None),
        ("1.234,5", "1.23,4", None),
        ("1.234,5", "1,234.5", None),
        ("1.234,5", "12,", None),
        ("1.234,5", "zwölf", None),
        ("1 234,5", "12\u202f345,5", 12345.5),
        ("1'234.5", "-1'234.5", -1234.5),
        ("1,234.5", "1,234,567", 1234567.0),
        ("1,234.5", "1,5", None),
    ],
)
def test_what_is_no_number_of_the_format_is_broken(format_, text, expected):
    assert read(format_, "float64", [text]) == [(expected, expected is None)]


def test_whole_numbers_stay_whole():
    assert read("1.234,5", "int32", ["1.234", "7,0", "7,5", ""]) == [(1234, False), (7, False), (None, True), (None, False)]


def test_a_contract_says_how_numbers_are_written():
    column = {"type": "decimal(9,2)", "format": "1.234,5", "min": 0}
    contract = parse_contract({"columns": {"price": column}}, where="c.yaml")
    assert contract.columns[0].format == "1.234,5"
    assert contract.columns[0].minimum == Decimal(0)
    with pytest.raises(DeclarationError, match=r"the format '1\.234,56' of a number is not known.*Did you mean '1\.234,5'"):
        parse_contract({"columns": {"price": {**column, "format": "1.234,56"}}}, where="c.yaml")
    with pytest.raises(DeclarationError, match="a format says how a number, a date or a timestamp is written, but the type is 'string'"):
        parse_contract({"columns": {"price": {"type": "string", "format": "1.234,5"}}}, where="c.yaml")
