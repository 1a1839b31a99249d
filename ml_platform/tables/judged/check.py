"""A contract applied to delivered rows: one DuckDB pass types and judges a whole range of partitions.

What is broken is only counted per rule, and its rows only fetched, where something is: a clean table never pays for it.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ml_platform.core.errors import DeclarationError
from ml_platform.core.names import ORIGIN
from ml_platform.sql.binding import bind_expression
from ml_platform.sql.duck import quote_name, quote_text
from ml_platform.tables.declared.contract import Reference
from ml_platform.tables.declared.rules import AVAILABLE_AT_KNOWN, KNOWN_EARLY, OTHER_DAY, Rule, row_rules, type_rule_name
from ml_platform.tables.declared.table import Table
from ml_platform.tables.declared.types import available_at_names, contract_columns
from ml_platform.tables.judged.casts import Cast, cast_column
from ml_platform.tables.judged.days_of_rows import day_rules
from ml_platform.tables.judged.duplicates import duplicate_rules, mark_duplicates

if TYPE_CHECKING:
    import duckdb

# Columns that rows to be judged bring along; an unpartitioned table has '' as its partition here.
PLATFORM_COLUMNS = ("_partition", *ORIGIN, "_current")
_SAMPLES = 5


@dataclass(frozen=True)
class Broken:
    """One broken rule: how many rows of which partitions, of how many, and up to five of them as text."""

    rule: Rule
    rows: Mapping[str, int]
    samples: tuple[str, ...] = ()


@dataclass(frozen=True)
class Judgement:
    """The verdict on every row of a range.

    The rows themselves stay in the connection, where :mod:`ml_platform.tables.judged.checked_rows` asks for them: the temporary table
    ``judged`` has ``_id`` (grows in the order of the delivered rows), platform columns, typed columns, availability, ``_rejected`` and
    ``_duplicate`` (the rule of a repeated key, or NULL). ``rows`` and ``rejected`` count by partition.
    """

    rows: Mapping[str, int]
    rejected: Mapping[str, int]
    broken: tuple[Broken, ...] = ()
    unchecked: tuple[str, ...] = ()
    reject_rules: tuple[Rule, ...] = field(default=(), repr=False)


def judge(
    con: duckdb.DuckDBPyConnection,
    raw: str,
    table: Table,
    *,
    is_text: bool = False,
    null_values: Sequence[str] = (),
    references: Mapping[str, str | None] | None = None,
    inputs_available_at: str | None = None,
) -> Judgement:
    """Type and judge delivered rows.

    Parameters
    ----------
    con : duckdb.DuckDBPyConnection
        Where ``raw`` is registered; receives the temporary table ``judged``.
    raw : str
        Name of a relation with every declared column and ``PLATFORM_COLUMNS``; rows with ``_current`` false (a delivery that was
        replaced) are typed and judged, but not counted.
    table : Table
        Its contract, availability, event time and partitions are applied.
    is_text : bool
        Whether the format of the files knows nothing but text.
    null_values : sequence of str
        Text that means NULL.
    references : mapping of str to str or None
        Relation in ``con`` of each referenced table; None (or left out) where it has no rows yet: the reference is not checked.
    inputs_available_at : str, optional
        Of a derived table: column of ``raw`` with the latest availability of the rows that a row was made from.

    Returns
    -------
    Judgement

    Raises
    ------
    DeclarationError
        If a delivered column is of a kind that cannot be cast; callers stop such partitions before (see ``structure``).
    """
    delivered = {r[0]: r[1] for r in con.execute(f"DESCRIBE {raw}").fetchall()}
    casts = cast_all(table, delivered, null_values, is_text=is_text)
    rules = _all_rules(table, casts)
    con.execute(f"CREATE OR REPLACE TEMP TABLE judged AS {_judged_sql(raw, table, casts, rules, inputs_available_at)}")
    unchecked = []
    found = []
    for reference in table.contract.references:
        relation = (references or {}).get(reference.table)
        if relation is None:
            unchecked.append(f"{reference.name}: {reference.table} has no rows yet, so nothing was looked up")
        else:
            found.append(_judge_reference(con, reference, relation, table))
    if table.key:
        content = [*(quote_name(c) for c in casts), *(_bad(n) for n, c in enumerate(casts.values()) if c.broken)]
        mark_duplicates(con, table, ", ".join(content))
    counts = con.execute(
        "SELECT _partition, count(*), count(*) FILTER (_rejected OR _duplicate IS NOT NULL), count(*) FILTER (_warned) "
        "FROM judged WHERE _current GROUP BY _partition ORDER BY _partition"
    ).fetchall()
    judged_rules = [*rules, *(f for f in found if f is not None), *duplicate_rules(table)]
    bad = [c[0] for c in counts if c[2] or c[3]]
    # Where no row is rejected, none of the rules that reject can be broken: they need not be counted.
    broken = {severity for severity, place in (("reject", 2), ("warn", 3)) if any(c[place] for c in counts)}
    suspected = [rule for rule in judged_rules if rule.severity in broken]
    return Judgement(
        rows={c[0]: c[1] for c in counts},
        rejected={c[0]: c[2] for c in counts},
        broken=_count_broken(con, raw, table, suspected, bad) if bad else (),
        unchecked=tuple(unchecked),
        reject_rules=tuple(r for r in judged_rules if r.severity == "reject"),
    )


def rejected_sql(raw: str, table: Table, judgement: Judgement) -> str:
    """Return the SELECT of the rejected rows of what was judged, as they were delivered.

    Returns
    -------
    str
        Columns ``_partition``, the contract's columns as text, ``_rules`` (names of the rules that the row broke), ``_file``, ``_row``.
        Grain: one row per rejected row, in the order of files and rows.
    """
    columns = "".join(f", CAST(r.{quote_name(c)} AS VARCHAR) AS {quote_name(c)}" for c in table.contract.column_names)
    names = ", ".join(f"CASE WHEN {r.broken} THEN {quote_text(r.name)} END" for r in judgement.reject_rules)
    rules = f"list_filter([{names}]::VARCHAR[], lambda rule: rule IS NOT NULL)"
    return (
        f"SELECT r._partition{columns}, _rules, r._file, r._row FROM {raw} r JOIN (SELECT _partition, _file, _row, _delivered_at, {rules} "
        "AS _rules FROM judged WHERE _current AND (_rejected OR _duplicate IS NOT NULL)) USING (_partition, _file, _row, _delivered_at) "
        "WHERE r._current ORDER BY r._partition, r._file, r._row"
    )


def cast_all(table: Table, delivered: Mapping[str, str], null_values: Sequence[str], *, is_text: bool) -> dict[str, Cast]:
    """Return the cast of every declared column from the delivered DuckDB types; raises where a kind cannot be cast."""
    casts = {}
    for column in table.contract.columns:
        cast = cast_column(column, delivered[column.name], null_values, is_text=is_text)
        if cast is None:
            raise DeclarationError(f"Column {column.name!r} was delivered as {delivered[column.name]}, which is never a {column.type}.")
        casts[column.name] = cast
    return casts


def _all_rules(table: Table, casts: Mapping[str, Cast]) -> list[Rule]:
    """Return every rule that one row alone can break, as conditions over the columns of ``judged``."""
    bad = {c: _bad(n) for n, (c, cast) in enumerate(casts.items()) if cast.broken}
    types = {c.name: c.type for c in table.contract.columns}
    rules = [Rule(type_rule_name(c), c, "reject", flag, f"is a {types[c]}{casts[c].says}") for c, flag in bad.items()]
    for rule in row_rules(table.contract):
        # A value that could not be read is NULL by now; it is reported once, by its type.
        broken = f"{rule.broken} AND NOT {bad[rule.column]}" if rule.name.startswith("not_null_") and rule.column in bad else rule.broken
        rules.append(Rule(rule.name, rule.column, rule.severity, f"({broken})", rule.says))
    return [*rules, *_time_rules(table, bad)]


def _time_rules(table: Table, bad: Mapping[str, str]) -> list[Rule]:
    rules = []
    names = available_at_names(table) if table.availability else ()
    if names and not table.availability[0].columns:
        used = bind_expression(table.availability[0].sql, contract_columns(table.contract), where=table.where).columns
        reported = [bad[c] for c in sorted(used) if c in bad]
        reported += [f"{quote_name(c.name)} IS NULL" for c in table.contract.columns if c.name in used and not c.nullable]
        # A derived row that was made of something which is never known breaks no rule: it is kept, and never counts.
        time = f"TRY(CAST(({table.availability[0].sql}\n) AS TIMESTAMPTZ))" if table.is_derived else names[0]
        unknown = " AND ".join([f"{time} IS NULL", *(f"NOT ({r})" for r in reported)])
        rules.append(Rule(AVAILABLE_AT_KNOWN, "", "reject", f"({unknown})", f"{table.availability[0].sql} is known"))
        rules += _early_rules(table, names[0], used)
    days = table.partitions
    if table.splits and table.event_time:
        rules += day_rules(table, [bad[table.event_time]] if table.event_time in bad else [])
    if days is not None:
        times = [*([f"CAST({quote_name(table.event_time)} AS TIMESTAMPTZ)"] if table.event_time else []), *names]
        outside = [f"{t} < _day + INTERVAL ({days.first}) DAY OR {t} >= _day + INTERVAL ({days.after}) DAY" for t in times]
        says = f"times lie in [day{days.first:+d}, day{days.after:+d}) of the file's day, in UTC"
        if outside:
            rules.append(Rule(OTHER_DAY, table.event_time or "", "reject", f"coalesce({' OR '.join(outside)}, FALSE)", says))
    return rules


def _early_rules(table: Table, available_at: str, used: Collection[str]) -> list[Rule]:
    """Return the rule that no row is known before it happened.

    None where the declaration itself says so: by an expression over the time alone, or column by column.
    """
    severity = table.contract.known_early
    if (
        table.event_time is None
        or table.is_derived
        or severity == "allow"
        or len(table.availability) != 1
        or set(used) <= {table.event_time}
    ):
        return []
    time = f"CAST({quote_name(table.event_time)} AS TIMESTAMPTZ)"
    says = f"was not known before it happened: {table.availability[0].sql} is no earlier than {table.event_time}, or known_early: allow"
    return [Rule(KNOWN_EARLY, table.event_time, severity, f"coalesce({available_at} < {time}, FALSE)", says)]


def _judged_sql(raw: str, table: Table, casts: Mapping[str, Cast], rules: Sequence[Rule], inputs_available_at: str | None) -> str:
    values = ", ".join(f"{c.value} AS {quote_name(n)}" for n, c in casts.items())
    flags = "".join(f", ({c.broken}) AS {_bad(n)}" for n, c in enumerate(casts.values()) if c.broken)
    day = ", timezone('UTC', TRY_CAST(_partition AS TIMESTAMP)) AS _day" if table.partitions else ""
    inputs = f", {inputs_available_at} AS _inputs_at" if inputs_available_at else ""
    available = "".join(f", {sql} AS {name}" for name, sql in _availability(table, bool(inputs_available_at)))
    rejected = " OR ".join(r.broken for r in rules if r.severity == "reject") or "FALSE"
    warned = " OR ".join(r.broken for r in rules if r.severity == "warn") or "FALSE"
    return (
        # Numbered here: DuckDB's own rowid is hidden by a declared column of that name.
        f"SELECT row_number() OVER () AS _id, *, ({rejected}) AS _rejected, ({warned}) AS _warned, NULL::VARCHAR AS _duplicate "
        f"FROM (SELECT *{available} FROM (SELECT {', '.join(PLATFORM_COLUMNS)}{day}{inputs}, {values}{flags} FROM {raw}))"
    )


def _availability(table: Table, has_inputs: bool) -> list[tuple[str, str]]:
    """Return name and SQL of the availability columns; of a derived table never before its inputs'."""
    names = available_at_names(table)
    if not table.availability:
        return [(names[0], "CASE WHEN isfinite(_inputs_at) THEN _inputs_at END" if has_inputs else "_delivered_at")] if names else []
    found = []
    for name, group in zip(names, table.availability, strict=True):
        # TRY: what cannot be computed (a text that is no time) is not known; the row is rejected, not the whole range.
        sql = f"TRY(CAST(({group.sql}\n) AS TIMESTAMPTZ))"
        if table.delay:
            sql += f" + INTERVAL {int(table.delay.total_seconds() * 1_000_000)} MICROSECONDS"
        # Made of something that is never known (infinity), a row is never known; inputs without any time are NULL and say nothing.
        known = f"{sql} IS NOT NULL AND coalesce(isfinite(_inputs_at), TRUE)"
        found.append((name, f"CASE WHEN {known} THEN greatest({sql}, _inputs_at) END" if has_inputs else sql))
    return found


