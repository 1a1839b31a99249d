"""Types of contract columns: how each is called in Arrow, DuckDB and Polars, and which literals belong to it."""

from __future__ import annotations

import math
import re
from collections.abc import Mapping
from datetime import UTC, date, datetime
from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from ml_platform.core.errors import DeclarationError, did_you_mean
from ml_platform.lake.schemas.evolution import was
from ml_platform.sql.duck import quote_text
from ml_platform.tables.declared.contract import Column, Contract
from ml_platform.tables.declared.table import Table

if TYPE_CHECKING:
    import polars as pl
    import pyarrow as pa

_DUCKDB = {
    "bool": "BOOLEAN", "int8": "TINYINT", "int16": "SMALLINT", "int32": "INTEGER", "int64": "BIGINT",
    "float32": "FLOAT", "float64": "DOUBLE", "string": "VARCHAR", "date": "DATE", "timestamp": "TIMESTAMP WITH TIME ZONE",
}  # fmt: skip
_DECIMAL = re.compile(r"decimal\((\d+),\s*(\d+)\)")
INTEGER_BITS = {"int8": 8, "int16": 16, "int32": 32, "int64": 64}
_MAX_DECIMAL_DIGITS = 38
# Names that people bring from elsewhere; the error says which of ours is meant.
_ELSEWHERE = {
    "str": "string", "text": "string", "varchar": "string", "char": "string",
    "object": "string", "uuid": "string", "category": "string", "int": "int64", "integer": "int64",
    "bigint": "int64", "float": "float64", "double": "float64", "boolean": "bool", "datetime": "timestamp",
    "timestamptz": "timestamp", "numeric": "decimal(18,4)", "decimal": "decimal(18,4)",
}  # fmt: skip


def check_type(text: object, where: str) -> str:
    """Return the contract type ``text`` in its canonical spelling.

    Raises
    ------
    DeclarationError
        If it is not one of the types of a contract; the message lists them.
    """
    name = text.strip().lower() if isinstance(text, str) else text
    if isinstance(name, str):
        if name in _DUCKDB:
            return name
        digits = decimal_digits(name)
        if digits is not None:
            precision, scale = digits
            if not 1 <= precision <= _MAX_DECIMAL_DIGITS or scale > precision:
                raise DeclarationError(f"{where}: the type {text!r} needs 1 to 38 digits, of which no more are behind the point.")
            return f"decimal({precision},{scale})"
    meant = _ELSEWHERE.get(str(name).partition("(")[0].strip(), str(name))
    hint = f" Write {meant!r}." if meant in _ELSEWHERE.values() else ""
    raise DeclarationError(f"{where}: {text!r} is not the type of a column.{hint} {did_you_mean(meant, [*_DUCKDB, 'decimal(18,4)'])}")


def decimal_digits(type_: str) -> tuple[int, int] | None:
    """Return (digits, digits behind the point) of a ``decimal(p,s)``, or None for another type."""
    match = _DECIMAL.fullmatch(type_)
    return (int(match[1]), int(match[2])) if match else None


def duckdb_type(type_: str) -> str:
    """Return DuckDB's name of a contract type."""
    digits = decimal_digits(type_)
    return f"DECIMAL({digits[0]},{digits[1]})" if digits else _DUCKDB[type_]


def arrow_type(type_: str) -> pa.DataType:
    """Return the Arrow type in which a contract type is stored."""
    import pyarrow as pa

    digits = decimal_digits(type_)
    if digits:
        return pa.decimal128(*digits)
    if type_ == "timestamp":
        return pa.timestamp("us", tz="UTC")
    if type_ == "date":
        return pa.date32()
    return getattr(pa, {"bool": "bool_"}.get(type_, type_))()


def polars_type(type_: str) -> pl.DataType:
    """Return the Polars type of a contract type."""
    import polars as pl

    digits = decimal_digits(type_)
    if digits:
        return pl.Decimal(*digits)
    if type_ == "timestamp":
        return pl.Datetime("us", "UTC")
    names = {"bool": pl.Boolean(), "string": pl.String(), "date": pl.Date(), "float32": pl.Float32(), "float64": pl.Float64()}
    return names[type_] if type_ in names else getattr(pl, f"Int{INTEGER_BITS[type_]}")()


