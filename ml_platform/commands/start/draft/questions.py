"""Questions that tables can answer, each as a complete problem: will it come back, how much will it be, how will this row turn out."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from ml_platform.commands.start.draft.counting import asked_value, coming_back, is_yes_or_no, share_of
from ml_platform.commands.start.draft.past import past_of
from ml_platform.commands.start.draft.roles import Drafted
from ml_platform.commands.start.draft.settings import Settings, event_settings, forecast, settings_for
from ml_platform.commands.start.draft.text import block, sql_text
from ml_platform.sql.duck import sql_name
from ml_platform.tables.inference.words import amount_rank, is_id, is_level, is_outcome, is_question, is_result, outcome_rank, words_of

_MOST_CLASSES = 8
_FEWEST_ROWS = 60
# So many rows, of both answers, a model is chosen and judged on at least.
_FEWEST_JUDGED = 20
# Labels that are nearly all alike teach nothing within the few rows of a split.
_RAREST = 0.04
_MOST_COLUMNS = 6


@dataclass(frozen=True)
class Question:
    """A problem: its declaration, the question in words, and of which table which columns are known only when the answer is.

    ``known_after`` is how long after the row that is, such as ``1 day``, and ``known_before`` how long before it all else is; empty: at
    once, and a safe while before. ``past`` are features that say how rows of the table turned out before.
    """

    name: str
    asks: str
    text: str
    table: str
    known_later: tuple[str, ...] = ()
    known_after: str = ""
    known_before: str = ""
    past: tuple[dict[str, Any], ...] = ()


@dataclass(frozen=True)
class _Wanted:
    """What a question about a thing asks for."""

    name: str
    asks: str
    sql: str
    task: str | None = None
    without_rows: str = "zero"


def questions_of(tables: Mapping[str, Drafted]) -> list[Question]:
    """Return two or three questions that the tables can answer, of different kinds.

    A table with an outcome in its rows is asked for that; the things that come again are asked whether they will, and how much of what is
    counted or added up about them there will be.
    """
    logs = sorted((t for t in tables.values() if t.is_log), key=lambda t: -t.found.rows)
    found: list[Question] = []
    for making in (_outcome, _comes_back, _how_much, partial(_outcome, anything=True)):
        if len(found) > 1 and isinstance(making, partial):
            break
        made = next((q for log in logs if (q := making(log, tables)) is not None and q.name not in {f.name for f in found}), None)
        if made is not None:
            found.append(made)
    return found


def why_none(tables: Mapping[str, Drafted]) -> str:
    """Say in a sentence what is missing for a question."""
    logs = [t for t in tables.values() if t.is_log]
    if not logs:
        return "No table has a time in its rows that says when they came about: without one there is nothing to learn from over time."
    longest = max(logs, key=lambda t: t.days)
    if longest.days < 25:
        return (
            f"{longest.name} spans {longest.days} days, the longest of all tables: a model needs about 25 days, to learn from and to be "
            "judged on. Land more, or write a problem with shorter splits."
        )
    if not any(log.entities for log in logs):
        return f"No column of {longest.name} names a thing that comes again (a customer, a store), so there is nothing to predict for."
    return "No thing comes again often enough, and no column looks like an outcome: write the problem that you have in mind."


def _outcome(log: Drafted, tables: Mapping[str, Drafted], *, anything: bool = False) -> Question | None:
    """Ask how a row turns out: its outcome, from what is known of it before."""
    label = _label_of(log, anything=anything)
    settings = event_settings(log.days)
    if label is None or settings is None or not log.found.key or not log.entities or log.found.rows < _FEWEST_ROWS:
        return None
    column, sql, task, words = label
    later = _known_later(log, column)
    if set(log.found.key) & set(later):
        return None
    sorts = [n for n, t in log.found.types.items() if t in ("string", "bool") or n in log.codes]
    context = [n for n in sorts if n not in later and n not in log.found.key]
    seen = [n for n in context if 2 <= log.found.distinct.get(n, 0) <= 50][:_MOST_COLUMNS]
    time = log.found.event_time or ""
    fields: list[tuple[str, Any] | str] = [
        ("name", name_of(f"{column}_of_{log.name}")),
        ("description", f"{words}? Asked when a row of {log.name} is known, before its outcome is."),
        ("spine", {"rows_of": log.name, "cutoff": sql_name(time)}),
        ("label", {"from": log.name, "match": list(log.found.key), "sql": sql, "horizon": "1d", "without_rows": "exclude"}),
        *([("task", task)] if task else []),
        ("features", [*features_of(log, tables, set(log.found.types) - set(later)), *(f"{log.name}.{n}" for n in seen)]),
        ("training", settings.training(log.found.rows)),
    ]
    return Question(str(fields[0][1]), f"{words}?", block("Problem", fields), log.name, later, past=past_of(log, column))


def _label_of(log: Drafted, *, anything: bool) -> tuple[str, str, str | None, str] | None:
    """Return a column that is an outcome (or any amount), its label as SQL, the task and the question in words."""
    types, distinct = log.found.types, log.found.distinct
    entities = {c for e in log.entities for c in e}
    able = [n for n in types if n not in log.found.key and n not in entities and n != log.found.event_time]
    for name in sorted(able, key=lambda n: (outcome_rank(n), list(types).index(n))):
        quoted, few, said = sql_name(name), distinct.get(name, 0), " ".join(words_of(name))
        if types[name] == "bool" and few == 2 and (is_outcome(name) or is_question(name)) and share_of(log, quoted) >= _RAREST:
            return name, f"bool_or({quoted})", None, f"Will {said} be true"
        if types[name] == "string" and few == 2 and (is_outcome(name) or (is_question(name) and is_yes_or_no(log, name))):
            one = asked_value(log, name)
            return name, f"max({quoted}) = {sql_text(one)}", None, f"Will {said} be {one}"
        if not is_outcome(name):
            continue
        if types[name].startswith("int") and few == 2 and share_of(log, f"{quoted} = 1") >= _RAREST:
            return name, f"max({quoted}) = 1", None, f"Will {said} be 1"
        if 3 <= few <= _MOST_CLASSES and (types[name] == "string" or types[name].startswith("int")):
            return name, f"max({quoted})", "multiclass", f"Which {said} will it be"
    amounts = [n for n in log.measures if n in able and distinct.get(n, 0) > 2 and (anything or is_result(n))]
    if log.series is None and amounts:
        name = min(amounts, key=lambda n: (not is_result(n), amount_rank(n), log.measures.index(n)))
        return name, f"max({sql_name(name)})", "regression", f"How large will {' '.join(words_of(name))} be"
    return None


def _known_later(log: Drafted, label: str) -> tuple[str, ...]:
    """Return the columns that are taken to be known only with the outcome: all that is measured, and what is called like one."""
    types, entities = log.found.types, {c for e in log.entities for c in e}
    keep = {*log.found.key, *entities, log.found.event_time}
    numbers = [n for n, t in types.items() if t not in ("string", "bool") and n not in log.codes and not is_id(n)]
    outcomes = [
        n
        for n, t in types.items()
        if t in ("string", "bool") and (is_outcome(n) or t == "bool" or (is_question(n) and is_yes_or_no(log, n)))
    ]
    return tuple(n for n in types if n == label or (n not in keep and n in {*numbers, *outcomes}))


def _comes_back(log: Drafted, tables: Mapping[str, Drafted]) -> Question | None:
    """Ask whether a thing that was there lately will come again."""
    if log.series is not None:
        return None
    best: tuple[float, tuple[str, ...], Settings, int] | None = None
    for entity in log.entities:
        for settings in settings_for(log.days):
            rows, share = coming_back(log, entity, settings)
            if rows >= _FEWEST_ROWS and _RAREST <= share <= 1 - _RAREST and (best is None or abs(share - 0.4) < abs(best[0] - 0.4)):
                best = share, entity, settings, rows
        if best is not None:
            break
    if best is None:
        return None
    share, entity, settings, rows = best
    settings = _with_answers(log, entity, settings)
    asks = f"Will {a_thing(entity)} that was in {log.name} lately be there again within {settings.horizon} days?"
    wanted = _Wanted(name_of(f"{thing_of(entity, '_')}_comes_back"), f"{asks} So far {share:.0%} were.", "count(*) > 0")
    return _grid_question(log, tables, entity, settings, wanted, rows)


def _with_answers(log: Drafted, entity: tuple[str, ...], settings: Settings) -> Settings:
    """Return settings whose newest splits hold rows of both answers: where a history pauses before its end, they are longer."""
    for split in ("test", "validate"):
        while True:
            end, length = log.days - settings.horizon, getattr(settings, split)
            begin = end - length
            if split == "validate":
                # Its answers are in before the test begins.
                begin, end = end - settings.test - length, end - settings.test - settings.horizon
            rows, share = coming_back(log, entity, settings, (begin, end))
            # Half of the history is left to learn from.
            if (rows >= _FEWEST_JUDGED and 0 < share < 1) or log.days < 2 * (settings.test + settings.validate + length):
                break
            settings = replace(settings, **{split: 2 * length})
    return settings


def _how_much(log: Drafted, tables: Mapping[str, Drafted]) -> Question | None:
    """Ask how much there will be of something that is added up, or how many rows."""
    # Of a series the next value is asked, of what comes now and then the sum of some days.
    settings = forecast(log.days, log.step) if log.series else next(iter(settings_for(log.days)[1:2]), None)
    measure = min(log.measures, key=lambda n: (is_level(n), amount_rank(n), log.measures.index(n)), default=None)
    # A price or a temperature is not added up: its mean is asked for, of things that have one in the time ahead.
    level = measure is not None and is_level(measure)
    entities = (log.series.entity,) if log.series else log.entities
    entity = next((e for e in entities if settings is not None and coming_back(log, e, settings)[0] >= _FEWEST_ROWS), None)
    if settings is None or entity is None:
        return None
    said = f"What will the {'mean' if level else 'sum of'} {' '.join(words_of(measure))} of" if measure else "How many rows will"
    span = settings.horizon * settings.steps
    when = f"in the next {span} days" if span > 1 else "on the next day"
    when += f", {'day by day' if log.step == 1 else f'each {log.step} days'}" if settings.steps > 1 else ""
    name = name_of(f"{thing_of(entity, '_')}_{'_'.join(words_of(measure)) if measure else log.name}_next_{span}d")
    wanted = _Wanted(
        name, f"{said} {a_thing(entity)} of {log.name} {'be' if measure else 'have'} {when}?",
        f"{'avg' if level else 'sum'}({sql_name(measure)})" if measure else "count(*)", "regression", "exclude" if level else "zero",
    )  # fmt: skip
    return _grid_question(log, tables, entity, settings, wanted, coming_back(log, entity, settings)[0])


def _grid_question(
    log: Drafted, tables: Mapping[str, Drafted], entity: tuple[str, ...], settings: Settings, wanted: _Wanted, rows: int
) -> Question:
    each = entity[0] if len(entity) == 1 else list(entity)
    steps = {"steps": settings.steps} if settings.steps > 1 else {}
    active = {"active": {"in": log.name, "within": f"{settings.within}d"}}
    fields: list[tuple[str, Any] | str] = [
        ("name", wanted.name),
        ("description", wanted.asks),
        ("spine", {"each": each, "every": f"{settings.every}d", **steps, **active}),
        (
            "label",
            {
                "from": log.name,
                "match": list(entity),
                "sql": wanted.sql,
                "horizon": f"{settings.horizon}d",
                "without_rows": wanted.without_rows,
            },
        ),
        *([("task", wanted.task)] if wanted.task else []),
        ("features", features_of(log, tables, set(entity))),
        ("training", settings.training(rows)),
    ]
    return Question(wanted.name, wanted.asks, block("Problem", fields), log.name)


def features_of(log: Drafted, tables: Mapping[str, Drafted], columns: set[str]) -> list[str]:
    """Return the features that some columns of a table find: views of their entities, and columns of the tables that they refer to.

    What is looked up is taken as it stands, and never averaged: the price of the product, the country of the customer.
    """
    # What has ended says nothing of today, and windows would wait for its days for ever.
    alive = [t for t in tables.values() if t is log or not t.has_ended(tables.values())]
    views = [view_name(t.name) for t in alive if t.is_log and any(set(e) <= columns for e in t.entities)]
    found = [tables[r.table] for r in log.references if r.columns == r.to and set(r.columns) <= columns and r.table in tables]
    return [*views, *(f"{t.name}.{n}" for t in found if not t.is_log for n in t.told_columns[:_MOST_COLUMNS])]


def view_name(table: str) -> str:
    """Return what the view over a table is called."""
    return f"{table[:56]}_recent"


def thing_of(entity: Sequence[str], joint: str = " ") -> str:
    """Return what an entity is called in words: its columns without "id" and the like."""
    words = [w for column in entity for w in words_of(column) if w not in ("id", "key", "code", "no", "number")]
    return joint.join(words) or joint.join(w for c in entity for w in words_of(c))


def a_thing(entity: Sequence[str]) -> str:
    """Return what an entity is called with the article before it: a customer, an account."""
    thing = thing_of(entity)
    return f"{'an' if thing[:1].lower() in tuple('aeio') else 'a'} {thing}"


def name_of(wish: str) -> str:
    """Return a name for a problem that is near to a wish."""
    name = re.sub(r"_+", "_", re.sub(r"[^a-z0-9]+", "_", wish.lower())).strip("_")
    return (name if name[:1].isalpha() else f"ask_{name}")[:60].rstrip("_")
