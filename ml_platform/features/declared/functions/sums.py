"""Sums, and what is made of them: mean, share, variance, deviation, skewness."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ml_platform.features.declared.functions.function import BOOLEANS, NUMBERS, SUMMABLE, Function, Stretches

if TYPE_CHECKING:
    import polars as pl
    from numpy.typing import NDArray

    from ml_platform.features.declared.definition import FeatureDefinition
    from ml_platform.features.engine.answers import Request


class Sum(Function):
    """The sum; of booleans how many are TRUE."""

    def result_type(self, value_type: str) -> str:
        """Return the type of the value, or of a count."""
        return "BIGINT" if value_type == "BOOLEAN" else value_type

    def answer_one(self, request: Request, definition: FeatureDefinition) -> pl.Series:
        """Return the answers to one definition."""
        return request.spread(definition.name, *request.sums(str(definition.value)).total(request.window(definition.span)))


class Mean(Function):
    """The mean; of booleans the share of those that are TRUE."""

    def answer_one(self, request: Request, definition: FeatureDefinition) -> pl.Series:
        """Return the answers to one definition."""
        return request.spread(definition.name, *request.sums(str(definition.value)).mean(request.window(definition.span)))


class Variance(Function):
    """The variance of a sample."""

    def answer_one(self, request: Request, definition: FeatureDefinition) -> pl.Series:
        """Return the answers to one definition."""
        return request.spread(definition.name, *request.sums(str(definition.value)).variance(request.window(definition.span)))


class Deviation(Function):
    """The standard deviation of a sample."""

    def answer_one(self, request: Request, definition: FeatureDefinition) -> pl.Series:
        """Return the answers to one definition."""
        return request.spread(definition.name, *request.sums(str(definition.value)).deviation(request.window(definition.span)))


class Skewness(Function):
    """The adjusted Fisher-Pearson coefficient."""

    def answer_one(self, request: Request, definition: FeatureDefinition) -> pl.Series:
        """Return the answers to one definition."""
        return request.spread(definition.name, *request.skewness(str(definition.value), definition.span))


def _sum(known: Stretches) -> NDArray:
    import numpy as np

    return np.add.reduceat(known.numbers, known.starts)


def _mean(known: Stretches) -> NDArray:
    """Return means; deviations from a first mean take back what summing has rounded."""
    import numpy as np

    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        mean = np.add.reduceat(known.numbers, known.starts) / known.counts
        if known.numbers.dtype.kind != "f":
            return mean
        rest = np.add.reduceat(known.numbers - np.repeat(mean, known.counts), known.starts)
        return np.where(np.isfinite(mean), mean + rest / known.counts, mean)


def _deviation(known: Stretches) -> NDArray:
    import numpy as np

    with np.errstate(invalid="ignore", divide="ignore", over="ignore"):
        deviations = known.numbers - np.repeat(np.add.reduceat(known.numbers, known.starts) / known.counts, known.counts)
        rest = np.add.reduceat(deviations, known.starts)
        squares = np.add.reduceat(deviations * deviations, known.starts) - rest * rest / known.counts
        return np.where(known.counts > 1, np.sqrt(np.maximum(squares, 0.0) / (known.counts - 1)), np.nan)


_MOMENTS = ("moments",)

FUNCTIONS = (
    Sum(
        name="sum", of=SUMMABLE, words="Sum of {value}", sql="CASE WHEN {row}._known THEN coalesce(sum(e._value), 0) END", empty=0,
        primitive="sum", totals=_MOMENTS, reduce=_sum,
    ),
    Mean(
        name="mean", of=NUMBERS, words="Mean of {value}", sql="avg(e._value)", returns="DOUBLE", primitive="mean", totals=_MOMENTS,
        reduce=_mean,
    ),
    Variance(
        name="var", of=NUMBERS, words="Sample variance of {value}", sql="var_samp(e._value)", returns="DOUBLE", primitive="variance",
        totals=_MOMENTS,
    ),
    Deviation(
        name="std", of=NUMBERS, words="Sample standard deviation of {value}", sql="stddev_samp(e._value)", returns="DOUBLE",
        primitive="std", totals=_MOMENTS, reduce=_deviation,
    ),
    Skewness(
        name="skew", of=NUMBERS, words="Skewness of {value}", returns="DOUBLE", primitive="skew", totals=_MOMENTS,
        sql="CASE WHEN count(e._value) >= 3 THEN CASE WHEN min(e._value) = max(e._value) THEN 0 ELSE skewness(e._value) END END",
    ),
    Mean(
        name="share", of=BOOLEANS, words="Share of rows (0 to 1) with {value}", sql="avg(e._value::INTEGER)", returns="DOUBLE",
        primitive="percent_true", totals=_MOMENTS, reduce=_mean,
    ),
)  # fmt: skip
