"""Which rows of a training date's window are learned from, chosen by and judged on: always in the order of time."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

import polars as pl

from ml_platform.core.durations import format_duration
from ml_platform.core.errors import EmptySampleError
from ml_platform.training.labels import LABEL, Task, is_mature
from ml_platform.training.problem import Training
from ml_platform.training.spine import CUTOFF, TIME

SPLIT = "_split"
SPLITS = ("train", "validate", "test")


@dataclass(frozen=True)
class SplitBounds:
    """The times that cut the window of one training date.

    Cutoffs ``c`` with ``start <= c <= end`` can be used (``end`` is the last one that is mature at the training date):
    train from ``start``, validate from ``validate``, test from ``test``.
    """

    training_date: datetime
    start: datetime
    validate: datetime
    test: datetime
    end: datetime


@dataclass(frozen=True)
class SplitRows:
    """The rows of one training date, each with its ``_split``.

    ``purged`` rows were left out because what their label observes reaches into the next split; ``immature`` ones because their label is
    not known at the training date.
    """

    rows: pl.DataFrame
    bounds: SplitBounds
    purged: int
    immature: int


def split_bounds(training_date: datetime, training: Training, maturity: timedelta, observed_until: datetime | None = None) -> SplitBounds:
    """Cut the window of a training date.

    Parameters
    ----------
    training_date : datetime
        T, aware; a model of T may use what is known at T.
    training : Training
        Lengths of the window, of the test and of the validation.
    maturity : timedelta
        From a cutoff to the moment at which its label is known.
    observed_until : datetime, optional
        Up to when answers have been delivered, where that is before the training date.

    Returns
    -------
    SplitBounds
        ``test`` covers the last ``training.test`` of the mature range, ``validate`` the ``training.validate`` before it.
    """
    end = min(training_date, observed_until or training_date) - maturity
    test = end - training.test
    return SplitBounds(training_date, training_date - training.look_back, test - training.validate, test, end)


def split_rows(
    rows: pl.DataFrame,
    training_date: datetime,
    training: Training,
    *,
    horizon: timedelta,
    maturity: timedelta,
    observed_until: datetime | None = None,
) -> SplitRows:
    """Give each row of a training date's window its split.

    A row whose observation ``[cutoff, cutoff + horizon)`` reaches past the start of the next split is purged: its label would tell about
    the very days that the next split is to judge.

    Parameters
    ----------
    rows : DataFrame
        Any rows with ``_cutoff``; those outside the window are not taken.
    training_date, training, maturity, observed_until
        As in `split_bounds`.
    horizon : timedelta
        Length of the label's observation.

    Returns
    -------
    SplitRows
        Rows in their order, with ``_split`` as ``train``, ``validate`` or ``test``.
    """
    bounds = split_bounds(training_date, training, maturity, observed_until)
    cutoff = pl.col(CUTOFF)
    window = rows.filter(cutoff >= _at(bounds.start), cutoff < _at(training_date))
    mature = window.filter(is_mature(maturity, bounds.end + maturity))
    until = cutoff + horizon
    named = mature.with_columns(
        pl.when(cutoff >= _at(bounds.test))
        .then(pl.lit("test"))
        .when((cutoff >= _at(bounds.validate)) & (until <= _at(bounds.test)))
        .then(pl.lit("validate"))
        .when((cutoff < _at(bounds.validate)) & (until <= _at(bounds.validate)))
        .then(pl.lit("train"))
        .alias(SPLIT)
    )
    kept = named.filter(pl.col(SPLIT).is_not_null())
    return SplitRows(kept, bounds, purged=named.height - kept.height, immature=window.height - mature.height)


def check_splits(split: SplitRows, task: Task, training: Training) -> None:
    """Make sure that a model can be trained, chosen and judged on these rows.

    Parameters
    ----------
    split : SplitRows
        Rows with ``_split`` and ``_label``.
    task : str
        ``classification`` asks for both classes in each split, the others for more than one value in train.
    training : Training
        For the message.

    Raises
    ------
    EmptySampleError
        If a split has no rows, or only one answer; the message says which, why, and what to change.
    """
    for name in SPLITS:
        labels = split.rows.filter(pl.col(SPLIT) == name)[LABEL].drop_nulls()
        where = f"Training date {split.bounds.training_date:%Y-%m-%d}: {_what(name, split.bounds)}"
        if labels.is_empty():
            raise EmptySampleError(f"{where} has no labelled rows. {_way_out(split, training)}")
        if (task == "classification" or name == "train") and labels.n_unique() < 2:
            value = labels[0] if isinstance(labels[0], str) else f"{labels[0]:g}"
            raise EmptySampleError(
                f"{where} has {labels.len()} rows, and the label of each is {value}: nothing can be learned or judged from one answer. "
                f"Make the split longer, look at label.sql and label.without_rows, or take another training date."
            )


def _what(name: str, bounds: SplitBounds) -> str:
    start, end = {
        "train": (bounds.start, bounds.validate),
        "validate": (bounds.validate, bounds.test),
        "test": (bounds.test, bounds.end),
    }[name]
    return f"the {name} split (cutoffs from {start:%Y-%m-%d %H:%M} to {end:%Y-%m-%d %H:%M} UTC)"


def _way_out(split: SplitRows, training: Training) -> str:
    rows = split.rows
    if rows.is_empty():
        waiting = f" {split.immature} rows of the window are not mature yet." if split.immature else ""
        return f"No row of its whole window can be used.{waiting} Land the days before the training date, or take a later one."
    first, last = rows[CUTOFF].min(), rows[CUTOFF].max()
    lengths = f"validate ({format_duration(training.validate)}) and test ({format_duration(training.test)})"
    return (
        f"The window's usable rows have cutoffs from {first:%Y-%m-%d %H:%M} to {last:%Y-%m-%d %H:%M}; {split.purged} were left out because "
        f"their label reaches into the next split. Take a later training date, land the days that are missing, or make {lengths} shorter."
    )


def _at(time: datetime) -> pl.Expr:
    return pl.lit(time).cast(TIME)
