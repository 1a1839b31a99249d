"""What the tables of a folder are to each other: which refer to which, which grow over time, and what their columns are good for."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from ml_platform.commands.start.draft.rhythm import NAMING, Series, cadence_of, series_of
from ml_platform.tables.inference.words import (
    is_amount,
    is_code,
    is_counted_off,
    is_id,
    is_kind,
    is_later,
    is_level,
    is_outcome,
    is_someone,
    is_summed_up,
    words_of,
)

if TYPE_CHECKING:
    from ml_platform.tables.inference.infer import Inferred

_NUMBERS = ("int", "float", "decimal")
_MOST_ENTITIES = 3
# So many rows of one thing, on average, and it comes again.
_COMES_AGAIN = 1.5
_FEW = 12
# So many days behind the others are no sign of an end.
_LATE = 28
_MOST_KINDS = 50
# Two values are the keys of a table of two by chance.
_FEWEST_KEYS = 3
# Of the values of a reference, so many must be there; a role ('home_team' for 'team') is believed only with them.
_FOUND = 0.9


@dataclass(frozen=True)
class Reference:
    """Columns of a table whose values are the key of another."""

    columns: tuple[str, ...]
    table: str
    to: tuple[str, ...]

    def to_mapping(self) -> dict[str, Any]:
        """Return what a contract says of it."""
        return {"columns": list(self.columns), "in": self.table, "to": list(self.to), "severity": "warn"}


@dataclass(frozen=True)
class Drafted:
    """A table with what it is in its folder.

    ``entities`` are what its rows are about and comes again, the most telling first; ``measures`` are numbers that can be added or
    averaged, ``flags`` are true or false, ``kinds`` are texts of a few values and ``codes`` whole numbers that sort rows as texts do;
    ``series`` is there where each thing has a row again and
    again; ``cadence`` is how many days usually lie between the rows of one thing. A table without days is looked up by its key.
    """

    found: Inferred
    references: tuple[Reference, ...] = ()
    entities: tuple[tuple[str, ...], ...] = ()
    measures: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()
    kinds: tuple[str, ...] = ()
    codes: tuple[str, ...] = ()
    series: Series | None = None
    cadence: float | None = None

    @property
    def name(self) -> str:
        """The table's name."""
        return self.found.name

    @property
    def is_log(self) -> bool:
        """Whether its rows have a time and days, so that they can be counted over time."""
        return self.found.event_time is not None and bool(self.found.partitions)

    @property
    def days(self) -> int:
        """How many days its history spans; 0 without one."""
        time = self.found.time
        return 0 if time is None or not self.is_log else (time.last - time.first).days + 1

    @property
    def longest_gap(self) -> int:
        """The longest stretch of days without a row (or a file) between its first and its last; 0 where every day has some."""
        return max(self.found.gaps, default=0)

    def lag(self, tables: Collection[Drafted]) -> int:
        """How many days before the newest row of all tables with days its own newest lies."""
        own = self.found.time
        return (
            0 if own is None else (max((t.found.time.last for t in tables if t.is_log and t.found.time), default=own.last) - own.last).days
        )

    def has_ended(self, tables: Collection[Drafted]) -> bool:
        """Whether nothing has come for so long, while others went on, that what brought it seems to have ended."""
        return self.lag(tables) > max(_LATE, 2 * self.longest_gap)

    @property
    def is_of_dates(self) -> bool:
        """Whether its times are dates, of which a row is known when the day is over."""
        return self.found.event_time is not None and self.found.types[self.found.event_time] == "date"

    @property
    def told_columns(self) -> tuple[str, ...]:
        """The columns that say something of a row that is looked up: numbers, flags and kinds, but none that came about over time.

        A total or a last visit in a table without times is of today: of a past day it would know what came later.
        """
        texts = [n for n, t in self.found.types.items() if t == "string" and 2 <= self.found.distinct.get(n, 0) <= _MOST_KINDS]
        kinds = [n for n in texts if n not in self.found.key and self.found.distinct.get(n, 0) * 2 <= self.found.rows and not is_id(n)]
        keyed = {c for reference in self.references for c in reference.columns}
        able = {*self.measures, *self.flags, *kinds} - keyed
        return tuple(n for n in self.found.types if n in able and not (is_outcome(n) or is_later(n) or is_summed_up(n)))

    @property
    def step(self) -> int:
        """The days between the rows of one thing where they come on a grid; 1 elsewhere."""
        return 1 if self.series is None else self.series.step


