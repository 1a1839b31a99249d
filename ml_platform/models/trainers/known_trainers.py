"""What a trainer is, and which there are: one registry for declarations, for training and for loading."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Protocol

from ml_platform.core.registry import Registry

if TYPE_CHECKING:
    import polars as pl

    from ml_platform.models.trainers.trained import Trained
    from ml_platform.training.labels import Task
    from ml_platform.training.target import Target


class Trainer(Protocol):
    """Makes models of one kind from training sets, and reads them back from their files."""

    @property
    def name(self) -> str:
        """What declarations call it; its models say so as their ``kind``."""
        ...

    @property
    def tasks(self) -> tuple[Task, ...]:
        """What it can learn: some of ``classification``, ``multiclass``, ``regression`` and ``quantiles``."""
        ...

    def train(
        self,
        frame: pl.DataFrame,
        features: Sequence[str],
        label: str,
        *,
        validate: pl.DataFrame | None,
        params: Mapping[str, object],
        seed: int,
        target: Target,
    ) -> Trained:
        """Train a model.

        Parameters
        ----------
        frame : polars.DataFrame
            Training rows with the features and the label, at least one; the same rows in the same order must give the same bits.
        features : sequence of str
            The columns to learn from, in the order in which the model keeps them.
        label : str
            The column to predict; ``target.codes`` makes numbers of it.
        validate : polars.DataFrame or None
            Later rows, on which early stopping may look; the model is fitted on both in the end.
        params : mapping
            The trainer's own parameters, as declared. One that it does not know must be refused.
        seed : int
            Of everything that is drawn.
        target : Target
            What is asked for, with the classes or quantiles where there are several.

        Raises
        ------
        ModelError
            If a parameter or a feature cannot be used.
        """
        ...

    def load(self, files: Mapping[str, bytes]) -> Trained:
        """Return the model that the files of ``Trained.to_files`` hold.

        Raises
        ------
        ModelError
            If a file is missing or damaged.
        """
        ...


TRAINERS: Registry[Trainer] = Registry(
    "trainer", "ml_platform.trainers", Trainer, built_in="ml_platform.models.trainers.built_in", attribute="TRAINER"
)


def baseline_of(kind: str, task: Task) -> str:
    """Return the baseline that fits the task: of numbers, ``logistic`` means its linear counterpart ``ridge``."""
    return "ridge" if kind == "logistic" and task in ("regression", "quantiles") else kind
