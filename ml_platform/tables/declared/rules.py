"""The rules of a contract, each as one SQL condition for rows that break it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

import duckdb

from ml_platform.core.errors import DeclarationError, UnknownNameError, did_you_mean
from ml_platform.sql.binding import bind_expression
from ml_platform.sql.duck import quote_name, quote_text
from ml_platform.sql.tree import run_constant
from ml_platform.tables.declared.contract import Column, Contract, Severity
from ml_platform.tables.declared.types import contract_columns, is_numeric, sql_literal

# Rules that stand for every table; the engine names them in reports and in quarantine.
KEY_UNIQUE = "key_unique"
EXACT_DUPLICATE = "exact_duplicate"
AVAILABLE_AT_KNOWN = "available_at_known"
OTHER_DAY = "other_day"
DAY_KNOWN = "day_known"
WITHIN_PARTITIONS = "within_partitions"
KNOWN_EARLY = "known_before_it_happened"
_RESERVED = (KEY_UNIQUE, EXACT_DUPLICATE, AVAILABLE_AT_KNOWN, OTHER_DAY, DAY_KNOWN, WITHIN_PARTITIONS, KNOWN_EARLY)


@dataclass(frozen=True)
class Rule:
    """One rule over the row.

    ``broken`` is a SQL condition over the typed columns: TRUE for a row that breaks the rule, else FALSE, never NULL.
    ``column`` is empty for a rule over several columns; ``says`` is what good rows keep, in words.
    """

    name: str
    column: str
    severity: Severity
    broken: str
    says: str


def type_rule_name(column: str) -> str:
    """Return the name of the rule that a delivered value is one of the column's type."""
    return f"type_of_{column}"


def row_rules(contract: Contract) -> tuple[Rule, ...]:
    """Return the rules of a contract that one typed row alone can break: columns first, then the declared conditions."""
    declared = tuple(
        Rule(r.name, "", r.severity, f"TRY(({r.sql}\n) IS NOT FALSE) IS NOT TRUE", r.description or r.sql) for r in contract.rules
    )
    return tuple(rule for c in contract.columns for rule in column_rules(c, c.name in contract.key)) + declared


def column_rules(column: Column, is_key: bool = False) -> tuple[Rule, ...]:
    """Return the rules of one column; NULL keeps all but ``not_null``. A column of the key is never NULL."""
    name = quote_name(column.name)
    rules = []
    if is_key or not column.nullable:
        rules.append(Rule(f"not_null_{column.name}", column.name, "reject", f"{name} IS NULL", "is there"))
    outside = []
    says = []
    if column.minimum is not None:
        outside.append(f"{name} < {sql_literal(column, column.minimum)}")
        says.append(f"at least {column.minimum}")
    if column.maximum is not None:
        outside.append(f"{name} > {sql_literal(column, column.maximum)}")
        says.append(f"at most {column.maximum}")
    if outside:
        rules.append(Rule(f"range_{column.name}", column.name, "reject", _not_null(" OR ".join(outside)), " and ".join(says)))
    if column.one_of is not None:
        members = ", ".join(sql_literal(column, v) for v in column.one_of)
        words = ", ".join(str(v) for v in column.one_of)
        rules.append(Rule(f"one_of_{column.name}", column.name, "reject", _not_null(f"{name} NOT IN ({members})"), f"one of {words}"))
    if column.matches is not None:
        broken = f"NOT regexp_full_match({name}, {quote_text(column.matches)})"
        rules.append(Rule(f"matches_{column.name}", column.name, "reject", _not_null(broken), f"matches {column.matches}"))
    return tuple(rules)


def check_contract(contract: Contract, where: str) -> None:
    """Check that a contract means something: names, literals, regular expressions and SQL.

    Raises
    ------
    DeclarationError
        If two columns (former names counted) or rules share a name, the key is not among the columns, a bound stands on a type without
        order, a regular expression or a rule's SQL cannot be read, or a set or range is empty.
    UnknownNameError
        If a rule, the key or a reference names a column that is not there.
    """
    _check_unique([c.name.lower() for c in contract.columns], f"{where}: column")
    _check_unique([n.lower() for c in contract.columns for n in (c.name, *c.was)], f"{where}: among names and former names (was), column")
    for name in contract.key:
        _known_column(name, contract, f"{where}: the key")
    for column in contract.columns:
        _check_column(column, f"{where}: column {column.name!r}")
    types = contract_columns(contract)
    for rule in contract.rules:
        bound = bind_expression(rule.sql, types, where=f"{where}: rule {rule.name!r}")
        if bound.type != "BOOLEAN":
            raise DeclarationError(
                f"{where}: rule {rule.name!r} is a {bound.type.lower()} ({rule.sql!r}), not a condition. "
                "Write what good rows fulfil, such as 'landed_at > scheduled_at'."
            )
    for reference in contract.references:
        for name in reference.columns:
            _known_column(name, contract, f"{where}: the reference {reference.name!r}")
    names = [r.name for r in row_rules(contract)] + [r.name for r in contract.references]
    _check_unique([*names, *_RESERVED, *(type_rule_name(c.name) for c in contract.columns)], f"{where}: rule")


def _check_column(column: Column, where: str) -> None:
    ordered = is_numeric(column.type) or column.type in ("date", "timestamp")
    if (column.minimum is not None or column.maximum is not None) and not ordered:
        raise DeclarationError(f"{where} is a {column.type}, which has no min and max. Use one_of, matches, or a rule.")
    if column.minimum is not None and column.maximum is not None and column.minimum > column.maximum:  # pyright: ignore[reportOperatorIssue]
        raise DeclarationError(f"{where}: min {column.minimum!r} is above max {column.maximum!r}; no value could keep that.")
    if column.one_of is not None and not column.one_of:
        raise DeclarationError(f"{where}: one_of lists nothing; no value could keep that. List the values, or leave it out.")
    if column.zone is not None and column.type != "timestamp":
        raise DeclarationError(f"{where} has a zone, but is a {column.type}. Only a timestamp has one.")
    if column.matches is None:
        return
    if column.type != "string":
        raise DeclarationError(f"{where} is a {column.type}; only text can be matched by a regular expression.")
    try:
        run_constant(f"regexp_full_match('', {quote_text(column.matches)})")
    except duckdb.Error as error:
        reason = str(error).partition(": ")[2] or str(error)
        raise DeclarationError(f"{where}: matches {column.matches!r} is not a regular expression ({reason}).") from None


def _known_column(name: str, contract: Contract, where: str) -> None:
    if contract.column(name) is None:
        now = next((c.name for c in contract.columns if name in c.was), None)
        hint = did_you_mean(name, contract.column_names) if now is None else f"It is called {now!r} now."
        raise UnknownNameError(f"{where} names the column {name!r}, which is not declared. {hint}")


def _check_unique(names: Iterable[str], what: str) -> None:
    twice = [n for n, count in Counter(names).items() if count > 1]
    if twice:
        raise DeclarationError(
            f"{what} {twice[0]!r} stands there twice (letter case does not tell columns apart). Give each a name of its own."
        )


def _not_null(condition: str) -> str:
    return f"coalesce({condition}, FALSE)"
