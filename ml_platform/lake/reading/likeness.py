"""How alike two contents are: which rows and columns differ, and whether by more than the last digits of floats."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ml_platform.core.names import free_name

if TYPE_CHECKING:
    import polars as pl
    import pyarrow as pa

# Far above what another order of additions changes, far below what anybody decides by.
TOLERANCE = 1e-9


@dataclass(frozen=True)
class ColumnLikeness:
    """One column in which paired rows differ.

    ``largest`` is the largest relative difference, ``|a - b| / max(|a|, |b|)``: infinite where one of the two is missing or not finite, and
    for values that are no numbers. ``is_float`` tells whether a small one may come from the order of additions.
    """

    name: str
    rows: int
    largest: float
    is_float: bool


@dataclass(frozen=True)
class Likeness:
    """What differs between two contents.

    ``columns`` are those of both sides in which rows differ. ``is_moved`` says that rows or columns stand in another order.
    """

    rows_before: int
    rows_after: int
    rows_added: int = 0
    rows_removed: int = 0
    rows_changed: int = 0
    columns: tuple[ColumnLikeness, ...] = ()
    columns_added: tuple[str, ...] = ()
    columns_removed: tuple[str, ...] = ()
    columns_retyped: tuple[str, ...] = ()
    is_moved: bool = False

    @property
    def largest(self) -> float:
        """The largest relative difference of any column; 0 without one."""
        return max((column.largest for column in self.columns), default=0.0)

    def is_within(self, tolerance: float = TOLERANCE) -> bool:
        """Whether both sides hold the same rows and columns, and differ in floats only, by no more than ``tolerance`` of the larger."""
        whole = not (self.rows_added or self.rows_removed or self.is_moved)
        same = not (self.columns_added or self.columns_removed or self.columns_retyped)
        return whole and same and all(column.is_float and column.largest <= tolerance for column in self.columns)


def compare_rows(before: pa.Table, after: pa.Table, key: Sequence[str] = ()) -> Likeness:
    """Compare two contents of one partition.

    Parameters
    ----------
    before, after : pyarrow.Table
        The rows, in stored order.
    key : sequence of str
        Columns that identify a row; rows of one key are paired in their order. Without a key rows are paired by their place, and where
        their numbers differ, whole rows count as added and removed.

    Returns
    -------
    Likeness
    """
    import polars as pl

    old, new = pl.DataFrame(before), pl.DataFrame(after)
    olds, news = dict(old.schema), dict(new.schema)
    common = [name for name in olds if name in news]
    retyped = [name for name in common if olds[name] != news[name]]
    shared = [name for name in common if olds[name] == news[name]]
    by = list(dict.fromkeys(key)) if set(key) <= set(shared) else []
    paired_old, paired_new, rows_added, rows_removed, moved = _paired(old.select(shared), new.select(shared), by)
    keys = set(by)
    values = [name for name in shared if name not in keys]
    found = [(name, _differences(paired_old[name], paired_new[name])) for name in values]
    differing = [(name, differs, far) for name, (differs, far) in found if differs.any()]
    changed = _any([differs for _, differs, _ in differing])
    return Likeness(
        rows_before=old.height,
        rows_after=new.height,
        rows_added=rows_added,
        rows_removed=rows_removed,
        rows_changed=changed,
        columns=tuple(ColumnLikeness(n, int(differs.sum()), far, olds[n].is_float()) for n, differs, far in differing),
        columns_added=tuple(name for name in news if name not in olds),
        columns_removed=tuple(name for name in olds if name not in news),
        columns_retyped=tuple(retyped),
        is_moved=moved or common != [name for name in news if name in olds],
    )


def relative_differences(before: Any, after: Any) -> Any:
    """Return ``|a - b| / max(|a|, |b|)`` of two float64 arrays: 0 where both are equal or both NaN, infinite where only one is finite."""
    import numpy as np

    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        # Halved first: the difference of two large numbers of either sign must not overflow.
        far = np.abs(before / 2 - after / 2) / (np.maximum(np.abs(before), np.abs(after)) / 2)
    equal = (before == after) | (np.isnan(before) & np.isnan(after))
    return np.where(equal, 0.0, np.where(np.isfinite(far), far, np.inf))


def _paired(old: pl.DataFrame, new: pl.DataFrame, key: list[str]) -> tuple[pl.DataFrame, pl.DataFrame, int, int, bool]:
    """Return the rows of both sides that belong together, in one order; how many were added and removed; whether they were moved."""
    import polars as pl

    identity = key or old.columns
    if not identity:
        return old, new, max(new.height - old.height, 0), max(old.height - new.height, 0), False
    if old.height == new.height and (not key or old.select(key).equals(new.select(key))):
        return old, new, 0, 0, False
    twin, before, after = (free_name(wish, old.columns) for wish in ("twin", "row_before", "row_after"))
    sides = [
        side.with_columns(pl.int_range(pl.len()).over(identity).alias(twin)).with_row_index(row)
        for side, row in zip((old, new), (before, after), strict=True)
    ]
    on = [*identity, twin]
    pairs = sides[0].select(*on, before).join(sides[1].select(*on, after), on=on, how="inner", nulls_equal=True).sort(before)
    moved = not pairs[after].is_sorted()
    return old[pairs[before]], new[pairs[after]], new.height - pairs.height, old.height - pairs.height, moved


def _differences(before: pl.Series, after: pl.Series) -> tuple[Any, float]:
    """Return for each pair whether its values differ (floats: in any bit), and the largest relative difference."""
    import numpy as np

    if not before.dtype.is_float():
        differs = before.ne_missing(after).to_numpy()
        if not before.dtype.is_numeric() or not differs.any():
            return differs, np.inf if differs.any() else 0.0
    nulls = before.is_null().to_numpy(), after.is_null().to_numpy()
    a, b = (side.cast(_float64()).fill_null(0.0).to_numpy() for side in (before, after))
    if before.dtype.is_float():
        differs = (a.view(np.int64) != b.view(np.int64)) & ~(np.isnan(a) & np.isnan(b))
        differs = np.where(nulls[0] | nulls[1], nulls[0] != nulls[1], differs)
    far = np.where(nulls[0] != nulls[1], np.inf, relative_differences(a, b))
    return differs, float(far[differs].max(initial=0.0))


def _float64() -> pl.DataType:
    import polars as pl

    return pl.Float64()


def _any(differing: Sequence[Any]) -> int:
    """Return in how many rows any of the columns differs."""
    import numpy as np

    return int(np.logical_or.reduce(differing).sum()) if differing else 0
