"""Will it come back, and how long until it does: from the declaration to a champion and scores, as runs of Dagster."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import polars as pl
import pytest

from ml_platform.commands.run.running import opened_runs
from ml_platform.components.runs.problem_run import ProblemRun
from ml_platform.pipeline.models.champion import current_champion
from ml_platform_tests.commands.run.test_running import CONTRACT, DAYS, DECLARED, land
from ml_platform_tests.components.made_project import make_project

pytestmark = pytest.mark.slow

HORIZON = 6
QUESTIONS = (
    DECLARED.replace("[{functions: [count]}]", "[{functions: [count, time_since]}]")
    + f"""\
---
type: ml_platform.Problem
attributes:
  name: days_until
  spine: {{each: customer_id, every: 1d, active: {{in: orders, within: 30d}}}}
  label:
    from: orders
    match: [customer_id]
    sql: epoch(min(ordered_at) - _cutoff) / 86400
    horizon: {HORIZON}d
    without_rows: {{value: {HORIZON}}}
  task: regression
  features: [recent]
  training: {{every: 7d, look_back: 40d, validate: 9d, test: 10d}}
  model: {{params: {{max_trees: 60, min_data_in_leaf: 10}}}}
  selection: all
"""
)


@pytest.fixture(scope="module")
def carried(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, ProblemRun]]:
    """Both questions, carried from landed files to scores; customer n comes every (n % 9 + 1)th day."""
    project = make_project(tmp_path_factory.mktemp("until"), "shop")
    project.declare(QUESTIONS, orders=CONTRACT)
    for day in range(DAYS):
        land(project, day)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(project.root))
        with opened_runs(Path(project.root), lambda _: None) as (_, make):
            found = {name: make("shop", name) for name in ("buys_again", "days_until")}
            for one in found.values():
                one.go()
            yield found


def scores_of(run: ProblemRun) -> pl.DataFrame:
    """Return the scores of a problem with what is known of each customer: every how many days it comes."""
    assert run.failed == []
    assert [result.success for result in run.runs.runs] == [True] * len(run.runs.runs)
    assert current_champion(run.workspace, run.problem) is not None
    rows = run.workspace.lake.read(run.workspace.table("predictions", run.problem)).pl()
    return rows.with_columns(every=pl.col("customer_id") % 9 + 1)


def test_will_it_come_back(carried: dict[str, ProblemRun]) -> None:
    scores = scores_of(carried["buys_again"])
    by = dict(scores.group_by("every").agg(pl.col("_score").mean()).iter_rows())
    assert by[1] > 0.8
    assert by[9] < 0.5


def test_how_long_until_it_comes(carried: dict[str, ProblemRun]) -> None:
    """What comes every day is expected tomorrow; nothing is expected after the horizon, where waiting is cut off."""
    scores = scores_of(carried["days_until"])
    assert scores["_score"].is_between(0, HORIZON + 0.5).all()
    by = dict(scores.group_by("every").agg(pl.col("_score").mean()).iter_rows())
    assert by[1] < 1 < by[9]
    assert by[1] < by[3] < by[9]
