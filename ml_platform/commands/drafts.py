"""Drafts of declarations from what files say, with a question where files say nothing."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ml_platform.tables.infer import Inferred

_ID = re.compile(r"(_id|_key|_code|_no|_number|uuid|id)$", re.IGNORECASE)
_NUMBERS = ("int8", "int16", "int32", "int64", "float32", "float64")
_MOST_COLUMNS = 6
_MOST_ENTITIES = 3
_NO_LIMIT = 1_000_000


def contract_text(table: Inferred, references: Sequence[tuple[str, str]] = ()) -> str:
    """Write a contract as YAML, one line per column; ``references`` are columns that are the key of another table."""
    lines = ["columns:"]
    for name, body in table.contract["columns"].items():
        comment = f"  # {table.comments[name]}" if name in table.comments else ""
        lines.append(f"  {flow(name)}: {flow(body)}{comment}")
    if references:
        lines.append("references:")
        lines += [f"  - {flow({'columns': [c], 'in': other, 'to': [c], 'severity': 'warn'})}" for c, other in references]
    lines += [f"{name}: {flow(value)}" for name, value in table.contract.items() if name != "columns"]
    return "\n".join(lines) + "\n"


def declarations_text(tables: Mapping[str, Inferred], folder: str) -> str:
    """Write the declarations of all tables as one ``defs.yaml``: tables, a view where entities show, a problem to be filled in.

    Parameters
    ----------
    tables : mapping of name to Inferred
        What was found.
    folder : str
        Where the files are, below the landing zone; empty for the landing zone itself.
    """
    entities = {name: _entities(table, tables) for name, table in tables.items()}
    views = [name for name, table in tables.items() if _is_log(table) and entities[name]]
    parts = [_table_text(table, folder) for table in tables.values()]
    parts += [_view_text(tables[name], entities[name]) for name in views]
    head = "# A draft by `ml-platform init`, to be reviewed like code. A line with # ? asks for what no file can say.\n"
    return head + "---\n".join(parts) + _problem_text([tables[n] for n in views] or [t for t in tables.values() if _is_log(t)], views)


def references_of(table: Inferred, tables: Mapping[str, Inferred]) -> list[tuple[str, str]]:
    """Return the columns that are called like the whole key of another table, with that table."""
    keys = {other.key[0]: name for name, other in tables.items() if len(other.key) == 1 and name != table.name}
    return [(column, keys[column]) for column in table.contract["columns"] if column in keys and column not in table.key]


def flow(value: Any) -> str:
    """Write a value as YAML on one line; words that YAML would read as something else are quoted.

    Examples
    --------
    >>> flow({"type": "string", "one_of": ["NO", "SE"]})
    "{type: string, one_of: ['NO', SE]}"
    """
    import yaml

    text = yaml.safe_dump(value, default_flow_style=True, sort_keys=False, allow_unicode=True, width=_NO_LIMIT)
    return text.removesuffix("...\n").strip()


def _table_text(table: Inferred, folder: str) -> str:
    pattern = f"{folder}/{table.pattern}" if folder else table.pattern
    lines = ["type: ml_platform.Table", "attributes:", f"  name: {flow(table.name)}"]
    lines += [f"  # ? {question}" for question in table.questions]
    lines += [f"  source: {flow({'files': pattern})}"]
    if table.partitions:
        # A date is known when its day is over: its rows then reach one day further.
        after = {"after": table.partitions.get("after", 1) + 1} if _is_of_dates(table) else {}
        lines.append(f"  partitions: {flow({k: v if isinstance(v, int) else str(v) for k, v in (table.partitions | after).items()})}")
    lines.append(f"  contract: {table.name}.contract.yaml")
    if table.key:
        lines.append(f"  key: {flow(list(table.key))}")
    if table.event_time is None:
        lines += [
            "  # ? When could a row first have been read? As it stands: when its file was delivered.",
            "  # timeless: true  # or: for ever",
        ]
    else:
        lines.append(f"  event_time: {flow(table.event_time)}")
        lines.append(
            "  # ? When could a row first have been read? Often later than it happened: when it was reported, or its day was over."
        )
        lines.append(f"  available_at: {flow(_known_at(table))}")
    return "\n".join(lines) + "\n"


def _view_text(table: Inferred, entities: Sequence[str]) -> str:
    numbers = [
        name
        for name, body in table.contract["columns"].items()
        if body["type"] in _NUMBERS and name not in table.key and name not in entities and not _ID.search(name)
    ]
    features: list[dict[str, Any]] = [{"column": name, "functions": ["mean", "max"]} for name in numbers[:_MOST_COLUMNS]]
    features.append({"functions": ["count"]})
    lines = [
        "type: ml_platform.FeatureView",
        "attributes:",
        f"  name: {table.name}_recent",
        f"  source: {table.name}",
        f"  entities: {flow([[e] for e in entities])}",
        "  windows: [1d, 7d, 28d]",
        "  features:",
        *[f"    - {flow(feature)}" for feature in features],
    ]
    return "\n".join(lines) + "\n"


def _problem_text(logs: Sequence[Inferred], views: Sequence[str]) -> str:
    if not logs:
        return "# ? No table has files by day and a time in its rows: without one there is nothing to learn from over time.\n"
    log = logs[0]
    match = f"[{', '.join(log.key)}]" if log.key else "[?]"
    lines = [
        "---",
        "type: ml_platform.Problem",
        "attributes:",
        "  name: ?",
        f"  spine: {{rows_of: {log.name}, cutoff: {_known_at(log)} + interval 1 second}}  # one prediction per row, once it is known",
        f"  label: {{from: ?, match: {match}, sql: ?, horizon: 7d, without_rows: exclude}}  # what is to be known, and how long after",
        f"  features: [{', '.join(f'{v}_recent' for v in views)}]",
        "  training: {every: 7d, look_back: 90d, validate: 14d, test: 14d}",
    ]
    return "# ? What is to be predicted? Fill in the question marks and take the # away.\n" + "".join(f"# {line}\n" for line in lines)


def _known_at(table: Inferred) -> str:
    """Return from when a row is known, as SQL: a time at itself, a date when its day is over."""
    return f"{_sql_name(table.event_time or '?')}{' + interval 1 day' if _is_of_dates(table) else ''}"


def _is_of_dates(table: Inferred) -> bool:
    return table.event_time is not None and table.contract["columns"][table.event_time]["type"] == "date"


def _is_log(table: Inferred) -> bool:
    return table.event_time is not None and bool(table.partitions)


def _entities(table: Inferred, tables: Mapping[str, Inferred]) -> list[str]:
    """Return the columns that name things which come again: keys of other tables first, then what is called like an id."""
    columns = table.contract["columns"]
    named = [n for n, body in columns.items() if _ID.search(n) and n not in table.key and body["type"] in ("string", "int64")]
    return list(dict.fromkeys([*(c for c, _ in references_of(table, tables)), *named]))[:_MOST_ENTITIES]


def _sql_name(column: str) -> str:
    return column if re.fullmatch(r"[a-z_][a-z0-9_]*", column) else '"' + column.replace('"', '""') + '"'
