"""The columns a model reads, in order, and the numbers that it sees for them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ml_platform.core.errors import ModelError
from ml_platform.core.hashing import content_hash

if TYPE_CHECKING:
    import numpy as np
    import polars as pl

# LightGBM spends one bin per category; what is rarer than the 255 most frequent teaches it nothing at these row counts.
MAX_CATEGORIES = 255


@dataclass(frozen=True)
class ModelFeature:
    """A column that a model reads: its name, its Polars type as text, and, of text, the categories it learnt, most frequent first."""

    name: str
    dtype: str
    categories: tuple[str, ...] | None = None

    @property
    def is_text(self) -> bool:
        """Whether the values are categories."""
        return self.categories is not None

    def to_mapping(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return {"name": self.name, "dtype": self.dtype, "categories": None if self.categories is None else list(self.categories)}

    @staticmethod
    def from_mapping(mapping: Mapping[str, Any]) -> ModelFeature:
        """Read what ``to_mapping`` wrote."""
        known = mapping["categories"]
        return ModelFeature(mapping["name"], mapping["dtype"], None if known is None else tuple(known))


def fingerprint(features: Sequence[ModelFeature]) -> str:
    """Return a hash of names, order, types and categories: what a model file and a caller must agree on."""
    return content_hash([feature.to_mapping() for feature in features])


def is_usable(dtype: pl.DataType) -> bool:
    """Say whether a column of this type can be a model's input: numbers, booleans, durations and text, but no points in time."""
    import polars as pl

    return dtype.is_numeric() or dtype in (pl.Boolean, pl.Duration, pl.Null) or _is_text(dtype)


def learn_features(frame: pl.DataFrame, names: Sequence[str]) -> tuple[ModelFeature, ...]:
    """Describe columns as a model's input, with the categories of text.

    Parameters
    ----------
    frame : polars.DataFrame
        Training rows only: a category that occurs elsewhere first must count as unseen.
    names : sequence of str
        The columns, in the order in which the model will see them.

    Returns
    -------
    tuple of ModelFeature
        One per name, in the same order.

    Raises
    ------
    ModelError
        If a column is missing, or of a type that a model cannot read.
    """
    _check_columns(frame, names)
    features = []
    kinds = frame.schema
    for name in names:
        dtype = kinds[name]
        if not is_usable(dtype):
            raise ModelError(
                f"Feature {name!r} is {dtype}, which a model cannot read. Declare a number, a boolean, text, or the time since it instead."
            )
        features.append(ModelFeature(name, str(dtype), _categories(frame[name]) if _is_text(dtype) else None))
    return tuple(features)


def to_matrix(frame: pl.DataFrame, features: Sequence[ModelFeature]) -> np.ndarray:
    """Turn columns into the numbers that a model sees.

    Parameters
    ----------
    frame : polars.DataFrame
        Any columns in any order; those of ``features`` must be there.
    features : sequence of ModelFeature
        The columns to read.

    Returns
    -------
    ndarray of float64, shape (rows, features)
        NaN where a value is missing, infinite, or a category that was not learnt. Durations are seconds, categories their position.

    Raises
    ------
    ModelError
        If a column is missing, or text stands where numbers were learnt (or the other way round).
    """
    import numpy as np
    import polars as pl

    _check_columns(frame, [feature.name for feature in features])
    kinds = frame.schema
    columns = [_expression(kinds[feature.name], feature) for feature in features]
    if not columns:
        return np.empty((frame.height, 0), dtype=np.float64)
    encoded = frame.select(columns).with_columns(pl.all().fill_null(float("nan")))
    matrix = encoded.to_numpy(order="fortran", writable=True)
    matrix[~np.isfinite(matrix)] = np.nan
    return matrix


def _expression(dtype: pl.DataType, feature: ModelFeature) -> pl.Expr:
    """Return the expression that reads one feature as float64."""
    import polars as pl

    column = pl.col(feature.name)
    if dtype == pl.Null:
        return column.cast(pl.Float64)
    if feature.is_text != _is_text(dtype):
        raise ModelError(
            f"The model learnt feature {feature.name!r} as {feature.dtype}, but was given {dtype}. "
            "Score with the feature definitions that the model was trained with."
        )
    if feature.categories is not None:
        known = pl.Enum(list(feature.categories))
        return column.cast(pl.String).cast(known, strict=False).to_physical().cast(pl.Float64)
    if dtype == pl.Duration:
        return column.dt.total_microseconds().cast(pl.Float64) / 1e6
    return column.cast(pl.Float64)


def _is_text(dtype: pl.DataType) -> bool:
    import polars as pl

    return dtype in (pl.String, pl.Categorical, pl.Enum)


def _categories(column: pl.Series) -> tuple[str, ...]:
    """Return the most frequent values, most frequent first, names in order among equals."""
    import polars as pl

    counts = column.cast(pl.String).drop_nulls().value_counts(name="rows")
    ordered = counts.sort(["rows", column.name], descending=[True, False])
    return tuple(ordered[column.name].head(MAX_CATEGORIES))


def _check_columns(frame: pl.DataFrame, names: Sequence[str]) -> None:
    there = set(frame.columns)
    missing = [name for name in names if name not in there]
    if missing:
        raise ModelError(
            f"{len(missing)} of the model's {len(names)} features are not in the rows to score: {', '.join(missing[:8])}"
            f"{', ...' if len(missing) > 8 else ''}. Compute the features that the model was trained with."
        )
