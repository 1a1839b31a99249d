"""Gradient-boosted trees by LightGBM: early stopping on the validation rows, then a fit of all rows with that many trees."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ml_platform.core.errors import ModelError
from ml_platform.models.trainers.encoding import ModelFeature, learn_features, to_matrix
from ml_platform.models.trainers.parameters import check_params
from ml_platform.models.trainers.trained import all_rows, read_header, to_shares, write_header
from ml_platform.training.target import quantile_column

if TYPE_CHECKING:
    import lightgbm
    import numpy as np
    import polars as pl

    from ml_platform.training.labels import Task
    from ml_platform.training.target import Target

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
_SET_HERE = (*FIXED, "num_threads", "seed", "objective", "metric", "num_iterations", "early_stopping_round", "num_class", "alpha")
# What a model of these tasks gives for a row is several numbers.
SEVERAL = ("multiclass", "quantiles")


@dataclass(frozen=True)
class LightGBMTrained:
    """A booster with the columns it learnt; of quantiles, a booster for each."""

    target: Target
    features: tuple[ModelFeature, ...]
    boosters: tuple[lightgbm.Booster, ...]
    kind: str = KIND

    @property
    def trees(self) -> int:
        """How many trees it has."""
        return sum(booster.num_trees() for booster in self.boosters)

    @property
    def task(self) -> Task:
        """What it predicts."""
        return self.target.task

    def predict(self, frame: pl.DataFrame) -> np.ndarray:
        """Score rows (see ``Trained.predict``)."""
        import numpy as np

        matrix = to_matrix(frame, self.features)
        if matrix.shape[0] == 0:
            return np.empty((0, len(self.target.classes) or len(self.boosters)) if self.target.task in SEVERAL else 0)
        found = [np.asarray(booster.predict(matrix, num_threads=threads_for(matrix)), dtype=np.float64) for booster in self.boosters]
        # Quantiles that were fitted one by one can cross; in order they are no further from the truth (Chernozhukov et al., 2010).
        return np.sort(np.column_stack(found), axis=1) if self.target.task == "quantiles" else found[0]

    def importance(self) -> dict[str, float]:
        """Return each feature's share of the gain in all splits."""
        import numpy as np

        gain = np.sum([booster.feature_importance("gain") for booster in self.boosters], axis=0)
        return to_shares({feature.name: float(value) for feature, value in zip(self.features, gain, strict=True)})

    def to_files(self) -> dict[str, bytes]:
        """Return ``model.json`` and the trees as LightGBM's text."""
        texts = {_text_name(self.target, n): booster.model_to_string().encode() for n, booster in enumerate(self.boosters)}
        return {"model.json": write_header(self, trees=self.trees), **texts}

    @staticmethod
    def from_files(files: Mapping[str, bytes]) -> LightGBMTrained:
        """Read what ``to_files`` wrote; only from files whose digest was checked: on a damaged text LightGBM ends the process."""
        import lightgbm

        header = read_header(files)
        names = [_text_name(header["target"], n) for n in range(max(1, len(header["target"].quantiles)))]
        for name in names:
            if name not in files:
                raise ModelError(f"The LightGBM model cannot be loaded: {name} is missing. Its files are {', '.join(sorted(files))}.")
        boosters = tuple(lightgbm.Booster(model_str=files[name].decode()) for name in names)
        trained = LightGBMTrained(header["target"], header["features"], boosters)
        if any(b.num_feature() != len(header["features"]) for b in boosters) or trained.trees != header["trees"]:
            raise ModelError(
                f"The trees in {', '.join(names)} ({trained.trees} over {boosters[0].num_feature()} features) are not those that "
                f"model.json speaks of ({header['trees']} over {len(header['features'])}). Restore the version's files, or train again."
            )
        return trained


def objectives(target: Target) -> list[dict[str, Any]]:
    """Return LightGBM's settings of what a target asks for: of quantiles one after the other, else one."""
    if target.task == "quantiles":
        return [{"objective": "quantile", "alpha": quantile} for quantile in target.quantiles]
    if target.task == "multiclass":
        return [{"objective": "multiclass", "num_class": len(target.classes)}]
    return [{"objective": "binary" if target.task == "classification" else "regression"}]


def _text_name(target: Target, position: int) -> str:
    return TEXT if target.task != "quantiles" else f"{quantile_column(target.quantiles[position]).removeprefix('_score_')}_{TEXT}"


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
    target: Target,
) -> int:
    """Return after how many trees the loss on the validation rows is least."""
    import lightgbm

    columns = learn_features(frame, features)
    matrix = to_matrix(frame, columns)
    train_set = dataset(matrix, target.codes(frame[label]), columns, settings)
    watched = dataset(to_matrix(validate, columns), target.codes(validate[label]), columns, settings, reference=train_set)
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


class LightGBMTrainer:
    """Gradient-boosted trees."""

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
    ) -> LightGBMTrained:
        """Fit boosted trees.

        Parameters, Returns and Raises are those of ``Trainer.train``; ``params`` are LightGBM's own over ``DEFAULTS``,
        and ``max_trees`` (600) and ``patience`` (50 trees without gain on the validation rows).
        """
        check_params(KIND, params, (*_known_params(), *_OWN), fixed=_SET_HERE)
        given = {**DEFAULTS, **{k: v for k, v in params.items() if k not in _OWN}, **FIXED, "seed": seed}
        most = int(params.get("max_trees", MAX_TREES))  # type: ignore[call-overload]
        patience = int(params.get("patience", PATIENCE))  # type: ignore[call-overload]
        rows = all_rows(frame, validate)
        columns = learn_features(rows, features)
        boosters = []
        for objective in objectives(target):
            settings = {**given, **objective}
            if validate is None or validate.height == 0:
                trees = min(most, TREES_UNSEEN)
            else:
                trees = _best_trees(frame, features, label, validate, settings, most, patience, target)
            boosters.append(fit_trees(to_matrix(rows, columns), target.codes(rows[label]), columns, settings, trees))
        return LightGBMTrained(target, columns, tuple(boosters))

    def load(self, files: Mapping[str, bytes]) -> LightGBMTrained:
        """Return the model that some files hold."""
        return LightGBMTrained.from_files(files)


TRAINER = LightGBMTrainer()