def is_numeric(type_: str) -> bool:
    """Whether values of the type are numbers (a bool is none)."""
    return type_ in INTEGER_BITS or type_.startswith(("float", "decimal"))


def contract_columns(contract: Contract) -> dict[str, str]:
    """Return column to DuckDB type of what a contract declares, in order."""
    return {c.name: duckdb_type(c.type) for c in contract.columns}


def stored_columns(table: Table) -> dict[str, str]:
    """Return column to DuckDB type of the stored rows of ``table``: its contract, then what the platform adds.

    ``_available_at``, ``_available_at_2``... are there where something declares them; ``_available_at`` alone, as the time of
    delivery, where nothing does and the table is not timeless; ``_file`` and ``_row`` only where rows come from files.
    """
    names = available_at_names(table)
    columns = contract_columns(table.contract) | dict.fromkeys(names, "TIMESTAMP WITH TIME ZONE")
    return columns if table.is_derived else columns | {"_file": "VARCHAR", "_row": "BIGINT"}


def available_at_names(table: Table) -> tuple[str, ...]:
    """Return the stored availability columns of ``table``; see ``stored_columns``."""
    if table.availability:
        return table.available_at_columns
    return () if table.timeless else ("_available_at",)


def stored_schema(table: Table) -> pa.Schema:
    """Return the Arrow schema of the stored rows of ``table``."""
    import pyarrow as pa

    platform = {n: pa.timestamp("us", tz="UTC") for n in available_at_names(table)}
    if not table.is_derived:
        platform |= {"_file": pa.string(), "_row": pa.int64()}
    fields = [was(pa.field(c.name, arrow_type(c.type)), c.was) for c in table.contract.columns]
    return pa.schema([*fields, *(pa.field(n, t) for n, t in platform.items())])


def check_literal(column: Column, value: Any, where: str = "the contract") -> Any:
    """Return a value of a declaration (a bound, a member of a set) as a value of the column's type.

    Parameters
    ----------
    column : Column
        Of which ``name``, ``type`` and ``zone`` are used.
    value : object
        What YAML or Python gave.
    where : str
        Begins the message of an error.

    Raises
    ------
    DeclarationError
        If it is of another type; the message names what YAML turns into such a value (``NO``, ``12:00``, ``007``, ``1.10``).
    """
    wrong = f"{where}: {value!r} is not a {column.type}, the type of column {column.name!r}."
    if column.type == "string":
        return _text(value, wrong)
    if column.type == "bool":
        if isinstance(value, bool):
            return value
        raise DeclarationError(f"{wrong} Write true or false, without quotes.")
    if column.type == "date":
        return _date(value, wrong)
    if column.type == "timestamp":
        return _timestamp(column, value, wrong)
    return _number(column.type, value, wrong)


def _text(value: Any, wrong: str) -> str:
    if isinstance(value, str):
        return value
    if isinstance(value, bool):
        trap = "YAML reads NO, no, off and n as False, and yes, on and y as True"
    elif isinstance(value, int):
        meant = f"{value // 60}:{value % 60:02d}" if value >= 60 else f"0{value}"
        trap = f"YAML reads 12:00 as 720 and 007 as 7; this one may have been {meant}"
    elif isinstance(value, float):
        trap = "YAML reads 1.10 as the number 1.1"
    elif isinstance(value, date):
        trap = "YAML reads 2013-01-05 as a date"
    else:
        trap = "YAML reads null, ~ and an empty value as nothing"
    raise DeclarationError(f"{wrong} {trap}: write it in quotes.")


