"""Absence over earlier rows is knowledge, absence of a value of the row itself may be a trace of how it ended."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from ml_platform.training.labels import LABEL, LABEL_ROWS
from ml_platform.training.leakage import accepted, check_features

PAST = {"mean_7d": "_keyless"}


def demand(kind, count=12_000, seed=3):
    """Entities at times, with the mean of their last 7 days: NULL where they had no row; nothing in it is of the future."""
    rng = np.random.default_rng(seed)
    if kind == "dead stores":
        # A fifth has closed and sells nothing; the others sell every day.
        alive = rng.random(count) < 0.8
        seen, sold = alive, np.where(alive & (rng.random(count) < 0.9), rng.gamma(3.0, 20.0, count), 0.0)
        label = sold
    elif kind == "intermittent":
        rate = rng.gamma(0.4, 0.2, count)
        seen = rng.random(count) < 1 - np.exp(-7 * rate)
        label = rng.poisson(rate * rng.random(count)) * 1.0
    else:
        # Churn: who was not seen for a week hardly comes back, of the others half do.
        seen = rng.random(count) < 0.5
        label = (rng.random(count) < np.where(seen, 0.5, 0.003)) * 1.0
    value = np.where(seen, label.mean() + rng.normal(size=count), np.nan)
    return pl.DataFrame({"mean_7d": value, LABEL: label, LABEL_ROWS: (label > 0) * 1, "_keyless": np.zeros(count, dtype=bool)})


@pytest.mark.parametrize(("kind", "task"), [("dead stores", "regression"), ("intermittent", "regression"), ("churn", "classification")])
def test_a_window_without_rows_that_tells_the_outcome_is_no_leak(kind, task):
    rows = demand(kind)
    report = check_features(rows, ["mean_7d"], task, PAST)
    assert report.passed, report.summary
    if kind != "intermittent":
        # Taken for a value of the row itself it would be one: the world is one in which the absence tells.
        assert not check_features(rows, ["mean_7d"], task).passed


def test_the_missing_key_of_the_row_itself_is_still_a_leak():
    rows = demand("churn")
    rng = np.random.default_rng(0)
    gone = pl.Series((rows[LABEL] == 1).to_numpy() & (rng.random(rows.height) < 0.2))
    rows = rows.with_columns(_keyless=gone, mean_7d=pl.when(gone).then(None).otherwise(pl.col("mean_7d")))
    (suspicion,) = check_features(rows, ["mean_7d"], "classification", PAST).suspicions
    assert (suspicion.rule, suspicion.feature) == ("missing", "mean_7d")
    assert "Where mean_7d is missing" in suspicion.says


def test_a_window_whose_rows_are_there_only_for_one_outcome_is_still_a_leak():
    rows = demand("churn")
    rng = np.random.default_rng(0)
    known = pl.Series((rows[LABEL] == 1).to_numpy() ^ (rng.random(rows.height) < 0.005))
    rows = rows.with_columns(mean_7d=pl.when(known).then(pl.lit(rng.random(rows.height))))
    (suspicion,) = check_features(rows, ["mean_7d"], "classification", PAST).suspicions
    assert (suspicion.rule, suspicion.feature) == ("separates", "mean_7d")
    assert "Whether mean_7d has a value predicts the label with an AUC of 0.99" in suspicion.says


def test_what_a_declaration_accepts_is_told_with_its_reason():
    report = check_features(demand("churn"), ["mean_7d"], "classification")
    kept, words = accepted(report, {"mean_*": "a store that is closed sells nothing"})
    assert kept.passed
    assert words[0].endswith("It is declared to be right: a store that is closed sells nothing.")
    assert accepted(report, {"max_*": "other"})[0] == report
