"""What every trained model can do, whatever it was made with."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Protocol

from ml_platform.core.errors import ModelError
from ml_platform.models.trainers.encoding import ModelFeature, fingerprint
from ml_platform.training.target import Target

if TYPE_CHECKING:
    import numpy as np
    import polars as pl

    from ml_platform.training.labels import Task

HEADER = "model.json"


class Trained(Protocol):
    """A trained model: it knows its columns, scores rows, and can be written to files that hold data and no code."""

    @property
    def kind(self) -> str:
        """The trainer that made it."""
        ...

    @property
    def target(self) -> Target:
        """What it answers."""
        ...

    @property
    def task(self) -> Task:
        """What it predicts."""
        ...

    @property
    def features(self) -> tuple[ModelFeature, ...]:
        """The columns that it reads, in its order."""
        ...

    def predict(self, frame: pl.DataFrame) -> np.ndarray:
        """Score rows.

        Parameters
        ----------
        frame : polars.DataFrame
            Columns in any order, those of ``features`` among them.

        Returns
        -------
        ndarray of float64, shape (rows,) or (rows, answers)
            Probabilities of the label in [0, 1], or the predicted values of a regression; of several classes the probability of each, of
            quantiles the value of each, never falling from one to the next.

        Raises
        ------
        ModelError
            If a feature is missing or of another type.
        """
        ...

    def importance(self) -> dict[str, float]:
        """Return what each feature contributes, as shares that sum to 1 (all 0 where nothing contributes)."""
        ...

    def to_files(self) -> dict[str, bytes]:
        """Return the model as named files; ``model.json`` is always one of them."""
        ...


def all_rows(frame: pl.DataFrame, validate: pl.DataFrame | None) -> pl.DataFrame:
    """Return the training rows with the validation rows after them: what a trainer without early stopping, or after it, fits."""
    import polars as pl

    return frame if validate is None else pl.concat([frame, validate])


def write_header(trained: Trained, **more: Any) -> bytes:
    """Return ``model.json``: kind, task, features with their fingerprint, and what else the kind needs."""
    header = {
        "kind": trained.kind,
        "task": trained.target.task,
        **({"classes": list(trained.target.classes)} if trained.target.classes else {}),
        **({"quantiles": list(trained.target.quantiles)} if trained.target.quantiles else {}),
        "features": [feature.to_mapping() for feature in trained.features],
        "fingerprint": fingerprint(trained.features),
        **more,
    }
    return json.dumps(header, indent=1, sort_keys=True, allow_nan=False).encode()


def read_header(files: Mapping[str, bytes]) -> dict[str, Any]:
    """Read ``model.json``, with ``features`` and ``target`` as objects.

    Raises
    ------
    ModelError
        If the file is missing, unreadable, or its features are not those it was written with.
    """
    try:
        header = json.loads(files[HEADER])
        header["features"] = tuple(ModelFeature.from_mapping(mapping) for mapping in header["features"])
        header["target"] = Target(header["task"], tuple(header.get("classes", ())), tuple(header.get("quantiles", ())))
        expected, found = header["fingerprint"], fingerprint(header["features"])
    except KeyError as missing:
        raise ModelError(f"The model cannot be loaded: {missing} is missing. Its files are {', '.join(sorted(files))}.") from None
    except (ValueError, TypeError) as error:
        raise ModelError(f"The model cannot be loaded: {HEADER} is damaged ({error}). Restore it, or train again.") from error
    if expected != found:
        raise ModelError(f"The features in {HEADER} are not those that the model was trained with ({found}, expected {expected}).")
    return header


def to_shares(values: Mapping[str, float]) -> dict[str, float]:
    """Scale what is not negative to a sum of 1; all zeros stay zeros."""
    total = sum(values.values())
    return {name: value / total if total > 0 else 0.0 for name, value in values.items()}
