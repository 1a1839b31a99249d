from datetime import UTC, datetime

import polars as pl

from ml_platform.selection.filters import null_shares, unusable

FRAME = pl.DataFrame(
    {
        "good": range(100),
        "sparse": [1.0, 2.0] + [None] * 98,
        "nearly": [1.0, 2.0, 3.0, 4.0, 5.0, *[float("nan")] * 95],
        "same": [7] * 100,
        "same_or_missing": [7.0] * 50 + [None] * 50,
        "at": [datetime(2013, 1, 1, tzinfo=UTC)] * 100,
        "list": [[1, 2]] * 100,
        "text": ["a", "b"] * 50,
    }
)


def test_missing_values_are_counted_as_null_and_as_nan():
    shares = null_shares(FRAME, FRAME.columns)
    assert shares["sparse"] == 0.98
    assert shares["nearly"] == 0.95
    assert shares["text"] == 0


def test_each_feature_that_cannot_help_has_its_reason():
    found = unusable(FRAME, FRAME.columns)
    assert set(found) == {"sparse", "same", "same_or_missing", "at", "list"}
    assert found["sparse"] == "left out: missing in 98.0% of the training rows"
    assert "one single value" in found["same"]
    assert "time since" in found["at"]


def test_no_features_have_no_shares():
    assert null_shares(FRAME, []) == {}


def test_one_value_beside_missing_ones_is_one_value_whatever_its_type():
    nan, endless = float("nan"), float("inf")
    frame = pl.DataFrame(
        {
            "nan": [1.0, nan, nan, 1.0],
            "zeros": [0.0, -0.0, 0.0, 0.0],
            "endless": [endless] * 4,
            "ends": [endless, -endless, endless, endless],
            "flag": [True, True, None, True],
            "both": [True, False, None, True],
            "word": ["a", None, "a", "a"],
        }
    )
    assert set(unusable(frame, frame.columns)) == {"nan", "zeros", "endless", "flag", "word"}
