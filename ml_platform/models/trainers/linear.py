"""A linear model as plain numbers: scored with a few products, stored as JSON; the logistic and ridge trainers both make one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ml_platform.core.errors import ModelError
from ml_platform.models.trainers.encoding import ModelFeature, to_matrix
from ml_platform.models.trainers.linear_design import LinearDesign
from ml_platform.models.trainers.trained import read_header, to_shares, write_header

if TYPE_CHECKING:
    import numpy as np
    import polars as pl

    from ml_platform.training.labels import Task
    from ml_platform.training.target import Target


@dataclass(frozen=True)
class LinearTrained:
    """Sums of weights over a linear design; a logistic link makes probabilities of them.

    Of two classes or a number there is one sum, of several classes one for each (``weights`` and ``intercepts`` of each), and quantiles
    share their weights: each has its own intercept.
    """

    kind: str
    target: Target
    features: tuple[ModelFeature, ...]
    design: LinearDesign
    weights: tuple[tuple[float, ...], ...]
    intercepts: tuple[float, ...]

    @property
    def task(self) -> Task:
        """What it predicts."""
        return self.target.task

    def predict(self, frame: pl.DataFrame) -> np.ndarray:
        """Score rows (see ``Trained.predict``)."""
        import numpy as np

        design = self.design.transform(to_matrix(frame, self.features))
        totals = [self.total(design, answer) for answer in range(len(self.intercepts))]
        if self.target.task == "quantiles":
            return np.column_stack(totals)
        if self.target.task == "regression":
            return totals[0]
        if self.target.task == "classification":
            return 1.0 / (1.0 + np.exp(-totals[0]))
        powers = np.exp(np.column_stack(totals) - np.max(totals, axis=0)[:, None])
        return powers / powers.sum(axis=1, keepdims=True)

    def importance(self) -> dict[str, float]:
        """Return each feature's largest weight on the scaled design, as a share."""
        import numpy as np

        largest = self.design.per_feature(np.abs(np.asarray(self.weights)).max(axis=0), len(self.features))
        return to_shares({feature.name: float(value) for feature, value in zip(self.features, largest, strict=True)})

    def to_files(self) -> dict[str, bytes]:
        """Return ``model.json``."""
        single = len(self.intercepts) == 1
        weights = list(self.weights[0]) if single else [list(one) for one in self.weights]
        intercept = self.intercepts[0] if single else list(self.intercepts)
        return {"model.json": write_header(self, design=self.design.to_list(), weights=weights, intercept=intercept)}

    @staticmethod
    def from_files(files: Mapping[str, bytes]) -> LinearTrained:
        """Read what ``to_files`` wrote."""
        header = read_header(files)
        try:
            design = LinearDesign.from_list(header["design"])
            several = isinstance(header["intercept"], list)
            found = header["weights"] if several else [header["weights"]]
            weights = tuple(tuple(float(weight) for weight in one) for one in found)
            intercepts = tuple(float(one) for one in (header["intercept"] if several else [header["intercept"]]))
        except (KeyError, TypeError, ValueError) as error:
            raise ModelError(f"The linear model cannot be loaded: model.json lacks or spoils {error}. Train it again.") from error
        if any(len(one) != len(design.columns) for one in weights):
            raise ModelError(f"The linear model has {len(weights[0])} weights for {len(design.columns)} columns. Train it again.")
        return LinearTrained(header["kind"], header["target"], header["features"], design, weights, intercepts)

    def total(self, design: np.ndarray, answer: int = 0) -> np.ndarray:
        """Return the sum of one answer over a design, shape (rows,)."""
        import numpy as np

        # A loop in a fixed order, not a BLAS product: its sums would depend on the machine's threads, and a stored score must reproduce.
        total = np.full(design.shape[0], self.intercepts[answer])
        for position, weight in enumerate(self.weights[min(answer, len(self.weights) - 1)]):
            total += weight * design[:, position]
        return total
