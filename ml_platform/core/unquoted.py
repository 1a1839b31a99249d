"""What YAML makes of a text that was not put in quotes, and how to say so."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

COMMA = "in braces or brackets a comma ends a text that is not in quotes"


def cut_at_a_comma(mapping: Mapping[Any, Any], known: Collection[str]) -> tuple[str, str, tuple[Any, ...]] | None:
    """Find a text that YAML has cut into pieces because it stands in braces, without quotes, and has commas.

    Parameters
    ----------
    mapping : mapping
        As YAML reads ``{name: large, sql: coalesce(amount, 0) > 100}``: the rest of the text has become a key without a value.
    known : collection of str
        The keys that may stand there.

    Returns
    -------
    tuple of (str, str, tuple) or None
        The key whose text was cut, the text as it was meant, and the keys that are pieces of it; None if nothing looks like that.
    """
    before: str | None = None
    pieces: list[Any] = []
    for key, value in mapping.items():
        # A piece may be called as a word is (`greatest(amount, name)`): it is one while a bracket is open.
        is_piece = value is None and before is not None and isinstance(mapping[before], str)
        if is_piece and (key not in known or _is_open(", ".join((mapping[before], *map(str, pieces))))):
            pieces.append(key)
        elif key in known:
            if pieces:
                break
            before = key
    if before is None or not pieces:
        return None
    return before, ", ".join(str(part) for part in (mapping[before], *pieces)), tuple(pieces)


def _is_open(text: str) -> bool:
    return text.count("(") > text.count(")")


def quote_it(key: str, text: str) -> str:
    """Say that ``key: text`` has to be put in quotes, and how that is written."""
    return f"{COMMA}. Write {key}: {in_quotes(text)}"


def in_quotes(text: str) -> str:
    """Return a text in the quotes of YAML that it does not hold itself.

    Examples
    --------
    >>> print(in_quotes("country in ('NO', 'SE')"), in_quotes('"at" > 1'))
    "country in ('NO', 'SE')" '"at" > 1'
    """
    if '"' not in text and "\\" not in text:
        return f'"{text}"'
    doubled = text.replace("'", "''")
    return f"'{doubled}'"
