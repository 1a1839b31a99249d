import hashlib
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from examples.flights import feeds
from examples.flights.feeds import land, landed_until
from examples.flights.nycflights import Feed, Year, read_year
from ml_platform.core.clock import ProjectClock
from ml_platform.core.errors import SourceError
from ml_platform_tests.effort import examples

pytestmark = pytest.mark.slow

REPORT_TIMES = {"schedule": "published_at", "departures": "departed_at", "arrivals": "landed_at", "weather": "observed_at"}


def utc(*parts: int) -> datetime:
    return datetime(*parts, tzinfo=UTC)


@pytest.fixture(scope="module")
def year() -> Year:
    """The first days of the real year, so that a landing takes milliseconds."""
    whole = read_year()
    return Year(whole.folder, tuple(Feed(f.name, f.format, f.rows.filter(pl.col("_day") <= "2013-01-05")) for f in whole.feeds))


def digests(landing: Path) -> dict[str, tuple[str, float]]:
    return {
        p.relative_to(landing).as_posix(): (hashlib.sha256(p.read_bytes()).hexdigest(), p.stat().st_mtime if p.suffix != "" else 0.0)
        for p in sorted(landing.rglob("*"))
        if p.is_file()
    }


def read_feed(landing: Path, name: str, pattern: str = "*") -> pl.DataFrame:
    read = {"schedule": pl.read_csv, "weather": pl.read_ndjson}.get(name, pl.read_parquet)
    parts = [read(file) for file in sorted((landing / name).glob(f"[0-9]{pattern}"))]
    rows = pl.concat(parts, how="vertical_relaxed")
    times = [c for c in rows.columns if c.endswith("_at") and rows[c].dtype == pl.String]
    return rows.with_columns(pl.col(times).str.to_datetime("%Y-%m-%dT%H:%M:%SZ", time_zone="UTC", time_unit="us"))


def expected(year: Year, name: str, until: datetime) -> pl.DataFrame:
    feed = next(f for f in year.feeds if f.name == name)
    return feed.rows.filter(pl.col("_reported_at") < until).drop("_day", "_reported_at")


def key(name: str) -> list[str]:
    return ["origin", "observed_at"] if name == "weather" else ["flight_id"]


def assert_holds(landing: Path, year: Year, until: datetime) -> None:
    """Every row that was reported before ``until`` is there once, and nothing else."""
    for name in REPORT_TIMES:
        want = expected(year, name, until).sort(key(name))
        if want.is_empty():
            assert list((landing / name).iterdir()) == []
            continue
        got = read_feed(landing, name).sort(key(name))
        assert got.select(want.columns).cast(want.schema).equals(want), name


def test_first_landing_is_one_file_per_feed_and_day(tmp_path, year):
    report = land(tmp_path, utc(2013, 1, 4), year=year)
    assert report.start is None
    assert report.until == utc(2013, 1, 4)
    assert_holds(tmp_path, year, utc(2013, 1, 4))
    assert [p.name for p in sorted((tmp_path / "schedule").iterdir())] == [f"2013-01-0{d}.csv" for d in range(1, 5)]
    assert [p.name for p in sorted((tmp_path / "arrivals").iterdir())] == [f"2013-01-0{d}.parquet" for d in range(1, 4)]
    assert [p.name for p in sorted((tmp_path / "weather").iterdir())] == [f"2013-01-0{d}.jsonl" for d in range(1, 4)]
    assert report.files == 4 + 3 + 3 + 3 + 3
    assert report.rows["arrivals"] == read_feed(tmp_path, "arrivals").height
    assert landed_until(tmp_path) == utc(2013, 1, 4)


# Times from the edges: an exact report time (strictly before), midnights, the hour of publication, and one minute past each.
EDGES = [
    utc(2013, 1, 1, 10, 17),
    utc(2013, 1, 2),
    utc(2013, 1, 2, 12),
    utc(2013, 1, 3, 0),
    utc(2013, 1, 3, 12),
    utc(2013, 1, 4),
    utc(2013, 1, 9),
]
edge_times = st.lists(
    st.builds(lambda edge, minutes: edge + timedelta(minutes=minutes), st.sampled_from(EDGES), st.sampled_from([0, 1])),
    min_size=1,
    max_size=4,
)


