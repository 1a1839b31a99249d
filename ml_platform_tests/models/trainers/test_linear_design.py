import numpy as np
import polars as pl
from sklearn.preprocessing import RobustScaler

from ml_platform.models.trainers.encoding import learn_features, to_matrix
from ml_platform.models.trainers.linear_design import CLIP, LinearDesign


def learnt(frame: pl.DataFrame) -> tuple[LinearDesign, np.ndarray]:
    features = learn_features(frame, frame.columns)
    matrix = to_matrix(frame, features)
    return LinearDesign.learn(matrix, features), matrix


def test_values_are_scaled_as_scikit_learn_does():
    values = np.random.default_rng(0).normal(50, 7, 500)
    design, matrix = learnt(pl.DataFrame({"x": values}))
    peer = RobustScaler(unit_variance=True).fit_transform(values[:, None])[:, 0]
    np.testing.assert_allclose(design.transform(matrix)[:, 0], np.clip(peer, -CLIP, CLIP), rtol=1e-3)


def test_outliers_are_bounded_and_missing_values_stand_at_the_median():
    design, _ = learnt(pl.DataFrame({"x": [*range(100), 10_000, None]}))
    found = design.transform(np.array([[1e9], [np.nan], [50.0]]))
    assert found[0, 0] == CLIP
    assert found[1, 0] == 0
    assert abs(found[2, 0]) < 0.05


def test_features_that_are_missing_together_share_one_flag():
    gone = [None] * 10 + list(range(90))
    frame = pl.DataFrame({"a": gone, "b": [None if g is None else -g for g in gone], "c": [*range(99), None], "d": range(100)})
    design, _ = learnt(frame)
    assert [(column.feature, column.kind) for column in design.columns] == [
        (0, "value"), (0, "missing"), (1, "value"), (2, "value"), (2, "missing"), (3, "value"),
    ]  # fmt: skip


def test_frequent_categories_have_a_column_and_rare_ones_none():
    design, matrix = learnt(pl.DataFrame({"place": ["JFK"] * 600 + ["EWR"] * 399 + ["LGA"]}))
    assert [column.category for column in design.columns] == [0, 1]
    np.testing.assert_array_equal(design.transform(matrix)[[0, 700, 999]], [[1, 0], [0, 1], [0, 0]])


def test_a_constant_and_an_empty_column_do_no_harm():
    design, matrix = learnt(pl.DataFrame({"same": [3.0] * 50, "empty": pl.Series([None] * 50, dtype=pl.Float64)}))
    np.testing.assert_array_equal(design.transform(matrix), np.zeros((50, 1)))


def test_a_design_survives_as_plain_values():
    design, matrix = learnt(pl.DataFrame({"x": [1.5, 2.5, None] * 40, "t": ["a", "b", "a"] * 40}))
    again = LinearDesign.from_list(design.to_list())
    np.testing.assert_array_equal(again.transform(matrix), design.transform(matrix))


def test_a_feature_weighs_as_much_as_its_largest_column_but_flags_weigh_nothing():
    design, _ = learnt(pl.DataFrame({"x": [1.0, 2.0, None, 4.0] * 30, "t": ["a", "b", "a", None] * 30}))
    kinds = [column.kind for column in design.columns]
    weights = np.array([{"value": 0.5, "missing": 9.0}.get(kind, -2.0 - place) for place, kind in enumerate(kinds)])
    np.testing.assert_array_equal(design.per_feature(weights, 2), [0.5, 2.0 + kinds.index("category") + 1])
