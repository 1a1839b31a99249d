"""The rows that selection works on: a seeded sample of one split, encoded once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from ml_platform.core.errors import EmptySampleError
from ml_platform.models.trainers.encoding import ModelFeature, to_matrix
from ml_platform.training.target import Target, as_target

if TYPE_CHECKING:
    import numpy as np
    import polars as pl

    from ml_platform.training.labels import Task


@dataclass(frozen=True, eq=False)
class Sample:
    """Encoded rows: ``matrix`` of shape (rows, features), ``labels`` and ``days`` (of the cutoff) of shape (rows,).

    Of several classes ``labels`` are positions in ``classes``.
    """

    matrix: np.ndarray
    features: tuple[ModelFeature, ...]
    labels: np.ndarray
    days: np.ndarray
    task: Task
    classes: tuple[str, ...] = ()

    @property
    def target(self) -> Target:
        """What a model of these rows answers."""
        return Target(self.task, self.classes)

    @property
    def rows(self) -> int:
        """How many rows there are."""
        return self.labels.size

    def take_rows(self, positions: np.ndarray) -> Sample:
        """Return the rows at ``positions`` (repeats are allowed)."""
        return replace(self, matrix=self.matrix[positions], labels=self.labels[positions], days=self.days[positions])

    def take_features(self, positions: Sequence[int]) -> Sample:
        """Return the features at ``positions``, in that order."""
        return replace(self, matrix=self.matrix[:, list(positions)], features=tuple(self.features[p] for p in positions))

    def thin(self, rows: int, seed: int) -> Sample:
        """Return at most ``rows`` rows, drawn without replacement and kept in order."""
        import numpy as np

        if self.rows <= rows:
            return self
        drawn = np.random.default_rng(seed).choice(self.rows, size=rows, replace=False)
        return self.take_rows(np.sort(drawn))


def draw_sample(frame: pl.DataFrame, features: Sequence[ModelFeature], task: Task | Target, *, label: str, rows: int, seed: int) -> Sample:
    """Draw and encode rows.

    Parameters
    ----------
    frame : polars.DataFrame
        Rows of one split, with ``_cutoff``, the label and the features.
    features : sequence of ModelFeature
        What to encode, learnt from training rows.
    task : str or Target
        What is answered; with the classes, where there are several.
    label : str
        The label's column.
    rows : int
        At most so many are drawn, without replacement; they stay in the frame's order.
    seed : int
        Of the drawing.

    Raises
    ------
    EmptySampleError
        If there are no rows, or only one class to tell apart.
    """
    import numpy as np
    import polars as pl

    if frame.height > rows:
        frame = frame[np.sort(np.random.default_rng(seed).choice(frame.height, size=rows, replace=False))]
    target = as_target(task)
    labels = target.codes(frame[label])
    if labels.size == 0 or (target.task == "classification" and (labels == labels[0]).all()):
        raise EmptySampleError(
            f"Selection needs rows of both classes, it has {labels.size} rows, all with one label or none. "
            "Look back further, or land more days."
        )
    days = frame["_cutoff"].dt.epoch("d").cast(pl.Int64).to_numpy()
    return Sample(to_matrix(frame, features), tuple(features), labels, days, target.task, target.classes)
