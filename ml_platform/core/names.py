"""Names of projects, tables, views and columns."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable

from ml_platform.core.errors import DeclarationError

_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")
# Columns of a raw row that say where it came from: its file, its place in that, and when it was delivered.
ORIGIN = ("_file", "_row", "_delivered_at")


def check_name(name: object, what: str, where: str = "") -> str:
    """Return ``name`` if it can name a thing in the graph, the lake and SQL alike; ``where`` begins the message of an error.

    Raises
    ------
    DeclarationError
        If it is not lower-case letters, digits and single underscores, starting with a letter.
    """
    if not is_name(name):
        raise DeclarationError(
            f"{where}{': ' if where else ''}{name!r} cannot be the name of a {what}: use lower-case letters, digits and single "
            f"underscores, start with a letter, at most 63 characters. {_better(name)}"
        )
    return str(name)


def _better(name: object) -> str:
    """Return the nearest name that can be one, or the trap that made it something else."""
    if not isinstance(name, str):
        return "YAML reads NO, on and 007 as other values: put it in quotes."
    return f"Write {written_as_name(name) or 'for example orders'}"


def written_as_name(text: str) -> str | None:
    """Return the nearest name to some words, such as ``daily_sales`` for ``Daily Sales``; None if they hold none."""
    words = re.sub(r"[^a-z0-9]+", "_", re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", text).lower()).strip("_")[:63]
    return words if is_name(words) else None


def is_name(name: object) -> bool:
    """Whether ``name`` can name a thing in the graph, the lake and SQL alike."""
    return isinstance(name, str) and _NAME.fullmatch(name) is not None and "__" not in name


def same_name(name: str) -> str:
    """Return what DuckDB compares names by: it tells no letter case apart, of the 26 letters without accents."""
    return "".join(letter.lower() if letter.isascii() else letter for letter in name)


def free_name(wish: str, taken: Iterable[str]) -> str:
    """Return a name for a helper column that is no column of the user's, in any letter case: ``wish``, or that with a number.

    Parameters
    ----------
    wish : str
        What the helper is called where nobody has a column of that name.
    taken : iterable of str
        The columns that are there.
    """
    used = {same_name(name) for name in taken}
    if same_name(wish) not in used:
        return wish
    return next(name for number in range(1, len(used) + 2) if same_name(name := f"{wish}_{number}") not in used)


def alike_names(names: Iterable[str]) -> list[str]:
    """Return those of some names that DuckDB does not tell apart, each as often as it stands there, in their order."""
    given = list(names)
    count = Counter(map(same_name, given))
    return [name for name in given if count[same_name(name)] > 1]


def is_pattern(name: str) -> bool:
    """Tell whether Polars takes a name for a pattern: ``*`` for all columns, ``^...$`` for those that match."""
    return name == "*" or (name.startswith("^") and name.endswith("$"))
