from datetime import timedelta

import numpy as np
import polars as pl
import pytest

from ml_platform.core.errors import ModelError
from ml_platform.models.trainers.encoding import MAX_CATEGORIES, ModelFeature, fingerprint, learn_features, to_matrix

FRAME = pl.DataFrame(
    {
        "number": [1, 2, None, 4],
        "ratio": [0.5, float("nan"), float("inf"), -1.0],
        "flag": [True, None, False, True],
        "since": [timedelta(seconds=90), None, timedelta(0), timedelta(days=1)],
        "place": ["JFK", "EWR", None, "JFK"],
        "empty": pl.Series([None] * 4, dtype=pl.Null),
    }
)


def test_every_type_becomes_the_number_that_it_means():
    features = learn_features(FRAME, FRAME.columns)
    nan = np.nan
    expected = [
        [1, 2, nan, 4],
        [0.5, nan, nan, -1],
        [1, nan, 0, 1],
        [90, nan, 0, 86_400],
        [0, 1, nan, 0],
        [nan] * 4,
    ]
    np.testing.assert_array_equal(to_matrix(FRAME, features), np.array(expected, dtype=float).T)


def test_categories_are_the_most_frequent_ones_and_others_count_as_missing():
    features = learn_features(FRAME, ["place"])
    assert features[0].categories == ("JFK", "EWR")
    seen = to_matrix(pl.DataFrame({"place": ["LGA", "EWR", None]}), features)
    np.testing.assert_array_equal(seen[:, 0], [np.nan, 1, np.nan])

    many = pl.DataFrame({"tail": [f"N{n}" for n in range(400)] + ["N7"] * 3})
    learnt = learn_features(many, ["tail"])[0].categories
    assert learnt is not None
    assert learnt[0] == "N7"
    assert len(learnt) == MAX_CATEGORIES


def test_columns_are_found_by_name_in_any_order_and_type_of_number():
    features = learn_features(FRAME, ["number", "ratio"])
    turned = FRAME.select(pl.col("ratio").cast(pl.Float32), "flag", pl.col("number").cast(pl.Int8))
    np.testing.assert_array_equal(to_matrix(turned, features), to_matrix(FRAME, features))


def test_a_missing_column_is_named():
    features = learn_features(FRAME, ["number", "ratio"])
    with pytest.raises(ModelError, match=r"1 of the model's 2 features are not in the rows to score: ratio"):
        to_matrix(FRAME.drop("ratio"), features)


@pytest.mark.parametrize(("learnt", "given"), [(["a", "b"], [1, 2]), ([1, 2], ["a", "b"])])
def test_text_and_numbers_are_not_mixed_up(learnt, given):
    features = learn_features(pl.DataFrame({"x": learnt}), ["x"])
    with pytest.raises(ModelError, match="learnt feature 'x' as"):
        to_matrix(pl.DataFrame({"x": given}), features)


def test_a_point_in_time_cannot_be_a_feature():
    frame = pl.DataFrame({"at": [timedelta(0)]}).select(at=pl.lit("2013-01-01").str.to_datetime())
    with pytest.raises(ModelError, match=r"'at' is Datetime.*the time since it"):
        learn_features(frame, ["at"])


def test_no_rows_and_no_features_have_a_shape():
    features = learn_features(FRAME, ["number", "place"])
    assert to_matrix(FRAME.head(0), features).shape == (0, 2)
    assert to_matrix(FRAME, ()).shape == (4, 0)


def test_the_fingerprint_knows_order_types_and_categories():
    first, second = ModelFeature("a", "Int64"), ModelFeature("b", "String", ("x", "y"))
    prints = {
        fingerprint([first, second]),
        fingerprint([second, first]),
        fingerprint([ModelFeature("a", "Float64"), second]),
        fingerprint([first, ModelFeature("b", "String", ("y", "x"))]),
    }
    assert len(prints) == 4
    assert fingerprint([ModelFeature.from_mapping(f.to_mapping()) for f in (first, second)]) == fingerprint([first, second])
