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
        if key in known:
            if pieces:
                break
            before = key
        elif value is None and before is not None and isinstance(mapping[before], str):
            pieces.append(key)
    if before is None or not pieces:
        return None
    return before, ", ".join(str(part) for part in (mapping[before], *pieces)), tuple(pieces)


def quote_it(key: str, text: str) -> str:
    """Say that ``key: text`` has to be put in quotes, and how that is written."""
    quote = "'" if '"' in text else '"'
    return f"{COMMA[0].upper()}{COMMA[1:]}. Write {key}: {quote}{text}{quote}"