def draft_tables(tables: Mapping[str, Inferred]) -> dict[str, Drafted]:
    """Return the tables with their roles.

    A table that others refer to by its one key is looked up by that key, and its time (a customer's first day, a product's launch) does
    not make it a log; neither does a time that is empty in most rows.
    """
    tables = {name: _looked_up(table, tables) for name, table in tables.items()}
    tables = {name: _called_as_elsewhere(table, tables) for name, table in tables.items()}
    drafted = {}
    for name, table in tables.items():
        references = references_of(table, tables)
        keyed = {c for reference in references for c in reference.columns}
        codes = _codes(table, tables, keyed)
        numbers = [n for n, t in table.types.items() if is_number(t) and n not in codes and is_measure(n, table, keyed)]
        texts = [n for n, t in table.types.items() if t == "string" and 2 <= table.distinct.get(n, 0) <= _FEW and n not in table.key]
        drafted[name] = Drafted(
            table,
            tuple(references),
            tuple(_entities(table, references)),
            tuple(numbers),
            tuple(n for n, t in table.types.items() if t == "bool"),
            tuple(texts),
            tuple(codes),
            series_of(table),
        )
        entity = next(iter(drafted[name].entities), None)
        drafted[name] = replace(drafted[name], cadence=None if entity is None else cadence_of(table, entity))  # fmt: skip
    return drafted


def references_of(table: Inferred, tables: Mapping[str, Inferred]) -> list[Reference]:
    """Return the references of a table that its values bear out: columns called like the key of another table, or like a role of it."""
    found: dict[tuple[str, ...], Reference] = {}
    for name, other in tables.items():
        if name == table.name or not other.key or other.event_time in other.key:
            continue
        for columns in _called_like(table, other):
            if _is_borne_out(table, columns, other):
                found.setdefault(columns, Reference(columns, name, other.key))
    return list(found.values())


def is_number(kind: str) -> bool:
    """Whether a type of a contract is one of numbers: whole ones, decimal ones as databases keep money, or others."""
    return kind.startswith(_NUMBERS)


def is_measure(name: str, table: Inferred, keyed: Collection[str] = ()) -> bool:
    """Whether a number of a table can be averaged: it names nothing, is no part of a date and no key."""
    return name not in table.key and name not in keyed and not (is_id(name) or is_code(name) or is_kind(name) or is_counted_off(name))


def _codes(table: Inferred, tables: Mapping[str, Inferred], keyed: Collection[str]) -> list[str]:
    """Return the whole numbers of a few values that sort rows: they are called so, or they are just the keys of a small table.

    What is called like an amount, a level or an outcome of its own is none: amounts of 1 to 5 may be the keys of something by chance.
    """
    found = []
    for name, kind in table.types.items():
        if not kind.startswith("int") or name in table.key or name in keyed or not 2 <= table.distinct.get(name, 0) <= _MOST_KINDS:
            continue
        plain = not (is_amount(name) or is_level(name) or is_outcome(name) or is_counted_off(name))
        if is_kind(name) or (plain and any(_are_keys_of(table, name, other) for other in tables.values() if other is not table)):
            found.append(name)
    return found


def _are_keys_of(table: Inferred, name: str, other: Inferred) -> bool:
    """Whether the values of a column are those of the key of another table, of a few rows, and no others."""
    import polars as pl

    if len(other.key) != 1 or not _FEWEST_KEYS <= other.rows <= _MOST_KINDS or table.sample is None or other.sample is None:
        return False
    if not other.types[other.key[0]].startswith("int"):
        return False
    values = pl.DataFrame(table.sample.select([name])).to_series().drop_nulls().unique()
    there = pl.DataFrame(other.sample.select(list(other.key))).to_series().unique()
    return set(values.to_list()) == set(there.to_list())


def _looked_up(table: Inferred, tables: Mapping[str, Inferred]) -> Inferred:
    time = table.time
    if time is None or time.spread is not None or len(table.key) != 1:
        return table
    if any(_called_like(table, other) for other in tables.values() if other is not table):
        # What names others itself (an order its customer) came about at its time, whoever names it.
        return table
    is_named = any(
        columns != (other.event_time,) for other in tables.values() if other is not table for columns in _called_like(other, table)
    )
    if not is_named and time.empty * 2 <= table.rows:
        return table
    why = (
        f"Other tables name its rows by {table.key[0]}, so a row is looked up and not counted over time. {time.evidence} is a time all the "
        f"same: with partitions: {{start: '{time.first}'}}, event_time and available_at its rows are known only from then."
    )
    return replace(table, event_time=None, partitions=None, questions=(*(q for q in table.questions if "Several columns" not in q), why))