def _judge_reference(con: duckdb.DuckDBPyConnection, reference: Reference, relation: str, table: Table) -> Rule | None:
    """Mark rows whose reference leads nowhere; return the rule if there are any."""
    types = contract_columns(table.contract)
    own = [quote_name(c) for c in reference.columns]
    there = ", ".join(
        f"try_cast({quote_name(to)} AS {types[c]}) AS {quote_name(c)}"
        for c, to in zip(reference.columns, reference.to_columns, strict=True)
    )
    known = " AND ".join(f"{c} IS NOT NULL" for c in own)
    absent = quote_name(f"absent_{reference.name}")
    con.execute(
        f"CREATE OR REPLACE TEMP TABLE {absent} AS SELECT DISTINCT {', '.join(own)} FROM judged WHERE {known} "
        f"EXCEPT SELECT {there} FROM {relation}"
    )
    if not con.execute(f"SELECT count(*) FROM {absent}").fetchall()[0][0]:
        return None
    mark = "_rejected" if reference.severity == "reject" else "_warned"
    match = " AND ".join(f"judged.{c} = a.{c}" for c in own)
    con.execute(f"UPDATE judged SET {mark} = TRUE FROM {absent} a WHERE {match}")
    listed = ", ".join(own) if len(own) == 1 else f"({', '.join(own)})"
    broken = f"{listed} IN (SELECT {listed} FROM {absent})"
    says = f"exists as {', '.join(reference.to_columns)} of {reference.table}"
    return Rule(reference.name, ", ".join(reference.columns), reference.severity, f"coalesce({broken}, FALSE)", says)


