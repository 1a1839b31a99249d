"""What a linear model sees of a feature matrix: robustly scaled values, flags for missing ones, and one column per frequent category."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import numpy as np

    from ml_platform.models.trainers.encoding import ModelFeature

# A flag or category that holds for fewer rows than this (or for all but so few) is noise to a linear model.
RARE_SHARE = 0.005
MAX_LEVELS = 30
# In units of the robust standard deviation; without the bound one delay of 20 hours outweighs a thousand flights.
CLIP = 5.0
# The interquartile range of a normal distribution, in standard deviations.
_NORMAL_IQR = 1.349


@dataclass(frozen=True)
class DesignColumn:
    """One column of the design: the scaled value of a feature, its missing flag, or one of its categories."""

    feature: int
    kind: Literal["value", "missing", "category"]
    center: float = 0.0
    scale: float = 1.0
    category: int = -1


@dataclass(frozen=True)
class LinearDesign:
    """How a matrix of features becomes the matrix of a linear model; learnt from training rows, stored as plain numbers."""

    columns: tuple[DesignColumn, ...]

    @staticmethod
    def learn(matrix: np.ndarray, features: Sequence[ModelFeature]) -> LinearDesign:
        """Learn centres, scales, flags and categories.

        Parameters
        ----------
        matrix : ndarray of float64, shape (rows, features)
            Training rows as ``encoding.to_matrix`` gives them.
        features : sequence of ModelFeature
            What the columns are.
        """
        import numpy as np

        columns: list[DesignColumn] = []
        seen_flags: set[bytes] = set()
        for index, feature in enumerate(features):
            values = matrix[:, index]
            missing = np.isnan(values)
            if missing.all():
                continue
            columns += _levels(index, values) if feature.is_text else [_scaled(index, values[~missing])]
            flag = np.packbits(missing).tobytes()
            # The features of one view and entity are missing together: one flag for all of them, or they would only share its weight.
            if RARE_SHARE <= missing.mean() <= 1 - RARE_SHARE and flag not in seen_flags:
                seen_flags.add(flag)
                columns.append(DesignColumn(index, "missing"))
        return LinearDesign(tuple(columns))

    def transform(self, matrix: np.ndarray) -> np.ndarray:
        """Return the design of rows, shape (rows, columns); a missing value stands at its feature's median."""
        import numpy as np

        design = np.empty((matrix.shape[0], len(self.columns)), order="F")
        for position, column in enumerate(self.columns):
            values = matrix[:, column.feature]
            if column.kind == "value":
                scaled = (values - column.center) / column.scale
                design[:, position] = np.nan_to_num(np.clip(scaled, -CLIP, CLIP), nan=0.0)
            elif column.kind == "missing":
                design[:, position] = np.isnan(values)
            else:
                design[:, position] = values == column.category
        return design

    def to_list(self) -> list[dict[str, Any]]:
        """Return plain values for JSON."""
        return [asdict(column) for column in self.columns]

    @staticmethod
    def from_list(columns: Sequence[Mapping[str, Any]]) -> LinearDesign:
        """Read what ``to_list`` wrote."""
        return LinearDesign(tuple(DesignColumn(**column) for column in columns))

    def per_feature(self, weights: np.ndarray, n_features: int) -> np.ndarray:
        """Return the largest absolute weight among each feature's own columns, shape (features,).

        A missing flag speaks for several features, so it counts for none of them.
        """
        import numpy as np

        largest = np.zeros(n_features)
        for column, weight in zip(self.columns, np.abs(weights), strict=True):
            if column.kind != "missing":
                largest[column.feature] = max(largest[column.feature], weight)
        return largest


def _scaled(index: int, values: np.ndarray) -> DesignColumn:
    """Centre at the median, scale by the interquartile range, or by the standard deviation where that is 0."""
    import numpy as np

    low, middle, high = np.quantile(values, [0.25, 0.5, 0.75])
    scale = (high - low) / _NORMAL_IQR or float(values.std()) or 1.0
    return DesignColumn(index, "value", center=float(middle), scale=float(scale))


def _levels(index: int, codes: np.ndarray) -> list[DesignColumn]:
    """Return a column for each category that is frequent enough; codes are ordered by frequency already."""
    import numpy as np

    present, counts = np.unique(codes[~np.isnan(codes)], return_counts=True)
    frequent = present[counts >= RARE_SHARE * codes.size][:MAX_LEVELS]
    return [DesignColumn(index, "category", category=int(code)) for code in frequent]
