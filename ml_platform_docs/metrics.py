"""The page of the metrics: those that a small evaluation of each task gives, with what they mean."""

from __future__ import annotations

from ml_platform_docs.markdown import code, page, table

# What each means; a metric that the code gives and that has no words here stops the build, and so does one the other way round.
WORDS = {
    "auc": ("How well scores order the rows: the chance that a row with the outcome has a higher score than one without.", "higher"),
    "gini": ("The same on another scale: 2 x AUC - 1, 0 for chance.", "higher"),
    "log_loss": ("How surprised the probabilities are by what happened, in nats per row.", "lower"),
    "brier": ("Mean squared distance between probability and outcome.", "lower"),
    "ece": ("How far probabilities are from the shares that happened, on average over ten groups of scores; biased upwards.", "lower"),
    "rmse": ("Root of the mean squared error, in the unit of the label.", "lower"),
    "mae": ("Mean absolute error, in the unit of the label.", "lower"),
    "r2": ("Share of the label's variance that the scores explain; 0 for the mean, below it for worse.", "higher"),
}


def metrics_page() -> str:
    """Return the page of all metrics."""
    sections = [
        f"## {task.capitalize()}\n\n" + table(["metric", "what it means", "better is"], [[code(n), *WORDS[n]] for n in names])
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

    from ml_platform.models.evaluation import evaluate

    days = np.repeat(np.arange(5), 4)
    scores = np.linspace(0.1, 0.9, 20)
    found = {
        "classification": list(evaluate((np.arange(20) % 3 == 0).astype(float), scores, days, "classification").metrics),
        "regression": list(evaluate(scores * 2, scores, days, "regression").metrics),
    }
    wrong = {name for names in found.values() for name in names} ^ set(WORDS)
    if wrong:
        raise LookupError(f"metrics without words, or words without a metric: {', '.join(sorted(wrong))}")
    return found
