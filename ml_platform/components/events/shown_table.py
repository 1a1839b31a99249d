"""Tables on a page of Dagster: no wider than the page shows, because what lies to the right of it is found by nobody.

A table that is too wide does not only hide its own columns: it widens all that stands above and below it, texts and buttons included.
"""

import math
import re
from collections.abc import Mapping, Sequence
from typing import Any

import dagster as dg

from ml_platform.core.masking import mask

# Pixels that a table has in a window of 1,500: beside the keys of an asset's metadata, and on the page of a check.
ON_AN_ASSET, ON_A_CHECK = 420, 780
_LETTER, _PADDING = 8.5, 18
MORE = "more"
# More lines than a screen has room for beside something else.
_LONG = 25
# A cell breaks at blanks, and behind a hyphen.
_WORD = re.compile(r"[^\s-]+-?")


def table_value(rows: Sequence[Mapping[str, Any]], width: int) -> Any:
    """Return rows as a table that Dagster shows: the first columns as they are, and those that do not fit beside them in one, ``more``.

    Parameters
    ----------
    rows : sequence of mapping
        One mapping per row; what a reader looks at first stands first.
    width : int
        Pixels that the page has for it.
    """
    names = list(dict.fromkeys(name for row in rows for name in row))
    if not names:
        return "(no rows)"
    shown = [{n: _cell(row.get(n)) for n in names} for row in rows]
    kept = _fitting(shown, names, width)
    if len(kept) < len(names):
        shown = [{**{n: row[n] for n in kept}, MORE: _told(row, names[len(kept) :])} for row in shown]
        kept = [*kept, MORE]
    schema = dg.TableSchema([dg.TableColumn(n, _type_of([row[n] for row in shown])) for n in kept])
    return dg.MetadataValue.table(records=[dg.TableRecord(row) for row in shown], schema=schema)


def long_last(metadata: Mapping[str, Any]) -> dict[str, Any]:
    """Return metadata with its long tables at the end: who comes for a figure below one would scroll past a hundred lines."""
    long = [name for name, value in metadata.items() if isinstance(value, dg.TableMetadataValue) and len(value.records) > _LONG]
    return {**{name: value for name, value in metadata.items() if name not in long}, **{name: metadata[name] for name in long}}


def _fitting(rows: Sequence[Mapping[str, Any]], names: Sequence[str], width: int) -> list[str]:
    """Return the first columns for which there is room, at least one; all of them, or so many that the rest has a column."""
    widths = {n: _width([n, *(row[n] for row in rows)]) for n in names}
    if sum(widths.values()) <= width or MORE in names:
        return list(names)
    room, kept = width, []
    for place, name in enumerate(names):
        rest = _width([MORE, *(f"{n} {row[n]};" for n in names[place + 1 :] for row in rows)])
        if kept and widths[name] + rest > room:
            break
        room -= widths[name]
        kept.append(name)
    return kept


def _width(cells: Sequence[Any]) -> float:
    return _PADDING + _LETTER * max(len(word) for cell in cells for word in _WORD.findall(str(cell)) or [""])


def _told(row: Mapping[str, Any], names: Sequence[str]) -> str:
    return "; ".join(f"{name} {row[name]}" for name in names if row[name] is not None and row[name] != "")


def _cell(value: Any) -> Any:
    if value is None or isinstance(value, bool | int):
        return value
    if isinstance(value, float):
        # JSON has no NaN; a rounded number is what a person reads.
        return float(f"{value:.6g}") if math.isfinite(value) else str(value)
    return mask(str(value))


def _type_of(values: list[Any]) -> str:
    kinds = {type(v) for v in values if v is not None}
    if kinds <= {bool} and kinds:
        return "bool"
    if kinds <= {int} and kinds:
        return "int"
    return "float" if kinds <= {int, float} and kinds else "string"
