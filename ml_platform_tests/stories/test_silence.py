"""A feed with files only for days with rows: what its silence means to training, scores and outcomes, through Dagster."""

from __future__ import annotations

import numpy as np
import pytest

from ml_platform.audit.verdict import IDENTICAL
from ml_platform.core.intervals import day_start, shift_day
from ml_platform.pipeline.standing.problem import outcome_standing, prediction_standing
from ml_platform.pipeline.standing.training_date import newest_training_date
from ml_platform_tests.components.made_project import copied, make_project
from ml_platform_tests.stories.test_missing_days import COUPONS, CUSTOMERS, DECLARATIONS, SALES, land_day

# Coupons come on two of three days, and end on the 14th; sales come every day.
DAYS = [shift_day("2024-01-01", n) for n in range(50)]
TRAINED, ENDED, CLOCK = "2024-02-12", "2024-02-14", "2024-02-20"
SCORED = [shift_day("2024-02-13", n) for n in range(6)]
REDEEMS = DECLARATIONS.replace(
    "label: {from: sales, match: [customer], sql: count(*) > 0", "label: {from: coupons, match: [customer], sql: count(*) > 0"
).replace("features: [bought, used]", "features: [bought]")


def declared(project, *, silence=None, missing_days="are_empty", features="bought", name="buys"):
    """Declare the shop with what is said of the coupons' silence."""
    said = f"  missing_days: {missing_days}\n" + (f"  longest_silence: {silence}\n" if silence else "")
    text = (
        REDEEMS.replace("  missing_days: are_empty\n", said)
        .replace("features: [bought]", f"features: [{features}]")
        .replace("name: buys", f"name: {name}")
    )
    project.declare(text, sales=SALES, coupons=COUPONS)
    return project


def redeem(project, day, any_coupons=True):
    """Land the coupons of a day, which those use who buy most, or none."""
    path = project.root / "data" / "landing" / f"coupons/{day}.csv"
    path.unlink(missing_ok=True)
    if any_coupons:
        rng = np.random.default_rng(int(day.replace("-", "")))
        used = rng.random(CUSTOMERS) < np.where(np.arange(CUSTOMERS) % 3 == 0, 0.9, 0.05)
        rows = [f"{day}-{n},{n},{day}T10:00:00Z" for n in np.flatnonzero(used)]
        project.land(f"coupons/{day}.csv", "\n".join(["coupon,customer,used_at", *rows]), day)


@pytest.fixture(scope="module")
def ended(tmp_path_factory):
    """The shop with a champion and six scored days, of which the coupons know two."""
    project = declared(make_project(tmp_path_factory.mktemp("silence"), "shop"))
    for day in DAYS:
        land_day(project, day)
        redeem(project, day, day <= ENDED and int(day[-2:]) % 3 > 0)
    project.set_clock(CLOCK)
    project.carry(["sales"], DAYS)
    project.carry(["coupons"], [day for day in DAYS if day <= ENDED])
    assert project.run(["training/buys", "selected/buys", "models/buys"], [TRAINED]).success
    assert project.run(["champion/buys"]).success
    assert project.run(["predictions/buys"], SCORED).success
    return project


def outcomes_of(project):
    """Materialize the outcomes of the scored days; return those that came, what was said, and what was expected to come."""
    workspace = project.open().workspace
    before = workspace.lake.versions.heads("shop/outcomes/buys")
    expected = outcome_standing(workspace, workspace.project.problem("buys"))
    project.run(["outcomes/buys"], SCORED)
    made = project.open().lake.versions.heads("shop/outcomes/buys")
    assert set(made) - set(before) == set(expected.due), "status says what a run makes"
    return sorted(made), "\n".join([*project.log, *(f"{day}: {why}" for day, why in expected.waiting.items())])


def predictions_of(project, name):
    """Return how the scores stand, as status and run are told it."""
    workspace = project.open().workspace
    return prediction_standing(workspace, workspace.project.problem(name))


def training_date(project):
    workspace = project.open().workspace
    return newest_training_date(workspace, workspace.project.problem("buys")).date


@pytest.mark.slow
def test_a_feed_that_has_ended_is_not_one_on_which_nothing_happens(ended, tmp_path):
    project = copied(ended, tmp_path)
    made, told = outcomes_of(project)
    assert made == ["2024-02-13", "2024-02-14"]
    assert "'coupons' is known up to 2024-02-15 00:00 only: a day without a file counts as a day without rows once a later day is" in told
    assert "`longest_silence` of coupons" in told
    assert training_date(project) == "2024-02-15"
    # Whoever asks for a later date learns from the rows that are known, and from no silence.
    assert project.run(["training/buys"], ["2024-02-19"]).success
    training = project.open().lake.versions.heads("shop/training/buys")["2024-02-19"]
    assert training.properties["answers_until"] == day_start("2024-02-15").isoformat()
    assert project.open().problem("buys").training_set("2024-02-19")["_cutoff"].max() == day_start(ENDED)


@pytest.mark.slow
def test_a_later_file_proves_that_the_silence_was_silence(ended, tmp_path):
    project = copied(ended, tmp_path)
    redeem(project, "2024-02-17")
    project.carry(["coupons"], ["2024-02-17"])
    made, _ = outcomes_of(project)
    assert made == SCORED[:5]
    lake = project.open().lake
    assert [lake.read("shop/outcomes/buys", [day]).pl()["_label"].sum() for day in ("2024-02-15", "2024-02-16")] == [0, 0]
    assert lake.read("shop/outcomes/buys", ["2024-02-17"]).pl()["_label"].sum() > 0
    assert training_date(project) == "2024-02-18"


