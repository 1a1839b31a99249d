"""How the scores of some rows lie beside those of the training rows, as data of a plot that fits the question that was asked."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from ml_platform.training.steps import STEP, STEPS_AHEAD
from ml_platform.training.target import SCORE, Target, class_column, is_score_column, quantile_column

if TYPE_CHECKING:
    import polars as pl

SCORE_BINS = 20
_TENTHS = 10
# Of numbers the outermost half percent goes into the outermost bins: one price of a castle would press all houses into one bar.
_OUTLIERS = (0.5, 99.5)
# Between these percentages of the rows lie the scores of a step; a model of quantiles has its own.
_BAND = (10, 90)


def plotted_columns(columns: Sequence[str], *, steps: bool) -> list[str]:
    """Return the columns that a plot of scores is made from, of those that are there; the step only where a forecast has steps."""
    return [name for name in columns if is_score_column(name) or (steps and name in (STEP, STEPS_AHEAD))]


def scores_by_question(target: Target, reference: pl.DataFrame, current: pl.DataFrame) -> tuple[str, dict[str, Any]]:
    """Return the kind and the data of the plot that shows scores of this kind.

    Parameters
    ----------
    target : Target
        What the model answers.
    reference, current : DataFrame
        Scores of the training rows and of the rows that are looked at: the columns of ``target``, and the step of a forecast.

    Returns
    -------
    tuple of str and dict
        ``classes``: mean probability by class. ``bands``: the middle and the ends of what is to be expected, by step of a forecast, or by
        tenth of the rows of a model of quantiles. ``scores``: the shares of rows by score. Without rows on a side the lists are empty.
    """
    if target.task == "multiclass":
        return "classes", class_figure(target.classes, reference, current)
    if step := _step(current):
        return "bands", _by_step(target, reference, current, step)
    if target.task == "quantiles":
        return "bands", _by_tenth(target, reference, current)
    numbers = target.task == "regression"
    return "scores", score_figure(reference[SCORE].to_numpy(), current[SCORE].to_numpy(), clipped=numbers)


def score_figure(
    reference: NDArray[np.float64], current: NDArray[np.float64], *, bins: int = SCORE_BINS, clipped: bool = False
) -> dict[str, list[float]]:
    """Return the data of the score plot: shares of rows in bins of equal width, over both samples.

    Parameters
    ----------
    reference, current : ndarray of shape (rows,)
        Scores; those that are not finite are left out.
    bins : int
        How many.
    clipped : bool
        Whether the lowest and highest half percent of all scores count to the outermost bins.

    Returns
    -------
    dict
        ``edges`` (bins + 1), ``reference`` and ``current`` (bins, each with sum 1); empty lists where a side has no score.
    """
    sides = [side[np.isfinite(side)] for side in (reference, current)]
    if not all(side.size for side in sides):
        return {"edges": [], "reference": [], "current": []}
    if clipped:
        low, high = np.percentile(np.concatenate(sides), _OUTLIERS)
        sides = [np.clip(side, low, high) for side in sides]
    edges = np.histogram_bin_edges(np.concatenate(sides), bins=bins)
    before, now = (np.histogram(side, bins=edges)[0] / side.size for side in sides)
    return {"edges": edges.tolist(), "reference": before.tolist(), "current": now.tolist()}


def class_figure(classes: Sequence[str], reference: pl.DataFrame, current: pl.DataFrame) -> dict[str, list[Any]]:
    """Return the mean probability of each class, the likeliest of the training rows first; empty lists without rows to look at."""
    if current.is_empty():
        return {"classes": [], "reference": [], "current": []}
    before, now = ({name: _mean(side, class_column(name)) for name in classes} for side in (reference, current))
    order = sorted(classes, key=lambda name: (-(before[name] or 0.0), name))
    return {"classes": order, "reference": [before[name] for name in order], "current": [now[name] for name in order]}


def _step(rows: pl.DataFrame) -> str | None:
    """Return the column that says which step a row is of: its key, or the feature of that."""
    return next((name for name in (STEP, STEPS_AHEAD) if name in rows.columns), None)


def _by_step(target: Target, reference: pl.DataFrame, current: pl.DataFrame, column: str) -> dict[str, Any]:
    import polars as pl

    steps = current[column].drop_nulls().unique().sort().to_list()
    now = [_band(target, current.filter(pl.col(column) == step)) for step in steps]
    # A model that did not choose the step as a feature keeps no step of its training rows: they are one band.
    known = _step(reference)
    before = [_band(target, reference.filter(pl.col(known) == step) if known else reference) for step in steps]
    return _bands("step", [str(step) for step in steps], before, now)


def _by_tenth(target: Target, reference: pl.DataFrame, current: pl.DataFrame) -> dict[str, Any]:
    if current.is_empty():
        return _bands("", [], [], [])
    before, now = ([_band(target, part) for part in _tenths(side)] for side in (reference, current))
    return _bands("rows by tenth, from the lowest to the highest median", [str(n + 1) for n in range(_TENTHS)], before, now)


def _tenths(side: pl.DataFrame) -> list[pl.DataFrame]:
    rows = side.sort(SCORE)
    ends = [round(rows.height * n / _TENTHS) for n in range(_TENTHS + 1)]
    return [rows[start:end] for start, end in pairwise(ends)]


def _band(target: Target, rows: pl.DataFrame) -> Mapping[str, float | None]:
    """Return the lower end, the middle and the upper end of what is to be expected of some rows."""
    if target.quantiles:
        outer = [quantile_column(target.quantiles[n]) for n in (0, -1)]
        return {"low": _mean(rows, outer[0]), "middle": _mean(rows, SCORE), "high": _mean(rows, outer[1])}
    scores = rows[SCORE].drop_nulls().to_numpy()
    if not scores.size:
        return {"low": None, "middle": None, "high": None}
    low, high = np.percentile(scores, _BAND)
    return {"low": float(low), "middle": float(np.mean(scores)), "high": float(high)}


def _bands(along: str, at: Sequence[str], before: Sequence[Mapping[str, Any]], now: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    sides = {"reference": before, "current": now}
    return {"at": list(at), "along": along, **{side: {n: [b[n] for b in bands] for n in _ENDS} for side, bands in sides.items()}}


_ENDS = ("low", "middle", "high")


def _mean(rows: pl.DataFrame, column: str) -> float | None:
    """Return the mean of a column; None without rows, and of a class that a model has not learnt."""
    if column not in rows.columns:
        return None
    mean = rows[column].mean()
    return float(mean) if isinstance(mean, int | float) and math.isfinite(mean) else None
