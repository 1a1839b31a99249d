"""What a column looks like, as counts that add up: a day is one scan, a week is the sum of its days."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ml_platform.core.errors import EmptySampleError, MlPlatformError, did_you_mean
from ml_platform.sql.duck import quote_name, quote_text

if TYPE_CHECKING:
    import duckdb

BINS = 128
TAILS = (0.0, 0.0005, 0.002, 0.998, 0.9995, 1.0)
TOP_CATEGORIES = 1000

_NUMERIC = frozenset(
    ["TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT", "UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "UHUGEINT", "FLOAT"]
) | {"DOUBLE", "DECIMAL"}
_TIMES = ("TIMESTAMP", "DATE", "INTERVAL")
_CATEGORY = frozenset({"VARCHAR", "BOOLEAN", "ENUM", "UUID"})


@dataclass(frozen=True)
class Layout:
    """What is counted, learnt from one reference: edges of numeric columns, known values of categories.

    ``edges[column]`` are increasing; bin i holds ``edges[i - 1] < x <= edges[i]``, the first and last bins are open.
    ``values[column]`` are sorted; one more count holds all other values. ``centres`` are subtracted before moments are summed,
    so that sums of large values keep their digits.
    """

    edges: Mapping[str, tuple[float, ...]]
    values: Mapping[str, tuple[str, ...]]
    centres: Mapping[str, float]

    @property
    def columns(self) -> tuple[str, ...]:
        """All columns, the numeric ones first."""
        return (*self.edges, *self.values)


@dataclass(frozen=True, eq=False)
class ColumnProfile:
    """Sums over the rows of one column; missing is NULL or NaN, and infinite values are counted in bins but in no moment.

    ``total`` is the sum of ``x - centre`` over ``finite`` values, ``squares`` that of their squared distances from their own mean: two
    such sums are put together with Chan's formula, where plain sums of squares would cancel far from the centre. ``below`` and ``above``
    sum how far values lie below the first and beyond the last edge.

    References
    ----------
    .. [1] T. Chan, G. Golub, R. LeVeque (1983), Algorithms for computing the sample variance, The American Statistician 37(3), eq. 2.1.
    """

    rows: int
    missing: int
    counts: NDArray[np.int64]
    finite: int = 0
    total: float = 0.0
    squares: float = 0.0
    below: float = 0.0
    above: float = 0.0

    def __add__(self, other: ColumnProfile) -> ColumnProfile:
        return ColumnProfile(
            self.rows + other.rows,
            self.missing + other.missing,
            self.counts + other.counts,
            self.finite + other.finite,
            self.total + other.total,
            self.squares + other.squares + self._apart(other),
            self.below + other.below,
            self.above + other.above,
        )

    def _apart(self, other: ColumnProfile) -> float:
        """Return what the distance between two means adds to the squared distances from the common one."""
        if not self.finite or not other.finite:
            return 0.0
        distance = self.total / self.finite - other.total / other.finite
        return distance**2 * (self.finite * other.finite / (self.finite + other.finite))

    @property
    def present(self) -> int:
        """Rows with a value."""
        return self.rows - self.missing

    @property
    def missing_share(self) -> float:
        """Share of rows without a value, in [0, 1]; NaN without rows."""
        return self.missing / self.rows if self.rows else float("nan")

    @property
    def deviation(self) -> float:
        """Standard deviation of the finite values, in the unit of the column; 0 for fewer than two."""
        if self.finite < 2:
            return 0.0
        return float(np.sqrt(self.squares / self.finite))


@dataclass(frozen=True, eq=False)
class Profile:
    """One profile per column of a layout, over the same rows."""

    layout: Layout
    columns: Mapping[str, ColumnProfile]

    def __add__(self, other: Profile) -> Profile:
        if other.layout is not self.layout and other.layout != self.layout:
            raise MlPlatformError("Two profiles with different bins cannot be added: count both over the layout of one reference.")
        return Profile(self.layout, {name: column + other.columns[name] for name, column in self.columns.items()})

    @property
    def rows(self) -> int:
        """Rows that were counted."""
        return max((column.rows for column in self.columns.values()), default=0)

    def mean(self, column: str) -> float:
        """Return the mean of a numeric column in its unit; NaN without finite values."""
        sums = self.columns[column]
        return self.layout.centres[column] + sums.total / sums.finite if sums.finite else float("nan")


def added(profiles: Iterable[Profile]) -> Profile:
    """Return the profile of all rows of several profiles.

    Raises
    ------
    EmptySampleError
        If there is none.
    """
    total: Profile | None = None
    for profile in profiles:
        total = profile if total is None else total + profile
    if total is None:
        raise EmptySampleError("There is no profile to add up: the window holds no day with rows.")
    return total


def layout_of(reference: duckdb.DuckDBPyRelation, columns: Iterable[str] | None = None) -> Layout:
    """Learn from a reference what to count, in one scan.

    Parameters
    ----------
    reference : DuckDB relation
        The rows that others are compared with.
    columns : iterable of str, optional
        The columns to watch; default all.

    Returns
    -------
    Layout
        128 quantile bins with tail edges (0.05, 0.2, 99.8, 99.95 %, both ends) per numeric column, fewer where values repeat; up to
        1,000 most frequent values per text or boolean column. Times count as seconds since 1970, durations in seconds.

    Raises
    ------
    MlPlatformError
        If a column is not there, or is of a type that has neither an order nor values to count.
    """
    kinds = _kinds(reference, columns)
    quantiles = sorted({*(i / BINS for i in range(1, BINS)), *TAILS})
    learnt = {
        "numeric": f"quantile_disc(c#, {quantiles}) FILTER (isfinite(c#)), median(c#) FILTER (isfinite(c#))",
        "category": "histogram(c#), NULL",
    }
    wanted = [learnt[kind].replace("#", str(i)) for i, kind in enumerate(kinds.values())]
    if not wanted:
        return Layout({}, {}, {})
    row = _cleaned(reference, kinds).aggregate(", ".join(wanted)).fetchall()[0]
    edges: dict[str, tuple[float, ...]] = {}
    values: dict[str, tuple[str, ...]] = {}
    centres: dict[str, float] = {}
    for i, (name, kind) in enumerate(kinds.items()):
        found = row[2 * i]
        if kind == "numeric":
            edges[name] = tuple(sorted(set(found or ())))
            centres[name] = float(row[2 * i + 1] or 0.0)
        else:
            frequent = sorted((found or {}).items(), key=lambda item: (-item[1], item[0]))[:TOP_CATEGORIES]
            values[name] = tuple(sorted(value[1:] for value, _ in frequent))
    return Layout(edges, values, centres)


def profiles_by(rows: duckdb.DuckDBPyRelation, layout: Layout, by: str) -> dict[Any, Profile]:
    """Count the rows of every value of a column over a layout, in one scan.

    Parameters
    ----------
    rows : DuckDB relation
        Has the layout's columns and ``by``.
    layout : Layout
        Over which bins and values.
    by : str
        Most often the partition; a value without rows is not in the result.

    Returns
    -------
    dict of Profile
        Per value of ``by``; profiles of one layout add up with ``+``.
    """
    if not layout.columns:
        return {}
    kinds = {**dict.fromkeys(layout.edges, "numeric"), **dict.fromkeys(layout.values, "category")}
    have = set(rows.columns)
    for name in (*kinds, by):
        if name not in have:
            raise MlPlatformError(f"The rows to count have no column {name!r}. {did_you_mean(name, have)}")
    wanted = [_sums(i, name, layout) for i, name in enumerate(kinds)]
    counted = _cleaned(rows, kinds, by).aggregate(f"part, count(*), {', '.join(wanted)}", "part").fetchall()
    return {part: Profile(layout, _read(layout, kinds, total, sums)) for part, total, *sums in counted}


def profile_of(rows: duckdb.DuckDBPyRelation, layout: Layout) -> Profile:
    """Count all rows over a layout, in one scan; see `profiles_by`.

    Raises
    ------
    EmptySampleError
        If there are no rows.
    """
    found = profiles_by(rows.project("*, 0 AS _all_rows"), layout, "_all_rows")
    if not found:
        raise EmptySampleError("There is no row to profile: choose a window that holds rows.")
    return found[0]


def _double(value: float) -> str:
    """Return ``value`` as a DOUBLE literal: without an exponent DuckDB reads a DECIMAL."""
    text = repr(float(value))
    return text if "e" in text else f"{text}e0"


def _kinds(rows: duckdb.DuckDBPyRelation, columns: Iterable[str] | None) -> dict[str, str]:
    """Return ``numeric`` or ``category`` per column, the numeric ones first."""
    types = dict(zip(rows.columns, (str(t) for t in rows.types), strict=True))
    kinds: dict[str, str] = {}
    for name in types if columns is None else columns:
        if name not in types:
            raise MlPlatformError(f"The reference has no column {name!r}. {did_you_mean(name, types)}")
        kind = types[name].split("(")[0]
        if kind in _NUMERIC or kind.startswith(_TIMES):
            kinds[name] = "numeric"
        elif kind in _CATEGORY:
            kinds[name] = "category"
        else:
            raise MlPlatformError(f"Column {name!r} of type {types[name]} cannot be watched: give numbers, times, text or booleans.")
    return dict(sorted(kinds.items(), key=lambda item: item[1] != "numeric"))


def _cleaned(rows: duckdb.DuckDBPyRelation, kinds: Mapping[str, str], by: str | None = None) -> duckdb.DuckDBPyRelation:
    """Return the rows with columns c0, c1... as DOUBLE without NaN, or as text behind a ``=`` (so that no value is empty)."""
    types = dict(zip(rows.columns, (str(t) for t in rows.types), strict=True))
    columns = []
    for i, (name, kind) in enumerate(kinds.items()):
        value = quote_name(name)
        if kind == "category":
            columns.append(f"'=' || {value}::VARCHAR AS c{i}")
        elif types[name].startswith(_TIMES):
            columns.append(f"epoch({value})::DOUBLE AS c{i}")
        else:
            columns.append(f"CASE WHEN NOT isnan({value}::DOUBLE) THEN {value}::DOUBLE END AS c{i}")
    if by is not None:
        columns.append(f"{quote_name(by)} AS part")
    return rows.project(", ".join(columns))


def _sums(i: int, name: str, layout: Layout) -> str:
    """Return the aggregates of one column, seven in the order that `_read` takes them."""
    if name in layout.values:
        known = ", ".join(quote_text(f"={value}") for value in layout.values[name])
        return f"count(c{i}), 0, 0, 0, 0, 0, map_values(histogram_exact(c{i}, [{known}]::VARCHAR[]))"
    edges, centre = layout.edges[name], _double(layout.centres[name])
    finite = f"FILTER (isfinite(c{i}))"
    # DuckDB's variance is Welford's, and refuses to overflow: values beyond 1e150 have no square.
    squared = f"FILTER (isfinite(c{i}) AND abs(c{i}) < 1e150)"
    moments = f"count(c{i}), count(*) {finite}, sum(c{i} - {centre}) {finite}, var_pop(c{i}) {squared} * count(*) {squared}"
    if not edges:
        return f"{moments}, 0, 0, [count(c{i})]"
    return (
        f"{moments}, sum(greatest({_double(edges[0])} - c{i}, 0e0)) {finite}, sum(greatest(c{i} - {_double(edges[-1])}, 0e0)) {finite}, "
        f"map_values(histogram(c{i}, [{', '.join(map(_double, edges))}]::DOUBLE[]))"
    )


def _read(layout: Layout, kinds: Mapping[str, str], rows: int, sums: list[Any]) -> dict[str, ColumnProfile]:
    """Turn one result row into profiles; DuckDB leaves out the last count where it is zero, and all of them without values."""
    columns = {}
    for i, name in enumerate(kinds):
        present, finite, total, squares, below, above, counted = sums[7 * i : 7 * i + 7]
        counts = np.zeros(len(layout.edges.get(name) or layout.values.get(name, ())) + 1, dtype=np.int64)
        counts[: len(counted or ())] = counted or ()
        columns[name] = ColumnProfile(rows, rows - present, counts, finite, total or 0.0, squares or 0.0, below or 0.0, above or 0.0)
    return columns
