"""Contracts as mappings (what a YAML file holds) and as objects, both ways."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any
from zoneinfo import ZoneInfo

from ml_platform.core.errors import DeclarationError, UnknownNameError, did_you_mean
from ml_platform.core.names import check_name, is_pattern
from ml_platform.core.unquoted import cut_at_a_comma, quote_it
from ml_platform.tables.declared.contract import Column, Contract, Reference, RowRule
from ml_platform.tables.declared.number_formats import check_number_format
from ml_platform.tables.declared.rules import check_contract
from ml_platform.tables.declared.time_formats import TIMED, check_time_format
from ml_platform.tables.declared.types import check_literal, check_type

_CONTRACT_KEYS = ("columns", "rules", "references", "max_rejected", "min_rows", "max_shrink", "extra_columns", "known_early")
_COLUMN_KEYS = ("type", "nullable", "optional", "description", "min", "max", "one_of", "matches", "zone", "format", "made_of", "was")
_RULE_KEYS = ("name", "sql", "severity", "description")
_REFERENCE_KEYS = ("columns", "in", "to", "severity")


def parse_contract(mapping: object, *, key: Sequence[str] = (), where: str) -> Contract:
    """Read a contract from a mapping.

    Parameters
    ----------
    mapping : mapping
        ``columns`` (name to type or to ``{type, nullable, optional, description, min, max, one_of, matches, zone,
        format, made_of, was}``), ``rules``
        (``name, sql, severity, description``), ``references`` (``columns, in, to, severity``), ``max_rejected`` (share),
        ``min_rows``, ``max_shrink`` (share, ``10%`` or 0.1), ``extra_columns`` (``stop`` or ``ignore``), ``known_early``
        (``warn``, ``reject`` or ``allow``).
    key : sequence of str
        Columns that identify a row; they are never NULL.
    where : str
        The file; begins the message of an error.

    Raises
    ------
    DeclarationError
        If a key or a value is not what it must be, if SQL cannot be bound to the columns, or if a literal is of another type.
    """
    mapping = _mapping(mapping, where, _CONTRACT_KEYS, "contract")
    declared = mapping.get("columns")
    if not isinstance(declared, Mapping) or not declared:
        raise DeclarationError(f"{where}: a contract needs 'columns:', a mapping of column names to their types.")
    keys = _names(key, f"{where}: key")
    columns = tuple(_column(name, body, where, name in keys) for name, body in declared.items())
    contract = Contract(
        columns=columns,
        key=keys,
        rules=tuple(_rule(r, f"{where}: rules[{n}]") for n, r in enumerate(_list(mapping.get("rules"), f"{where}: rules"))),
        references=tuple(
            _reference(r, f"{where}: references[{n}]") for n, r in enumerate(_list(mapping.get("references"), f"{where}: references"))
        ),
        max_rejected=_number(mapping.get("max_rejected", Contract.max_rejected), f"{where}: max_rejected", whole=False),
        min_rows=int(_number(mapping.get("min_rows", Contract.min_rows), f"{where}: min_rows", whole=True)),
        max_shrink=None if mapping.get("max_shrink") is None else _number(mapping["max_shrink"], f"{where}: max_shrink", whole=False),
        extra_columns=_choice(mapping.get("extra_columns", "stop"), ("stop", "ignore"), f"{where}: extra_columns"),
        known_early=_choice(mapping.get("known_early", "warn"), ("warn", "reject", "allow"), f"{where}: known_early"),
    )
    check_contract(contract, where)
    return contract


def _column(name: object, body: object, where: str, is_key: bool) -> Column:
    check_column_name(name, where)
    where = f"{where}: column {name!r}"
    body = _mapping({"type": body} if isinstance(body, str) else body, where, _COLUMN_KEYS, "column")
    if "type" not in body:
        raise DeclarationError(f"{where} has no type. {did_you_mean('', ['type: string', 'type: int64', 'type: timestamp'])}")
    nullable = body.get("nullable", not is_key)
    if not isinstance(nullable, bool):
        raise DeclarationError(f"{where}: nullable is true or false, got {nullable!r}.")
    if nullable and is_key:
        raise DeclarationError(f"{where} belongs to the key, so it cannot be nullable: leave 'nullable' out.")
    optional = body.get("optional", False)
    if not isinstance(optional, bool):
        raise DeclarationError(f"{where}: optional is true or false, got {optional!r}.")
    if optional and not nullable:
        raise DeclarationError(
            f"{where} is optional: rows of a file without it have no value there. "
            f"{'It belongs to the key' if is_key else 'It is declared as never empty (nullable: false)'}: leave one of the two out."
        )
    column = Column(
        name=str(name),
        type=check_type(body["type"], where),
        nullable=nullable,
        description=_optional_text(body.get("description", ""), f"{where}: description") or "",
        matches=_optional_text(body.get("matches"), f"{where}: matches"),
        zone=check_zone(body.get("zone"), where),
        was=_former_names(body.get("was"), where),
        format=_format(body.get("format"), str(body["type"]), where),
        made_of=_names(body.get("made_of"), f"{where}: made_of"),
        optional=optional,
    )
    if column.made_of and (column.type not in TIMED or len(column.made_of) < 2):
        raise DeclarationError(f"{where}: made_of joins two or more delivered columns to a date or timestamp, as in made_of: [date, time].")
    bounds = {f"{b}imum": check_literal(column, body[b], f"{where}, {b}") for b in ("min", "max") if body.get(b) is not None}
    one_of = None
    if body.get("one_of") is not None:
        one_of = tuple(check_literal(column, v, f"{where}, one_of") for v in _list(body["one_of"], f"{where}: one_of"))
    return replace(column, one_of=one_of, **bounds)


def _format(text: object, type_: str, where: str) -> str | None:
    if text is None:
        return None
    if type_ in TIMED:
        return check_time_format(text, where)
    if type_ in ("string", "bool"):
        raise DeclarationError(f"{where}: a format says how a number, a date or a timestamp is written, but the type is {type_!r}.")
    return check_number_format(text, where)


def check_column_name(name: object, where: str) -> str:
    """Return ``name`` if a declared column can have it.

    Raises
    ------
    DeclarationError
        If it is not text (a YAML trap), empty, or starts with an underscore, which marks the platform's own columns.
    """
    if not isinstance(name, str):
        raise DeclarationError(f"{where}: a column is called {name!r}. YAML reads on, no, y and numbers as other values: quote the name.")
    if not name.strip() or name != name.strip() or not name.isprintable():
        raise DeclarationError(f"{where}: a column is called {name!r}: it needs printable letters, without space at its ends.")
    if is_pattern(name):
        raise DeclarationError(f"{where}: a column is called {name!r}, which Polars takes for many columns. Rename it.")
    if name.startswith("_"):
        raise DeclarationError(
            f"{where}: column {name!r} starts with an underscore, which marks columns that the platform adds. Rename it."
        )
    return name


def _former_names(value: object, where: str) -> tuple[str, ...]:
    """Return the names that a column had: one, or a list with the latest first."""
    names = [] if value is None else value if isinstance(value, list | tuple) else [value]
    return tuple(check_column_name(name, f"{where}: was") for name in names)


def check_zone(zone: object, where: str) -> str | None:
    """Return ``zone`` if it is None or the name of a time zone, such as ``America/New_York``."""
    if zone is None:
        return None
    try:
        ZoneInfo(zone)  # pyright: ignore[reportArgumentType] - another type raises TypeError, caught below
    except (KeyError, ValueError, TypeError, OSError):
        raise DeclarationError(f"{where}: {zone!r} is not a time zone. Write its IANA name, such as 'America/New_York' or 'UTC'.") from None
    return str(zone)


def _rule(body: object, where: str) -> RowRule:
    body = _mapping(body, where, _RULE_KEYS, "rule")
    where = f"{where}: rule {body.get('name')!r}"
    if not isinstance(body.get("sql"), str):
        raise DeclarationError(f"{where} needs 'sql:', a condition that good rows fulfil, as text; got {body.get('sql')!r}.")
    return RowRule(
        name=check_name(body.get("name"), "rule", where),
        sql=body["sql"].strip(),
        severity=_choice(body.get("severity", "reject"), ("reject", "warn"), f"{where}: severity"),
        description=_optional_text(body.get("description", ""), f"{where}: description") or "",
    )


def _reference(body: object, where: str) -> Reference:
    body = _mapping(body, where, _REFERENCE_KEYS, "reference")
    columns = _names(body.get("columns"), f"{where}: columns")
    if not columns or not isinstance(body.get("in"), str):
        raise DeclarationError(f"{where} needs 'columns:' and 'in:', the table whose rows they name; got {dict(body)!r}.")
    to = _names(body.get("to", columns), f"{where}: to")
    if len(to) != len(columns):
        raise DeclarationError(f"{where}: {len(columns)} columns cannot refer to {len(to)} ('to: {list(to)}').")
    severity = _choice(body.get("severity", "warn"), ("reject", "warn"), f"{where}: severity")
    return Reference(columns=columns, table=body["in"], to_columns=to, severity=severity)


def _mapping(value: object, where: str, known: Sequence[str], what: str) -> Mapping[str, Any]:
    if not isinstance(value, Mapping):
        raise DeclarationError(f"{where}: a {what} is a mapping with {', '.join(known)}; got {value!r}.")
    cut = cut_at_a_comma(value, known)
    if cut is not None:
        raise DeclarationError(f"{where}: {quote_it(cut[0], cut[1])}")
    for name in value:
        if name not in known:
            trap = " (YAML reads on, no and y as True and False: quote them.)" if isinstance(name, bool) else ""
            raise UnknownNameError(f"{where}: a {what} has no field {name!r}.{trap} {did_you_mean(str(name), known)}")
    return value


def _list(value: object, where: str) -> list[Any]:
    if value is None:
        return []
    if isinstance(value, list | tuple):
        return list(value)
    raise DeclarationError(f"{where} is a list, got {value!r}.")


def _names(value: object, where: str) -> tuple[str, ...]:
    names = [value] if isinstance(value, str) else _list(value, where)
    for name in names:
        if not isinstance(name, str):
            raise DeclarationError(
                f"{where} names columns, got {name!r}. YAML reads on, no, y and numbers as other values: quote the name."
            )
    return tuple(names)


def _optional_text(value: object, where: str) -> str | None:
    if value is None or isinstance(value, str):
        return value
    raise DeclarationError(f"{where} is text, got {value!r}: write it in quotes.")


def _choice(value: object, known: tuple[str, ...], where: str) -> Any:
    if value in known:
        return value
    raise DeclarationError(f"{where} is {' or '.join(known)}, got {value!r}.")


def _number(value: object, where: str, *, whole: bool) -> float:
    top = float("inf") if whole else 1.0
    if not whole and isinstance(value, str) and (percent := re.fullmatch(r"\s*(\d+(?:\.\d+)?)\s*%\s*", value)):
        value = float(percent[1]) / 100
    good = isinstance(value, int if whole else int | float) and not isinstance(value, bool)
    if not good or not 0 <= value <= top:  # pyright: ignore[reportOperatorIssue]
        raise DeclarationError(
            f"{where} is {'a whole number of rows' if whole else 'a share from 0 to 1 (or from 0% to 100%)'}, got {value!r}."
        )
    return value  # pyright: ignore[reportReturnType]
