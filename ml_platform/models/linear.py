"""A linear model as plain numbers: scored with one product, stored as JSON; the logistic and ridge trainers both make one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ml_platform.core.errors import ModelError
from ml_platform.models.encoding import ModelFeature, to_matrix
from ml_platform.models.linear_design import LinearDesign
from ml_platform.models.trained import read_header, to_shares, write_header

if TYPE_CHECKING:
    import numpy as np
    import polars as pl

    from ml_platform.training.labels import Task


@dataclass(frozen=True)
class LinearTrained:
    """Weights over a linear design; a logistic link makes a probability of the sum."""

    kind: str
    task: Task
    features: tuple[ModelFeature, ...]
    design: LinearDesign
    weights: tuple[float, ...]
    intercept: float

    def predict(self, frame: pl.DataFrame) -> np.ndarray:
        """Score rows (see ``Trained.predict``)."""
        import numpy as np

        design = self.design.transform(to_matrix(frame, self.features))
        # A loop in a fixed order, not a BLAS product: its sums would depend on the machine's threads, and a stored score must reproduce.
        total = np.full(frame.height, self.intercept)
        for position, weight in enumerate(self.weights):
            total += weight * design[:, position]
        return total if self.task == "regression" else 1.0 / (1.0 + np.exp(-total))

    def importance(self) -> dict[str, float]:
        """Return each feature's largest weight on the scaled design, as a share."""
        import numpy as np

        largest = self.design.per_feature(np.asarray(self.weights), len(self.features))
        return to_shares({feature.name: float(value) for feature, value in zip(self.features, largest, strict=True)})

    def to_files(self) -> dict[str, bytes]:
        """Return ``model.json``."""
        return {
            "model.json": write_header(self, design=self.design.to_list(), weights=list(self.weights), intercept=self.intercept),
        }

    @staticmethod
    def from_files(files: Mapping[str, bytes]) -> LinearTrained:
        """Read what ``to_files`` wrote."""
        header = read_header(files)
        try:
            design = LinearDesign.from_list(header["design"])
            weights = tuple(float(weight) for weight in header["weights"])
            intercept = float(header["intercept"])
        except (KeyError, TypeError, ValueError) as error:
            raise ModelError(f"The linear model cannot be loaded: model.json lacks or spoils {error}. Train it again.") from error
        if len(weights) != len(design.columns):
            raise ModelError(f"The linear model has {len(weights)} weights for {len(design.columns)} columns. Train it again.")
        return LinearTrained(header["kind"], header["task"], header["features"], design, weights, intercept)
