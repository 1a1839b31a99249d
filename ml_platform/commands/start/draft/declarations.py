"""The declarations of a folder as one ``defs.yaml``: its tables, a view where things come again, and the questions."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from datetime import date, timedelta
from typing import Any

from ml_platform.commands.start.draft.past import past_of
from ml_platform.commands.start.draft.questions import Question, view_name, why_none
from ml_platform.commands.start.draft.roles import Drafted
from ml_platform.commands.start.draft.settings import windows_for
from ml_platform.commands.start.draft.text import block, flow
from ml_platform.sql.duck import sql_name
from ml_platform.tables.inference.words import amount_rank, is_level, is_outcome

_HEAD = """\
# A draft by `ml-platform init`, to be reviewed like code: it loads and runs as it stands.
# A line with # ? asks for what no file can say, and says what was taken until you answer.
"""
_MOST_COLUMNS = 6
_MOST_ANSWERS = 8
_MOST_KINDS = 3
# So many answers of what sorts rows are followed one by one.
_FEW_ANSWERS = 4
# Only of what came lately can it be said that it is late.
_LATELY = timedelta(days=14)
# So many stretches without a row, and a single file is of something that happens now and then.
_MANY_GAPS = 20
# Feature tables of longer windows, in days, cost more than to compute the features where they are asked for.
_LONG_WINDOW = 730


def declarations_text(
    tables: Mapping[str, Drafted], questions: Sequence[Question], folder: str, team: str, today: date, *, added: bool = False
) -> str:
    """Write the declarations.

    Parameters
    ----------
    tables : mapping of name to Drafted
        What was found.
    questions : sequence of Question
        The problems.
    folder : str
        Where the files are, below the landing zone; empty for the landing zone itself.
    team : str
        Who owns it all, until somebody says otherwise.
    today : date
        Only a table whose newest rows are recent is said to be late when nothing comes.
    added : bool
        Whether they are added to others.
    """
    asked = {q.table: q for q in questions if q.known_later}
    parts = [_table_text(table, tables.values(), folder, team, asked.get(table.name), today) for table in tables.values()]
    parts += [_view_text(table, team, asked.get(table.name)) for table in tables.values() if table.is_log and table.entities]
    parts += [f"# {question.asks}\n{_owned(question.text, team)}" for question in questions]
    if added:
        return f"# Added by `ml-platform init` on {today}.\n" + "---\n".join(parts)
    end = "" if questions else f"# ? {why_none(tables)}\n"
    return _HEAD + "---\n".join(parts) + end


def _table_text(table: Drafted, tables: Collection[Drafted], folder: str, team: str, question: Question | None, today: date) -> str:
    found, later = table.found, question.known_later if question else ()
    pattern = f"{folder}/{found.pattern}" if folder else found.pattern
    fields: list[tuple[str, Any] | str] = [
        ("name", found.name),
        *(f"? {q}" for q in found.questions),
        ("source", {"files": pattern, **found.reading}),
    ]
    if found.partitions:
        fields.append(("partitions", {k: v if isinstance(v, int) else str(v) for k, v in _partitions(table, later).items()}))
    if found.partitions and found.gaps:
        fields += _gaps(table, tables, today)
    fields.append(("contract", f"{found.name}.contract.yaml"))
    if found.key:
        fields.append(("key", list(found.key)))
    fields += _times(table, question)
    fields.append(("owners", [f"team:{team}"]))
    time = found.time
    if table.is_log and time is not None:
        fields += (
            [("freshness", "36h")]
            if time.last >= today - _LATELY
            else [f"freshness: 36h  # late when nothing came for so long; not said now, for the newest row is of {time.last}"]
        )
    return block("Table", fields)


def _partitions(table: Drafted, later: tuple[str, ...]) -> dict[str, Any]:
    """Return the days, wide enough for from when rows are known in the files of a day; elsewhere the platform reads that off itself."""
    days = dict(table.found.partitions or {})
    if later and table.found.time is not None and table.found.time.spread is not None:
        days["first"] = min(days.get("first", 0), -1) if not table.is_of_dates else days.get("first", 0) - 1
    return {k: days[k] for k in ("start", "first", "after") if k in days}


def _gaps(table: Drafted, tables: Collection[Drafted], today: date) -> list[tuple[str, Any] | str]:
    """Say of a table with days without files, or rows, what they mean, and for how long its feed can be silent.

    Behind its newest day it is silent for as long as it ever was, while other tables went on: that is said where it ends before them.
    """
    time, gaps, lag = table.found.time, table.found.gaps, table.lag(tables)
    is_daily = time is None or time.spread is not None
    what = "file" if is_daily else "row"
    fields: list[tuple[str, Any] | str] = [("missing_days", "are_empty")]
    if is_daily:
        fields.insert(0, f"? {sum(gaps)} days between the first and the last have no file. As it stands nothing happened then. "
                         "Were their files lost? Then: missing_days: allowed")  # fmt: skip
    elif table.has_ended(tables):
        return [
            f"? Nothing has come since {time.last if time else ''}, {lag} days before the newest row of the other tables: has it ended?"
        ]
    elif not lag and len(gaps) < _MANY_GAPS:
        # A delivery says itself that nothing happened between its first and its last row.
        return []
    longest, told = f"{max(*gaps, lag)}d", f"the longest stretch without a {what}; what is silent for longer may have ended"
    if time is not None and (time.last >= today - _LATELY or (lag and not table.has_ended(tables))):
        return [*fields, f"{told.capitalize()}:", ("longest_silence", longest)]
    last = "" if time is None else f"; not said now, for the newest row is of {time.last}"
    return [*fields, f"longest_silence: {longest}  # {told}{last}"]


def _times(table: Drafted, question: Question | None) -> list[tuple[str, Any] | str]:
    found = table.found
    if found.event_time is None:
        return [
            "? When could a row first have been read? No file says so: for past days, too, its columns are looked up as they stand now.",
            "timeless: true  # or: for ever (then: is nothing in it that came later, such as a total or a last visit?)",
        ]
    time = sql_name(found.event_time)
    known = f"{time} + interval 1 day - interval 1 second" if table.is_of_dates else time
    fields: list[tuple[str, Any] | str] = [("event_time", found.event_time)]
    if question is not None:
        before = f"{time} - interval {question.known_before or ('1 day' if table.is_of_dates else '1 hour')}"
        after = f"{known} + interval {question.known_after}" if question.known_after else known
        return [
            *fields,
            "? Which columns are known before it happened, and which only afterwards? As it stands: what names or sorts the row before, "
            "what is measured or is an outcome afterwards. Move columns between the two: one that is known too early spoils every model.",
            ("available_at", {before: [], after: list(question.known_later)}),
        ]
    asked = "? When could a row first have been read? As it stands: when "
    asked += "its day was over." if table.is_of_dates else "it happened. Often it is later: when it was reported."
    return [*fields, asked, ("available_at", known)]


def _view_text(table: Drafted, team: str, question: Question | None) -> str:
    found = table.found
    features: list[dict[str, Any]] = []
    amounts = sorted(table.measures, key=lambda n: (amount_rank(n), table.measures.index(n)))[:_MOST_COLUMNS]
    for name in amounts:
        functions = ["mean", "last" if is_level(name) else "sum", "last"] if name == amounts[0] else ["mean", "max"]
        functions = list(dict.fromkeys(functions))
        features.append({"column": name, "functions": functions})
    features += [{"column": name, "functions": ["share"]} for name in table.flags[:_MOST_COLUMNS]]
    # How it turned out before says most about how it will turn out: of what is asked for, and of what is called like an outcome.
    past = [
        *(question.past if question else ()),
        *(feature for name in table.kinds if is_outcome(name) for feature in past_of(table, name)),
    ]
    # What sorts rows is counted by what it says: a share of each answer, and of many only how many different ones there were.
    entities = {c for entity in table.entities for c in entity}
    asked = {f.get("column") for f in past} | set(question.known_later if question else ())
    sorting = [n for n in (*table.kinds, *table.codes) if n not in entities and n not in asked and not is_outcome(n)]
    for name in sorting[:_MOST_KINDS]:
        few = table.found.distinct.get(name, 0) <= _FEW_ANSWERS
        past += past_of(table, name) if few else ({"column": name, "functions": ["distinct"]},)
    said = {feature["column"] for feature in features}
    features += list({flow(feature): feature for feature in past if feature.get("column") not in said}.values())[:_MOST_ANSWERS]
    features.append({"functions": ["count", "time_since"]})
    windows = windows_for(table.days, table.step, table.cadence)
    fields: list[tuple[str, Any] | str] = [
        ("name", view_name(found.name)),
        ("source", found.name),
        ("entities", [list(e) for e in table.entities]),
        ("windows", [f"{w}d" for w in windows]),
        *(
            [
                "Its rows are few and its windows long: features are computed where they are asked for. true keeps a table of them by day.",
                ("store", False),
            ]
            if max(windows) > _LONG_WINDOW
            else []
        ),
        ("owners", [f"team:{team}"]),
    ]
    lines = "".join(f"    - {flow(feature)}\n" for feature in features)
    return f"{block('FeatureView', fields)}  features:\n{lines}"


def _owned(text: str, team: str) -> str:
    return f"{text}  owners: ['team:{team}']\n"
