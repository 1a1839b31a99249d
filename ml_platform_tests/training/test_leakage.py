from __future__ import annotations

from datetime import UTC, datetime, timedelta

import numpy as np
import polars as pl
import pytest

from ml_platform.training.labels import LABEL, LABEL_ROWS
from ml_platform.training.leakage import check_features, check_population, determines
from ml_platform.training.spine import CUTOFF, TIME

START = datetime(2024, 1, 1, tzinfo=UTC)


def flights(count=20_000, seed=7):
    """Flights as they are: a quarter late, 2.8 % never arrive, and most of those have no tail number."""
    rng = np.random.default_rng(seed)
    cancelled = rng.random(count) < 0.028
    late = rng.random(count) < 0.25
    frame = pl.DataFrame(
        {
            CUTOFF: [START + timedelta(minutes=3 * n) for n in range(count)],
            LABEL: [None if c else float(y) for c, y in zip(cancelled, late, strict=True)],
            LABEL_ROWS: (~cancelled).astype(np.int64),
            "delay_mean": np.where(rng.random(count) < 0.1, np.nan, rng.normal(late * 10.0, 20.0)),
            "carrier": rng.choice(["AA", "UA", "B6"], count),
            "flight_id": [f"f{n}" for n in range(count)],
            "count_7d": rng.integers(0, 50, count),
        },
        schema_overrides={CUTOFF: TIME},
    )
    return frame, rng, cancelled, late


FEATURES = ["delay_mean", "carrier", "flight_id", "count_7d"]


def names(report, rule):
    return [s.feature for s in report.suspicions if s.rule == rule]


def test_honest_features_are_not_suspicious():
    frame, *_ = flights()
    report = check_features(frame, FEATURES, "classification")
    assert report.passed, report.summary
    assert report.summary == "Nothing suspicious in 4 features of 20000 rows."


def test_tail_numbers_that_are_missing_only_for_cancelled_flights_are_found():
    frame, rng, cancelled, _ = flights()
    gone = cancelled & (rng.random(frame.height) < 0.27)
    frame = frame.with_columns(tailnum=pl.Series([None if g else f"N{n % 800}" for n, g in enumerate(gone)]))
    report = check_features(frame, [*FEATURES, "tailnum"], "classification")
    assert names(report, "missing") == ["tailnum"]
    assert "tailnum is missing" in report.summary
    assert "there is no label row in 100.0% of the rows, against 2.7%" in report.summary
    assert report.table()[0]["rows"] == gone.sum()


def test_the_same_leak_is_found_when_rows_without_label_rows_count_as_zero():
    frame, _, cancelled, _ = flights()
    frame = frame.with_columns(
        pl.col(LABEL).fill_null(0.0), tailnum=pl.Series([None if g else "N1" for g in cancelled]), **{LABEL_ROWS: pl.lit(1)}
    )
    assert names(check_features(frame, [*FEATURES, "tailnum"], "classification"), "missing") == ["tailnum"]


def test_a_reason_that_is_filled_in_only_for_late_flights_is_found():
    frame, rng, _, late = flights()
    reason = np.where(late & (rng.random(frame.height) < 0.5), rng.random(frame.height), np.nan)
    report = check_features(frame.with_columns(reason=pl.Series(reason)), [*FEATURES, "reason"], "classification")
    assert names(report, "missing") == ["reason"]
    assert "reason is present" in report.summary


def test_a_value_that_is_missing_for_a_few_rows_that_end_alike_is_not_enough():
    frame, *_ = flights()
    labels = frame[LABEL].to_list()
    lates = [n for n, y in enumerate(labels) if y == 1][:12]
    frame = frame.with_columns(rare=pl.Series([None if n in lates else 1.0 for n in range(frame.height)]))
    assert check_features(frame, [*FEATURES, "rare"], "classification").passed


def test_missing_in_a_storm_when_most_but_not_all_flights_are_late_is_information_not_a_leak():
    frame, rng, _, late = flights()
    gone = np.where(late, rng.random(frame.height) < 0.3, rng.random(frame.height) < 0.01)
    frame = frame.with_columns(weather=pl.Series([None if g else 1.0 for g in gone]))
    assert check_features(frame, [*FEATURES, "weather"], "classification").passed


@pytest.mark.parametrize("kind", ["float", "integer", "text", "boolean", "reversed"])
def test_a_feature_that_gives_the_answer_alone_is_found(kind):
    frame, rng, _, late = flights()
    wrong = rng.random(frame.height) < 0.01
    told = late ^ wrong
    values = {
        "float": told * 30.0 + rng.normal(size=frame.height),
        "integer": told * 20 + rng.integers(0, 10, frame.height),
        "text": np.where(told, "late", "fine"),
        "boolean": told,
        "reversed": -1.0 * told,
    }[kind]
    report = check_features(frame.with_columns(arr_delay=pl.Series(values)), [*FEATURES, "arr_delay"], "classification")
    assert names(report, "separates") == ["arr_delay"]
    assert report.suspicions[0].measure == pytest.approx(0.99, abs=0.005)


