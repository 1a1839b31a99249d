"""SQL that asks one function for more values than any row needs is refused when it is declared."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

from ml_platform.core.errors import DeclarationError
from ml_platform.sql.declared_sql import MOST_MADE
from ml_platform.sql.tree import nodes

# Functions that make as many values, or as long a text, as they are told, at once and without a look at limits.
_MAKERS = frozenset({"repeat", "lpad", "rpad", "range", "generate_series", "list_resize", "array_resize", "bar"})
_POWERS = frozenset({"**", "^", "pow", "power", "factorial", "<<"})
_MOST_ROWS_MADE = 1_000_000_000
# In a format: a width of six digits and more, or one that another argument gives.
_WIDE = re.compile(r"[{%][^}a-zA-Z]*\d{6,}|\{[^}]*\{|%[-+ #0]*\*")


def refuse_endless(tree: Any, where: str) -> None:
    """Refuse constants that ask a function for too much; a number that is computed is judged when it is (``declared_sql``).

    Parameters
    ----------
    tree : object
        From ``sql_tree.parse_select``.
    where : str
        Begins the message of an error.

    Raises
    ------
    DeclarationError
        If a call of that kind is in it.
    """
    scans = {id(part["function"]) for part in nodes(tree) if part.get("type") == "TABLE_FUNCTION"}
    for part in nodes(tree):
        name = part.get("function_name", "").lower() if part.get("class") == "FUNCTION" else ""
        if name in ("format", "printf") and any(_WIDE.search(text) for text in _texts(part.get("arguments", ())[:1])):
            raise DeclarationError(f"{where} calls {name}() with a width of six digits or more, or a computed one. Use lpad() or rpad().")
        if name not in _MAKERS:
            continue
        if part.get("schema"):
            raise DeclarationError(f"{where} calls {'.'.join(part['qualified_name']['path'])}(). Write {name}().")
        most = _MOST_ROWS_MADE if id(part) in scans else MOST_MADE
        for argument in part.get("arguments", ()):
            asked = _constant_size(argument)
            if asked > most:
                told = f"{asked:,.0f}" if asked < float("inf") else "a power of"
                raise DeclarationError(f"{where} asks {name}() for {told} values at once; {most:,} is the most.")


def _texts(tree: Any) -> Iterator[str]:
    for part in nodes(tree):
        if part.get("class") == "CONSTANT" and part.get("literal") and part["literal"]["kind"] not in ("INTEGER", "NUMERIC"):
            yield part["literal"]["text"]


def _constant_size(argument: Any) -> float:
    """Return how large the number of an argument without columns may be: the product of the constants in it; 1 for anything else."""
    size = 1.0
    for part in nodes(argument):
        if part.get("class") == "COLUMN_REF":
            return 1.0
        if part.get("function_name", "").lower() in _POWERS:
            size = float("inf")
        literal = part.get("literal") if part.get("class") == "CONSTANT" else None
        if literal and literal["kind"] in ("INTEGER", "NUMERIC"):
            size *= max(float(literal["text"].replace("_", "")), 1.0)
    return size
