import functools
import json
from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from ml_platform.core.errors import EmptySampleError
from ml_platform.selection.select import Budget, select_features
from ml_platform.selection.selected import SelectionResult
from ml_platform.testing.rows import SIGNAL, features_of, split_of, training_set
from ml_platform.training.problem import Selection

SETTINGS = Selection(sizes=(2, 5, 8))
QUICK = Budget(train_rows=2_000, validate_rows=1_000, bootstrap_rows=800, bootstraps=3)
FRAME = training_set(noise=12).with_columns(
    same=pl.lit(1.0), sparse=pl.when(pl.int_range(pl.len()) % 50 == 0).then("weak"), at=pl.col("_cutoff").dt.date()
)


def select(frame: pl.DataFrame = FRAME, selection: Selection = SETTINGS, **more) -> SelectionResult:
    return select_features(frame, features_of(frame), selection, budget=QUICK, **more)


@functools.cache
def selected() -> SelectionResult:
    return select()


@pytest.mark.slow
def test_the_features_that_speak_are_chosen_and_noise_is_not():
    chosen = set(selected().chosen)
    assert {"middling", "place"} <= chosen
    assert chosen & {"strong", "copy"}
    assert not [name for name in chosen if name.startswith("noise")]
    assert [row.feature for row in selected().rows[:3] if row.feature in (*SIGNAL, "copy")] == [row.feature for row in selected().rows[:3]]


@pytest.mark.slow
@pytest.mark.parametrize("task", ["multiclass", "quantiles"])
def test_features_of_classes_and_quantiles_are_chosen_likewise(task):
    frame = training_set(noise=5, regression=True)
    if task == "multiclass":
        frame = frame.with_columns(
            pl.when(pl.col("_label") > 1.5)
            .then(pl.lit("b"))
            .when(pl.col("_label") > 0)
            .then(pl.lit("a"))
            .otherwise(pl.lit("c"))
            .alias("_label")
        )
    result = select_features(frame, features_of(frame), Selection(sizes=(3, 6)), task=task, budget=replace(QUICK, bootstraps=2))
    assert {row.feature for row in result.rows[:3]} <= {*SIGNAL, "copy"}
    assert result.curve[0].quality > 0.1


def test_noise_begins_behind_what_speaks():
    before = selected().before_noise
    assert before is not None
    assert 3 <= before <= 10
    behind = [row for row in selected().rows if row.rank is not None and row.rank > before]
    assert behind
    assert all("behind the first noise probe" in row.reason for row in behind)


def test_there_is_a_row_for_every_candidate_with_its_reason():
    rows = {row.feature: row for row in selected().rows}
    assert set(rows) == set(features_of(FRAME))
    assert [row.rank for row in selected().rows if row.rank] == list(range(1, len(rows) - 3 + 1))
    assert "one single value" in rows["same"].reason
    assert "missing in 98" in rows["sparse"].reason
    assert "time since" in rows["at"].reason
    assert {rows[name].rank for name in ("same", "sparse", "at")} == {None}
    copy = rows["copy"] if rows["copy"].cluster == "strong" else rows["strong"]
    assert "a near-copy of" in copy.reason
    assert rows["middling"].null_share == pytest.approx(0.2, abs=0.03)
    assert all(row.rank is None or "bootstraps" in row.reason for row in rows.values())
    assert not any(row.feature.startswith("_probe") for row in selected().rows)


def test_the_chosen_are_the_best_ranked_of_a_size_from_the_curve():
    result = selected()
    assert list(result.chosen) == [row.feature for row in result.rows[: len(result.chosen)]]
    assert [point.size for point in result.curve] == [2, 5, 8, len(features_of(FRAME)) - 3]
    assert len(result.chosen) in {point.size for point in result.curve}


@pytest.mark.slow
def test_test_rows_are_not_looked_at():
    rng = np.random.default_rng(0)
    is_test = pl.col("_split") == "test"
    noise = {name: pl.Series(name, rng.normal(5, 3, FRAME.height)) for name in ("strong", "weak", "noise_0", "same", "sparse")}
    changed = FRAME.with_columns(
        *(pl.when(is_test).then(values).otherwise(name).alias(name) for name, values in noise.items()),
        pl.when(is_test).then(pl.lit("SFO")).otherwise("place").alias("place"),
        pl.when(is_test).then(1 - pl.col("_label")).otherwise("_label").alias("_label"),
    )
    for other in (changed, FRAME.filter(~is_test)):
        found = select(other)
        assert found.to_frame().equals(selected().to_frame())
        assert found.to_mapping() == selected().to_mapping()


def test_the_ranking_does_not_look_at_validation_rows():
    is_validate = pl.col("_split") == "validate"
    changed = FRAME.with_columns(pl.when(is_validate).then(1 - pl.col("_label")).otherwise("_label").alias("_label"))
    before, after = selected().to_frame(), select(changed).to_frame()
    names = ["feature", "rank", "score_l1", "score_gain", "fused", "cluster", "null_share"]
    assert before.select(names).equals(after.select(names))


@pytest.mark.slow
def test_it_is_repeatable_to_the_last_bit():
    again = select()
    assert again.to_frame().equals(selected().to_frame())
    assert again.to_mapping() == selected().to_mapping()


def test_all_keeps_every_feature_that_can_be_used():
    result = select(selection=Selection(method="all"))
    assert result.chosen == tuple(name for name in features_of(FRAME) if name not in ("same", "sparse", "at"))
    assert {row.reason for row in result.rows if row.chosen} == {"kept: the problem keeps every feature (selection: all)"}
    assert (result.curve, result.stability) == ((), None)


def test_features_without_any_use_leave_nothing_chosen():
    result = select_features(FRAME, ["same", "at"], SETTINGS, budget=QUICK)
    assert result.chosen == ()
    assert len(result.rows) == 2


def test_fewer_features_than_sizes_are_all_tried():
    result = select_features(FRAME, ["strong", "noise_0"], Selection(sizes=(8, 15)), budget=QUICK)
    assert [point.size for point in result.curve] == [2]
    assert set(result.chosen) == {"strong", "noise_0"}
    assert result.stability is not None
    assert result.stability.phi is None


def test_numbers_are_predicted_from_the_same_features():
    result = select(training_set(regression=True, noise=12), Selection(sizes=(2, 4, 8)))
    assert set(result.chosen) == set(SIGNAL)


def test_the_result_is_a_table_and_plain_values():
    frame = selected().to_frame()
    assert frame.columns == [
        "feature", "chosen", "rank", "score_l1", "score_gain", "fused", "cluster", "frequency", "null_share", "reason",
    ]  # fmt: skip
    plain = json.loads(json.dumps(selected().to_mapping(), allow_nan=False))
    assert plain["chosen"] == list(selected().chosen)
    assert plain["bootstraps"] == 3


def test_other_selectors_rank_as_they_are_named():
    result = select(selection=Selection(sizes=(2,), selectors=("gain",)))
    frame = result.to_frame()
    assert [name for name in frame.columns if name.startswith("score")] == ["score_gain"]
    assert frame["score_gain"].drop_nulls().is_sorted(descending=True)
    assert " by LightGBM gain" in result.rows[0].reason
    assert "L1" not in result.rows[0].reason


def test_rows_of_one_class_cannot_be_chosen_from():
    with pytest.raises(EmptySampleError, match="needs rows of both classes"):
        select(FRAME.filter((pl.col("_split") != "validate") | (pl.col("_label") == 1)))
    with pytest.raises(EmptySampleError, match="no labelled rows"):
        select(split_of(FRAME, "test"))
