"""From delivered values to typed ones: one SQL expression per column, that never rounds, cuts or guesses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ml_platform.sql.duck import quote_name, quote_text
from ml_platform.tables.declared.contract import Column
from ml_platform.tables.declared.number_formats import NumberFormat
from ml_platform.tables.declared.time_formats import CUT_TO_MICROS, TIMED, formatted_time
from ml_platform.tables.declared.types import INTEGER_BITS, decimal_digits, duckdb_type

_INTEGERS = frozenset({"TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT"})
_FLOATS = frozenset({"FLOAT", "DOUBLE"})
_NAIVE = frozenset({"TIMESTAMP", "TIMESTAMP_NS", "TIMESTAMP_MS", "TIMESTAMP_S"})
_ZONED = frozenset({"TIMESTAMP WITH TIME ZONE", "TIMESTAMPTZ_NS"})
# Text that says its own zone: 'Z', '+01', '-05:00' or 'Europe/Berlin' behind a time of day.
_HAS_ZONE = r":\d{2}.*([zZ]|[+-]\d{2}(:?\d{2})?|[A-Za-z]+/[A-Za-z_/]+)\s*$"


@dataclass(frozen=True)
class Cast:
    """SQL of a typed value, and SQL that is TRUE where a value was delivered that the type cannot hold (None: it always can).

    ``says`` is what more than the type's name is to be said of what the value must be.
    """

    value: str
    broken: str | None
    says: str = ""


def cast_column(column: Column, delivered: str, null_values: Sequence[str] = (), *, is_text: bool = False) -> Cast | None:
    """Return how a delivered column becomes a column of the contract.

    Parameters
    ----------
    column : Column
        What is declared.
    delivered : str
        DuckDB type of what was delivered.
    null_values : sequence of str
        Text that means NULL. In a file of text only (``is_text``) for every column; elsewhere not for text columns, which have real NULLs.
    is_text : bool
        Whether the format knows nothing but text (CSV).

    Returns
    -------
    Cast or None
        None if the delivered type is of another kind (a number where a time is declared): no value of it can be trusted.

    Notes
    -----
    A number must arrive unchanged: ``12.0`` is the integer 12, ``12.6`` is none. NaN is no value and becomes NULL.
    Text can be read as any type; a time without zone is in ``column.zone``, else in UTC; other kinds do not turn into each other.
    """
    raw = quote_name(column.name)
    if column.format not in (None, CUT_TO_MICROS) and column.type in TIMED and delivered.strip('"') != "NULL":
        return _formatted(column, delivered, raw, null_values)
    if delivered.strip('"') == "NULL":
        return Cast(f"NULL::{duckdb_type(column.type)}", None)
    if delivered.startswith("ENUM"):
        delivered = "VARCHAR"
    if delivered == "VARCHAR":
        if column.type == "string":
            return Cast(_with_nulls(raw, null_values) if is_text else raw, None)
        text = _with_nulls(raw, null_values)
        value = _from_text(column, NumberFormat.of(column.format).sql(text) if column.format and column.type not in TIMED else text)
        broken = f"({text}) IS NOT NULL AND ({value}) IS NULL"
        return Cast(f"CASE WHEN NOT isnan({value}) THEN {value} END" if column.type.startswith("float") else value, broken)
    if delivered in _FLOATS:
        raw = f"CASE WHEN NOT isnan({raw}) THEN {raw} END"
    value = _from_typed(column, delivered, raw)
    if value is None:
        return None
    never_fails = value in (raw, f"CAST({raw} AS {duckdb_type(column.type)})")
    if never_fails:
        return Cast(value, None)
    finer = f" in whole microseconds; format: {CUT_TO_MICROS} cuts off what is finer" if delivered.endswith("_NS") else ""
    return Cast(value, f"({raw}) IS NOT NULL AND ({value}) IS NULL", finer)


def _formatted(column: Column, delivered: str, raw: str, null_values: Sequence[str]) -> Cast | None:
    """Return the cast of a time that is written as the column's ``format`` says; None for what is no text and no number."""
    is_text = delivered == "VARCHAR" or delivered.startswith("ENUM")
    if not is_text and delivered not in _INTEGERS | _FLOATS and not delivered.startswith("DECIMAL"):
        return None
    given = _with_nulls(raw, null_values) if is_text else f"CASE WHEN NOT isnan({raw}) THEN {raw} END" if delivered in _FLOATS else raw
    value = formatted_time(str(column.format), column.type, column.zone, given, is_text=is_text)
    return Cast(value, f"({given}) IS NOT NULL AND ({value}) IS NULL")


def _with_nulls(raw: str, null_values: Sequence[str]) -> str:
    if not null_values:
        return raw
    return f"CASE WHEN {raw} NOT IN ({', '.join(quote_text(v) for v in null_values)}) THEN {raw} END"