@pytest.mark.slow
def test_a_later_file_that_is_stopped_proves_no_silence(ended, tmp_path):
    """It came, but what stands in it cannot be read: nobody knows whether files of the days before it are still to come."""
    project = copied(ended, tmp_path)
    project.land("coupons/2024-02-17.csv", "coupon,customer,used_at\n2024-02-17-1,1,soon\n", "2024-02-17")
    project.run(["raw/coupons", "tables/coupons"], ["2024-02-17"])
    workspace = project.open().workspace
    assert list(workspace.lake.versions.rejected(workspace.table("tables", "coupons"))) == ["2024-02-17"]
    standing = outcome_standing(workspace, workspace.project.problem("buys"))
    assert sorted(day for day in standing.due if day) == ["2024-02-13", "2024-02-14"]
    assert "'coupons' is known up to 2024-02-15 00:00 only" in standing.waiting["2024-02-15"]
    assert training_date(project) == "2024-02-15"


@pytest.mark.slow
def test_a_problem_is_trained_for_the_newest_date_of_which_its_slower_features_are_known(ended, tmp_path):
    project = copied(ended, tmp_path)
    # Sales are asked for and known up to the 19th; coupons, which features count, end on the 14th.
    project.declare(DECLARATIONS.replace("name: buys", "name: spends"), sales=SALES, coupons=COUPONS)
    workspace = project.open().workspace
    chosen = newest_training_date(workspace, workspace.project.problem("spends"))
    assert chosen.date == "2024-02-16"
    assert "coupons, which its features read, has landed up to 2024-02-14" in chosen.why
    assert project.run(["training/spends"], [chosen.date]).success
    assert not project.run(["training/spends"], ["2024-02-17"]).success


@pytest.mark.slow
def test_a_rare_event_feed_says_for_how_long_it_can_be_silent(ended, tmp_path):
    project = declared(copied(ended, tmp_path), silence="2d")
    # A file of the 15th would be late from the 17th on: one day after it is over.
    project.set_clock("2024-02-17")
    made, _ = outcomes_of(project)
    assert made == SCORED[:3]
    project.set_clock(CLOCK)
    made, told = outcomes_of(project)
    assert made == SCORED[:4]
    assert "1d after it is over if the newest day lies at most 2d before it (`longest_silence`); after a longer silence" in told
    assert training_date(project) == "2024-02-17"
    # What was known is kept with the training set: made again, at the earliest clock at which it could be, it learns from the same rows.
    assert project.run(["training/buys", "selected/buys", "models/buys"], ["2024-02-17"]).success
    session = project.open()
    model = session.lake.versions.heads("shop/models/buys")["2024-02-17"]
    assert session.problem("buys").training_set("2024-02-17")["_cutoff"].max() == day_start("2024-02-16")
    assert session.problem("buys").reproduce(model.id).verdict == IDENTICAL


@pytest.mark.slow
def test_scores_whose_windows_reach_the_silence_wait_for_its_end(ended, tmp_path):
    project = declared(copied(ended, tmp_path), features="bought, used", name="redeems")
    assert project.run(["training/redeems", "selected/redeems", "models/redeems"], ["2024-02-15"]).success
    assert project.run(["champion/redeems"]).success
    day = "2024-02-19"
    held = predictions_of(project, "redeems")
    assert set(held.due) == {"2024-02-14", "2024-02-15"}
    assert all(f"30 rows of {one} are not scored yet." in why for one, why in held.stopped.items())
    assert "is alive, say for how long: `longest_silence` of coupons. Land" in held.stopped[day]
    project.run(["predictions/redeems"], ["2024-02-14", *SCORED[2:], day])
    assert project.open().lake.versions.heads("shop/predictions/redeems").keys() == held.due.keys()
    told = "\n".join(project.log)
    assert "4 days of table coupons, reached by used (2024-02-15, 2024-02-16, 2024-02-17, 2024-02-18), are not known yet" in told
    project = declared(project, silence="3d", features="bought, used", name="redeems")
    project.run(["predictions/redeems"], [day])
    assert "1 day of table coupons, reached by used (2024-02-18), is not known yet" in "\n".join(project.log)
    redeem(project, day)
    project.carry(["coupons"], [day])
    assert day in predictions_of(project, "redeems").due
    project.run(["predictions/redeems"], [day])
    scores = project.open().lake.read("shop/predictions/redeems", [day]).pl()
    assert scores.height > 0
    # The rows are scored with what a notebook computes, and no coupon was used in the silence.
    assert scores["customer_coupons_sum_3d"].sum() == 0


@pytest.mark.slow
def test_a_daily_feed_waits_for_its_files(ended, tmp_path):
    project = declared(copied(ended, tmp_path), missing_days="stop")
    made, told = outcomes_of(project)
    assert made == ["2024-02-13", "2024-02-14"]
    assert "'coupons' is known up to 2024-02-15 00:00 only: land its files." in told
    redeem(project, "2024-02-17")
    project.carry(["coupons"], ["2024-02-17"])
    made, told = outcomes_of(project)
    assert made == ["2024-02-13", "2024-02-14", "2024-02-17"]
    assert "table coupons, reached by the label of buys (2024-02-15), was not delivered" in told