def _count_broken(
    con: duckdb.DuckDBPyConnection, raw: str, table: Table, rules: Sequence[Rule], partitions: Sequence[str]
) -> tuple[Broken, ...]:
    counts = ", ".join(f"count(*) FILTER ({r.broken})" for r in rules)
    con.execute("CREATE OR REPLACE TEMP TABLE bad_partitions AS SELECT unnest(?::VARCHAR[]) AS _partition", [list(partitions)])
    found = con.execute(
        f"SELECT _partition, {counts} FROM judged SEMI JOIN bad_partitions USING (_partition) WHERE _current GROUP BY _partition ORDER BY 1"
    ).fetchall()
    broken = []
    for number, rule in enumerate(rules, start=1):
        rows = {f[0]: f[number] for f in found if f[number]}
        if rows:
            broken.append(Broken(rule, rows, _samples(con, raw, table, rule)))
    return tuple(broken)


def _samples(con: duckdb.DuckDBPyConnection, raw: str, table: Table, rule: Rule) -> tuple[str, ...]:
    """Return up to five broken rows as text: file, row (0 is the first), and what was delivered."""
    columns = _columns_read(table, rule)
    shown = "".join(f", CAST(r.{quote_name(c)} AS VARCHAR)" for c in columns)
    rows = con.execute(
        f"SELECT r._file, r._row{shown} FROM {raw} r JOIN (SELECT _partition, _file, _row, _delivered_at FROM judged "
        f"WHERE {rule.broken} AND _current ORDER BY _id LIMIT {_SAMPLES}) USING (_partition, _file, _row, _delivered_at) "
        "WHERE r._current ORDER BY r._partition, r._file, r._row"
    ).fetchall()
    return tuple(f"{r[0]} row {r[1]}: {', '.join(f'{c}={v!r}' for c, v in zip(columns, r[2:], strict=True))}" for r in rows)


def _columns_read(table: Table, rule: Rule) -> list[str]:
    """Return the delivered columns that a reader must see to believe that the rule is broken."""
    columns = {c for c in rule.column.split(", ") if c}
    sqls = [r.sql for r in table.contract.rules if r.name == rule.name]
    if rule.name in (AVAILABLE_AT_KNOWN, OTHER_DAY, KNOWN_EARLY):
        sqls = [group.sql for group in table.availability]
    for sql in sqls:
        columns |= bind_expression(sql, contract_columns(table.contract), where=table.where).columns
    return sorted(columns)


def _bad(number: int) -> str:
    return f"_bad_{number}"
