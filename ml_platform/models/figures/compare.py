"""Two models on the same rows: the paired difference of their quality, with an error that knows about days and weeks."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING, Any, Literal

from ml_platform.models.figures.class_figures import class_log_losses
from ml_platform.models.figures.clustered import clustered_error, t_quantile, t_share_above
from ml_platform.models.figures.evaluation import log_losses
from ml_platform.models.figures.quantile_figures import pinball_losses
from ml_platform.models.figures.ranking import auc_influence
from ml_platform.training.target import Target, as_target

if TYPE_CHECKING:
    import numpy as np

    from ml_platform.training.labels import Task

# With fewer blocks of seven days the error between them is itself a guess.
MIN_WEEKS = 4
CONFIDENCE = 0.95


@dataclass(frozen=True)
class Comparison:
    """A paired difference, positive where the challenger is better.

    ``lower`` and ``upper`` are one-sided bounds, each of ``confidence`` (95 % each are together a 90 % interval); ``by`` says whether days
    or weeks had the larger error, and ``clusters`` how many of them there were.
    """

    measure: str
    challenger: float
    champion: float
    difference: float
    error: float
    lower: float
    upper: float
    by: Literal["day", "week"]
    clusters: int
    rows: int
    confidence: float = CONFIDENCE

    def with_confidence(self, confidence: float) -> Comparison:
        """Return the same difference with one-sided bounds of another confidence, in (0.5, 1)."""
        half = t_quantile(confidence, self.clusters - 1) * self.error
        return replace(self, lower=self.difference - half, upper=self.difference + half, confidence=confidence)

    def share_below(self, margin: float) -> float:
        """Return the one-sided p-value of "the true difference is at or above ``margin``", small if it is surely below."""
        if self.error == 0:
            return 1.0 if self.difference >= margin else 0.0
        return t_share_above((margin - self.difference) / self.error, self.clusters - 1)

    def to_mapping(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        return asdict(self)


def compare(labels: np.ndarray, challenger: np.ndarray, champion: np.ndarray, days: np.ndarray, task: Task | Target) -> Comparison:
    """Compare two models by what the task is judged by.

    That is the AUC of two classes, the log-loss of several, the mean squared error of a number, and the pinball loss of quantiles.

    Parameters
    ----------
    labels : ndarray of float64, shape (rows,)
        What happened (see ``Target.codes``).
    challenger, champion : ndarray of float64, shape (rows,) or (rows, answers)
        Both models' scores of the same rows.
    days : ndarray of int, shape (rows,)
        The day of each row's cutoff, counted from any day.
    task : str or Target
        What is answered, by both.

    Returns
    -------
    Comparison
        The difference of AUCs, or champion's less challenger's loss.

    Raises
    ------
    EmptySampleError
        If the rows are of fewer than two days, or of one class only.
    """
    target = as_target(task)
    if target.task == "regression":
        return _compare_means("mean squared error", (challenger - labels) ** 2, (champion - labels) ** 2, days)
    if target.task == "multiclass":
        return _compare_means("log-loss", class_log_losses(labels, challenger), class_log_losses(labels, champion), days)
    if target.task == "quantiles":
        ours, theirs = (pinball_losses(labels, scores, target.quantiles) for scores in (challenger, champion))
        return _compare_means("pinball loss", ours, theirs, days)
    first, first_influence = auc_influence(labels, challenger)
    second, second_influence = auc_influence(labels, champion)
    return _bounded("AUC", first, second, first - second, first_influence - second_influence, days)


def compare_log_loss(labels: np.ndarray, challenger: np.ndarray, champion: np.ndarray, days: np.ndarray) -> Comparison:
    """Compare two classifiers by log-loss; Parameters and Raises are those of ``compare``."""
    return _compare_means("log-loss", log_losses(labels, challenger), log_losses(labels, champion), days)


def _compare_means(measure: str, challenger: np.ndarray, champion: np.ndarray, days: np.ndarray) -> Comparison:
    """Compare two mean losses of the same rows, the lower the better."""
    better = champion - challenger
    difference = float(better.mean())
    influence = (better - difference) / better.size
    return _bounded(measure, float(challenger.mean()), float(champion.mean()), difference, influence, days)


def _bounded(measure: str, challenger: float, champion: float, difference: float, influence: np.ndarray, days: np.ndarray) -> Comparison:
    """Put bounds around a difference, from days or from weeks, whichever has the larger error."""
    import numpy as np

    error, clusters, by = clustered_error(influence, days), int(np.unique(days).size), "day"
    # The days that are left over after the last full week belong to it, unless they are most of one.
    passed = days - days.min()
    weeks = np.minimum(passed // 7, max(1, round((int(passed.max()) + 1) / 7)) - 1)
    if np.unique(weeks).size >= MIN_WEEKS:
        weekly = clustered_error(influence, weeks)
        if weekly > error:
            error, clusters, by = weekly, int(np.unique(weeks).size), "week"
    half = t_quantile(CONFIDENCE, clusters - 1) * error
    return Comparison(
        measure, challenger, champion, difference, error, difference - half, difference + half, by, clusters, int(influence.size)
    )  # fmt: skip
