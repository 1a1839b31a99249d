"""Which trainers there are: one list for declarations, for training and for loading. Nothing is imported before it is used."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ml_platform.models.trainers.trained import Trained
    from ml_platform.training.labels import Task


@dataclass(frozen=True)
class Trainer:
    """A trainer: the module with its function ``train``, the class (``module:Class``) that reads its files, and the tasks it can learn."""

    module: str
    trained: str
    tasks: tuple[Task, ...] = ("classification", "multiclass", "regression", "quantiles")

    @property
    def train(self) -> Callable[..., Trained]:
        """The function that trains; see :func:`ml_platform.models.trainers.training.train`."""
        return importlib.import_module(self.module).train

    def load(self, files: Mapping[str, bytes]) -> Trained:
        """Return the model that some files hold."""
        module, _, name = self.trained.partition(":")
        return getattr(importlib.import_module(module), name).from_files(files)


_LINEAR = "ml_platform.models.trainers.linear:LinearTrained"
_CLASSES: tuple[Task, ...] = ("classification", "multiclass")
_NUMBERS: tuple[Task, ...] = ("regression", "quantiles")
TRAINERS: dict[str, Trainer] = {
    "lightgbm": Trainer("ml_platform.models.trainers.lightgbm", "ml_platform.models.trainers.lightgbm:LightGBMTrained"),
    "logistic": Trainer("ml_platform.models.trainers.logistic", _LINEAR, _CLASSES),
    "ridge": Trainer("ml_platform.models.trainers.ridge", _LINEAR, _NUMBERS),
    "constant": Trainer("ml_platform.models.trainers.constant", "ml_platform.models.trainers.constant:ConstantTrained"),
}


def baseline_of(kind: str, task: Task) -> str:
    """Return the baseline that fits the task: of numbers, ``logistic`` means its linear counterpart ``ridge``."""
    return "ridge" if kind == "logistic" and task in _NUMBERS else kind
