"""A world whose training sets, selections and models of two dates are made: once, and copied for each test that writes."""

from __future__ import annotations

import shutil
from dataclasses import replace
from pathlib import Path

import polars as pl

from ml_platform.core.clock import FixedClock
from ml_platform.core.intervals import day_start
from ml_platform.lake.lake import Lake
from ml_platform.pipeline.models.model import materialize_model
from ml_platform.pipeline.models.selected import materialize_selected
from ml_platform.pipeline.training.training_set import materialize_training
from ml_platform.pipeline.workspace import Workspace
from ml_platform.training.problem import Model, Problem, Selection, Training
from ml_platform_tests.flights_like import DAY, LATE_ARRIVAL, project, world
from ml_platform_tests.once import made_once

PROBLEM = "late_arrival"
FIRST, SECOND = "2013-03-08", "2013-03-15"
DECLARED = replace(
    LATE_ARRIVAL,
    training=Training(every=7 * DAY, look_back=60 * DAY, validate=10 * DAY, test=16 * DAY),
    selection=Selection(sizes=(3, 6), tolerance=0.2),
    # On flights that are made by odds that add up, no tree beats the logistic baseline.
    model=Model(baseline="constant", params={"max_trees": 60}),
    description="Will the flight arrive late?",
)


def _make(root: Path) -> None:
    made = world(root, project_=project(root, problem=DECLARED), landed=76, per_day=80)
    for materialize in (materialize_training, materialize_selected, materialize_model):
        outcome = materialize(made.workspace, PROBLEM, [FIRST, SECOND])
        assert [partition.stopped for partition in outcome.partitions] == [None, None]
    made.workspace.lake.close()


def modelled(tmp_path: Path, *, problem: Problem = DECLARED) -> Workspace:
    """Return a copy of that world, with its problem declared as given."""
    shutil.copytree(made_once("modelled_world", _make), tmp_path, dirs_exist_ok=True)
    clock = FixedClock(day_start("2013-03-18"))
    return Workspace(project(tmp_path, problem=problem), Lake.open(tmp_path / "lake"), clock, tmp_path / "landing")


def training_rows(workspace: Workspace, day: str) -> pl.DataFrame:
    """Return the training set of a date."""
    return workspace.lake.read(workspace.table("training", PROBLEM), [day], missing="raise").pl()
