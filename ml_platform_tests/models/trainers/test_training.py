"""One contract for all trainers."""

import hashlib
import json
import os
import subprocess
import sys

import numpy as np
import polars as pl
import pytest
from sklearn.linear_model import LogisticRegression, Ridge

from ml_platform.core.errors import EmptySampleError, ModelError, UnknownNameError
from ml_platform.models.figures.ranking import auc
from ml_platform.models.trainers.built_in import lightgbm
from ml_platform.models.trainers.encoding import to_matrix
from ml_platform.models.trainers.known_trainers import TRAINERS, baseline_of
from ml_platform.models.trainers.linear import LinearTrained
from ml_platform.models.trainers.trained import Trained
from ml_platform.models.trainers.training import train
from ml_platform.testing.rows import features_of, rows_for, split_of
from ml_platform.testing.trainers import TrainerContract, trained_once

CLASSES, NUMBERS, TEXTS = map(rows_for, ("classification", "regression", "multiclass"))
once = trained_once


def trained_on(kind: str, rows: pl.DataFrame, **more) -> Trained:
    return train(kind, split_of(rows, "train"), features_of(rows), "_label", validate=split_of(rows, "validate"), **more)


class TestBuiltIn(TrainerContract):
    names = TRAINERS.built_in()


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
        "from ml_platform.testing.rows import features_of, split_of, training_set\n"
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
    with pytest.raises(UnknownNameError, match=r"no trainer 'lightgmb'.*Did you mean 'lightgbm'"):
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
