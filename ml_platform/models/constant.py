"""The constant: the mean label of the training rows, the least that a model has to beat."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ml_platform.core.errors import ModelError
from ml_platform.models.encoding import ModelFeature
from ml_platform.models.parameters import check_params
from ml_platform.models.trained import all_rows, read_header, write_header

if TYPE_CHECKING:
    import numpy as np
    import polars as pl

    from ml_platform.training.labels import Task

KIND = "constant"


@dataclass(frozen=True)
class ConstantTrained:
    """One value for every row; it reads no feature."""

    task: Task
    value: float
    features: tuple[ModelFeature, ...] = ()
    kind: str = KIND

    def predict(self, frame: pl.DataFrame) -> np.ndarray:
        """Score rows (see ``Trained.predict``)."""
        import numpy as np

        return np.full(frame.height, self.value)

    def importance(self) -> dict[str, float]:
        """Return nothing: no feature contributes."""
        return {}

    def to_files(self) -> dict[str, bytes]:
        """Return ``model.json``."""
        return {"model.json": write_header(self, value=self.value)}

    @staticmethod
    def from_files(files: Mapping[str, bytes]) -> ConstantTrained:
        """Read what ``to_files`` wrote."""
        header = read_header(files)
        try:
            return ConstantTrained(header["task"], float(header["value"]))
        except (KeyError, TypeError, ValueError) as error:
            raise ModelError(f"The constant cannot be loaded: model.json lacks or spoils {error}. Train it again.") from error


def train(
    frame: pl.DataFrame,
    features: Sequence[str],
    label: str,
    *,
    validate: pl.DataFrame | None,
    params: Mapping[str, object],
    seed: int,
    task: Task,
) -> ConstantTrained:
    """Take the mean label of all rows; Parameters, Returns and Raises are those of ``trainers.train``."""
    del features, seed
    check_params(KIND, params, ())
    # Summed by numpy in one order: Polars splits a mean over its threads.
    return ConstantTrained(task, float(all_rows(frame, validate)[label].to_numpy().mean()))
