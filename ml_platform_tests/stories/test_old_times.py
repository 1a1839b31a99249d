"""A league that has been played since 1872: times before 1970, cutoffs that are dates, and spines as people give them."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta

import numpy as np
import pandas as pd
import polars as pl
import pytest

from ml_platform.core.errors import FeatureError
from ml_platform.core.intervals import day_start, shift_day
from ml_platform_tests.components.made_project import check, make_project

pytestmark = pytest.mark.slow

TEAMS = 12
WEEKS = [shift_day("1872-11-30", 7 * n) for n in range(130)]
TRAINED = "1875-04-01"

DECLARATIONS = """
type: ml_platform.Table
attributes:
  name: fixtures
  source: {files: "fixtures/{day}.csv"}
  partitions: {start: "1872-11-30", end: "1876-01-01", first: -7, after: 1}
  contract: fixtures.contract.yaml
  key: [match_id]
  event_time: played_on
  available_at: played_on - interval 7 days
  missing_days: are_empty
---
type: ml_platform.Table
attributes:
  name: results
  source: {files: "results/{day}.csv"}
  partitions: {start: "1872-11-30", end: "1876-01-01", after: 2}
  contract: results.contract.yaml
  key: [match_id]
  event_time: played_on
  available_at: played_on + interval 1 day
  missing_days: are_empty
---
type: ml_platform.FeatureView
attributes:
  name: form
  source: results
  entities: [[home]]
  windows: [60d, all]
  features:
    - {column: home_goals, functions: [mean, sum]}
    - {name: margin, sql: home_goals - away_goals, functions: [mean]}
---
type: ml_platform.Problem
attributes:
  name: home_win
  spine: {rows_of: fixtures, cutoff: played_on}
  label: {from: results, match: [match_id], sql: max(home_goals) > max(away_goals), horizon: 2d}
  features: [form, fixtures.away]
  training: {every: 28d, look_back: 800d, validate: 60d, test: 120d}
  selection: all
  model: {trainer: logistic, baseline: constant}
"""
FIXTURES = """
columns:
  match_id: {type: string, nullable: false}
  home: {type: int64, nullable: false}
  away: {type: int64, nullable: false}
  played_on: {type: date, nullable: false}
"""
RESULTS = """
columns:
  match_id: {type: string, nullable: false}
  home: {type: int64, nullable: false}
  home_goals: {type: int32}
  away_goals: {type: int32}
  played_on: {type: date, nullable: false}
  valid_until: {type: timestamp}
