"""A league as a dg project: matches of which the result becomes known after the row itself, and the questions that one asks of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import polars as pl

from ml_platform.core.intervals import DAY, day_start, shift_day
from ml_platform.pipeline.feature_tables.feature_table import materialize_features
from ml_platform.pipeline.models.champion import materialize_champion
from ml_platform.pipeline.models.model import materialize_model
from ml_platform.pipeline.models.selected import materialize_selected
from ml_platform.pipeline.outcome import Outcome
from ml_platform.pipeline.training.training_set import materialize_training
from ml_platform.pipeline.workspace import Workspace
from ml_platform_tests.components.made_project import MadeProject, make_project

DAYS = [shift_day("2024-01-01", n) for n in range(62)]
TRAINED = "2024-02-20"
TEAMS, PER_DAY = 8, 24
# From this day on some matches end as none did before.
NEW_CLASS = "2024-02-22"

TABLES = """
type: ml_platform.Table
attributes:
  name: matches
  source: {files: "matches/{day}.csv"}
  partitions: {start: "2024-01-01", end: "2024-06-01", first: -2, after: 2}
  contract: matches.contract.yaml
  key: [match]
  event_time: kickoff
  available_at:
    "kickoff - interval 2 days": [match, home, away, kickoff]
    "kickoff + interval 2 hours": [result, goals]
---
type: ml_platform.FeatureView
attributes:
  name: form
  source: matches
  entities: [[home], [away]]
  windows: [28d]
  features:
    - {name: won, sql: "result = 'home win'", functions: [share]}
    - {column: goals, functions: [mean]}
"""
PROBLEM = """
---
type: ml_platform.Problem
attributes:
  name: result
  spine: {rows_of: matches, cutoff: kickoff - interval 1 hour}
  label: {from: matches, match: [match], sql: max(result), horizon: 12h}
  features: [form, matches.home, matches.away]
  training: {every: 7d, look_back: 50d, validate: 6d, test: 15d}
  selection: all
  model: {params: {max_trees: 30, min_data_in_leaf: 20}}
"""
CONTRACT = """
columns:
  match: {type: string, nullable: false}
  home: {type: string, nullable: false}
  away: {type: string, nullable: false}
  kickoff: {type: timestamp, nullable: false}
  result: {type: string}
  goals: {type: int64}
"""


def matches(day: str) -> pl.DataFrame:
    """Return the matches of a day: strong teams win, and score the more the weaker the other is."""
    rng = np.random.default_rng([3, int(day.replace("-", ""))])
    strength = np.linspace(-1.5, 1.5, TEAMS)
    home = rng.integers(0, TEAMS, PER_DAY)
    away = (home + rng.integers(1, TEAMS, PER_DAY)) % TEAMS
    better = strength[home] - strength[away] + 0.2
    powers = np.exp(np.column_stack([-better, np.full(PER_DAY, -0.2), better]))
    drawn = (powers.cumsum(axis=1) / powers.sum(axis=1, keepdims=True) < rng.random((PER_DAY, 1))).sum(axis=1)
    result = np.array(["away win", "draw", "home win"], dtype=object)[drawn]
    if day >= NEW_CLASS:
        result[:2] = "abandoned"
    return pl.DataFrame({
        "match": [f"{day}-{n}" for n in range(PER_DAY)],
        "home": [f"t{n}" for n in home],
        "away": [f"t{n}" for n in away],
        "kickoff": [day_start(day) + DAY * (12 * 60 + 5 * n) / 1440 for n in range(PER_DAY)],
        "result": result.tolist(),
        "goals": rng.poisson(np.exp(0.9 + 0.35 * better)),
    })  # fmt: skip


def league(folder: Path, problem: str = PROBLEM) -> MadeProject:
    """Write the project, land all days, and make raw rows, tables and features."""
    project = make_project(folder, "league")
    project.declare(TABLES + problem, matches=CONTRACT)
    for day in DAYS:
        project.land(f"matches/{day}.csv", matches(day))
    project.set_clock(shift_day(DAYS[-1], 1))
    project.carry(["matches"], DAYS)
    workspace = project.open().workspace
    for entity in ("home", "away"):
        materialize_features(workspace, "form", (entity,), DAYS)
    return project


def trained(workspace: Workspace, problem: str, dates: Sequence[str] = (TRAINED,)) -> Outcome:
    """Make training set, selection and model of some dates; judge the newest model."""
    for materialize in (materialize_training, materialize_selected, materialize_model):
        outcome = materialize(workspace, problem, list(dates))
        assert [partition.stopped for partition in outcome.partitions] == [None] * len(dates)
    materialize_champion(workspace, problem)
    return outcome