def _from_text(column: Column, text: str) -> str:
    target = duckdb_type(column.type)
    if column.type in INTEGER_BITS:
        # TRY_CAST rounds '12.6' to 13 and reads '0x1F'; as DOUBLE it does neither, and 12.0 stays equal to 12.
        return f"CASE WHEN try_cast({text} AS DOUBLE) = try_cast({text} AS {target}) THEN try_cast({text} AS {target}) END"
    digits = decimal_digits(column.type)
    if digits:
        pattern = rf"\s*[+-]?\d*(\.\d{{0,{digits[1]}}}0*)?\s*"
        return f"CASE WHEN regexp_full_match({text}, '{pattern}') THEN try_cast({text} AS {target}) END"
    if column.type == "date":
        # '2013-01-05 10:00' would become the 5th; 'infinity' and 'epoch' are words.
        return f"CASE WHEN regexp_full_match({text}, '\\s*\\d+[-/.]\\d+[-/.]\\d+\\s*') THEN try_cast({text} AS DATE) END"
    if column.type != "timestamp":
        return f"try_cast({text} AS {target})"
    zoned = f"try_cast({text} AS TIMESTAMPTZ)"
    if column.zone not in (None, "UTC"):
        local = f"timezone({quote_text(column.zone)}, try_cast({text} AS TIMESTAMP))"
        zoned = f"CASE WHEN regexp_matches({text}, {quote_text(_HAS_ZONE)}) THEN {zoned} ELSE {local} END"
    return f"CASE WHEN regexp_matches({text}, '^\\s*\\d') THEN {zoned} END"


def _from_typed(column: Column, delivered: str, raw: str) -> str | None:
    """Return the SQL of the typed value; the value itself or a plain CAST where none can fail, None where kinds differ."""
    target = duckdb_type(column.type)
    if delivered == target:
        return raw
    is_number = delivered in _INTEGERS or delivered in _FLOATS or delivered.startswith("DECIMAL")
    if column.type in INTEGER_BITS and is_number:
        return f"CASE WHEN {raw} = trunc({raw}) THEN try_cast({raw} AS {target}) END"
    if column.type.startswith("float") and is_number:
        return _as_float(raw, delivered, target)
    if column.type.startswith("decimal") and is_number:
        exact = f"try_cast({raw} AS {target})"
        return f"CASE WHEN CAST({exact} AS DOUBLE) = CAST({raw} AS DOUBLE) THEN {exact} END"
    if column.type == "timestamp":
        return _timestamp_from_typed(column, delivered, raw)
    if column.type == "date" and (delivered in _NAIVE or delivered in _ZONED):
        return f"CASE WHEN CAST({raw} AS TIMESTAMP) = date_trunc('day', CAST({raw} AS TIMESTAMP)) THEN CAST({raw} AS DATE) END"
    return None


def _timestamp_from_typed(column: Column, delivered: str, raw: str) -> str | None:
    """Return the SQL of a time from a typed one; without a zone of its own it is in the column's, or in UTC."""
    zone = quote_text(column.zone or "UTC")
    if column.format == CUT_TO_MICROS and delivered.endswith("_NS"):
        # Down, also before 1970, as a time in text is.
        micros = f"(epoch_ns({raw}) - (epoch_ns({raw}) % 1000 + 1000) % 1000) // 1000"
        return f"make_timestamptz({micros})" if delivered in _ZONED else f"timezone({zone}, make_timestamp({micros}))"
    if delivered in _ZONED:
        return _whole_micros(raw, delivered, f"CAST({raw} AS {duckdb_type(column.type)})")
    local = f"timezone({zone}, CAST({raw} AS TIMESTAMP))"
    return _whole_micros(raw, delivered, local) if delivered in _NAIVE or delivered == "DATE" else None


def _as_float(raw: str, delivered: str, target: str) -> str:
    """Return the SQL of a number as a float: NULL for a whole number that no float is, and for a double that is none of 32 bits.

    A decimal becomes the float next to it: that is what its digits mean as one.
    """
    if delivered in ("TINYINT", "SMALLINT", "UTINYINT", "USMALLINT", target):
        return f"CAST({raw} AS {target})"
    value = f"try_cast({raw} AS {target})"
    if delivered == "DOUBLE" or delivered in _INTEGERS:
        wide = "DOUBLE" if delivered == "DOUBLE" else "HUGEINT"
        return f"CASE WHEN try_cast({value} AS {wide}) = {raw} THEN {value} END"
    return value if target == "FLOAT" else f"CAST({raw} AS {target})"


def _whole_micros(raw: str, delivered: str, value: str) -> str:
    """Return a time that is stored in microseconds; NULL for one with digits behind them, which DuckDB rounds off."""
    if not delivered.endswith("_NS"):
        return value
    return f"CASE WHEN epoch_ns({raw}) % 1000 = 0 THEN {value} END"