def _called_as_elsewhere(table: Inferred, tables: Mapping[str, Inferred]) -> Inferred:
    """Return a table that is looked up with its key called as the tables that name its rows call it, where these all agree.

    Columns of a table are found by its key: ``customers.country`` by ``customer_id``, which customers alone call ``id``.
    """
    if table.event_time is not None or len(table.key) != 1:
        return table
    (key,) = table.key
    names = {r.columns for other in tables.values() for r in references_of(other, {table.name: table})}
    if len(names) != 1:
        return table
    ((name,),) = names
    if name.lower() in {n.lower() for n in table.types}:
        return table
    columns = {name if n == key else n: {"was": key} | body if n == key else body for n, body in table.contract["columns"].items()}
    told = {n: text for n, text in table.comments.items() if n != key} | {name: "called as other tables call it: they are joined by it"}
    return replace(
        table,
        contract={**table.contract, "columns": columns},
        key=(name,),
        comments=told,
        distinct={name if n == key else n: count for n, count in table.distinct.items()},
        sample=None if table.sample is None else table.sample.rename_columns([name if n == key else n for n in table.sample.column_names]),
    )


def _called_like(table: Inferred, other: Inferred) -> list[tuple[str, ...]]:
    """Return the columns of a table that are called like the key of another, alone or with words before it (``home_team``)."""
    types, theirs = table.types, other.types
    if not other.key:
        return []
    if all(k in types and types[k] == theirs[k] for k in other.key) and set(other.key) != set(table.key):
        return [other.key]
    if len(other.key) != 1:
        return []
    key = other.key[0]
    # An `id` of customers is called customer_id elsewhere.
    names: list[tuple[str, ...]] = [words_of(key), (*words_of(_singular(other.name)), *words_of(key))]
    wanted = [w for w in names if w and w not in {("id",), ("key",), ("code",), ("name",)}]
    own = [n for n, t in types.items() if t == theirs[key] and (n,) != table.key]
    return [(n,) for n in own if any(words_of(n)[-len(w) :] == w for w in wanted)]


def _singular(name: str) -> str:
    return f"{name[:-3]}y" if name.endswith("ies") else name[:-1] if name.endswith("s") and not name.endswith("ss") else name


def _is_borne_out(table: Inferred, columns: Sequence[str], other: Inferred) -> bool:
    import polars as pl

    if table.sample is None or other.sample is None:
        return True
    values = pl.DataFrame(table.sample.select(list(columns))).drop_nulls().unique()
    there = pl.DataFrame(other.sample.select(list(other.key))).rename(dict(zip(other.key, columns, strict=True))).unique()
    return values.height > 0 and values.join(there, on=list(columns), how="semi").height >= _FOUND * values.height


def _entities(table: Inferred, references: Sequence[Reference]) -> list[tuple[str, ...]]:
    """Return what comes again in a table: what its time is a key with, keys of other tables, what is called like an id, other names."""
    time, found = table.event_time, series_of(table)
    series = found.entity if found else ()
    parts = [k for k in table.key if table.types[k] == "string"]
    ids = [n for n, t in table.types.items() if t in ("string", "int64", "int32") and n != time and (is_id(n) or is_code(n))]
    texts = [n for n, t in table.types.items() if t == "string" and table.distinct.get(n, 0) > _FEW]
    few = [n for n, t in table.types.items() if t == "string" and 2 <= table.distinct.get(n, 0) <= _FEW]
    ids.sort(key=lambda n: not is_someone(n))
    wished = [
        series,
        *((n,) for n in ids if is_someone(n)),
        *(r.columns for r in references),
        *((n,) for n in (*series, *parts, *ids, *texts)),
    ]
    again = [e for e in dict.fromkeys(wished) if e and _comes_again(table, e)]
    return (again or [(n,) for n in few if _comes_again(table, (n,))])[:_MOST_ENTITIES]


def _comes_again(table: Inferred, entity: tuple[str, ...]) -> bool:
    if any(table.types[c] not in NAMING for c in entity):
        return False
    if set(table.key) <= set(entity) and table.key:
        return False
    if table.sample is None:
        return True
    things = table.sample.select(list(entity)).group_by(list(entity)).aggregate([]).num_rows
    return things >= 2 and table.rows >= _COMES_AGAIN * things
