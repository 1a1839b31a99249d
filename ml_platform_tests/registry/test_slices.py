import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_platform.registry.slices import holm, judge_slices


def test_holm_rejects_as_in_the_textbook():
    # The common example: of .01, .04, .03 and .005 the second smallest is compared with .05 / 3, the next with .05 / 2.
    assert holm([0.01, 0.04, 0.03, 0.005], 0.05) == [True, False, False, True]
    assert holm([], 0.05) == []


@given(st.lists(st.floats(0, 1), max_size=8), st.floats(0.01, 0.2))
def test_holm_is_bonferroni_on_what_remains(p_values, alpha):
    expected = set()
    while True:
        remaining = [n for n in range(len(p_values)) if n not in expected]
        new = [n for n in remaining if p_values[n] <= alpha / len(remaining)]
        if not new:
            break
        expected.add(min(new, key=lambda n: p_values[n]))
    assert {n for n, rejected in enumerate(holm(p_values, alpha)) if rejected} == expected


def made(seed: int = 0, days: int = 28, rows: int = 200):
    rng = np.random.default_rng(seed)
    day = np.repeat(np.arange(days), rows)
    signal = rng.normal(size=day.size)
    labels = (rng.random(day.size) < 1 / (1 + np.exp(-signal))).astype(float)
    return rng, day, signal, labels


def test_each_part_is_found_fine_harmed_held_or_too_small():
    rng, day, signal, labels = made()
    champion = signal + rng.normal(0, 0.5, day.size)
    carrier = rng.choice(np.array(["fine", "harmed", "held"], dtype=object), day.size)
    carrier[:40] = "small"
    carrier[40:50] = None
    blur = np.select([carrier == "harmed", carrier == "held"], [3.0, 0.0], 0.0)
    challenger = champion + blur * rng.normal(size=day.size)
    # What a part loses in one single week may be chance: large, but not proven.
    bad_week = (carrier == "held") & (day < 7)
    challenger = np.where(bad_week, -champion, challenger)
    found = {f.value: f for f in judge_slices(labels, challenger, champion, day, {"carrier": carrier}, "classification")}
    assert {value: finding.finding for value, finding in found.items()} == {
        "harmed": "harmed", "held": "held", "fine": "fine", "small": "cannot be tested",
    }  # fmt: skip
    assert found["small"].difference is None
    assert found["fine"].difference == pytest.approx(0, abs=1e-12)
    assert list(found)[-1] == "small"


def test_parts_that_are_equally_good_are_rarely_called_harmed():
    false = 0
    for seed in range(60):
        rng, day, signal, labels = made(seed, rows=60)
        carrier = rng.choice(np.array(list("ABCDEF"), dtype=object), day.size)
        challenger, champion = (signal + rng.normal(0, 0.8, day.size) for _ in range(2))
        found = judge_slices(labels, challenger, champion, day, {"carrier": carrier}, "classification")
        false += any(finding.finding == "harmed" for finding in found)
    assert false / 60 <= 0.05


def test_numbers_are_compared_as_a_share_of_the_champions_error():
    rng, day, signal, _ = made()
    origin = rng.choice(np.array(["a", "b"], dtype=object), day.size)
    champion = signal + rng.normal(0, 10, day.size)
    challenger = signal + np.where(origin == "a", rng.normal(0, 14, day.size), rng.normal(0, 7, day.size))
    found = {f.value: f for f in judge_slices(signal, challenger, champion, day, {"origin": origin}, "regression")}
    assert found["a"].finding == "harmed"
    assert found["a"].difference == pytest.approx(-0.96, abs=0.1)
    assert found["b"].finding == "fine"


def test_days_that_are_too_few_cannot_be_tested():
    _, day, signal, labels = made(days=9)
    origin = np.full(day.size, "a", dtype=object)
    assert judge_slices(labels, signal, signal, day, {"origin": origin}, "classification")[0].finding == "cannot be tested"
