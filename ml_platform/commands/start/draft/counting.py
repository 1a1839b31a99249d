"""Counts over the rows that were looked at, by which a question is chosen that they can answer."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ml_platform.commands.start.draft.roles import Drafted
from ml_platform.commands.start.draft.settings import Settings
from ml_platform.commands.start.draft.text import sql_text
from ml_platform.sql.duck import sql_name

if TYPE_CHECKING:
    import duckdb

# So many cutoffs are looked at, spread over the history.
_CUTOFFS = 24
_YES = ("yes", "y", "true", "t", "1", "ja", "j", "oui", "si", "sí", "sim")
_NO = ("no", "n", "false", "f", "0", "nein", "n", "non", "no", "no", "não")


def coming_back(log: Drafted, entity: tuple[str, ...], settings: Settings, within: tuple[int, int] | None = None) -> tuple[int, float]:
    """Return how many spine rows a grid question would have, about, and the share of them with a row within the horizon.

    Grain of what is counted: one per entity and cutoff at which it had a row within ``settings.within`` days; NULL keys are none. Cutoffs
    are those ``within`` two days of the history, counted from its first, or all.
    """
    time = sql_name(log.found.event_time or "")
    keys = ", ".join(sql_name(c) for c in entity)
    there = " AND ".join(f"{sql_name(c)} IS NOT NULL" for c in entity)
    first, last = within or (settings.within, log.days - settings.horizon)
    step = max(settings.every, (last - first) // _CUTOFFS // settings.every * settings.every)
    if last <= first:
        return 0, 0.0
    with _rows(log) as con:
        rows, back = con.execute(
            f"WITH events AS (SELECT DISTINCT {keys}, CAST({time} AS DATE) AS d FROM rows WHERE {there} AND {time} IS NOT NULL), "
            f"low AS (SELECT min(d) AS d FROM events), cuts AS (SELECT low.d + CAST(n AS INTEGER) AS c FROM low, "
            f"generate_series({first}, {last}, {step}) AS g(n)), "
            f"pairs AS (SELECT {keys}, c, bool_or(events.d >= c) AS back, bool_or(events.d < c) AS active FROM events JOIN cuts "
            f"ON events.d >= c - {settings.within} AND events.d < c + {settings.horizon} GROUP BY ALL) "
            "SELECT count(*) FILTER (active), count(*) FILTER (active AND back) FROM pairs"
        ).fetchall()[0]
    return rows * step // settings.every, back / rows if rows else 0.0


def share_of(log: Drafted, condition: str) -> float:
    """Return how rare the rarer answer of a condition is, in [0, 0.5]."""
    with _rows(log) as con:
        yes, count = con.execute(f"SELECT count(*) FILTER ({condition}), count(*) FILTER (({condition}) IS NOT NULL) FROM rows").fetchall()[
            0
        ]
    return min(yes, count - yes) / count if count else 0.0


def values_of(log: Drafted, column: str) -> list[Any]:
    """Return the values of a column: a yes first, then what comes least often."""
    name = sql_name(column)
    yes = ", ".join(sql_text(word) for word in _YES)
    with _rows(log) as con:
        found = con.execute(
            f"SELECT {name} FROM rows WHERE {name} IS NOT NULL GROUP BY 1 "
            f"ORDER BY lower(CAST({name} AS VARCHAR)) IN ({yes}) DESC, count(*), 1"
        ).fetchall()
    return [value for (value,) in found]


def asked_value(log: Drafted, column: str) -> Any:
    """Return the value of a column that a question asks for: a yes, or else the one that comes least often."""
    return values_of(log, column)[0]


def is_yes_or_no(log: Drafted, column: str) -> bool:
    """Whether a text column says yes and no, in any of some languages."""
    if log.found.types[column] != "string" or log.found.distinct.get(column, 0) != 2:
        return False
    one, other = (str(value).lower() for value in values_of(log, column))
    return (one, other) in list(zip(_YES, _NO, strict=True))


def _rows(log: Drafted) -> duckdb.DuckDBPyConnection:
    from ml_platform.sql.duck import session

    con = session()
    con.register("rows", log.found.sample)
    return con
