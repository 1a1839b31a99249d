"""How labels become numbers, and scores become columns."""

from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from ml_platform.core.errors import EmptySampleError
from ml_platform.training.target import Target, learn_target


def test_a_class_that_was_not_learnt_has_no_position():
    target = learn_target("multiclass", pl.Series(["b", "a", "b"]))
    assert target.classes == ("a", "b")
    np.testing.assert_array_equal(target.codes(pl.Series(["b", "new", "a"])), [1, -1, 0])


def test_scores_become_columns_that_sql_can_name():
    columns = Target("multiclass", ("Home win", "draw")).to_columns(np.array([[0.7, 0.3], [0.2, 0.8]]))
    assert pl.DataFrame(columns).to_dicts() == [
        {"_score": 0.7, "_class": "Home win", "_score_home_win": 0.7, "_score_draw": 0.3},
        {"_score": 0.8, "_class": "draw", "_score_home_win": 0.2, "_score_draw": 0.8},
    ]
    quantiles = Target("quantiles", quantiles=(0.025, 0.4, 0.975)).to_columns(np.array([[1.0, 2.0, 3.0]]))
    assert pl.DataFrame(quantiles).to_dicts() == [{"_score": 2.0, "_score_q2_5": 1.0, "_score_q40": 2.0, "_score_q97_5": 3.0}]
    assert pl.DataFrame(Target("multiclass", ("a", "b")).to_columns(np.empty((0, 2)))).height == 0


def test_too_many_classes_and_classes_too_alike_are_refused_with_what_to_write():
    with pytest.raises(EmptySampleError, match=r"has 101 different values .* Group the rare ones in label\.sql"):
        learn_target("multiclass", pl.Series([f"c{n}" for n in range(101)]))
    with pytest.raises(EmptySampleError, match=r"classes 'A b' and 'a_B' are too alike.*'_score_a_b'.*lower\(trim"):
        learn_target("multiclass", pl.Series(["A b", "a_B"]))
