from dataclasses import replace

import polars as pl
import pytest

from ml_platform.pipeline.models.selected import materialize_selected
from ml_platform.pipeline.outcome import Plot, Rows
from ml_platform.pipeline.workspace import Workspace
from ml_platform.training.problem import Selection
from ml_platform_tests.pipeline.modelled_world import DECLARED, FIRST, PROBLEM, SECOND, modelled, training_rows


@pytest.fixture
def workspace(tmp_path) -> Workspace:
    return modelled(tmp_path)


def selected_rows(workspace: Workspace, day: str) -> pl.DataFrame:
    return workspace.lake.read(workspace.table("selected", PROBLEM), [day]).pl()


def test_every_candidate_has_a_row_and_the_best_are_chosen(workspace):
    version = workspace.lake.versions.heads(workspace.table("selected", PROBLEM))[FIRST]
    rows = selected_rows(workspace, FIRST)
    training = workspace.lake.versions.heads(workspace.table("training", PROBLEM))[FIRST]
    assert set(rows["feature"]) == set(training.properties["features"])
    assert rows["rank"].to_list() == list(range(1, rows.height + 1))
    assert "carrier" in rows.filter("chosen")["feature"]
    assert version.properties["chosen"] == rows.filter("chosen")["feature"].to_list()
    assert version.properties["training_date"] == FIRST
    assert [point["size"] for point in version.properties["curve"]] == [3, 6, 20]
    assert workspace.lake.lineage.inputs(version.id) == [training]


@pytest.mark.slow
def test_a_rerun_adds_nothing(workspace):
    head = workspace.lake.versions.newest_commit()
    outcome = materialize_selected(workspace, PROBLEM, [FIRST, SECOND])
    assert workspace.lake.versions.newest_commit() == head
    assert [partition.version.reused for partition in outcome.partitions] == [True, True]  # type: ignore[union-attr]


@pytest.mark.slow
def test_a_reader_sees_the_choice_its_curve_and_its_stability(workspace):
    outcome = materialize_selected(workspace, PROBLEM, [FIRST])
    assert isinstance(outcome.metadata["chosen"], Rows)
    assert outcome.metadata["chosen"].rows[0]["rank"] == 1
    curve = outcome.metadata["size_curve"]
    assert isinstance(curve, Plot)
    assert curve.data["sizes"] == [3, 6, 20]
    assert curve.data["chosen"] in curve.data["sizes"]
    assert all(0.5 < auc < 1 for auc in curve.data["auc"])
    assert outcome.metadata["stability"].startswith("phi ")
    numbers = outcome.partitions[0].numbers
    assert numbers["candidates"] == 20
    assert numbers["features"] == curve.data["chosen"]
    assert outcome.checks == ()


def test_test_rows_change_nothing(workspace):
    before = selected_rows(workspace, FIRST)
    training = workspace.lake.versions.heads(workspace.table("training", PROBLEM))[FIRST]
    rows = training_rows(workspace, FIRST)
    is_test = pl.col("_split") == "test"
    turned = rows.with_columns(
        pl.when(is_test).then(1 - pl.col("_label")).otherwise("_label").alias("_label"),
        pl.when(is_test).then(pl.lit("ZZ")).otherwise("carrier").alias("carrier"),
    )
    assert not turned.equals(rows)
    staged = workspace.lake.writing.stage(training.table, FIRST, turned.to_arrow(), properties=training.properties)
    workspace.lake.writing.publish([staged])
    materialize_selected(workspace, PROBLEM, [FIRST])
    assert selected_rows(workspace, FIRST).equals(before)


def test_another_declaration_is_another_choice(tmp_path):
    workspace = modelled(tmp_path, problem=replace(DECLARED, selection=Selection(method="all")))
    before = workspace.lake.versions.heads(workspace.table("selected", PROBLEM))[FIRST]
    outcome = materialize_selected(workspace, PROBLEM, [FIRST])
    version = outcome.partitions[0].version
    assert version is not None
    assert version.code_version != before.code_version
    assert selected_rows(workspace, FIRST)["chosen"].all()
    assert "size_curve" not in outcome.metadata


@pytest.mark.slow
def test_dates_without_a_training_set_are_stopped_and_the_others_are_not(workspace):
    outcome = materialize_selected(workspace, PROBLEM, ["2013-03-01", FIRST])
    stopped, made = outcome.partitions
    assert stopped.version is None
    assert "There is no training set of 'late_arrival' for training date 2013-03-01. Materialize training/" in str(stopped.stopped)
    assert made.stopped is None
    nothing = materialize_selected(workspace, PROBLEM, ["2013-03-01"])
    assert (nothing.commit, nothing.metadata) == (None, {})
