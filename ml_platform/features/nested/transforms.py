"""Transform primitives: those of the engine as Polars expressions, all others by Featuretools' own function over the whole column."""

from __future__ import annotations

import json
import operator
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import polars as pl

from ml_platform.features.nested.pandas_values import POLARS_TYPES, micros_to_pandas, to_pandas, transform_by_featuretools
from ml_platform.features.nested.primitives import TRANSFORMS
from ml_platform.features.nested.tree import Transform

_MICROS = 1_000_000
_DAY = 86_400 * _MICROS
# Plays the cutoff of a row-local expression that does not know it.
_CUTOFF = "cutoff"


def _number(n: int) -> pl.Expr:
    return pl.col(f"i{n}").cast(pl.Float64)


def _date(part: str) -> Callable[..., pl.Expr]:
    return lambda _: getattr(pl.col("i0").cast(pl.Datetime("us")).dt, part)().cast(pl.Int64)


def _scalar(operation: Callable[[pl.Expr, float], pl.Expr]) -> Callable[..., pl.Expr]:
    return lambda arguments: operation(_number(0), float(arguments["value"]))


_COMPARISONS: Mapping[str, Callable[[Any, Any], Any]] = {
    "equal": operator.eq, "not_equal": operator.ne, "greater_than": operator.gt, "greater_than_equal_to": operator.ge,
    "less_than": operator.lt, "less_than_equal_to": operator.le,
}  # fmt: skip
_NUMBERS = frozenset({"BIGINT", "DOUBLE", "BOOLEAN"})


def _compare(node: Transform, compare: Callable[[Any, Any], Any]) -> pl.Expr:
    """Compare two values, or one with the primitive's; NULL where one is missing."""
    kinds = [part.type for part in node.inputs]
    left, right = pl.col("i0"), pl.col("i1")
    if len(kinds) == 1:
        value = json.loads(node.arguments).get("value")
        kinds.append("DOUBLE" if isinstance(value, bool | int | float) else "VARCHAR" if isinstance(value, str) else kinds[0])
        right = pl.lit(value, POLARS_TYPES[kinds[1]])
    if set(kinds) <= _NUMBERS:
        return compare(left.cast(pl.Float64), right.cast(pl.Float64))
    if "VARCHAR" in kinds or _NUMBERS & set(kinds):
        if kinds[0] == kinds[1]:
            return compare(left, right)
        # A number never is a text, nor a time.
        return pl.when(left.is_not_null() & right.is_not_null()).then(pl.lit(compare is operator.ne))
    return compare(left.cast(pl.Datetime("us")), right.cast(pl.Datetime("us")))


_EXPRESSIONS: Mapping[str, Callable[[Mapping[str, Any]], pl.Expr]] = {
    "absolute": lambda _: pl.col("i0").abs(),
    "negate": lambda _: -pl.col("i0"),
    "square_root": lambda _: _number(0).sqrt(),
    "natural_logarithm": lambda _: _number(0).log(),
    "sine": lambda _: _number(0).sin(),
    "cosine": lambda _: _number(0).cos(),
    "tangent": lambda _: _number(0).tan(),
    "add_numeric": lambda _: _number(0) + _number(1),
    "subtract_numeric": lambda _: _number(0) - _number(1),
    "multiply_numeric": lambda _: _number(0) * _number(1),
    "divide_numeric": lambda _: _number(0) / _number(1),
    "add_numeric_scalar": _scalar(lambda x, value: x + value),
    "subtract_numeric_scalar": _scalar(lambda x, value: x - value),
    "scalar_subtract_numeric_feature": _scalar(lambda x, value: value - x),
    "multiply_numeric_scalar": _scalar(lambda x, value: x * value),
    "divide_numeric_scalar": _scalar(lambda x, value: x / value),
    "divide_by_feature": _scalar(lambda x, value: value / x),
    "year": _date("year"),
    "month": _date("month"),
    "day": _date("day"),
    "hour": _date("hour"),
    "minute": _date("minute"),
    "second": _date("second"),
    "week": _date("week"),
    "quarter": _date("quarter"),
    "day_of_year": _date("ordinal_day"),
    "weekday": lambda _: pl.col("i0").dt.weekday().cast(pl.Int64) - 1,
    "is_weekend": lambda _: (pl.col("i0").dt.weekday() > 5).fill_null(value=False),
    "is_null": lambda _: pl.col("i0").is_null(),
    "time_since": lambda _: (pl.col(_CUTOFF) - _micros()) / _MICROS,
    "age": lambda _: (pl.col(_CUTOFF) - _micros()).floordiv(_DAY).cast(pl.Float64) / 365,
}


def _micros() -> pl.Expr:
    return pl.col("i0").cast(pl.Datetime("us")).to_physical()


def is_fast(node: Transform) -> bool:
    """Whether a transform is computed by the engine itself."""
    if TRANSFORMS[node.primitive].path != "fast":
        return False
    # Other units are multiplied out by Featuretools; only its usual one is ours.
    return node.primitive != "time_since" or json.loads(node.arguments).get("unit", "seconds") == "seconds"


def transform(node: Transform, inputs: Sequence[pl.Series], cutoffs: np.ndarray) -> pl.Series:
    """Compute a transform for n rows.

    Parameters
    ----------
    node : Transform
        What to compute.
    inputs : sequence of Series of n rows
        Values of its inputs; NULL is missing, NaN is not there.
    cutoffs : ndarray of int64, shape (n,)
        Microseconds.

    Returns
    -------
    Series of n rows
        Of the node's type; NaN is NULL.
    """
    target = POLARS_TYPES[node.type]
    if not is_fast(node):
        # A remainder of 0 is NaN of floats and 0 of integers, and it depends on the other rows which of them Featuretools holds.
        floats = node.primitive.startswith("modulo")
        values = [to_pandas(series, "float64" if floats else part.dtype) for series, part in zip(inputs, node.inputs, strict=True)]
        if not cutoffs.size:
            return pl.Series([], dtype=target)
        if node.primitive == "time_since":
            # It wants one cutoff; it subtracts, so a column of cutoffs will do as well.
            values.append(micros_to_pandas(cutoffs))
        return transform_by_featuretools(node.primitive, node.arguments, values, node.type, cutoffs.size)
    frame = pl.DataFrame([series.alias(f"i{n}") for n, series in enumerate(inputs)] + [pl.Series(_CUTOFF, cutoffs)])
    comparison = _COMPARISONS.get(node.primitive.removesuffix("_scalar"))
    expression = _EXPRESSIONS[node.primitive](json.loads(node.arguments)) if comparison is None else _compare(node, comparison)
    found = frame.select(expression.cast(target).alias("value")).to_series()
    return found.fill_nan(None) if found.dtype.is_float() else found
