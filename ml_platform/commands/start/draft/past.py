"""How rows turned out before, as features of a view: the share of each answer, or the mean and the last of an amount."""

from __future__ import annotations

from typing import Any

from ml_platform.commands.start.draft.counting import asked_value, values_of
from ml_platform.commands.start.draft.roles import Drafted, is_number
from ml_platform.commands.start.draft.text import sql_text
from ml_platform.sql.duck import sql_name
from ml_platform.tables.inference.words import plain_name

# An outcome of more answers is not followed answer by answer.
_MOST_CLASSES = 8
_LONGEST_NAME = 40


def past_of(log: Drafted, column: str) -> tuple[dict[str, Any], ...]:
    """Return features of a column that is asked for: who mostly paid late will do so again.

    A row counts only from when its outcome is known, so that none sees its own.
    """
    kind, few = log.found.types[column], log.found.distinct.get(column, 0)
    if kind == "bool":
        return ({"column": column, "functions": ["share"]},)
    if 2 <= few <= _MOST_CLASSES and (kind == "string" or kind.startswith("int")):
        answers = [asked_value(log, column)] if few == 2 else values_of(log, column)
        names: list[str] = []
        for answer in answers:
            wish = plain_name(f"{column}_{answer}".replace("-", "minus_").lower(), names, len(names) + 1)[:_LONGEST_NAME]
            # 'A' and 'a' are two answers, and so are long ones that begin alike.
            names.append(wish if wish not in names else f"{wish}_{len(names) + 1}")
        quoted = [sql_text(answer) if kind == "string" else str(answer) for answer in answers]
        return tuple(
            {"name": name, "sql": f"{sql_name(column)} = {answer}", "functions": ["share"]}
            for name, answer in zip(names, quoted, strict=True)
        )
    return ({"column": column, "functions": ["mean", "last"]},) if is_number(kind) else ()
