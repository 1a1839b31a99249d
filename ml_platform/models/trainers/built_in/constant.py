"""The constant: the mean label of the training rows (or the share of each class, or its quantiles), the least that a model has to beat."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ml_platform.core.errors import ModelError
from ml_platform.models.trainers.encoding import ModelFeature
from ml_platform.models.trainers.parameters import check_params
from ml_platform.models.trainers.trained import all_rows, read_header, write_header

if TYPE_CHECKING:
    import numpy as np
    import polars as pl

    from ml_platform.training.labels import Task
    from ml_platform.training.target import Target

KIND = "constant"


@dataclass(frozen=True)
class ConstantTrained:
    """One answer for every row, of one value or several; it reads no feature."""

    target: Target
    values: tuple[float, ...]
    features: tuple[ModelFeature, ...] = ()
    kind: str = KIND

    @property
    def task(self) -> Task:
        """What it predicts."""
        return self.target.task

    def predict(self, frame: pl.DataFrame) -> np.ndarray:
        """Score rows (see ``Trained.predict``)."""
        import numpy as np

        if self.target.task in ("classification", "regression"):
            return np.full(frame.height, self.values[0])
        return np.tile(np.asarray(self.values), (frame.height, 1))

    def importance(self) -> dict[str, float]:
        """Return nothing: no feature contributes."""
        return {}

    def to_files(self) -> dict[str, bytes]:
        """Return ``model.json``."""
        return {"model.json": write_header(self, value=self.values[0] if len(self.values) == 1 else list(self.values))}

    @staticmethod
    def from_files(files: Mapping[str, bytes]) -> ConstantTrained:
        """Read what ``to_files`` wrote."""
        header = read_header(files)
        try:
            value = header["value"]
            return ConstantTrained(header["target"], tuple(map(float, value if isinstance(value, list) else [value])))
        except (KeyError, TypeError, ValueError) as error:
            raise ModelError(f"The constant cannot be loaded: model.json lacks or spoils {error}. Train it again.") from error


class ConstantTrainer:
    """The mean label, the share of each class, or the quantiles."""

    name = KIND
    tasks: tuple[Task, ...] = ("classification", "multiclass", "regression", "quantiles")

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
    ) -> ConstantTrained:
        """Take the mean label of all rows, the share of each class, or the quantiles; the rest is as in ``Trainer.train``."""
        del features, seed
        check_params(KIND, params, ())
        import numpy as np

        labels = target.codes(all_rows(frame, validate)[label])
        if target.task == "multiclass":
            shares = np.bincount(labels.astype(np.int64), minlength=len(target.classes)) / labels.size
            return ConstantTrained(target, tuple(map(float, shares)))
        if target.task == "quantiles":
            return ConstantTrained(target, tuple(map(float, np.quantile(labels, target.quantiles))))
        # Summed by numpy in one order: Polars splits a mean over its threads.
        return ConstantTrained(target, (float(labels.mean()),))

    def load(self, files: Mapping[str, bytes]) -> ConstantTrained:
        """Return the model that some files hold."""
        return ConstantTrained.from_files(files)


TRAINER = ConstantTrainer()
