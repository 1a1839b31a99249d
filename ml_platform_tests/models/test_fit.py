from dataclasses import replace

import numpy as np
import polars as pl
import pytest
from sklearn.metrics import roc_auc_score

from ml_platform.core.errors import EmptySampleError
from ml_platform.models.fit import fit
from ml_platform.testing.rows import features_of, split_of, training_set
from ml_platform.training.problem import Model

ROWS = training_set()
FEATURES = features_of(ROWS)
SMALL = Model(params={"max_trees": 40})


def test_figures_are_of_the_test_rows():
    fitted = fit(ROWS, FEATURES, SMALL, "classification")
    test = split_of(ROWS, "test")
    labels = test["_label"].to_numpy()
    assert fitted.evaluation.rows == test.height
    assert fitted.evaluation.numbers["auc"] == pytest.approx(roc_auc_score(labels, fitted.trained.predict(test)))
    assert fitted.against["baseline"].numbers["auc"] == pytest.approx(roc_auc_score(labels, fitted.companions["baseline"].predict(test)))
    assert fitted.against["constant"].numbers["auc"] == 0.5
    assert [fitted.trained.kind, fitted.companions["baseline"].kind, fitted.companions["constant"].kind] == [
        "lightgbm",
        "logistic",
        "constant",
    ]
    assert fitted.beats_constant


def test_models_never_see_the_test_rows():
    rng = np.random.default_rng(9)
    is_test = pl.col("_split") == "test"
    changed = ROWS.with_columns(
        pl.when(is_test).then(pl.Series(rng.normal(size=ROWS.height))).otherwise("strong").alias("strong"),
        pl.when(is_test).then(pl.lit("SFO")).otherwise("place").alias("place"),
        pl.when(is_test).then(1 - pl.col("_label")).otherwise("_label").alias("_label"),
    )
    first, second = fit(ROWS, FEATURES, SMALL, "classification"), fit(changed, FEATURES, SMALL, "classification")
    assert first.trained.to_files() == second.trained.to_files()
    for role, companion in first.companions.items():
        assert companion.to_files() == second.companions[role].to_files()
    assert second.evaluation.numbers["auc"] < 0.5


def test_noise_does_not_beat_the_constant():
    noise = [name for name in FEATURES if name.startswith("noise")]
    fitted = fit(ROWS, noise, SMALL, "classification")
    assert not fitted.beats_constant


def test_the_baseline_cannot_beat_itself_but_is_good_enough():
    fitted = fit(ROWS, FEATURES, Model(trainer="logistic"), "classification")
    assert fitted.comparisons["baseline"].difference == 0  # type: ignore[union-attr]
    assert fitted.beats_baseline
    assert fitted.contender == "model"


def test_where_the_trees_are_no_better_the_baseline_contends():
    fitted = fit(ROWS, FEATURES, Model(params={"max_trees": 1, "num_leaves": 2}), "classification")
    assert fitted.comparisons["baseline"].difference < 0  # type: ignore[union-attr]
    assert (fitted.beats_baseline, fitted.contender) == (False, "baseline")
    first = fit(ROWS, FEATURES, replace(SMALL, baseline="constant"), "classification")
    assert (first.beats_baseline, first.contender) == (True, "model")


def test_a_regression_is_measured_by_its_errors_against_ridge():
    rows = training_set(regression=True)
    fitted = fit(rows, FEATURES, SMALL, "regression")
    assert fitted.companions["baseline"].kind == "ridge"
    assert fitted.against["constant"].numbers["rmse"] > fitted.evaluation.numbers["rmse"]
    assert fitted.comparisons["constant"].measure == "mean squared error"  # type: ignore[union-attr]
    assert fitted.beats_constant


def test_rows_without_a_label_are_left_out():
    holes = pl.when(pl.int_range(pl.len()) % 10 == 0).then(None).otherwise("_label").alias("_label")
    fitted = fit(ROWS.with_columns(holes), FEATURES, SMALL, "classification")
    assert fitted.evaluation.rows == pytest.approx(0.9 * split_of(ROWS, "test").height, abs=1)


def test_a_test_of_one_day_has_no_comparison_and_proves_nothing():
    first = split_of(ROWS, "test")["_cutoff"].dt.date().min()
    one_day = ROWS.filter((pl.col("_split") != "test") | (pl.col("_cutoff").dt.date() == first))
    fitted = fit(one_day, FEATURES, SMALL, "classification")
    assert fitted.comparisons == {"baseline": None, "constant": None}
    assert not fitted.beats_constant


def test_what_cannot_be_fitted_says_why():
    with pytest.raises(EmptySampleError, match="no feature to train on"):
        fit(ROWS, [], SMALL, "classification")
    with pytest.raises(EmptySampleError, match="no test rows"):
        fit(ROWS.filter(pl.col("_split") != "test"), FEATURES, SMALL, "classification")
