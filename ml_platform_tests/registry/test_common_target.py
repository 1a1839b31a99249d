"""Two models that have learnt other classes or quantiles are compared by what both can be asked."""

from __future__ import annotations

import numpy as np
import pytest

from ml_platform.core.errors import ModelError
from ml_platform.registry.common_target import aligned, common_target
from ml_platform.registry.promotion import JudgedRows, decide
from ml_platform.training.target import Target

THREE, TWO = Target("multiclass", ("away", "draw", "home")), Target("multiclass", ("away", "home"))


def test_a_model_that_knows_a_class_is_better_than_one_that_does_not():
    rng = np.random.default_rng(0)
    days = np.repeat(np.arange(28), 20)
    codes = rng.choice(3, size=days.size, p=[0.4, 0.1, 0.5]).astype(float)
    common = common_target(THREE, TWO)
    assert common == THREE
    knows = np.tile([0.4, 0.1, 0.5], (days.size, 1))
    champion = aligned(np.tile([0.45, 0.55], (days.size, 1)), TWO, common)
    np.testing.assert_array_equal(champion[0], [0.45, 0.0, 0.55])
    decision = decide(JudgedRows(codes, days, common), knows, champion, margin=0.002)
    assert decision.verdict == "promoted"
    assert "log-loss" in decision.reasons[0]
    assert decide(JudgedRows(codes, days, common), champion, knows, margin=0.002).verdict == "refused"


def test_quantiles_are_compared_where_both_give_them():
    wide, narrow = Target("quantiles", quantiles=(0.05, 0.5, 0.95)), Target("quantiles", quantiles=(0.25, 0.5, 0.75))
    common = common_target(wide, narrow)
    assert common.quantiles == (0.5,)
    np.testing.assert_array_equal(aligned(np.array([[1.0, 2.0, 3.0]]), wide, common), [[2.0]])
    with pytest.raises(ModelError, match="none in common"):
        common_target(wide, Target("quantiles", quantiles=(0.1, 0.9)))
    with pytest.raises(ModelError, match="answers another question"):
        common_target(wide, THREE)