def test_a_strong_but_honest_feature_is_not_suspicious():
    frame, rng, _, late = flights()
    frame = frame.with_columns(dep_delay=pl.Series(late * 2.0 + rng.normal(size=frame.height)))
    assert check_features(frame, [*FEATURES, "dep_delay"], "classification").passed


def test_the_auc_is_that_of_scikit_learn():
    from sklearn.metrics import roc_auc_score

    from ml_platform.training.separation import separation

    frame, *_ = flights(3000)
    rows = frame.drop_nulls(LABEL).with_columns(pl.col("delay_mean").fill_nan(None))
    found = separation(rows.select("delay_mean", "count_7d"), rows[LABEL], "classification")
    for name in ("delay_mean", "count_7d"):
        both = rows.select(name, LABEL).drop_nulls()
        expected = roc_auc_score(both[LABEL].to_numpy(), both[name].to_numpy())
        assert found[name] == (both.height, pytest.approx(max(expected, 1 - expected)))


def test_numbers_are_judged_by_rank_correlation_and_by_the_median():
    rng = np.random.default_rng(1)
    label = rng.normal(size=5000)
    frame = pl.DataFrame(
        {
            LABEL: label, LABEL_ROWS: 1, "honest": label + rng.normal(size=5000), "same": np.exp(label) + 1e-6 * rng.normal(size=5000),
            "above": np.where((label > 0.5) & (rng.random(5000) < 0.9), 1.0, np.nan), "constant": 1.0,
        }
    )  # fmt: skip
    report = check_features(frame, ["honest", "same", "above", "constant"], "regression")
    assert names(report, "separates") == ["same"]
    assert names(report, "missing") == ["above"]


def test_no_rows_no_features_and_one_class_are_quiet():
    frame, *_ = flights(200)
    assert check_features(frame.clear(), FEATURES, "classification").passed
    assert check_features(frame, [], "classification").passed
    assert check_features(frame.with_columns(pl.lit(1.0).alias(LABEL)), FEATURES, "classification").passed


@pytest.mark.parametrize(
    ("hits", "size", "base", "expected"),
    [
        (29, 29, 0.03, False),  # too few rows
        (60, 60, 0.03, True),
        (58, 60, 0.03, True),  # 3.4 % of the uncertainty is left
        (57, 60, 0.03, False),  # 5.2 %
        (60, 60, 0.75, False),  # 60 clustered rows say too little against three in four
        (400, 400, 0.75, True),
        (0, 400, 0.75, False),
    ],
)
def test_determines(hits, size, base, expected):
    assert determines(hits, size, base) is expected


def test_a_value_and_an_absence_that_tell_a_class_are_found():
    frame, rng, _, _ = flights(6_000)
    ends = rng.choice(["away", "draw", "home"], frame.height, p=[0.4, 0.2, 0.4])
    told = frame.with_columns(
        pl.Series(LABEL, ends),
        pl.Series("scored", np.where(ends == "home", 1.0, 0.0) + rng.normal(0, 0.01, frame.height)),
        pl.Series("decider", [None if e == "draw" else "extra" for e in ends]),
        pl.lit(1).alias(LABEL_ROWS),
    )
    report = check_features(told, [*FEATURES, "scored", "decider"], "multiclass")
    assert names(report, "separates") == ["scored"]
    assert names(report, "missing") == ["decider"]
    assert any("the label is draw in 100.0% of the rows" in s.says for s in report.suspicions)
    late = told.with_columns(pl.lit("draw").alias(LABEL))
    assert not check_population(told, late.head(1_000), "multiclass").passed
    assert check_population(told, told.head(1_000), "multiclass").passed


def population(known, unknown, late_known, late_unknown):
    """So many known and unknown rows, the first so many of each late."""
    frames = [
        pl.DataFrame(
            {LABEL: [float(n < late) for n in range(count)], LABEL_ROWS: [1] * count}, schema={LABEL: pl.Float64, LABEL_ROWS: pl.Int64}
        )
        for count, late in ((known, late_known), (unknown, late_unknown))
    ]
    return *frames, "classification"


def test_a_population_of_what_came_later_is_found():
    report = check_population(*population(1000, 100, 250, 90))
    assert [s.rule for s in report.suspicions] == ["population"]
    assert "100 of 1100 rows (9.1%)" in report.summary
    assert "label 1: 90% of them against 25% of the others" in report.summary
    assert "most rows of this table exist because of what came later" in check_population(*population(10, 1000, 2, 250)).summary


def test_rows_that_are_merely_late_are_not_suspicious():
    assert check_population(*population(1000, 100, 250, 27)).passed
    assert check_population(*population(1000, 10, 250, 9)).passed
    assert check_population(*population(1000, 0, 250, 0)).passed
