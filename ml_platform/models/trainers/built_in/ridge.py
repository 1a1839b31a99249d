"""Ridge regression: the baseline of problems whose label is a number."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from ml_platform.core.errors import ModelError
from ml_platform.models.trainers.encoding import learn_features, to_matrix
from ml_platform.models.trainers.linear import LinearTrained
from ml_platform.models.trainers.linear_design import LinearDesign
from ml_platform.models.trainers.parameters import check_params
from ml_platform.models.trainers.trained import all_rows

if TYPE_CHECKING:
    import polars as pl

    from ml_platform.training.labels import Task
    from ml_platform.training.target import Target

KIND = "ridge"


class RidgeTrainer:
    """Linear regression with a light ridge penalty."""

    name = KIND
    tasks: tuple[Task, ...] = ("regression", "quantiles")

    def train(
        self,
        frame: pl.DataFrame,
        features: Sequence[str],
        label: str,
        *,
        validate: pl.DataFrame | None,
        params: Mapping[str, object],
        seed: int,
        target: Target,
    ) -> LinearTrained:
        """Fit a linear regression with a light ridge penalty on all rows; of quantiles, shifted by those of its own errors.

        Parameters, Returns and Raises are those of ``Trainer.train``; ``params`` may hold ``alpha``, the penalty (1.0).
        The fit has no randomness, ``seed`` is not used.
        """
        del seed
        if target.task not in ("regression", "quantiles"):
            raise ModelError("Ridge regression predicts numbers, and this label is a class. Use the trainer 'logistic' as baseline.")
        check_params(KIND, params, ("alpha",))
        import numpy as np
        from sklearn.linear_model import Ridge
        from threadpoolctl import threadpool_limits

        rows = all_rows(frame, validate)
        columns = learn_features(rows, features)
        matrix = to_matrix(rows, columns)
        design = LinearDesign.learn(matrix, columns)
        labels, scaled = target.codes(rows[label]), design.transform(matrix)
        with threadpool_limits(limits=1):
            fitted = Ridge(alpha=float(params.get("alpha", 1.0)), solver="cholesky").fit(scaled, labels)  # type: ignore[arg-type]
        weights, intercept = (tuple(float(w) for w in fitted.coef_),), float(fitted.intercept_)
        trained = LinearTrained(KIND, target, columns, design, weights, (intercept,))
        if target.task == "regression":
            return trained
        errors = labels - trained.total(scaled)
        return replace(trained, intercepts=tuple(float(intercept + shift) for shift in np.quantile(errors, target.quantiles)))

    def load(self, files: Mapping[str, bytes]) -> LinearTrained:
        """Return the model that some files hold."""
        return LinearTrained.from_files(files)


TRAINER = RidgeTrainer()