def _number(type_: str, value: Any, wrong: str) -> int | float | Decimal:
    if isinstance(value, bool):
        raise DeclarationError(f"{wrong} YAML reads yes, on and y as True, and NO, no and off as False: write a number.")
    if isinstance(value, str):
        raise DeclarationError(f"{wrong} It is text: write the number without quotes (and 1e6 as 1.0e+6: YAML reads 1e6 as text).")
    if not isinstance(value, int | float | Decimal):
        raise DeclarationError(f"{wrong} Write a number.")
    bits = INTEGER_BITS.get(type_)
    if bits is not None:
        if int(value) != value:
            raise DeclarationError(f"{wrong} Write a whole number.")
        if not -(2 ** (bits - 1)) <= value < 2 ** (bits - 1):
            raise DeclarationError(f"{wrong} It does not fit: {type_} goes from {-(2 ** (bits - 1))} to {2 ** (bits - 1) - 1}.")
        return int(value)
    digits = decimal_digits(type_)
    if digits:
        return _decimal(value, digits, wrong)
    if not math.isfinite(value):
        raise DeclarationError(f"{wrong} Write a finite number.")
    return float(value)


def _decimal(value: int | float | Decimal, digits: tuple[int, int], wrong: str) -> Decimal:
    try:
        exact = Decimal(str(value))
        rounded = exact.quantize(Decimal(1).scaleb(-digits[1]))
    except InvalidOperation:
        rounded = None
    if rounded is None or rounded != exact or len(rounded.as_tuple().digits) > digits[0]:
        raise DeclarationError(f"{wrong} It has more digits than the type holds.")
    return rounded


def _date(value: Any, wrong: str) -> date:
    if isinstance(value, date) and not isinstance(value, datetime):
        return value
    if isinstance(value, str):
        try:
            return date.fromisoformat(value)
        except ValueError:
            pass
    raise DeclarationError(f"{wrong} Write a day as 2013-01-05.{_sexagesimal(value)}")


def _timestamp(column: Column, value: Any, wrong: str) -> datetime:
    if isinstance(value, str):
        try:
            value = datetime.fromisoformat(value)
        except ValueError:
            raise DeclarationError(f"{wrong} Write a time as '2013-01-05T12:00:00Z'.") from None
    if isinstance(value, date) and not isinstance(value, datetime):
        value = datetime(value.year, value.month, value.day)
    if not isinstance(value, datetime):
        raise DeclarationError(f"{wrong} Write a time as '2013-01-05T12:00:00Z'.{_sexagesimal(value)}")
    if value.tzinfo is None:
        value = value.replace(tzinfo=ZoneInfo(column.zone) if column.zone else UTC)
    return value.astimezone(UTC)


def _sexagesimal(value: Any) -> str:
    if isinstance(value, int) and not isinstance(value, bool):
        return f" (YAML reads {value // 60}:{value % 60:02d} as the number {value}.)"
    return ""


def sql_literal(column: Column, value: Any) -> str:
    """Return a value that ``check_literal`` gave back as a DuckDB literal of the column's type."""
    if column.type == "bool":
        return "TRUE" if value else "FALSE"
    if column.type == "string":
        return quote_text(value)
    if isinstance(value, datetime):
        return f"TIMESTAMPTZ '{value.astimezone(UTC).isoformat()}'"
    if isinstance(value, date):
        return f"DATE '{value.isoformat()}'"
    return f"CAST({quote_text(repr(value) if isinstance(value, float) else str(value))} AS {duckdb_type(column.type)})"


def type_of(duckdb: str) -> str | None:
    """Return the contract type that holds values of a DuckDB type, or None when none does (lists, structs, bytes)."""
    names: Mapping[str, str] = {v: k for k, v in _DUCKDB.items()} | {
        "TIMESTAMP": "timestamp", "TIMESTAMP_NS": "timestamp", "TIMESTAMP_S": "timestamp", "TIMESTAMP_MS": "timestamp",
        "UTINYINT": "int16", "USMALLINT": "int32", "UINTEGER": "int64",
    }  # fmt: skip
    lower = duckdb.lower().replace(" ", "")
    return lower if decimal_digits(lower) else names.get(duckdb)
