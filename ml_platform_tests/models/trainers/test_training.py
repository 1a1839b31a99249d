"""One contract for all trainers."""

import functools
import hashlib
import json
import os
import subprocess
import sys

import numpy as np
import polars as pl
import pytest
from sklearn.linear_model import LogisticRegression, Ridge

from ml_platform.core.errors import EmptySampleError, ModelError
from ml_platform.models.figures.ranking import auc
from ml_platform.models.trainers import lightgbm
from ml_platform.models.trainers.encoding import to_matrix
from ml_platform.models.trainers.linear import LinearTrained
from ml_platform.models.trainers.trained import Trained
from ml_platform.models.trainers.training import TRAINERS, baseline_of, load_trained, train
from ml_platform.training.target import Target
from ml_platform_tests.models.made_rows import features_of, split_of, training_set

CLASSES = training_set()
NUMBERS = training_set(regression=True)
# Three classes, the last of them rare.
TEXTS = NUMBERS.with_columns(
    _label=pl.when(pl.col("_label") > 3).then(pl.lit("much")).when(pl.col("_label") > 0).then(pl.lit("some")).otherwise(pl.lit("none"))
)
CASES = [
    pytest.param(kind, rows, task, id=f"{kind}-{task}")
    for kind, rows, task in [
        ("lightgbm", CLASSES, "classification"),
        ("lightgbm", NUMBERS, "regression"),
        ("logistic", CLASSES, "classification"),
        ("ridge", NUMBERS, "regression"),
        ("constant", CLASSES, "classification"),
        ("constant", NUMBERS, "regression"),
        ("lightgbm", TEXTS, "multiclass"),
        ("logistic", TEXTS, "multiclass"),
        ("constant", TEXTS, "multiclass"),
        ("lightgbm", NUMBERS, "quantiles"),
        ("ridge", NUMBERS, "quantiles"),
        ("constant", NUMBERS, "quantiles"),
    ]
]
ASKED = {"quantiles": Target("quantiles", quantiles=(0.1, 0.5, 0.9))}
ROWS = {"classification": CLASSES, "multiclass": TEXTS}


@functools.cache
def once(kind: str, task: str) -> Trained:
    return trained_on(kind, ROWS.get(task, NUMBERS), task=ASKED.get(task))


def trained_on(kind: str, rows: pl.DataFrame, **more) -> Trained:
    return train(kind, split_of(rows, "train"), features_of(rows), "_label", validate=split_of(rows, "validate"), **more)


def test_every_trainer_is_in_the_contract():
    assert {case.values[0] for case in CASES} == set(TRAINERS)


