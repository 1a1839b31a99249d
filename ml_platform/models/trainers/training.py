"""The trainers by name, and how what they made is loaded again."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING

from ml_platform.core.errors import EmptySampleError, ModelError, did_you_mean
from ml_platform.models.trainers.known_trainers import TRAINERS, baseline_of
from ml_platform.models.trainers.task import task_of
from ml_platform.models.trainers.trained import all_rows, read_header
from ml_platform.training.target import as_target, learn_target

__all__ = ["TRAINERS", "baseline_of", "load_trained", "train"]

if TYPE_CHECKING:
    import polars as pl

    from ml_platform.models.trainers.trained import Trained
    from ml_platform.training.labels import Task
    from ml_platform.training.target import Target


def train(
    kind: str,
    frame: pl.DataFrame,
    features: Sequence[str],
    label: str,
    *,
    validate: pl.DataFrame | None = None,
    params: Mapping[str, object] | None = None,
    seed: int = 0,
    task: Task | Target | None = None,
) -> Trained:
    """Train a model.

    Parameters
    ----------
    kind : str
        One of ``TRAINERS``.
    frame : polars.DataFrame
        Training rows with the features and the label; the same rows in the same order give the same bits.
    features : sequence of str
        The columns to learn from, in the order in which the model will keep them.
    label : str
        The column to predict: 0 and 1, numbers, or texts that name classes.
    validate : polars.DataFrame, optional
        Later rows on which early stopping looks; the model is then fitted on both.
    params : mapping, optional
        The trainer's own parameters.
    seed : int
        Of everything that is drawn.
    task : str or Target, optional
        What is answered, with the classes or quantiles where there are several; told from the labels if not given.

    Returns
    -------
    Trained
        The model of all given rows.

    Raises
    ------
    EmptySampleError
        If there are no training rows, or a label is missing.
    ModelError
        If a parameter or a feature cannot be used, or all labels are equal.
    UnknownNameError
        If there is no such trainer.
    """
    trainer = TRAINERS.get(kind)
    if frame.height == 0:
        raise EmptySampleError("There are no training rows. Land more days, or look back further.")
    validate = validate if validate is not None and validate.height > 0 else None
    target = as_target(task) if task else learn_target(task_of(frame[label].to_numpy()), all_rows(frame, validate)[label])
    if target.task in ("classification", "multiclass") and frame[label].n_unique() < 2:
        value = frame[label][0] if target.classes else f"{frame[label][0]:g}"
        raise ModelError(f"All {frame.height} training rows have the label {value}: nothing to tell apart. Look back further.")
    return trainer.train(frame, features, label, validate=validate, params=params or {}, seed=seed, target=target)


def load_trained(files: Mapping[str, bytes]) -> Trained:
    """Load a model from the files of ``Trained.to_files``.

    Parameters
    ----------
    files : mapping of str to bytes
        Bytes whose digest was checked; more files than the model's own do not matter.

    Raises
    ------
    ModelError
        If a file is missing or damaged, or its trainer is not known here.
    """
    kind = str(read_header(files).get("kind"))
    trainer = TRAINERS.find(kind)
    if trainer is None:
        raise ModelError(f"The model was made by a trainer {kind!r} that is not installed here. {did_you_mean(kind, TRAINERS.names())}")
    return trainer.load(files)
