"""``ml_platform.quickstart``: a frame, a file or a folder becomes a project with a champion in one call."""

from __future__ import annotations

from datetime import datetime, timedelta

import polars as pl
import pytest

import ml_platform
from ml_platform.components.opening import Session
from ml_platform.core.errors import DeclarationError

DAYS = 60


def visits(days: int = DAYS) -> pl.DataFrame:
    """Return visits: five a day, of 12 patients, of which those that are told late in the day are missed more often."""
    rows = [(day, slot) for day in range(days) for slot in range(5)]
    return pl.DataFrame(
        {
            "visit": [f"v{day}-{slot}" for day, slot in rows],
            "patient": [f"p{(day * 3 + slot) % 12}" for day, slot in rows],
            "told": [("morning", "noon", "evening")[slot % 3] for _, slot in rows],
            "planned_at": [datetime(2024, 3, 1, 8) + timedelta(days=day, hours=slot) for day, slot in rows],
            "missed": [(slot % 3 == 2) != (day % 7 == 0) for day, slot in rows],
        }
    )


@pytest.fixture(scope="module")
def asked(tmp_path_factory) -> tuple[dict, Session]:
    """The call for a label of each row, and what came of it."""
    call = {"label": "missed", "time": "planned_at", "into": tmp_path_factory.mktemp("quick") / "clinic", "name": "clinic"}
    return call, ml_platform.quickstart(visits().to_pandas(), **call, say=lambda _: None)


@pytest.mark.slow
def test_a_label_of_each_row_is_learnt_from_its_other_columns_and_from_what_came_before(asked):
    _, project = asked
    problem = project.problem()
    champion = problem.champion
    assert champion is not None
    assert champion.training_date == "2024-04-29"
    assert {"told", "patient_missed_share_7d"} & set(champion.features["feature"])
    assert problem.predictions()["visit"].to_list() == [f"v59-{slot}" for slot in range(5)]
    table = project.project.table("clinic")
    # The label counts from a day after the row, everything else from just before it.
    assert [group.columns for group in table.availability if group.columns] == [("missed",)]


@pytest.mark.slow
def test_no_feature_of_a_row_sees_its_own_label_or_one_that_is_not_known_yet(asked):
    _, project = asked
    spine = pl.DataFrame({"patient": ["p0"], "at": [datetime(2024, 4, 10, 8)]})
    seen = project.features.at(spine, ["clinic_recent.patient_missed_share_7d"], cutoff="at")
    past = visits().filter(
        pl.col("patient") == "p0",
        pl.col("planned_at") + timedelta(days=1) < datetime(2024, 4, 10, 8),
        pl.col("planned_at") + timedelta(days=1) >= datetime(2024, 4, 3, 8),
    )
    assert seen["patient_missed_share_7d"][0] == pytest.approx(past["missed"].mean())


@pytest.mark.slow
def test_the_same_call_goes_on_with_what_is_new_and_another_one_is_refused(asked):
    call, _ = asked
    told: list[str] = []
    head = ml_platform.quickstart(visits().to_pandas(), **call, say=told.append).lake.versions.newest_commit()
    assert any("Nothing has changed since the last time" in line for line in told)
    more = ml_platform.quickstart(visits(DAYS + 2).to_pandas(), **call, say=told.append)
    assert more.lake.versions.newest_commit() > head
    assert "2024-05-01" in more.lake.partitions("clinic/predictions/missed")
    assert "2024-04-29" in more.lake.partitions("clinic/outcomes/missed")
    with pytest.raises(DeclarationError, match=r"was made by another call \(label was 'missed' and is 'told'\)"):
        ml_platform.quickstart(visits().to_pandas(), **{**call, "label": "told"})


@pytest.mark.slow
def test_a_label_in_sql_is_asked_of_each_thing_over_the_time_ahead(tmp_path):
    file = tmp_path / "visits.csv"
    visits(80).drop("missed").write_csv(file)
    told: list[str] = []
    project = ml_platform.quickstart(
        file, label="count(*) > 2", entity="patient", horizon="7d", every="1d", time="planned_at", into=tmp_path / "again", say=told.append
    )
    declared = project.project.problem("patient_next_7d").problem
    assert (declared.spine.key, declared.label.horizon) == (("patient",), timedelta(days=7))
    assert any("patient_next_7d" in line for line in told)
    assert (tmp_path / "again" / "dagster.yaml").is_file()
    assert project.lake.partitions("visits/models/patient_next_7d")


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ({"label": "missed", "time": "planed_at"}, r"time='planed_at': no table has such a column\. What there is: clinic: visit, patient"),
        (
            {"label": "missed", "time": "told"},
            r"column 'told' of clinic was read as string, and not as a time\. Columns of times: planned_at",
        ),
        ({"label": "missed", "time": "planned_at", "horizon": "7"}, r"horizon"),
        (
            {"label": "sum(1)", "time": "planned_at", "entity": "patiend"},
            r"entity='patiend': clinic has no such column\. What exists: .* Did you mean 'patient'",
        ),
        ({"label": "missed", "time": "planned_at", "key": "visitt"}, r"key='visitt': clinic has no such column"),
        (
            {"label": "sum(1)", "time": "planned_at", "entity": "patient", "horizon": "300d"},
            r"spans 60 days: too few .* A horizon of 300 days",
        ),
    ],
)
def test_what_cannot_be_asked_is_said_and_leaves_nothing_declared(tmp_path, call, message):
    with pytest.raises(DeclarationError, match=message):
        ml_platform.quickstart(visits(), **call, into=tmp_path / "place", name="clinic", say=lambda _: None)
    assert not list((tmp_path / "place").rglob("defs.yaml"))


def test_a_frame_without_rows_and_a_file_that_is_not_there_are_refused(tmp_path):
    with pytest.raises(DeclarationError, match="The frame has no rows"):
        ml_platform.quickstart(visits().clear(), label="missed", time="planned_at", into=tmp_path / "a")
    with pytest.raises(DeclarationError, match=r"There is no file or folder .*/nowhere\.csv"):
        ml_platform.quickstart(tmp_path / "nowhere.csv", label="missed", time="planned_at", into=tmp_path / "b")
