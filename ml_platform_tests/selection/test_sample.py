import numpy as np
import polars as pl
import pytest

from ml_platform.core.errors import EmptySampleError
from ml_platform.testing.rows import days_of, split_of, training_set
from ml_platform.testing.selectors import names_of, sample_of

FRAME = training_set()


def test_a_sample_is_of_one_split_in_its_order():
    sample = sample_of(FRAME)
    train = split_of(FRAME, "train")
    np.testing.assert_array_equal(sample.labels, train["_label"].to_numpy())
    np.testing.assert_array_equal(sample.days, days_of(train))
    np.testing.assert_array_equal(sample.matrix[:, names_of(sample).index("strong")], train["strong"].to_numpy())


def test_drawn_rows_are_few_different_and_repeatable():
    first, again, other = sample_of(FRAME, rows=200), sample_of(FRAME, rows=200), sample_of(FRAME, rows=200, seed=1)
    assert first.rows == 200
    np.testing.assert_array_equal(first.matrix, again.matrix)
    assert not np.array_equal(first.matrix, other.matrix)
    assert np.unique(first.matrix[:, 0]).size == 200
    assert (np.diff(first.days) >= 0).all()


def test_thinning_keeps_rows_together():
    sample = sample_of(FRAME)
    thin = sample.thin(100, seed=3)
    known = {tuple(row): label for row, label in zip(sample.matrix[:, :1].tolist(), sample.labels, strict=True)}
    assert thin.rows == 100
    assert [known[tuple(row)] for row in thin.matrix[:, :1].tolist()] == thin.labels.tolist()
    assert sample.thin(10**6, seed=3) is sample


def test_features_are_taken_in_the_order_asked_for():
    sample = sample_of(FRAME)
    taken = sample.take_features([3, 0])
    assert names_of(taken) == [names_of(sample)[3], names_of(sample)[0]]
    np.testing.assert_array_equal(taken.matrix, sample.matrix[:, [3, 0]])


@pytest.mark.parametrize("rows", [FRAME.head(0), FRAME.filter(pl.col("_label") == 1)])
def test_rows_of_one_class_cannot_be_chosen_from(rows):
    from ml_platform.models.trainers.encoding import learn_features
    from ml_platform.selection.sample import draw_sample

    with pytest.raises(EmptySampleError, match="needs rows of both classes"):
        draw_sample(rows, learn_features(FRAME, ["strong"]), "classification", label="_label", rows=10, seed=0)
