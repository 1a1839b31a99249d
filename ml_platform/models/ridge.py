"""Ridge regression: the baseline of problems whose label is a number."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from ml_platform.core.errors import ModelError
from ml_platform.models.encoding import learn_features, to_matrix
from ml_platform.models.linear import LinearTrained
from ml_platform.models.linear_design import LinearDesign
from ml_platform.models.parameters import check_params
from ml_platform.models.trained import all_rows

if TYPE_CHECKING:
    import polars as pl

    from ml_platform.training.labels import Task

KIND = "ridge"


def train(
    frame: pl.DataFrame,
    features: Sequence[str],
    label: str,
    *,
    validate: pl.DataFrame | None,
    params: Mapping[str, object],
    seed: int,
    task: Task,
) -> LinearTrained:
    """Fit a linear regression with a light ridge penalty on all rows.

    Parameters, Returns and Raises are those of ``trainers.train``; ``params`` may hold ``alpha``, the penalty (1.0).
    The fit has no randomness, ``seed`` is not used.
    """
    del seed
    if task != "regression":
        raise ModelError("Ridge regression predicts numbers, and this label is a class. Use the trainer 'logistic' as baseline.")
    check_params(KIND, params, ("alpha",))
    from sklearn.linear_model import Ridge
    from threadpoolctl import threadpool_limits

    rows = all_rows(frame, validate)
    columns = learn_features(rows, features)
    matrix = to_matrix(rows, columns)
    design = LinearDesign.learn(matrix, columns)
    with threadpool_limits(limits=1):
        fitted = Ridge(alpha=float(params.get("alpha", 1.0)), solver="cholesky").fit(  # type: ignore[arg-type]
            design.transform(matrix), rows[label].to_numpy()
        )
    return LinearTrained(KIND, task, columns, design, tuple(float(w) for w in fitted.coef_), float(fitted.intercept_))
