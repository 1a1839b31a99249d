import numpy as np
import pytest

from ml_platform.selection.size import SizePoint, choose_size, size_curve
from ml_platform.testing.rows import training_set
from ml_platform.testing.selectors import names_of, sample_of

ORDER = ("strong", "middling", "place", "weak", "copy", "noise_0", "noise_1")


def curve_of(regression: bool = False, sizes=(1, 3, 99)) -> list[SizePoint]:
    frame = training_set(regression=regression)
    train, validate = sample_of(frame), sample_of(frame, "validate")
    return size_curve(train, validate, [names_of(train).index(name) for name in ORDER], sizes, seed=0)


@pytest.mark.parametrize("regression", [False, True])
def test_quality_rises_with_features_that_speak(regression):
    one, three, everything = curve_of(regression)
    assert [one.size, three.size, everything.size] == [1, 3, 7]
    assert 0.2 < one.quality < three.quality < 1
    assert three.quality > everything.quality - 0.05
    assert all(len(point.per_seed) == 3 for point in (one, three, everything))
    assert all(point.quality == pytest.approx(np.mean(point.per_seed)) for point in (one, three, everything))


def test_the_best_has_no_distance_to_itself_and_the_others_have():
    curve = curve_of()
    best = max(curve, key=lambda point: point.quality)
    assert [point.error == 0 for point in curve] == [point is best for point in curve]
    assert all(point.error < 0.2 for point in curve)  # type: ignore[operator]


def test_a_curve_is_repeatable_and_has_each_size_once():
    assert curve_of(sizes=(2, 2, 50, 99)) == curve_of(sizes=(99, 2))


def points(**quality: float) -> list[SizePoint]:
    return [SizePoint(int(size[1:]), value, 0.0, (value,)) for size, value in quality.items()]


def test_the_smallest_size_within_the_tolerance_is_taken():
    # Validation AUC of a measured curve: 8 .724, 15 .743, 30 .755, 60 .761, 120 .763, 180 .764; two per cent of the best Gini are .0106.
    curve = points(_8=0.448, _15=0.486, _30=0.510, _60=0.522, _120=0.526, _180=0.528)
    assert choose_size(curve, 0.02) == 60
    assert choose_size(curve, 0.0) == 180
    assert choose_size(curve, 0.5) == 8


def test_a_curve_below_nothing_still_gives_a_size():
    assert choose_size(points(_8=-0.02, _15=-0.01), 0.02) == 15
    assert choose_size(points(_8=0.0, _15=0.0), 0.02) == 8
