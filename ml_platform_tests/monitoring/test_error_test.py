import math

import numpy as np
import pytest

from ml_platform.monitoring.error_test import ErrorRate, compare_error


def rate(value, standard_error=0.004, days=14, rows=12_000):
    return ErrorRate(value, standard_error, rows, days)


def follow(values, *, days_since=1, **options):
    tests = []
    for value in values:
        tests.append(compare_error(rate(value, **options), tests[-1] if tests else None, days_since=days_since))
    return tests


def test_the_first_window_is_the_best_so_far():
    (first,) = follow([0.2])
    assert (first.best, first.best_after, first.z, first.worse) == (0.2, 0.2, 0, False)


@pytest.mark.parametrize(
    ("now", "standard_error", "worse"),
    [
        (0.235, 0.004, True),
        (0.215, 0.001, False),  # beyond chance, but fewer than two points
        (0.25, 0.02, False),  # five points, but within chance
        (0.15, 0.001, False),  # better
    ],
)
def test_both_parts_are_needed(now, standard_error, worse):
    _, second = follow([0.2, now], standard_error=standard_error)
    assert second.worse is worse


def test_a_better_window_lowers_the_bar():
    tests = follow([0.2, 0.18, 0.21], standard_error=0.002)
    assert tests[1].best_after == 0.18
    assert tests[2].worse


def test_a_slow_decay_is_seen_because_a_bad_model_cannot_raise_the_bar():
    # A tenth of a point worse each day: any comparison with the day before would say nothing for ever.
    tests = follow(0.2 + 0.001 * np.arange(60))
    assert [t.worse for t in tests[:20]] == [False] * 20
    assert tests[-1].worse
    assert tests[-1].best < 0.2 + 0.0002 * 61


def test_a_lasting_change_of_the_world_is_accepted_in_the_end():
    tests = follow([0.2] + [0.23] * 200)
    assert tests[1].worse
    assert not tests[-1].worse


def test_too_few_days_say_nothing():
    assert compare_error(rate(0.5, math.nan, days=4), None, days_since=0) is None


def test_days_without_spread_give_a_finite_z():
    tests = follow([0.0, 1.0], standard_error=0.0)
    assert tests[1].worse
    assert math.isfinite(tests[1].z)


def test_false_alarms_over_a_year_of_equal_windows_are_rare():
    rng = np.random.default_rng(0)
    alarms = 0
    for _ in range(40):
        days = rng.normal(0.2, 0.03, 365)
        before = None
        for day in range(14, 365, 7):
            window = days[day - 14 : day]
            error = ErrorRate(float(window.mean()), float(window.std(ddof=1) / math.sqrt(14)), 12_000, 14)
            before = compare_error(error, before, days_since=7)
            alarms += before.worse
    assert alarms <= 40 * 51 * 0.02
