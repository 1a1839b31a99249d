import numpy as np
import polars as pl
import pytest

from ml_platform.monitoring.score_figures import score_figure, scores_by_question
from ml_platform.training.target import Target


def test_scores_are_shares_over_common_bins():
    figure = score_figure(np.array([0.1, 0.2, np.nan]), np.array([0.9, 0.9]), bins=4)
    assert figure["edges"] == pytest.approx([0.1, 0.3, 0.5, 0.7, 0.9])
    assert figure["reference"] == [1, 0, 0, 0]
    assert figure["current"] == [0, 0, 0, 1]
    assert score_figure(np.array([np.nan]), np.array([0.9]))["edges"] == []


def test_one_castle_does_not_press_all_houses_into_one_bar():
    prices = np.append(np.linspace(100, 200, 999), 1e6)
    assert max(score_figure(prices, prices)["current"]) > 0.9
    assert max(score_figure(prices, prices, clipped=True)["current"]) < 0.1


def test_classes_are_told_by_their_mean_probability_the_likeliest_of_the_training_rows_first():
    target = Target("multiclass", classes=("a", "b", "c"))
    reference = pl.DataFrame({"_score_a": [0.2, 0.4], "_score_b": [0.8, 0.6]})
    kind, data = scores_by_question(target, reference, pl.DataFrame({"_score_a": [1.0], "_score_b": [0.0]}))
    assert kind == "classes"
    # The rows of an older model have no column of a class that it had not learnt.
    assert data["classes"] == ["b", "a", "c"]
    assert data["reference"] == pytest.approx([0.7, 0.3, None])
    assert data["current"] == [0.0, 1.0, None]


def test_quantiles_are_told_by_tenth_of_the_rows():
    target = Target("quantiles", quantiles=(0.1, 0.5, 0.9))
    rows = pl.DataFrame({"_score": np.arange(100.0)}).with_columns(_score_q10=pl.col("_score") - 5, _score_q90=pl.col("_score") + 20)
    kind, data = scores_by_question(target, rows, rows.reverse())
    assert kind == "bands"
    assert len(data["at"]) == 10
    assert data["current"] == data["reference"]
    assert (data["current"]["low"][0], data["current"]["middle"][0], data["current"]["high"][0]) == (-0.5, 4.5, 24.5)


def test_a_forecast_is_told_by_step_also_where_the_training_rows_do_not_know_theirs():
    rows = pl.DataFrame({"step": [1, 1, 2, 2], "_score": [1.0, 3.0, 5.0, 7.0]})
    kind, data = scores_by_question(Target("regression"), rows.drop("step"), rows)
    assert kind == "bands"
    assert data["at"] == ["1", "2"]
    assert data["current"]["middle"] == [2.0, 6.0]
    assert data["reference"]["middle"] == [4.0, 4.0]


@pytest.mark.parametrize("target", [Target("binary"), Target("multiclass", ("a",)), Target("quantiles", quantiles=(0.1, 0.9))])
def test_without_rows_there_is_nothing_to_draw(target):
    nothing = pl.DataFrame(schema=dict.fromkeys(target.columns, pl.Float64))
    _, data = scores_by_question(target, nothing, nothing)
    assert not data["current"] or not any(data["at"] if "at" in data else data["current"])