"""


@pytest.fixture(scope="module")
def league(tmp_path_factory):
    """The league, landed and in its tables."""
    project = make_project(tmp_path_factory.mktemp("league"), "league")
    project.declare(DECLARATIONS, fixtures=FIXTURES, results=RESULTS)
    rng = np.random.default_rng(1872)
    for week in WEEKS:
        teams = rng.permutation(TEAMS)
        home, away = teams[: TEAMS // 2], teams[TEAMS // 2 :]
        matches = pl.DataFrame({
            "match_id": [f"{week}-{h}" for h in home], "home": home, "away": away,
            "home_goals": rng.poisson(0.4 + 0.35 * home), "away_goals": rng.poisson(0.4 + 0.35 * away),
            "played_on": [date.fromisoformat(week)] * home.size, "valid_until": [datetime(9999, 12, 31, tzinfo=UTC)] * home.size,
        })  # fmt: skip
        project.land(f"fixtures/{week}.csv", matches.select("match_id", "home", "away", "played_on"))
        project.land(f"results/{week}.csv", matches.select("match_id", "home", "home_goals", "away_goals", "played_on", "valid_until"))
    project.set_clock("1875-05-22")
    project.carry(["fixtures", "results"], WEEKS)
    return project


def test_a_league_since_1872_becomes_a_champion_and_predictions(league):
    result = league.run(["training/home_win", "selected/home_win", "models/home_win"], [TRAINED])
    assert result.success
    assert check(result, "future").passed
    assert "values" in check(result, "future").description
    assert league.run(["champion/home_win"]).success
    (week,) = [w for w in WEEKS if TRAINED < w <= "1875-04-08"]
    # A feature table of a day in 1875 is made, and read by the scores.
    assert league.run(["features/form__home"], [shift_day(week, n - 6) for n in range(7)]).success
    assert league.run(["predictions/home_win"], [week]).success
    assert league.run(["outcomes/home_win"], [week]).success
    lake = league.open().lake
    predictions = lake.read("league/predictions/home_win", [week]).pl()
    assert predictions.height == TEAMS // 2
    assert predictions["_cutoff"].unique().to_list() == [day_start(week)]
    outcomes = lake.read("league/outcomes/home_win", [week]).pl()
    assert set(outcomes["_label"]) <= {0.0, 1.0}
    card = lake.versions.artifact(lake.versions.heads("league/models/home_win")[TRAINED], "card.md").decode()
    assert "1873-" in card


def test_values_are_those_of_a_loop_over_the_rows(league):
    rows = league.open().table("results").pl()
    rng = np.random.default_rng(0)
    spine = pl.DataFrame({
        "home": rng.integers(0, TEAMS, 50),
        "cutoff": [datetime(1873, 1, 1, tzinfo=UTC) + timedelta(hours=int(h)) for h in rng.integers(0, 15_000, 50)],
    })  # fmt: skip
    found = league.open().features.at(spine, ["form"])
    for row in found.iter_rows(named=True):
        refresh = row["cutoff"].replace(hour=0)
        known = rows.filter(pl.col("home") == row["home"], pl.col("_available_at") < refresh)
        recent = known.filter(pl.col("_available_at") >= refresh - timedelta(days=60))
        assert row["home_home_goals_sum_all"] == (known["home_goals"].sum() if known.height else row["home_home_goals_sum_all"])
        assert row["home_margin_mean_60d"] == pytest.approx((recent["home_goals"] - recent["away_goals"]).mean())


def test_dates_texts_and_keys_with_a_gap_are_read_as_they_are_meant(league):
    features = league.open().features
    day = datetime(1874, 6, 1, tzinfo=UTC)
    expected = features.at(pl.DataFrame({"home": [3, None, 5], "cutoff": [day] * 3}, schema_overrides={"home": pl.Int64}), ["form"])
    names = [name for name in expected.columns if name.startswith("home_")]
    given = pd.DataFrame({"home": [3, None, 5], "cutoff": ["1874-06-01", "1874-06-01T00:00:00Z", "1874-06-01 02:00+02:00"]})
    assert given["home"].dtype == "float64"
    found = features.at(given, ["form"], cutoff="cutoff")
    assert found.select(names).equals(expected.select(names))
    assert found["home"].dtype == pl.Float64
    assert found["cutoff"].to_list() == [day] * 3
    dated = features.at(pl.DataFrame({"home": [3, None, 5], "on": [day.date()] * 3}, schema_overrides={"home": pl.Int64}), ["form"])
    assert dated.select(names).equals(expected.select(names))


@pytest.mark.parametrize(
    ("cutoff", "says"),
    [
        (pl.Series(["03/04/1874"]), "'03/04/1874' in the cutoff column 'cutoff' cannot be read as a time in one way only"),
        (pl.Series(["1874-02-30"]), "'1874-02-30' in the cutoff column"),
        (pl.Series([datetime(1, 1, 1, tzinfo=UTC)]), "before the year 1000 or at the very end of 9999"),
        (pl.Series([2**62]).cast(pl.Datetime("us", "UTC")), "before the year 1000 or at the very end of 9999"),
        (pl.Series([18_740_601]), "it must hold times, dates or ISO texts"),
    ],
)
def test_cutoffs_that_say_nothing_are_refused_with_a_sentence(league, cutoff, says):
    with pytest.raises(FeatureError, match=says):
        league.open().features.at(pl.DataFrame({"home": [1], "cutoff": cutoff}), ["form"], cutoff="cutoff")


def test_keys_that_are_no_whole_numbers_are_refused(league):
    with pytest.raises(FeatureError, match="home"):
        league.open().features.at(pl.DataFrame({"home": [1.5], "cutoff": [datetime(1874, 1, 1, tzinfo=UTC)]}), ["form"])


@pytest.mark.parametrize("time", [datetime(1800, 1, 1, tzinfo=UTC), datetime(9999, 12, 30, tzinfo=UTC)])
def test_the_first_and_the_last_cutoffs_have_values(league, time):
    spine = pl.DataFrame({"home": [1], "_cutoff": [time]})
    found = league.open().features.at(spine, ["form"]).row(0, named=True)
    assert (found["home_home_goals_mean_all"] is None) == (time.year == 1800)
    assert found["home_home_goals_mean_60d"] is None