@pytest.mark.parametrize(("kind", "rows", "task"), CASES)
class TestContract:
    def test_scores_are_finite_and_probabilities_where_classes_are_predicted(self, kind, rows, task):
        trained = once(kind, task)
        scores = trained.predict(rows)
        assert (trained.kind, trained.task) == (kind, task)
        assert scores.shape == ((rows.height, 3) if task in ("multiclass", "quantiles") else (rows.height,))
        assert scores.dtype == np.float64
        assert np.isfinite(scores).all()
        if task in ("classification", "multiclass"):
            assert ((scores >= 0) & (scores <= 1)).all()
        if task == "multiclass":
            assert trained.target.classes == ("much", "none", "some")
            np.testing.assert_allclose(scores.sum(axis=1), 1)
        if task == "quantiles":
            assert (np.diff(scores, axis=1) >= 0).all()

    def test_files_give_the_same_scores_to_the_last_bit(self, kind, rows, task):
        trained = once(kind, task)
        files = trained.to_files()
        loaded = load_trained(files)
        np.testing.assert_array_equal(loaded.predict(rows), trained.predict(rows))
        assert (loaded.kind, loaded.task, loaded.features) == (kind, task, trained.features)
        assert loaded.to_files() == files
        assert json.loads(files["model.json"])["kind"] == kind

    def test_the_same_rows_and_seed_give_the_same_bytes(self, kind, rows, task):
        assert trained_on(kind, rows, task=ASKED.get(task)).to_files() == once(kind, task).to_files()

    def test_columns_are_found_by_name(self, kind, rows, task):
        trained = once(kind, task)
        np.testing.assert_array_equal(trained.predict(rows.select(reversed(rows.columns))), trained.predict(rows))

    def test_a_missing_feature_is_refused(self, kind, rows, task):
        trained = once(kind, task)
        if not trained.features:
            pytest.skip("the constant reads no feature")
        with pytest.raises(ModelError, match="not in the rows to score: strong"):
            trained.predict(rows.drop("strong"))

    def test_unseen_categories_and_missing_values_are_scored(self, kind, rows, task):
        trained = once(kind, task)
        strange = rows.head(5).with_columns(place=pl.lit("XXX"), strong=pl.lit(None, pl.Float64))
        assert np.isfinite(trained.predict(strange)).all()

    def test_no_rows_have_no_scores(self, kind, rows, task):
        assert once(kind, task).predict(rows.head(0)).shape == ((0, 3) if task in ("multiclass", "quantiles") else (0,))

    def test_importance_is_a_share_per_feature(self, kind, rows, task):
        trained = once(kind, task)
        shares = trained.importance()
        assert set(shares) == {feature.name for feature in trained.features}
        assert not shares or sum(shares.values()) == pytest.approx(1)

    def test_an_unknown_parameter_is_named(self, kind, rows, task):
        with pytest.raises(ModelError, match=f"The trainer '{kind}' has no parameter 'learning_rat'"):
            trained_on(kind, rows, params={"learning_rat": 0.1}, task=ASKED.get(task))

    def test_a_model_without_its_header_is_refused(self, kind, rows, task):
        files = once(kind, task).to_files()
        del files["model.json"]
        with pytest.raises(ModelError, match=r"'model.json' is missing"):
            load_trained(files)

    def test_a_header_that_was_changed_is_refused(self, kind, rows, task):
        trained = once(kind, task)
        header = json.loads(trained.to_files()["model.json"])
        header["features"] = header["features"][1:] or [{"name": "x", "dtype": "Int64", "categories": None}]
        with pytest.raises(ModelError, match="are not those that the model was trained with"):
            load_trained({**trained.to_files(), "model.json": json.dumps(header).encode()})


def test_the_model_finds_what_is_there():
    test = split_of(CLASSES, "test")
    quality = {
        kind: auc(test["_label"].to_numpy(), once(kind, "classification").predict(test)) for kind in ("lightgbm", "logistic", "constant")
    }
    assert quality["lightgbm"] > 0.75
    assert quality["logistic"] > 0.75
    assert quality["constant"] == 0.5


def test_the_logistic_model_scores_as_scikit_learn_does():
    trained = once("logistic", "classification")
    assert isinstance(trained, LinearTrained)
    learnt = CLASSES.filter(pl.col("_split") != "test")
    design = trained.design.transform(to_matrix(learnt, trained.features))
    peer = LogisticRegression(C=1.0, tol=1e-8, max_iter=1000).fit(design, learnt["_label"].to_numpy())
    np.testing.assert_allclose(trained.predict(learnt), peer.predict_proba(design)[:, 1], atol=2e-4)


def test_the_logistic_model_of_several_classes_scores_as_scikit_learn_does():
    trained = once("logistic", "multiclass")
    assert isinstance(trained, LinearTrained)
    learnt = TEXTS.filter(pl.col("_split") != "test")
    design = trained.design.transform(to_matrix(learnt, trained.features))
    peer = LogisticRegression(C=1.0, tol=1e-8, max_iter=1000).fit(design, learnt["_label"].to_list())
    assert list(peer.classes_) == list(trained.target.classes)
    np.testing.assert_allclose(trained.predict(learnt), peer.predict_proba(design), atol=2e-3)
    two = learnt.filter(pl.col("_label") != "much")
    scores = train("logistic", two, ["strong"], "_label").predict(two)
    assert scores.shape == (two.height, 2)
    assert (np.array(["none", "some"])[scores.argmax(axis=1)] == two["_label"].to_numpy()).mean() > 0.7


@pytest.mark.parametrize("kind", ["lightgbm", "ridge", "constant"])
def test_as_many_labels_lie_below_a_quantile_as_it_says(kind):
    learnt = NUMBERS.filter(pl.col("_split") != "test")
    below = (learnt["_label"].to_numpy()[:, None] <= once(kind, "quantiles").predict(learnt)).mean(axis=0)
    np.testing.assert_allclose(below, (0.1, 0.5, 0.9), atol=0.06)


