"""Featuretools' own functions over our values: series in the pandas types that it would hold them in, and back again."""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from typing import Any

import numpy as np
import polars as pl

from ml_platform.core.errors import FeatureError

POLARS_TYPES: dict[str, pl.DataType] = {
    "BIGINT": pl.Int64(), "DOUBLE": pl.Float64(), "BOOLEAN": pl.Boolean(), "VARCHAR": pl.String(), "DATE": pl.Date(),
    "TIMESTAMP WITH TIME ZONE": pl.Datetime("us", "UTC"),
}  # fmt: skip


@lru_cache(maxsize=1024)
def primitive(kind: str, name: str, arguments: str) -> Any:
    """Return Featuretools' primitive of that ``kind`` (aggregation, transform) and name, with its arguments (JSON)."""
    with warnings.catch_warnings():
        # Woodwork, below Featuretools, still imports the deprecated pkg_resources.
        warnings.simplefilter("ignore")
        from featuretools import primitives

    found = primitives.get_aggregation_primitives() if kind == "aggregation" else primitives.get_transform_primitives()
    if name not in found:
        raise FeatureError(f"The installed Featuretools has no {kind} primitive {name!r}, which a feature was made with. Install 1.31.")
    return found[name](**json.loads(arguments))


def to_pandas(series: pl.Series, dtype: str) -> Any:
    """Return a series as pandas holds it in a feature matrix of Featuretools; times without zone, as UTC."""
    import pandas as pd

    if series.dtype.is_temporal():
        return series.cast(pl.Datetime("us")).cast(pl.Datetime("ns")).to_pandas()
    if dtype in {"Int64", "Float64", "boolean"}:
        missing = series.is_null().to_numpy()
        if dtype == "boolean":
            return pd.Series(pd.arrays.BooleanArray(series.fill_null(value=False).to_numpy(writable=True), missing))
        if dtype == "Int64":
            return pd.Series(pd.arrays.IntegerArray(series.cast(pl.Int64).fill_null(0).to_numpy(writable=True), missing))
        return pd.Series(pd.arrays.FloatingArray(series.cast(pl.Float64).fill_null(0.0).to_numpy(writable=True), missing))
    if dtype == "float64":
        return pd.Series(series.cast(pl.Float64).to_numpy(writable=True))
    if dtype == "bool":
        return pd.Series(series.fill_null(value=False).to_numpy(writable=True))
    plain = pd.Series(series.to_list(), dtype="object")
    return plain.astype(dtype) if dtype in {"category", "string"} else plain


def micros_to_pandas(micros: np.ndarray) -> Any:
    """Return microseconds since 1970 as pandas times."""
    import pandas as pd

    return pd.Series(micros.astype("datetime64[us]").astype("datetime64[ns]"))


def from_pandas(values: Any, kind: str, length: int) -> pl.Series:
    """Return what a function of Featuretools returned as a series of the engine's type ``kind``; NaN is NULL."""
    import pandas as pd

    if np.ndim(values) == 0:
        values = [values] * length
    series = pd.Series(np.asarray(values) if isinstance(values, pd.Categorical) else values).reset_index(drop=True)
    target = POLARS_TYPES[kind]
    if kind in {"BIGINT", "DOUBLE"}:
        if isinstance(series.dtype, pd.CategoricalDtype):
            series = series.astype("object")
        numbers = pd.Series(pd.to_numeric(series, errors="raise")).to_numpy(dtype="float64", na_value=np.nan)
        return pl.Series(numbers, nan_to_null=True).cast(target)
    missing = series.isna().to_numpy()
    if kind in {"DATE", "TIMESTAMP WITH TIME ZONE"}:
        micros = pd.to_datetime(series).to_numpy().astype("datetime64[us]").astype("int64")
        return pl.select(pl.when(pl.Series(~missing)).then(pl.Series(micros)).cast(pl.Datetime("us", "UTC")).cast(target)).to_series()
    cast = bool if kind == "BOOLEAN" else str
    return pl.Series([None if gone else cast(v) for v, gone in zip(series.to_list(), missing, strict=True)], dtype=target)


def transform_by_featuretools(name: str, arguments: str, inputs: Sequence[Any], kind: str, length: int) -> pl.Series:
    """Compute a transform primitive over whole columns (pandas) by Featuretools' own function."""
    with _featuretools(f"transform primitive {name}"):
        values = primitive("transform", name, arguments).get_function()(*inputs)
    return from_pandas(values, kind, length)


@contextmanager
def _featuretools(what: str) -> Iterator[None]:
    """Run a function of Featuretools: its warnings are its own, what it breaks on is said."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            yield
        except Exception as error:
            # It raises whatever pandas raises on values that it did not expect.
            raise FeatureError(
                f"Featuretools' own {what} breaks on the values of a feature: {type(error).__name__}: {error}. Leave the primitive out."
            ) from error


def aggregate_by_featuretools(
    name: str, arguments: str, query: np.ndarray, inputs: Sequence[Any], cutoffs: np.ndarray, output: int | None
) -> tuple[np.ndarray, Any]:
    """Compute an aggregation primitive by Featuretools' own function, group by group in pandas, as its feature matrix does.

    Parameters
    ----------
    query : ndarray of int64, shape (n_pairs,)
        The group of each row; rows of a group in their order.
    inputs : sequence of pandas.Series of n_pairs
        The function's arguments.
    cutoffs : ndarray of int64
        Microseconds, by group.
    output : int, optional
        Which of several results.

    Returns
    -------
    groups : ndarray of int64
        Groups with rows.
    values : array-like
        One result for each.
    """
    import pandas as pd

    asked = primitive("aggregation", name, arguments)
    function = asked.get_function()
    columns = {f"i{n}": series.reset_index(drop=True) for n, series in enumerate(inputs)}
    frame = pd.DataFrame({"q": query, **columns})
    with _featuretools(f"aggregation primitive {name}"):
        grouped = frame.groupby("q", sort=False, observed=True)
        if len(inputs) == 1 and not asked.uses_calc_time and asked.number_output_features == 1:
            function = "count" if function == pd.Series.count else function
            found = grouped.agg({"i0": [function]})
            return found.index.to_numpy(), found.iloc[:, 0]
        groups, values = [], []
        for group_key, rows in grouped:
            group = int(str(group_key))
            more = {"time": pd.Timestamp(int(cutoffs[group]), unit="us")} if asked.uses_calc_time else {}
            value = function(*(rows[c] for c in columns), **more)
            groups.append(group)
            values.append(value if output is None else value[output])
    return np.array(groups, dtype=np.int64), pd.Series(values, dtype="object")
