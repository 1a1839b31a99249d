"""The question that somebody asks by a label: of a column of each row, or of what comes about for each thing in the time ahead."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from typing import Any

from ml_platform.commands.start.draft.counting import asked_value, is_yes_or_no
from ml_platform.commands.start.draft.past import past_of
from ml_platform.commands.start.draft.questions import Question, features_of, name_of, thing_of
from ml_platform.commands.start.draft.roles import Drafted
from ml_platform.commands.start.draft.settings import Settings, event_settings, settings_for
from ml_platform.commands.start.draft.text import block, sql_text
from ml_platform.core.durations import format_duration, parse_duration
from ml_platform.core.errors import DeclarationError, did_you_mean
from ml_platform.core.intervals import DAY
from ml_platform.sql.duck import sql_name
from ml_platform.tables.inference.words import is_id

_MOST_COLUMNS = 40


@dataclass(frozen=True)
class Asked:
    """What somebody asks for: ``label`` is a column or an aggregate in SQL; the rest may be left to the data."""

    label: str
    name: str | None = None
    entity: tuple[str, ...] = ()
    horizon: str | None = None
    every: str | None = None
    task: str | None = None


def with_time(table: Drafted, time: str) -> Drafted:
    """Return a table whose rows come about at a column that somebody names.

    Raises
    ------
    DeclarationError
        If it is no column of times.
    """
    column = column_of(table, time, "time")
    chosen = next((t for t in table.found.times if t.name == column), None)
    if chosen is None:
        times = ", ".join(t.evidence for t in table.found.times) or "none"
        raise DeclarationError(
            f"time={time!r}: column {column!r} of {table.name} was read as {table.found.types[column]}, and not as a time. Columns of "
            f"times: {times}. Name one of them, or write its values as dates, times or epoch numbers."
        )
    rest = [t for t in table.found.times if t is not chosen]
    partitions = dict(table.found.partitions or {})
    if chosen.spread is None:
        partitions = {"start": chosen.first}
    else:
        low, high = chosen.spread
        partitions = {"start": partitions.get("start", chosen.first), **({"first": low} if low < 0 else {}),
                      **({"after": high + 1} if high > 0 else {})}  # fmt: skip
    return replace(table, found=replace(table.found, event_time=column, times=(chosen, *rest), partitions=partitions))


def column_of(table: Drafted, name: str, what: str) -> str:
    """Return what a delivered column is called in the contract: one whose name needs quotes has another there.

    Raises
    ------
    DeclarationError
        If there is no such column.
    """
    columns = table.found.contract["columns"]
    if name in columns:
        return name
    was = next((new for new, body in columns.items() if body.get("was") == name), None)
    if was is None:
        raise DeclarationError(f"{what}={name!r}: {table.name} has no such column. {did_you_mean(name, list(columns))}")
    return was


def question_asked(asked: Asked, log: Drafted, tables: Mapping[str, Drafted]) -> Question:
    """Return the problem of a label.

    Parameters
    ----------
    asked : Asked
        A label that is a column of the log is asked for each of its rows, from what the other columns say at the row's time, and is known
        ``horizon`` after it (a day, if nobody says). Any other is an aggregate over the rows to come, for each ``entity`` on a grid.
    log : Drafted
        The table of the label.
    tables : mapping of str to Drafted
        All tables.

    Raises
    ------
    DeclarationError
        If the history is too short, or the entity cannot be told.
    """
    columns = log.found.contract["columns"]
    is_column = asked.label in columns or any(body.get("was") == asked.label for body in columns.values())
    return _of_rows(asked, log, tables) if is_column else _of_things(asked, log, tables)


def _of_rows(asked: Asked, log: Drafted, tables: Mapping[str, Drafted]) -> Question:
    label = column_of(log, asked.label, "label")
    settings = event_settings(log.days)
    if settings is None:
        raise _too_short(log)
    if not log.found.key:
        raise DeclarationError(f"No columns of {log.name} are unique together, so its rows cannot be told apart. Say which are: key=[...].")
    horizon = parse_duration(asked.horizon or "1d", what="length of horizon")
    # Dates are known when their day is over: the label's day comes on top.
    types = log.found.types
    seen = [n for n in types if n != label and n not in log.found.key and n != log.found.event_time and not is_id(n) and types[n] != "date"]
    things = {c for entity in log.entities for c in entity}
    seen = [n for n in seen if n not in things and types[n] != "timestamp"][:_MOST_COLUMNS]
    quoted = sql_name(label)
    sql = f"bool_or({quoted})" if types[label] == "bool" else f"max({quoted})"
    if types[label].startswith("int") and log.found.distinct.get(label, 0) == 2 and asked.task in (None, "binary"):
        sql = f"max({quoted}) = 1"
    is_answer = asked.task in (None, "binary") and is_yes_or_no(log, label)
    if is_answer:
        sql = f"max({quoted}) = {sql_text(asked_value(log, label))}"
    few = not is_answer and types[label] == "string" and log.found.distinct.get(label, 0) >= 2
    task = asked.task or ("multiclass" if few else None)
    fields: list[tuple[str, Any] | str] = [
        ("name", asked.name or name_of(label)),
        ("description", f"{label} of each row of {log.name}, asked at its time and known {format_duration(horizon)} later."),
        ("spine", {"rows_of": log.name, "cutoff": sql_name(log.found.event_time or "")}),
        (
            "label",
            {"from": log.name, "match": list(log.found.key), "sql": sql, "horizon": format_duration(horizon), "without_rows": "exclude"},
        ),
        *([("task", task)] if task else []),
        ("features", [*features_of(log, tables, set(types) - {label}), *(f"{log.name}.{n}" for n in seen)]),
        ("training", settings.training(log.found.rows)),
    ]
    name = str(fields[0][1])
    # All else is known at the row's own time, and what is known strictly before the cutoff counts.
    known = {"known_after": _interval(horizon), "known_before": "1 microsecond"}
    return Question(name, f"What will {label} be?", block("Problem", fields), log.name, (label,), past=past_of(log, label), **known)


def _of_things(asked: Asked, log: Drafted, tables: Mapping[str, Drafted]) -> Question:
    entity = tuple(column_of(log, name, "entity") for name in asked.entity) or next(iter(log.entities), ())
    if not entity:
        raise DeclarationError(
            f"label={asked.label!r} is no column of {log.name}, so it is asked of things that come again, and no column names one. Say "
            f"which: entity='...'. Columns: {', '.join(log.found.types)}."
        )
    settings = _settings(asked, log)
    match = {"each": entity[0] if len(entity) == 1 else list(entity), "every": f"{settings.every}d",
             "active": {"in": log.name, "within": f"{settings.within}d"}}  # fmt: skip
    asks = f"{asked.label} of each {thing_of(entity)} in the {settings.horizon} days ahead"
    fields: list[tuple[str, Any] | str] = [
        ("name", asked.name or name_of(f"{thing_of(entity, '_')}_next_{settings.horizon}d")),
        ("description", f"{asks}."),
        ("spine", match),
        ("label", {"from": log.name, "match": list(entity), "sql": asked.label, "horizon": f"{settings.horizon}d", "without_rows": "zero"}),
        *([("task", asked.task)] if asked.task else []),
        ("features", features_of(log, tables, set(entity))),
        ("training", settings.training()),
    ]
    return Question(str(fields[0][1]), f"{asks}?", block("Problem", fields), log.name)


def _interval(length: timedelta) -> str:
    return f"{length // DAY} day" if not length % DAY else f"{length // timedelta(seconds=1)} second"


def _settings(asked: Asked, log: Drafted) -> Settings:
    options = settings_for(log.days)
    if not options:
        raise _too_short(log)
    horizon = _days(asked.horizon, "horizon")
    chosen = next((one for one in options if one.horizon == horizon), options[min(1, len(options) - 1)])
    every = _days(asked.every, "every")
    chosen = replace(chosen, horizon=horizon or chosen.horizon, every=every or chosen.every)
    test = max(chosen.test, 5 * chosen.every)
    if log.days < 2 * test + 2 * chosen.horizon + chosen.within:
        raise _too_short(log, f" A horizon of {chosen.horizon} days needs {2 * test + 2 * chosen.horizon + chosen.within} or more.")
    return replace(chosen, validate=test, test=test)


def _days(length: str | None, what: str) -> int | None:
    if length is None:
        return None
    found = parse_duration(length, what=f"length of {what}")
    if not found or found % DAY:
        raise DeclarationError(f"{what}={length!r}: whole days are asked for, such as 14d.")
    return found // DAY


def _too_short(log: Drafted, more: str = "") -> DeclarationError:
    return DeclarationError(
        f"{log.name} spans {log.days} days: too few to learn from and to be judged on.{more} Hand over a longer history."
    )


def entities_named(table: Drafted, entity: Sequence[str]) -> Drafted:
    """Return a table about which somebody says what comes again in it, so that its history is looked at."""
    named = tuple(column_of(table, name, "entity") for name in entity)
    return table if not named or named in table.entities else replace(table, entities=(named, *table.entities)[:3])
