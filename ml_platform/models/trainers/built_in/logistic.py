"""Logistic regression: the baseline that every classifier has to beat."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
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

KIND = "logistic"


class LogisticTrainer:
    """Logistic regression with a light ridge penalty."""

    name = KIND
    tasks: tuple[Task, ...] = ("classification", "multiclass")

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
        """Fit a logistic regression with a light ridge penalty on all rows (it needs no early stopping).

        Parameters, Returns and Raises are those of ``Trainer.train``; ``params`` may hold ``C``, the inverse penalty (1.0).
        The fit has no randomness, ``seed`` is not used.
        """
        del seed
        if target.task not in ("classification", "multiclass"):
            raise ModelError("Logistic regression predicts classes, and this label is a number. Use the trainer 'ridge' as baseline.")
        check_params(KIND, params, ("C",))
        from sklearn.linear_model import LogisticRegression
        from threadpoolctl import threadpool_limits

        rows = all_rows(frame, validate)
        columns = learn_features(rows, features)
        matrix = to_matrix(rows, columns)
        design = LinearDesign.learn(matrix, columns)
        # Newton steps end after about ten products of the design with itself, L-BFGS takes a hundred passes.
        # One thread: the same bits again.
        with threadpool_limits(limits=1):
            fitted = LogisticRegression(C=float(params.get("C", 1.0)), solver="newton-cholesky", max_iter=50).fit(  # type: ignore[arg-type]
                design.transform(matrix), target.codes(rows[label])
            )
        weights, intercepts = fitted.coef_.tolist(), fitted.intercept_.tolist()
        if target.task == "multiclass" and len(weights) == 1:
            # Of two classes scikit-learn gives the second one's sum alone; the first one's is 0.
            weights, intercepts = [[0.0] * len(weights[0]), *weights], [0.0, *intercepts]
        return LinearTrained(KIND, target, columns, design, tuple(map(tuple, weights)), tuple(intercepts))

    def load(self, files: Mapping[str, bytes]) -> LinearTrained:
        """Return the model that some files hold."""
        return LinearTrained.from_files(files)


TRAINER = LogisticTrainer()
