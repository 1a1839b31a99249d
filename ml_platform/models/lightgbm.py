"""Gradient-boosted trees by LightGBM: early stopping on the validation rows, then a fit of all rows with that many trees."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ml_platform.core.errors import ModelError
from ml_platform.models.encoding import ModelFeature, learn_features, to_matrix
from ml_platform.models.parameters import check_params
from ml_platform.models.trained import all_rows, read_header, to_shares, write_header

if TYPE_CHECKING:
    import lightgbm
    import numpy as np
    import polars as pl

    from ml_platform.training.labels import Task

KIND = "lightgbm"
TEXT = "model.txt"
FIXED: dict[str, Any] = {"deterministic": True, "force_row_wise": True, "verbosity": -1}
# With both settings above the bits do not depend on the number of threads. On small data a second thread mostly waits, and it waits
# by spinning: on a busy machine that made such trainings ten times slower.
THREADS = 2
FEW_CELLS = 1_000_000
DEFAULTS: dict[str, Any] = {
    "learning_rate": 0.08,
    "num_leaves": 31,
    "max_bin": 63,
    "min_data_in_leaf": 50,
    "feature_fraction": 0.8,
    "bagging_fraction": 0.8,
    "bagging_freq": 1,
}
MAX_TREES = 600
# Trees of a model that has no validation rows to stop on.
TREES_UNSEEN = 150
PATIENCE = 50
_OWN = ("max_trees", "patience")
_SET_HERE = (*FIXED, "num_threads", "seed", "objective", "metric", "num_iterations", "early_stopping_round")


@dataclass(frozen=True)
class LightGBMTrained:
    """A booster with the columns it learnt."""

    task: Task
    features: tuple[ModelFeature, ...]
    booster: lightgbm.Booster
    kind: str = KIND

    @property
    def trees(self) -> int:
        """How many trees it has."""
        return self.booster.num_trees()

    def predict(self, frame: pl.DataFrame) -> np.ndarray:
        """Score rows (see ``Trained.predict``)."""
        import numpy as np

        matrix = to_matrix(frame, self.features)
        if matrix.shape[0] == 0:
            return np.empty(0)
        return np.asarray(self.booster.predict(matrix, num_threads=threads_for(matrix)), dtype=np.float64)

    def importance(self) -> dict[str, float]:
        """Return each feature's share of the gain in all splits."""
        gain = self.booster.feature_importance("gain")
        return to_shares({feature.name: float(value) for feature, value in zip(self.features, gain, strict=True)})

    def to_files(self) -> dict[str, bytes]:
        """Return ``model.json`` and the trees as LightGBM's text."""
        return {"model.json": write_header(self, trees=self.trees), TEXT: self.booster.model_to_string().encode()}

    @staticmethod
    def from_files(files: Mapping[str, bytes]) -> LightGBMTrained:
        """Read what ``to_files`` wrote; only from files whose digest was checked: on a damaged text LightGBM ends the process."""
        import lightgbm

        header = read_header(files)
        if TEXT not in files:
            raise ModelError(f"The LightGBM model cannot be loaded: {TEXT} is missing. Its files are {', '.join(sorted(files))}.")
        booster = lightgbm.Booster(model_str=files[TEXT].decode())
        if booster.num_feature() != len(header["features"]) or booster.num_trees() != header["trees"]:
            raise ModelError(
                f"The trees in {TEXT} ({booster.num_trees()} over {booster.num_feature()} features) are not those that model.json "
                f"speaks of ({header['trees']} over {len(header['features'])}). Restore the version's files, or train again."
            )
        return LightGBMTrained(header["task"], header["features"], booster)


def train(
    frame: pl.DataFrame,
    features: Sequence[str],
    label: str,
    *,
    validate: pl.DataFrame | None,
    params: Mapping[str, object],
    seed: int,
    task: Task,
) -> LightGBMTrained:
    """Fit boosted trees.

    Parameters, Returns and Raises are those of ``trainers.train``; ``params`` are LightGBM's own over ``DEFAULTS``,
    and ``max_trees`` (600) and ``patience`` (50 trees without gain on the validation rows).
    """
    check_params(KIND, params, (*_known_params(), *_OWN), fixed=_SET_HERE)
    objective = "binary" if task == "classification" else "regression"
    settings = {**DEFAULTS, **{k: v for k, v in params.items() if k not in _OWN}, **FIXED, "seed": seed, "objective": objective}
    trees = int(params.get("max_trees", MAX_TREES))  # type: ignore[call-overload]
    patience = int(params.get("patience", PATIENCE))  # type: ignore[call-overload]
    if validate is None or validate.height == 0:
        trees = min(trees, TREES_UNSEEN)
    else:
        trees = _best_trees(frame, features, label, validate, settings, trees, patience)
    rows = all_rows(frame, validate)
    columns = learn_features(rows, features)
    return LightGBMTrained(task, columns, fit_trees(to_matrix(rows, columns), rows[label].to_numpy(), columns, settings, trees))


def fit_trees(
    matrix: np.ndarray, target: np.ndarray, columns: Sequence[ModelFeature], settings: Mapping[str, Any], trees: int
) -> lightgbm.Booster:
    """Fit a given number of trees to a matrix of features."""
    import lightgbm

    return lightgbm.train(with_threads(settings, matrix), dataset(matrix, target, columns, settings), num_boost_round=trees)


def threads_for(matrix: np.ndarray) -> int:
    """Return how many threads work on a matrix of this size."""
    return THREADS if matrix.size >= FEW_CELLS else 1


def with_threads(settings: Mapping[str, Any], matrix: np.ndarray) -> dict[str, Any]:
    """Return settings with the number of threads for a training matrix."""
    return {**settings, "num_threads": threads_for(matrix)}


def dataset(
    matrix: np.ndarray,
    target: np.ndarray,
    columns: Sequence[ModelFeature],
    settings: Mapping[str, Any],
    *,
    reference: lightgbm.Dataset | None = None,
) -> lightgbm.Dataset:
    """Bin a matrix of features; ``reference`` lends its bins to validation rows."""
    import lightgbm

    # Positions stand for names: LightGBM forbids characters that a column may have, and the order is ours to keep.
    return lightgbm.Dataset(
        matrix,
        label=target,
        categorical_feature=[index for index, column in enumerate(columns) if column.is_text],
        params=with_threads({name: settings[name] for name in ("max_bin", "min_data_in_leaf", *FIXED) if name in settings}, matrix),
        reference=reference,
        free_raw_data=True,
    )


def _best_trees(
    frame: pl.DataFrame,
    features: Sequence[str],
    label: str,
    validate: pl.DataFrame,
    settings: Mapping[str, Any],
    trees: int,
    patience: int,
) -> int:
    """Return after how many trees the loss on the validation rows is least."""
    import lightgbm

    columns = learn_features(frame, features)
    matrix = to_matrix(frame, columns)
    train_set = dataset(matrix, frame[label].to_numpy(), columns, settings)
    watched = dataset(to_matrix(validate, columns), validate[label].to_numpy(), columns, settings, reference=train_set)
    booster = lightgbm.train(
        with_threads(settings, matrix),
        train_set,
        num_boost_round=trees,
        valid_sets=[watched],
        callbacks=[lightgbm.early_stopping(patience, verbose=False)],
    )
    return max(1, booster.best_iteration)


def _known_params() -> set[str]:
    """Return every parameter name that LightGBM knows; it ignores others in silence, and has no public list."""
    from lightgbm.basic import _ConfigAliases

    aliases = _ConfigAliases._get_all_param_aliases()
    return {name for main, others in aliases.items() for name in (main, *others)}
