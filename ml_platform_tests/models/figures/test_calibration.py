import numpy as np
import pytest
from sklearn.calibration import calibration_curve

from ml_platform.core.errors import EmptySampleError
from ml_platform.models.figures.calibration import CalibrationBin, calibration_table, expected_calibration_error


def test_bins_are_those_of_scikit_learns_quantiles():
    rng = np.random.default_rng(0)
    scores = rng.random(3_000)
    labels = (rng.random(3_000) < scores**1.3).astype(float)
    table = calibration_table(labels, scores)
    observed, predicted = calibration_curve(labels, scores, n_bins=15, strategy="quantile")
    assert {bin_.rows for bin_ in table} == {200}
    # Its edges lie between two rows, ours on one: a row may stand one bin further.
    np.testing.assert_allclose([bin_.predicted for bin_ in table], predicted, atol=1e-3)
    np.testing.assert_allclose([bin_.observed for bin_ in table], observed, atol=0.011)


def test_the_error_is_the_weighted_distance():
    # Guo et al. (2017), eq. 3, by hand: 3/4 * |0.2 - 1/3| + 1/4 * |0.9 - 1|.
    table = (CalibrationBin(3, 0.2, 1 / 3), CalibrationBin(1, 0.9, 1.0))
    assert expected_calibration_error(table) == pytest.approx(0.75 * (1 / 3 - 0.2) + 0.25 * 0.1)


def test_equal_scores_stand_in_one_bin():
    labels = np.array([0.0, 1.0] * 50)
    table = calibration_table(labels, np.full(100, 0.3))
    assert table == (CalibrationBin(100, pytest.approx(0.3), 0.5),)
    assert expected_calibration_error(table) == pytest.approx(0.2)


def test_every_row_is_in_one_bin_in_the_order_of_scores():
    rng = np.random.default_rng(1)
    scores = np.round(rng.random(997), 2)
    table = calibration_table((scores > 0.5).astype(float), scores, bins=7)
    assert sum(bin_.rows for bin_ in table) == 997
    assert [bin_.predicted for bin_ in table] == sorted(bin_.predicted for bin_ in table)


def test_no_rows_have_no_calibration():
    with pytest.raises(EmptySampleError, match="needs rows"):
        calibration_table(np.array([]), np.array([]))
