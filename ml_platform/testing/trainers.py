"""The contract of trainers."""

from __future__ import annotations

import functools
import json
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import polars as pl
import pytest

from ml_platform.core.errors import ModelError
from ml_platform.models.trainers.known_trainers import TRAINERS
from ml_platform.models.trainers.training import load_trained, train
from ml_platform.testing.rows import rows_for
from ml_platform.training.target import Target

if TYPE_CHECKING:
    from ml_platform.models.trainers.trained import Trained
    from ml_platform.training.labels import Task

QUANTILES = Target("quantiles", quantiles=(0.1, 0.5, 0.9))
SEVERAL = ("multiclass", "quantiles")


def trained_on(kind: str, task: Task, **more: object) -> Trained:
    """Train on the made rows of a task; ``more`` goes to ``train``."""
    rows = rows_for(task)
    features = [name for name in rows.columns if not name.startswith("_")]
    learnt, later = (rows.filter(pl.col("_split") == split) for split in ("train", "validate"))
    return train(kind, learnt, features, "_label", validate=later, task=QUANTILES if task == "quantiles" else None, **more)  # type: ignore[arg-type]


@functools.cache
def trained_once(kind: str, task: Task) -> Trained:
    """Return one model of a kind and task for all tests that only look at it."""
    return trained_on(kind, task)


class TrainerContract:
    """What every trainer keeps, for each task that it can learn. Subclass it, with the ``names`` of yours."""

    names: ClassVar[tuple[str, ...]] = ()

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Run each test for each trainer and task."""
        cases = [(name, task) for name in self.names for task in TRAINERS.get(name).tasks]
        metafunc.parametrize(("kind", "task"), cases, ids=["-".join(case) for case in cases])

    def test_scores_are_finite_and_probabilities_where_classes_are_predicted(self, kind: str, task: Task) -> None:
        rows, trained = rows_for(task), trained_once(kind, task)
        scores = trained.predict(rows)
        assert (trained.kind, trained.task) == (kind, task)
        assert scores.shape == ((rows.height, 3) if task in SEVERAL else (rows.height,))
        assert scores.dtype == np.float64
        assert np.isfinite(scores).all()
        if task in ("classification", "multiclass"):
            assert ((scores >= 0) & (scores <= 1)).all()
        if task == "multiclass":
            assert trained.target.classes == ("much", "none", "some")
            np.testing.assert_allclose(scores.sum(axis=1), 1)
        if task == "quantiles":
            assert (np.diff(scores, axis=1) >= 0).all()

    def test_files_give_the_same_scores_to_the_last_bit(self, kind: str, task: Task) -> None:
        rows, trained = rows_for(task), trained_once(kind, task)
        files = trained.to_files()
        loaded = load_trained(files)
        np.testing.assert_array_equal(loaded.predict(rows), trained.predict(rows))
        assert (loaded.kind, loaded.task, loaded.features) == (kind, task, trained.features)
        assert loaded.to_files() == files
        assert json.loads(files["model.json"])["kind"] == kind

    def test_the_same_rows_and_seed_give_the_same_bytes(self, kind: str, task: Task) -> None:
        assert trained_on(kind, task).to_files() == trained_once(kind, task).to_files()

    def test_columns_are_found_by_name(self, kind: str, task: Task) -> None:
        rows, trained = rows_for(task), trained_once(kind, task)
        np.testing.assert_array_equal(trained.predict(rows.select(reversed(rows.columns))), trained.predict(rows))

    def test_a_missing_feature_is_refused(self, kind: str, task: Task) -> None:
        trained = trained_once(kind, task)
        if not trained.features:
            pytest.skip("it reads no feature")
        with pytest.raises(ModelError, match="not in the rows to score: strong"):
            trained.predict(rows_for(task).drop("strong"))

    def test_unseen_categories_and_missing_values_are_scored(self, kind: str, task: Task) -> None:
        strange = rows_for(task).head(5).with_columns(place=pl.lit("XXX"), strong=pl.lit(None, pl.Float64))
        assert np.isfinite(trained_once(kind, task).predict(strange)).all()

    def test_no_rows_have_no_scores(self, kind: str, task: Task) -> None:
        assert trained_once(kind, task).predict(rows_for(task).head(0)).shape == ((0, 3) if task in SEVERAL else (0,))

    def test_importance_is_a_share_per_feature(self, kind: str, task: Task) -> None:
        trained = trained_once(kind, task)
        shares = trained.importance()
        assert set(shares) == {feature.name for feature in trained.features}
        assert not shares or sum(shares.values()) == pytest.approx(1)

    def test_an_unknown_parameter_is_named(self, kind: str, task: Task) -> None:
        with pytest.raises(ModelError, match=f"The trainer '{kind}' has no parameter 'learning_rat'"):
            trained_on(kind, task, params={"learning_rat": 0.1})

    def test_a_model_without_its_header_is_refused(self, kind: str, task: Task) -> None:
        files = trained_once(kind, task).to_files()
        del files["model.json"]
        with pytest.raises(ModelError, match=r"'model.json' is missing"):
            load_trained(files)

    def test_a_header_that_was_changed_is_refused(self, kind: str, task: Task) -> None:
        files = trained_once(kind, task).to_files()
        header = json.loads(files["model.json"])
        header["features"] = header["features"][1:] or [{"name": "x", "dtype": "Int64", "categories": None}]
        with pytest.raises(ModelError, match="are not those that the model was trained with"):
            load_trained({**files, "model.json": json.dumps(header).encode()})
