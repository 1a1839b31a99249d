"""What a model answers: a probability, one of several classes, a number, or the quantiles of a number; and how each is written down."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ml_platform.core.errors import EmptySampleError

if TYPE_CHECKING:
    import numpy as np
    import polars as pl

    from ml_platform.training.labels import Task

SCORE, CLASS = "_score", "_class"
# With more classes than this nearly all are rare, and a table of their probabilities is read by nobody.
MAX_CLASSES = 100


@dataclass(frozen=True)
class Target:
    """What a model answers.

    A model of several ``classes`` gives a probability for each, one of ``quantiles`` a value for each; the others give one number.
    """

    task: Task
    classes: tuple[str, ...] = ()
    quantiles: tuple[float, ...] = ()

    def codes(self, labels: pl.Series) -> np.ndarray:
        """Return labels as float64, shape (rows,): of a class its position, -1 for one that the model has not learnt; numbers as they are.

        Parameters
        ----------
        labels : Series
            Texts of several classes, else numbers.
        """
        import numpy as np
        import polars as pl

        if self.task != "multiclass":
            return labels.cast(pl.Float64).to_numpy()
        known = labels.cast(pl.String).cast(pl.Enum(list(self.classes)), strict=False).to_physical()
        return known.cast(pl.Int64).fill_null(-1).to_numpy().astype(np.float64)

    @property
    def middle(self) -> int:
        """The position of the quantile that stands for the answer as a whole: the median, or the one nearest to it."""
        return min(range(len(self.quantiles)), key=lambda n: abs(self.quantiles[n] - 0.5))

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of a score, ``_score`` first."""
        if self.task == "multiclass":
            return (SCORE, CLASS, *map(class_column, self.classes))
        return (SCORE, *map(quantile_column, self.quantiles))

    def to_columns(self, scores: np.ndarray) -> dict[str, pl.Series]:
        """Return scores as the columns of a table.

        Parameters
        ----------
        scores : ndarray of float64, shape (rows,) or (rows, answers)
            What ``Trained.predict`` gives.

        Returns
        -------
        dict of str to Series
            ``_score``: the probability of 1, the number, the median, or the probability of the likeliest class, which is ``_class``; and of
            several answers one column each: ``_score_<class>`` or ``_score_q<percent>``.
        """
        import numpy as np
        import polars as pl

        if self.task == "multiclass":
            likeliest = scores.argmax(axis=1) if scores.size else np.empty(0, dtype=np.int64)
            names = pl.Series(list(self.classes), dtype=pl.String).gather(likeliest)
            best = scores.max(axis=1) if scores.size else np.empty(0)
            parts = {SCORE: pl.Series(SCORE, best, dtype=pl.Float64), CLASS: names.alias(CLASS)}
            return parts | {(n := class_column(c)): pl.Series(n, scores[:, k], dtype=pl.Float64) for k, c in enumerate(self.classes)}
        if self.task == "quantiles":
            middle = pl.Series(SCORE, scores[:, self.middle], dtype=pl.Float64)
            parts = {(n := quantile_column(q)): pl.Series(n, scores[:, k], dtype=pl.Float64) for k, q in enumerate(self.quantiles)}
            return {SCORE: middle} | parts
        return {SCORE: pl.Series(SCORE, scores, dtype=pl.Float64)}


def learn_target(task: Task, labels: pl.Series, quantiles: Sequence[float] = ()) -> Target:
    """Return what a model of these labels answers.

    Parameters
    ----------
    task : str
        What is predicted.
    labels : Series
        Of all rows that it learns from, without NULL: the classes are those that occur.
    quantiles : sequence of float
        Of the task ``quantiles``: in rising order, in (0, 1).

    Raises
    ------
    EmptySampleError
        If there are more than 100 classes, or two of them would have one column.
    """
    import polars as pl

    if task != "multiclass":
        return Target(task, quantiles=tuple(quantiles) if task == "quantiles" else ())
    classes = tuple(sorted(labels.cast(pl.String).unique().drop_nulls()))
    if len(classes) > MAX_CLASSES:
        raise EmptySampleError(
            f"The label has {len(classes):,} different values ({', '.join(map(repr, classes[:3]))}, ...), and a model tells at most "
            f"{MAX_CLASSES} classes apart. Group the rare ones in label.sql: `case when ... then ... else 'other' end`."
        )
    column: dict[str, str] = {}
    for name in classes:
        other = column.setdefault(class_column(name), name)
        if other != name:
            raise EmptySampleError(
                f"The classes {other!r} and {name!r} are too alike: the probability of both would be in the column {class_column(name)!r}. "
                "Make them one class in label.sql, e.g. with lower(trim(...)), or give one another name."
            )
    return Target(task, classes=classes)


def as_target(task: Task | Target) -> Target:
    """Return what is answered where the task alone says it."""
    return task if isinstance(task, Target) else Target(task)


def class_column(name: str) -> str:
    """Return the column that holds the probability of a class.

    Examples
    --------
    >>> class_column("Home win"), class_column("1-0")
    ('_score_home_win', '_score_1_0')
    """
    words = re.sub(r"\W+", "_", name.lower()).strip("_")
    return f"{SCORE}_{words}"


def quantile_column(quantile: float) -> str:
    """Return the column that holds a quantile.

    Examples
    --------
    >>> quantile_column(0.1), quantile_column(0.975)
    ('_score_q10', '_score_q97_5')
    """
    percent = f"{100 * quantile:.6f}".rstrip("0").rstrip(".")
    return f"{SCORE}_q{percent.replace('.', '_')}"


def is_score_column(name: str) -> bool:
    """Return whether a column of predictions holds a score, or one of its parts."""
    return name in (SCORE, CLASS) or name.startswith(f"{SCORE}_")
