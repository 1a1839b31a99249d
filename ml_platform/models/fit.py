"""One training: the model, the baseline and the constant on the same rows, and how good each is on rows that none has seen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ml_platform.core.errors import EmptySampleError
from ml_platform.models.contender import Role, contender
from ml_platform.models.figures.compare import Comparison, compare
from ml_platform.models.figures.evaluation import Evaluation, evaluate
from ml_platform.models.trainers.built_in.constant import KIND as CONSTANT
from ml_platform.models.trainers.trained import Trained
from ml_platform.models.trainers.training import baseline_of, train
from ml_platform.training.steps import STARTS, STEP
from ml_platform.training.target import learn_target

if TYPE_CHECKING:
    import numpy as np
    import polars as pl

    from ml_platform.training.labels import Task
    from ml_platform.training.problem import Model
    from ml_platform.training.target import Target

SEED = 0


@dataclass(frozen=True, eq=False)
class Fitted:
    """A model with what it is measured by: ``companions`` and ``against`` hold ``baseline`` and ``constant``.

    ``comparisons`` are of the model with each on the test rows; None where the test rows are of one day only. ``steps`` has the figures of
    model and baseline for each step of a forecast in steps.
    """

    trained: Trained
    companions: Mapping[str, Trained]
    evaluation: Evaluation
    against: Mapping[str, Evaluation]
    comparisons: Mapping[str, Comparison | None]
    steps: Mapping[int, tuple[Evaluation, Evaluation]] = field(default_factory=dict)

    @property
    def beats_constant(self) -> bool:
        """Whether it is better than the constant beyond chance (one-sided 95 %)."""
        found = self.comparisons["constant"]
        return found is not None and found.lower > 0

    @property
    def beats_baseline(self) -> bool:
        """Whether it is better than the baseline in figures, or is the baseline itself."""
        found = self.comparisons["baseline"]
        return self.trained.kind == self.companions["baseline"].kind or (found is not None and found.difference > 0)

    @property
    def contender(self) -> Role:
        """Which of the two, model or baseline, may become the champion."""
        same_kind = self.trained.kind == self.companions["baseline"].kind
        return contender(self.comparisons["baseline"], same_kind=same_kind)


def fit(
    frame: pl.DataFrame,
    features: Sequence[str],
    model: Model,
    task: Task,
    *,
    quantiles: Sequence[float] = (),
    label: str = "_label",
    seed: int = SEED,
) -> Fitted:
    """Train a model, the baseline and the constant, and judge them on the test rows.

    Parameters
    ----------
    frame : polars.DataFrame
        A training set: ``_cutoff``, ``_split``, the label and the features; rows without a label are left out.
    features : sequence of str
        The chosen features, in the order in which the model keeps them.
    model : Model
        Trainer, parameters and baseline; the baseline has no parameters of its own.
    task : str
        What is predicted.
    quantiles : sequence of float
        Of the task ``quantiles``: those that are asked for.
    label : str
        The label's column.
    seed : int
        Of everything that is drawn.

    Returns
    -------
    Fitted
        Models of the train and validate rows; figures of the test rows.

    Raises
    ------
    EmptySampleError
        If there are no features, or a split lacks rows or a class.
    ModelError
        If the trainer or a parameter is not known.
    """
    import polars as pl

    if not features:
        raise EmptySampleError("The selection left no feature to train on. Look at the reasons in the selected table.")
    known = frame.filter(pl.col(label).is_not_null())
    split = {name: known.filter(pl.col("_split") == name) for name in ("train", "validate", "test")}
    test = split["test"]
    if test.height == 0:
        raise EmptySampleError("The training set has no test rows: nothing would show what the model is worth. Land more days.")

    target = learn_target(task, pl.concat([split["train"][label], split["validate"][label]]), quantiles)

    def trained_by(kind: str, params: Mapping[str, object] | None = None) -> Trained:
        return train(kind, split["train"], features, label, validate=split["validate"], params=params, seed=seed, task=target)

    trained = trained_by(model.trainer, model.params)
    baseline = baseline_of(model.baseline, task)
    companions = {"baseline": trained_by(baseline), "constant": trained_by(CONSTANT)}
    return measured(trained, companions, test, label=label, metrics=model.metrics)


def measured(
    trained: Trained, companions: Mapping[str, Trained], frame: pl.DataFrame, *, label: str = "_label", metrics: Sequence[str] = ()
) -> Fitted:
    """Judge a model, its baseline and its constant on the test rows of a training set; the other rows are not looked at.

    Parameters
    ----------
    trained, companions : Trained, mapping of str to Trained
        The model, and what it is compared with.
    frame : polars.DataFrame
        The training set, or its test rows.
    label : str
        The label's column.
    metrics : sequence of str
        Which figures are taken; all of the platform's own that fit if none is named.
    """
    import polars as pl

    test = frame.filter(pl.col("_split") == "test", pl.col(label).is_not_null())
    if test.height == 0:
        raise EmptySampleError("The training set has no test rows: nothing shows what the model is worth.")
    target = trained.target
    labels, days = target.codes(test[label]), test["_cutoff"].dt.epoch("d").to_numpy()
    scores = trained.predict(test)
    others = {role: companion.predict(test) for role, companion in companions.items()}
    enough = bool((days != days[0]).any())
    return Fitted(
        trained,
        companions,
        evaluate(labels, scores, days, target, metrics),
        {role: evaluate(labels, values, days, target, metrics) for role, values in others.items()},
        {role: compare(labels, scores, values, days, target) if enough else None for role, values in others.items()},
        _by_step(test, labels, (scores, others["baseline"]), days, target, metrics),
    )


def _by_step(
    test: pl.DataFrame,
    labels: np.ndarray,
    scores: tuple[np.ndarray, np.ndarray],
    days: np.ndarray,
    target: Target,
    metrics: Sequence[str],
) -> dict[int, tuple[Evaluation, Evaluation]]:
    """Judge each step of a forecast in steps; one of which all rows have one class cannot be judged."""
    import numpy as np

    if STARTS not in test.columns or STEP not in test.columns:
        return {}
    found = {}
    for step in test[STEP].unique().sort():
        rows = np.flatnonzero(test[STEP].to_numpy() == step)
        if target.task != "classification" or np.unique(labels[rows]).size > 1:
            found[int(step)] = tuple(evaluate(labels[rows], one[rows], days[rows], target, metrics) for one in scores)
    return found  # type: ignore[return-value]