def test_the_ridge_model_scores_as_scikit_learn_does():
    trained = once("ridge", "regression")
    assert isinstance(trained, LinearTrained)
    learnt = NUMBERS.filter(pl.col("_split") != "test")
    design = trained.design.transform(to_matrix(learnt, trained.features))
    peer = Ridge(alpha=1.0, solver="svd").fit(design, learnt["_label"].to_numpy())
    np.testing.assert_allclose(trained.predict(learnt), peer.predict(design), rtol=1e-8, atol=1e-8)


def test_the_number_of_trees_comes_from_the_validation_rows():
    plain = json.loads(once("lightgbm", "classification").to_files()["model.json"])["trees"]
    shuffled = pl.when(pl.col("_split") == "validate").then(pl.col("_label").shuffle(1)).otherwise("_label")
    stopped = json.loads(trained_on("lightgbm", CLASSES.with_columns(shuffled.alias("_label"))).to_files()["model.json"])["trees"]
    assert 1 <= stopped < plain < 600


def test_parameters_reach_lightgbm():
    trained = trained_on("lightgbm", CLASSES, params={"num_leaves": 2, "max_trees": 5})
    text = trained.to_files()["model.txt"].decode()
    assert text.count("Tree=") == 5
    assert text.count("num_leaves=2\n") == 5


def test_the_number_of_threads_changes_no_bit(monkeypatch):
    def trees(cells: int) -> str:
        monkeypatch.setattr(lightgbm, "FEW_CELLS", cells)
        return trained_on("lightgbm", CLASSES).to_files()["model.txt"].decode()

    alone, together = trees(10**9), trees(0)
    assert "[num_threads: 1]" in alone
    assert "[num_threads: 2]" in together
    assert alone.split("parameters:")[0] == together.split("parameters:")[0]


def test_what_makes_a_run_repeatable_cannot_be_changed():
    with pytest.raises(ModelError, match="sets 'num_threads' itself"):
        trained_on("lightgbm", CLASSES, params={"num_threads": 8})


@pytest.mark.slow
def test_another_process_trains_the_same_bytes():
    code = (
        "import hashlib, sys\n"
        "from ml_platform.models.trainers.training import train\n"
        "from ml_platform_tests.models.made_rows import features_of, split_of, training_set\n"
        "rows = training_set()\n"
        "for kind in ('lightgbm', 'logistic'):\n"
        "    files = train(kind, split_of(rows, 'train'), features_of(rows), '_label', validate=split_of(rows, 'validate')).to_files()\n"
        "    print(hashlib.sha256(b''.join(files[name] for name in sorted(files))).hexdigest())\n"
    )
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "2", "PYTHONHASHSEED": "7"}
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=environment).stdout.split()
    expected = []
    for kind in ("lightgbm", "logistic"):
        files = once(kind, "classification").to_files()
        expected.append(hashlib.sha256(b"".join(files[name] for name in sorted(files))).hexdigest())
    assert found == expected


def test_an_unknown_trainer_is_named_with_what_exists():
    with pytest.raises(ModelError, match=r"no trainer 'lightgmb'.*Did you mean 'lightgbm'"):
        trained_on("lightgmb", CLASSES)


def test_one_class_and_no_rows_cannot_be_learnt_from():
    with pytest.raises(ModelError, match="have the label 1: nothing to tell apart"):
        train("lightgbm", CLASSES.with_columns(_label=pl.lit(1.0)), ["strong"], "_label", task="classification")
    with pytest.raises(EmptySampleError, match="no training rows"):
        train("constant", CLASSES.head(0), [], "_label")


@pytest.mark.parametrize(("kind", "rows"), [("logistic", NUMBERS), ("ridge", CLASSES)])
def test_a_linear_trainer_refuses_the_other_task(kind, rows):
    with pytest.raises(ModelError, match="Use the trainer"):
        trained_on(kind, rows)


def test_the_baseline_fits_the_task():
    assert baseline_of("logistic", "classification") == "logistic"
    assert baseline_of("logistic", "regression") == "ridge"
    assert baseline_of("constant", "regression") == "constant"
    assert baseline_of("logistic", "multiclass") == "logistic"
    assert baseline_of("logistic", "quantiles") == "ridge"