@settings(max_examples=examples(25), deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(times=edge_times)
def test_every_row_lands_once_and_not_before_it_is_reported(times, tmp_path_factory, year):
    landing = tmp_path_factory.mktemp("landing")
    for until in times:
        land(landing, until, year=year)
        assert_holds(landing, year, max(landed_until(landing), until))
    assert landed_until(landing) == max(times)


def test_a_step_appends_files_that_hold_only_what_was_reported_in_it(tmp_path, year):
    land(tmp_path, utc(2013, 1, 3, 6), year=year)
    land(tmp_path, utc(2013, 1, 4, 11), year=year)
    names = [p.name for p in sorted((tmp_path / "departures").iterdir())]
    assert names == [
        "2013-01-01.parquet",
        "2013-01-02.parquet",
        "2013-01-02_20130104T0000.parquet",
        "2013-01-03_20130104T0000.parquet",
        "2013-01-03_20130104T1100.parquet",
        "2013-01-04_20130104T1100.parquet",
    ]
    step = read_feed(tmp_path, "departures", "*_20130104T0000.parquet")
    assert utc(2013, 1, 3, 6) <= step["departed_at"].min()
    assert step["departed_at"].max() < utc(2013, 1, 4)
    # A plan is published at once, in one file, the noon before.
    assert [p.name for p in sorted((tmp_path / "schedule").iterdir())] == [f"2013-01-0{d}.csv" for d in range(1, 5)]
    assert land(tmp_path, utc(2013, 1, 4, 12, 1), year=year).rows["schedule"] > 0


def test_days_land_alike_one_by_one_and_all_at_once(tmp_path, year):
    one, all_at_once = tmp_path / "one", tmp_path / "all"
    for landing in (one, all_at_once):
        land(landing, utc(2013, 1, 2), year=year)
    for day in (3, 4, 5):
        land(one, utc(2013, 1, day), year=year)
    land(all_at_once, utc(2013, 1, 5), year=year)
    assert digests(one) == digests(all_at_once)


def test_landing_again_changes_nothing(tmp_path, year):
    land(tmp_path, utc(2013, 1, 3), year=year)
    before = digests(tmp_path)
    for again in (utc(2013, 1, 3), utc(2013, 1, 2)):
        report = land(tmp_path, again, year=year)
        assert (report.files, report.until) == (0, utc(2013, 1, 3))
    assert digests(tmp_path) == before


def test_files_carry_the_time_of_their_delivery(tmp_path, year):
    land(tmp_path, utc(2013, 1, 3), year=year)

    def delivered(name: str) -> datetime:
        return datetime.fromtimestamp((tmp_path / name).stat().st_mtime, UTC)

    last = read_feed(tmp_path, "arrivals", "*01-01.parquet")["landed_at"].max()
    assert delivered("arrivals/2013-01-01.parquet") == last
    assert delivered("arrivals/2013-01-02.parquet") == utc(2013, 1, 3)
    assert delivered("schedule/2013-01-02.csv") == utc(2013, 1, 1, 12)
    assert delivered("planes.csv") < utc(2012, 12, 31, 12)


def test_the_platforms_time_is_that_of_the_deliveries_whatever_was_noted_and_where(tmp_path, year):
    clock = ProjectClock(tmp_path / "now", former=tmp_path / "landing" / ".clock")
    landing, until = tmp_path / "landing", utc(2013, 1, 3)
    land(landing, until, year=year, clock=clock)
    assert clock.set_time() == (until, str(clock.file))
    # As a kill between the two notes leaves it, and as the first versions noted it.
    clock.file.unlink()
    assert land(landing, until, year=year, clock=clock).files == 0
    assert clock.now() == until
    clock.file.unlink()
    (landing / feeds.LANDED_FILE).rename(clock.former)
    assert landed_until(landing) == until
    assert land(landing, until, year=year, clock=clock).files == 0
    assert clock.set_time() == (until, str(clock.file)) == (landed_until(landing), str(clock.file))
    assert not clock.former.exists()


class KilledError(Exception):
    """Stands for a signal that ends the process between two system calls."""


def test_a_landing_killed_at_any_write_is_finished_by_the_next(tmp_path, year, monkeypatch):
    write, written, survives = feeds._write_atomically, 0, None

    def dying(path, content, time=None):
        nonlocal written
        if written == survives:
            path.with_name(f".{path.name}.unfinished").write_bytes(content[: len(content) // 2])
            raise KilledError("killed")
        written += 1
        write(path, content, time)

    monkeypatch.setattr(feeds, "_write_atomically", dying)
    bulk, steps = utc(2013, 1, 3), utc(2013, 1, 4, 7)
    undisturbed = tmp_path / "undisturbed"
    land(undisturbed, bulk, year=year)
    writes_of_bulk, written = written, 0
    land(undisturbed, steps, year=year)
    points = [(bulk, n) for n in range(writes_of_bulk)] + [(steps, n) for n in range(written)]
    assert len(points) > 25
    for number, (killed_in, point) in enumerate(points):
        landing = tmp_path / str(number)
        for until in (bulk, steps):
            if until == killed_in:
                written, survives = 0, point
                with pytest.raises(KilledError, match="killed"):
                    land(landing, until, year=year)
                survives = None
            land(landing, until, year=year)
        assert digests(landing) == digests(undisturbed), (killed_in, point)


def test_a_landing_killed_after_its_clock_moved_leaves_nothing_behind(tmp_path, year):
    land(tmp_path, utc(2013, 1, 3), year=year)
    before = digests(tmp_path)
    (tmp_path / feeds.STEP_FILE).write_text(utc(2013, 1, 3).isoformat())
    land(tmp_path, utc(2013, 1, 3), year=year)
    assert digests(tmp_path) == before


def test_a_bulk_landing_that_was_killed_is_finished_before_another_time_is_served(tmp_path, year, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(feeds, "_land_feed", lambda *_: (_ for _ in ()).throw(KilledError("killed")))
        with pytest.raises(KilledError, match="killed"):
            land(tmp_path, utc(2013, 1, 3), year=year)
    assert landed_until(tmp_path) is None
    report = land(tmp_path, utc(2013, 1, 2), year=year)
    assert report.until == utc(2013, 1, 3)
    assert_holds(tmp_path, year, utc(2013, 1, 3))


def test_nothing_can_land_before_the_first_report(tmp_path, year):
    with pytest.raises(SourceError, match="Nothing was reported before 2012-12-31 12:00 UTC"):
        land(tmp_path, utc(2012, 12, 31, 12), year=year)
    assert list(tmp_path.iterdir()) == []


def test_progress_is_told(tmp_path, year):
    lines: list[str] = []
    land(tmp_path, utc(2013, 1, 3), year=year, say=lines.append)
    land(tmp_path, utc(2013, 1, 4), year=year, say=lines.append)
    assert lines == [
        "Landed everything that was reported before 2013-01-03 00:00 UTC",
        "Landed everything that was reported before 2013-01-04 00:00 UTC",
    ]
