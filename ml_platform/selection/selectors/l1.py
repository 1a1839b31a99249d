"""L1-penalised logistic regression: features in the order in which they enter as the penalty falls."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ml_platform.models.trainers.linear_design import LinearDesign

if TYPE_CHECKING:
    import numpy as np

    from ml_platform.selection.sample import Sample

# Shares of the penalty at which nothing enters. Below the last, noise does.
PATH = (0.3, 0.1, 0.05, 0.02)
# The path is the same on more rows, it only costs more.
MAX_ROWS = 20_000
# Of several classes each of the most frequent is told from the rest: what only rare ones need, the trees find.
MOST_CLASSES = 5
# Passes until a penalty is settled: of few rows and many alike columns a thousand, scikit-learn's own bound, are too few.
PASSES = 20_000


@dataclass(frozen=True)
class L1Selector:
    """Fits a path of L1-penalised models (logistic, or the lasso for numbers) on a robustly scaled design.

    A feature's score is the number of penalties at which it is in, plus a fraction for its weight where it came in.
    """

    path: tuple[float, ...] = PATH
    max_rows: int = MAX_ROWS
    name: str = "l1"
    title: str = "L1 regression"
    library: str = "scikitlearn"

    def score(self, sample: Sample, seed: int) -> np.ndarray:
        """Score the features (see ``Selector.score``)."""
        import numpy as np

        sample = sample.thin(self.max_rows, seed)
        design = LinearDesign.learn(sample.matrix, sample.features)
        columns = design.transform(sample.matrix)
        columns -= columns.mean(axis=0)
        spread = columns.std(axis=0)
        columns /= np.where(spread > 0, spread, 1.0)
        scores = np.zeros(len(sample.features))
        if not design.columns:
            return scores
        for weights in _fit_paths(columns, sample, self.path, seed):
            largest = design.per_feature(weights, len(sample.features))
            entered = largest > 0
            # Counting from the strongest penalty down: who was in before keeps its place, who enters now stands behind.
            fraction = np.where(entered & (scores == 0), 0.999 * largest / max(largest.max(), 1e-300), 0.0)
            scores += np.where(entered, 1.0, 0.0) + fraction
        return scores

    def quick(self) -> L1Selector:
        """Return one with two penalties."""
        return replace(self, path=(0.1, 0.03))


SELECTOR = L1Selector()


def _fit_paths(columns: np.ndarray, sample: Sample, path: tuple[float, ...], seed: int) -> list[np.ndarray]:
    """Return the weights at each penalty; of several classes the largest of each class against the rest."""
    import numpy as np

    if sample.task != "multiclass":
        return _fit_path(columns, sample, path, seed)
    codes, counts = np.unique(sample.labels, return_counts=True)
    frequent = codes[np.argsort(-counts, kind="stable")][:MOST_CLASSES]
    each = [replace(sample, labels=(sample.labels == code).astype(np.float64), task="classification") for code in frequent]
    paths = [found for one in each if (found := _fit_path(columns, one, path, seed))]
    return [np.max(np.abs(weights), axis=0) for weights in zip(*paths, strict=True)]


def _fit_path(columns: np.ndarray, sample: Sample, path: tuple[float, ...], seed: int) -> list[np.ndarray]:
    """Return the weights at each penalty, the strongest first."""
    import numpy as np
    from sklearn.linear_model import LogisticRegression, lasso_path
    from threadpoolctl import threadpool_limits

    centred = sample.labels - sample.labels.mean()
    # One thread: a sum split over threads differs in its last bits, and a feature at the edge would come and go.
    with threadpool_limits(limits=1):
        first = float(np.abs(columns.T @ centred).max())
        if first == 0.0:
            return []
        if sample.task != "classification":
            alphas = [share * first / sample.rows for share in path]
            # The stubs take the documented defaults ("auto") for the types.
            _, weights, _ = lasso_path(columns, centred, alphas=alphas, precompute=True, max_iter=PASSES)  # type: ignore[arg-type]
            return list(weights.T)
        weights = []
        for share in path:
            model = LogisticRegression(
                l1_ratio=1.0, C=1.0 / (share * first), solver="liblinear", tol=1e-3, max_iter=PASSES, random_state=seed
            )  # fmt: skip
            weights.append(model.fit(columns, sample.labels).coef_[0])
        return weights
