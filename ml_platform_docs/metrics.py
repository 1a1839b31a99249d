"""The page of the metrics: those that a small evaluation of each task gives, with what they mean."""

from __future__ import annotations

from collections.abc import Iterable
from typing import get_args

from ml_platform_docs.markdown import code, page, table

# What each means; a metric that the code gives and that has no words here stops the build, and so does one the other way round.
WORDS = {
    "auc": ("How well scores order the rows: the chance that a row with the outcome has a higher score than one without.", "higher"),
    "gini": ("The same on another scale: 2 x AUC - 1, 0 for chance.", "higher"),
    "log_loss": ("How surprised the probabilities are by what happened, in nats per row.", "lower"),
    "brier": ("Mean squared distance between probability and outcome.", "lower"),
    "ece": ("How far probabilities are from the shares that happened, on average over ten groups of scores; biased upwards.", "lower"),
    "accuracy": ("Share of rows whose likeliest class is the right one.", "higher"),
    "macro_f1": (
        "F1 of each class (of precision and recall), their mean over the classes: rare classes count as much as common ones.",
        "higher",
    ),
    "macro_auc": ("AUC of each class against all others, their mean over the classes.", "higher"),
    "rmse": ("Root of the mean squared error, in the unit of the label.", "lower"),
    "mae": ("Mean absolute error, in the unit of the label; of quantiles that of the middle one.", "lower"),
    "r2": ("Share of the label's variance that the scores explain; 0 for the mean, below it for worse.", "higher"),
    "pinball": ("Mean loss of the quantiles: a value too low costs q, one too high 1 - q, per unit.", "lower"),
    "coverage": ("Share of rows between the outer quantiles.", "as declared"),
    "width": ("Mean distance between the outer quantiles, in the unit of the label.", "lower, at the declared coverage"),
    "below_q10, below_q50...": ("Share of rows below each quantile.", "as declared"),
}
TITLES = {
    "classification": "Will it happen? (binary)",
    "multiclass": "Which of several? (multiclass)",
    "regression": "How much? (regression)",
    "quantiles": "How much, and how sure? (quantiles)",
}


def metrics_page() -> str:
    """Return the page of all metrics."""
    sections = [
        f"## {TITLES[task]}\n\n" + table(["metric", "what it means", "better is"], [[code(n), *WORDS[n]] for n in names])
        for task, names in metrics().items()
    ]
    return page(
        "Metrics",
        "How good a model is, on test rows that neither the choice of features nor the training has seen. Every figure has a 95 % interval "
        "that counts days, not rows: rows of one day are alike, so that a thousand of them are not a thousand witnesses.",
        *sections,
        "How two models are compared, and when a new one takes over: [the decision](../explanation/decision.md).",
    )


def metrics() -> dict[str, list[str]]:
    """Return the names of the metrics of each task, as an evaluation gives them."""
    import numpy as np

    from ml_platform.models.figures.evaluation import evaluate
    from ml_platform.training.labels import Task
    from ml_platform.training.target import Target

    days, numbers, classes = np.repeat(np.arange(5), 4), np.linspace(0.1, 0.9, 20), np.arange(20) % 3
    samples = {
        "classification": (Target("classification"), (classes == 0).astype(float), numbers),
        "multiclass": (Target("multiclass", classes=("a", "b", "c")), classes.astype(float), np.full((20, 3), 1 / 3)),
        "regression": (Target("regression"), numbers * 2, numbers),
        "quantiles": (Target("quantiles", quantiles=(0.1, 0.5, 0.9)), numbers, np.column_stack([numbers - 1, numbers, numbers + 1])),
    }
    found = {task: _grouped(evaluate(samples[task][1], samples[task][2], days, samples[task][0]).metrics) for task in get_args(Task)}
    wrong = {name for names in found.values() for name in names} ^ set(WORDS)
    if wrong:
        raise LookupError(f"metrics without words, or words without a metric: {', '.join(sorted(wrong))}")
    return found


def _grouped(names: Iterable[str]) -> list[str]:
    """Return the names with one in the place of those of the single quantiles."""
    return list(dict.fromkeys("below_q10, below_q50..." if name.startswith("below_q") else name for name in names))
