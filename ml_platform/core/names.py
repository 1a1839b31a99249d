"""Names of projects, tables, views and columns, and how they are joined into lake tables."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass

from ml_platform.core.errors import DeclarationError

_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")
# The layers by what declares them, in the order in which one is made from another.
TABLE_LAYERS = ("raw", "tables")
VIEW_LAYERS = ("features",)
TRAINED_LAYERS = ("training", "selected", "models")
# What was decided, scored or observed happened once.
RECORDED_LAYERS = ("champion", "predictions", "outcomes", "monitoring")
PROBLEM_LAYERS = (*TRAINED_LAYERS, *RECORDED_LAYERS)
# What one decision to train makes; what is expected to move every day, and can be late.
RETRAINED_LAYERS = (*TRAINED_LAYERS, "champion")
DAILY_LAYERS = (*TABLE_LAYERS, *VIEW_LAYERS, "predictions", "monitoring")
LAYERS = (*TABLE_LAYERS, *VIEW_LAYERS, *PROBLEM_LAYERS)
# Those whose content can be made again from what it was made from.
REPEATABLE_LAYERS = (*TABLE_LAYERS, *VIEW_LAYERS, *TRAINED_LAYERS)
# Columns of a raw row that say where it came from: its file, its place in that, and when it was delivered.
ORIGIN = ("_file", "_row", "_delivered_at")
# Tables that are written beside those of a layer, without an asset of their own. Of a table whose loss of rows was accepted, one row per
# acceptance stands in ``accepted``, partitioned as the table.
QUARANTINE, REPORTS, ACCEPTED = "quarantine", "reports", "accepted"


@dataclass(frozen=True)
class TableName:
    """The parts of a lake table's name.

    Of a declared table they are its project, its layer and its name. A hand-written asset may have a key of any number of parts: where
    they are not three there is no layer, the name holds all but the first, and of one part there is no project either.
    """

    project: str
    layer: str
    name: str

    @property
    def short(self) -> str:
        """The name without the project, as commands show and take it."""
        return f"{self.layer}/{self.name}" if self.layer else self.name


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


def lake_table(project: str, layer: str, name: str) -> str:
    """Return the lake's name of a table: ``project/layer/name``."""
    return f"{project}/{layer}/{name}"


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


def parse_table(table: str) -> TableName:
    """Return the parts of a lake table's name, whatever their number.

    Examples
    --------
    >>> parse_table("flights/features/delays__origin")
    TableName(project='flights', layer='features', name='delays__origin')
    >>> parse_table("marts/weekly_sales"), parse_table("sales")
    (TableName(project='marts', layer='', name='weekly_sales'), TableName(project='', layer='', name='sales'))
    """
    parts = table.split("/")
    if len(parts) == 3:
        return TableName(*parts)
    project, slash, name = table.partition("/")
    return TableName(project, "", name) if slash else TableName("", "", table)


def layer_of(table: str) -> str:
    """Return the layer in the name of a lake table; empty where a hand-written table is called otherwise.

    Examples
    --------
    >>> layer_of("flights/tables/arrivals"), layer_of("marts/weekly_sales")
    ('tables', '')
    """
    return parse_table(table).layer
