"""Select seldom, train often: what a later training date may keep, and what speaks against it."""

from dataclasses import replace
from datetime import timedelta

import polars as pl
import pytest

from ml_platform.core.intervals import shift_day
from ml_platform.lake.ledger.version import Version
from ml_platform.pipeline.models.model import load_model, materialize_model
from ml_platform.pipeline.models.selected import materialize_selected
from ml_platform.pipeline.workspace import Workspace
from ml_platform_tests.pipeline.modelled_world import DECLARED, FIRST, PROBLEM, SECOND, modelled, training_rows

EVERY = timedelta(days=28)


def keeping(tmp_path, every: timedelta = EVERY) -> tuple[Workspace, list[str]]:
    """Return a world with a choice for FIRST and SECOND that is kept for ``every``, and what it says."""
    said: list[str] = []
    problem = replace(DECLARED, selection=replace(DECLARED.selection, every=every))
    return replace(modelled(tmp_path, problem=problem), say=said.append), said


def head(workspace: Workspace, layer: str, day: str) -> Version:
    return workspace.lake.versions.heads(workspace.table(layer, PROBLEM))[day]


def train_again(workspace: Workspace, day: str, rows: pl.DataFrame | None = None, **properties: object) -> Version:
    """Publish a training set: that of SECOND, unless told otherwise."""
    like = head(workspace, "training", SECOND)
    rows = training_rows(workspace, SECOND) if rows is None else rows
    given = {**like.properties, "training_date": day, **properties}
    return workspace.lake.writing.publish([workspace.lake.writing.stage(like.table, day, rows.to_arrow(), properties=given)]).versions[0]


def chosen(workspace: Workspace, day: str) -> Version:
    version = materialize_selected(workspace, PROBLEM, [day]).partitions[0].version
    assert version is not None
    return version


@pytest.mark.slow
def test_a_young_choice_is_kept_and_the_model_stands_on_both(tmp_path):
    workspace, _ = keeping(tmp_path)
    first, training = head(workspace, "selected", FIRST), head(workspace, "training", SECOND)
    outcome = materialize_selected(workspace, PROBLEM, [SECOND])
    kept = head(workspace, "selected", SECOND)
    assert outcome.partitions[0].numbers["kept_from"] == FIRST
    assert outcome.metadata["kept"] == kept.properties["kept_because"]
    assert kept.properties["kept_because"].startswith("Kept from 2013-03-08, 7d before.")
    assert set(workspace.lake.lineage.inputs(kept.id)) == {first, training}
    rows, before = (workspace.lake.versions.read([v]).pl().sort("rank") for v in (kept, first))
    assert rows.drop("reason").equals(before.drop("reason"))
    assert rows["reason"].to_list() == [f"kept from {FIRST}; {reason}" for reason in before["reason"]]

    made = materialize_model(workspace, PROBLEM, [SECOND]).partitions[0].version
    assert made is not None
    assert made.properties["features"] == first.properties["chosen"]
    assert head(workspace, "training", FIRST) in workspace.lake.lineage.closure([made.id])
    assert "Its features were chosen for 2013-03-08 and kept" in load_model(workspace, made).card


def test_keeping_again_adds_nothing(tmp_path):
    workspace, _ = keeping(tmp_path)
    kept, number = chosen(workspace, SECOND), workspace.lake.versions.newest_commit()
    assert chosen(workspace, SECOND) == kept
    assert workspace.lake.versions.newest_commit() == number


@pytest.mark.slow
@pytest.mark.parametrize(("days", "is_kept"), [(8, True), (7, False)])
def test_a_choice_is_kept_until_it_is_as_old_as_declared(tmp_path, days, is_kept):
    workspace, said = keeping(tmp_path, timedelta(days=days))
    assert ("kept_from" in chosen(workspace, SECOND).properties) is is_kept
    told = "chosen anew for 2013-03-15: the last choice, of 2013-03-08, is 7d old, and one is made every 7d."
    assert any(told in line for line in said) is not is_kept


@pytest.mark.slow
def test_keeping_does_not_make_a_choice_younger(tmp_path):
    workspace, _ = keeping(tmp_path)
    chosen(workspace, SECOND)
    late, too_late = shift_day(FIRST, 27), shift_day(FIRST, 28)
    for day in (late, too_late):
        train_again(workspace, day)
    assert chosen(workspace, late).properties["kept_from"] == FIRST
    assert "kept_from" not in chosen(workspace, too_late).properties


@pytest.mark.slow
def test_one_run_of_both_dates_chooses_for_the_first_and_keeps_for_the_second(tmp_path):
    workspace, _ = keeping(tmp_path)
    numbers = [p.numbers for p in materialize_selected(workspace, PROBLEM, [SECOND, FIRST]).partitions]
    assert [n.get("kept_from") for n in numbers] == [FIRST, None]


@pytest.mark.slow
def test_an_earlier_date_never_keeps_a_later_choice(tmp_path):
    workspace, _ = keeping(tmp_path)
    train_again(workspace, shift_day(FIRST, -7), training_rows(workspace, FIRST))
    assert "kept_from" not in chosen(workspace, shift_day(FIRST, -7)).properties


@pytest.mark.slow
def test_what_chose_the_features_never_judges_them(tmp_path):
    workspace, said = keeping(tmp_path)
    splits = head(workspace, "training", SECOND).properties["splits"]
    seen = head(workspace, "selected", FIRST).properties["seen_until"]
    assert seen == head(workspace, "training", FIRST).properties["splits"]["test"]
    train_again(workspace, SECOND, splits={**splits, "test": seen})
    assert "kept_from" in chosen(workspace, SECOND).properties
    earlier = f"{shift_day(seen[:10], -1)}{seen[10:]}"
    train_again(workspace, SECOND, splits={**splits, "test": earlier})
    assert "kept_from" not in chosen(workspace, SECOND).properties
    assert any("the choice of 2013-03-08 has seen rows that are test rows now." in line for line in said)


@pytest.mark.slow
def test_other_features_or_other_rules_are_another_choice(tmp_path):
    workspace, said = keeping(tmp_path)
    train_again(workspace, SECOND, definitions="others")
    assert "kept_from" not in chosen(workspace, SECOND).properties
    assert any("other features were declared when those of 2013-03-08 were chosen" in line for line in said)
    other = replace(DECLARED, selection=replace(DECLARED.selection, every=EVERY, sizes=(2, 4)))
    changed = replace(modelled(tmp_path / "other", problem=other), say=said.append)
    assert "kept_from" not in chosen(changed, SECOND).properties
    assert any("the choice of 2013-03-08 was made by other rules" in line for line in said)


@pytest.mark.slow
def test_a_feature_that_says_nothing_any_more_is_not_kept(tmp_path):
    workspace, said = keeping(tmp_path)
    name = head(workspace, "selected", FIRST).properties["chosen"][-1]
    silent = training_rows(workspace, SECOND).with_columns(pl.when(pl.col("_split") != "train").then(name).alias(name))
    train_again(workspace, SECOND, silent)
    assert "kept_from" not in chosen(workspace, SECOND).properties
    assert any(f"{name}, which was chosen for 2013-03-08, can no longer be used" in line for line in said)


@pytest.mark.slow
def test_without_a_declared_age_each_date_chooses(tmp_path):
    workspace = modelled(tmp_path)
    assert "kept_from" not in chosen(workspace, SECOND).properties
