"""Whether what was delivered has the columns of the contract, in kinds that can be read as its types: judged per file, before any row."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from ml_platform.core.errors import did_you_mean
from ml_platform.tables.declared.contract import Contract
from ml_platform.tables.judged.casts import cast_column

_DUCKDB_OF_ARROW = {
    "string": "VARCHAR", "bool": "BOOLEAN", "int8": "TINYINT", "int16": "SMALLINT", "int32": "INTEGER", "int64": "BIGINT",
    "uint8": "UTINYINT", "uint16": "USMALLINT", "uint32": "UINTEGER", "uint64": "UBIGINT", "halffloat": "FLOAT", "float": "FLOAT",
    "double": "DOUBLE", "date32[day]": "DATE", "date64[ms]": "DATE", "null": "NULL",
}  # fmt: skip
_UNIT = re.compile(r"timestamp\[\w+")
_DECIMAL = re.compile(r"decimal(?:32|64|128|256)\((\d+), (\d+)\)")


def structure_problems(
    contract: Contract, delivered: Mapping[str, str], null_values: Sequence[str] = (), *, is_text: bool = False
) -> list[str]:
    """Return what stops a delivery as a whole, one sentence each; nothing if its rows can be judged.

    Parameters
    ----------
    contract : Contract
        What is declared.
    delivered : mapping of str to str
        Column to Arrow type, as text.
    null_values, is_text
        As of :func:`ml_platform.tables.judged.casts.cast_column`.
    """
    problems = []
    for column in contract.columns:
        if column.name not in delivered and not column.optional:
            may = "" if column.name in contract.key or not column.nullable else " If files may lack it, say 'optional: true'."
            problems.append(f"column {column.name!r} is missing. {did_you_mean(column.name, delivered)}{may}")
    declared = set(contract.column_names)
    extra = [name for name in delivered if name not in declared]
    if extra and contract.extra_columns == "stop":
        problems.append(f"{_listed(extra)} not declared. Declare them in the contract, or say 'extra_columns: ignore'.")
    for column in contract.columns:
        kind = delivered.get(column.name)
        if kind is not None and cast_column(column, duckdb_of_arrow(kind), null_values, is_text=is_text) is None:
            problems.append(
                f"column {column.name!r} was delivered as {kind}, but is declared as {column.type}: no value of that kind is one."
            )
    return problems


def duckdb_of_arrow(kind: str) -> str:
    """Return the DuckDB type in which a column of an Arrow type (as text) is read; the text itself for what no contract type holds."""
    if kind.startswith("timestamp["):
        return "TIMESTAMP WITH TIME ZONE" if "tz=" in kind else "TIMESTAMP"
    match = _DECIMAL.fullmatch(kind)
    return f"DECIMAL({match[1]},{match[2]})" if match else _DUCKDB_OF_ARROW.get(kind, kind)


def kind_of(arrow: str) -> str:
    """Return the kind of an Arrow type: types of one kind are read together (numbers, times in any unit; ``null`` goes with all)."""
    duckdb = duckdb_of_arrow(arrow)
    if duckdb == "NULL":
        return "null"
    # Arrow finds no common type for uint64 and the others.
    is_number = duckdb in ("FLOAT", "DOUBLE") or (duckdb.endswith(("INT", "INTEGER")) and duckdb != "UBIGINT")
    return "number" if is_number else _UNIT.sub("timestamp[", arrow)


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(repr(n) for n in names[:8]) + (f" and {len(names) - 8} more" if len(names) > 8 else "")
    return f"column {shown} is" if len(names) == 1 else f"columns {shown} are"
