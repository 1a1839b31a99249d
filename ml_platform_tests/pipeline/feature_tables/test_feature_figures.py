from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from ml_platform.features.declared.kinds import WindowFeature
from ml_platform.pipeline.feature_tables.feature_figures import BINS, SAMPLE, covered, feature_figures, histogram
from ml_platform.pipeline.feature_tables.feature_table import materialize_features
from ml_platform.pipeline.training.training_set import materialize_training
from ml_platform_tests import flights_like as like
from ml_platform_tests.pipeline.feature_world import world

FEATURE = WindowFeature("x", ("origin",), "DOUBLE", description="What it is.")


@pytest.mark.parametrize(
    ("values", "drawn"),
    [
        ([], ""),
        ([None, float("nan"), float("inf")], ""),
        ([3.0, 3.0, None], "█"),
        ([*range(12)], "█" * 12),
        ([0] * 8 + [11], "█          ▁"),
        ([True, False], "█          █"),
    ],
)
def test_a_histogram(values, drawn):
    assert histogram(pl.Series(values, strict=False)) == drawn


def test_a_histogram_of_many_values_is_not_stretched_by_one_of_them():
    values = np.random.default_rng(1).normal(size=5 * SAMPLE)
    drawn = histogram(pl.Series([*values, 1e12]))
    assert len(drawn) == BINS
    assert drawn.index("█") in (5, 6)
    assert " " not in drawn


def test_figures_of_a_feature():
    row = feature_figures(FEATURE, pl.Series([1.0, None, 3.0, None]))
    assert (row["feature"], row["coverage"], row["null_share"]) == ("x", 0.5, 0.5)
    assert (row["smallest"], row["mean"], row["largest"]) == (1, 2, 3)
    assert feature_figures(FEATURE, pl.Series(["a", None]))["null_share"] == 0.5
    assert feature_figures(FEATURE, pl.Series([True, False, None]))["mean"] == 0.5
    assert feature_figures(FEATURE, pl.Series([], dtype=pl.Float64)) == {"feature": "x"}


def test_coverage_counts_entities_that_ever_have_a_value():
    history = pl.DataFrame({"origin": ["A", "A", "B", "C"], "x": [None, 1.0, None, 2.0], "y": [None] * 4})
    assert covered(history, ["origin"], ["x", "y"]) == {"x": 2 / 3, "y": 0.0}
    assert covered(history.clear(), ["origin"], ["x"]) == {}


def test_a_materialization_tells_them_of_every_feature(tmp_path):
    made = world(tmp_path)
    outcome = materialize_features(made.workspace, "delays", ("origin",), like.days(8))
    rows = {row["feature"]: row for row in outcome.metadata["features"].rows}
    assert rows["origin_arr_delay_mean_2d"]["coverage"] == 1
    assert 0 < rows["origin_arr_delay_std_3h"]["null_share"] < 1
    assert len(rows["origin_arr_delay_mean_2d"]["histogram"]) == BINS
    assert "histogram" not in rows["origin_tailnum_latest"]


@pytest.mark.slow
def test_a_training_set_tells_them_too(tmp_path):
    made = like.world(tmp_path)
    outcome = materialize_training(made.workspace, "late_arrival", ["2013-02-08"])
    rows = {row["feature"]: row for row in outcome.metadata["features"].rows}
    stored = made.workspace.lake.read("flights/training/late_arrival").pl()
    (version,) = made.workspace.lake.versions.resolve("flights/training/late_arrival")
    assert set(rows) == set(version.properties["features"])
    assert rows["distance"]["null_share"] == 0
    assert rows["distance"]["largest"] == stored["distance"].max()
    assert 0 < rows["origin_dest_arr_delay_mean_1d"]["coverage"] < 1
