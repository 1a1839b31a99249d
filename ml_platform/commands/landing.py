"""``ml-platform land`` and ``ml-platform demo``: the flights of the example, delivered and built."""

from __future__ import annotations

import sys
from argparse import Namespace
from datetime import UTC, datetime

from ml_platform.commands.answer import Answer, Sheet
from ml_platform.commands.place import UsageError, landing_folder, parse_time, project_root
from ml_platform.core.durations import parse_duration

# What the demo starts with; December is left to be lived through.
FIRST_DELIVERY = datetime(2013, 12, 1, tzinfo=UTC)


def land(args: Namespace) -> Answer:
    """Deliver the feeds up to a time, or for a length of time from the clock on."""
    from ml_platform.defs.flights import feeds

    landing = landing_folder(args.landing, args.project)
    clock = feeds.landed_until(landing)
    until = _until(args, clock)
    report = feeds.land(landing, until, say=_say)
    data = {"landing": landing, "from": report.start, "until": report.until, "files": report.files, "rows": dict(report.rows)}
    if not report.files and report.until == report.start:
        return Answer(data, (f"Everything before {report.until:%Y-%m-%d %H:%M} UTC has landed already; nothing was changed.",))
    since = f"from {report.start:%Y-%m-%d %H:%M} " if report.start else ""
    rows = [{"feed": name, "rows": count} for name, count in report.rows.items()]
    line = f"{report.files} files with what was reported {since}until {report.until:%Y-%m-%d %H:%M} UTC, the platform's time now."
    return Answer(data, (line,), (Sheet(f"Landed in {landing}", rows),))


def _until(args: Namespace, clock: datetime | None) -> datetime:
    if args.until is not None:
        return parse_time(args.until)
    step = parse_duration(args.next or "1d", what="The length of --next")
    if not step:
        raise UsageError("--next needs a length of time above zero, such as 1d or 1h.")
    return FIRST_DELIVERY if clock is None else clock + step


def demo(args: Namespace) -> Answer:
    """Build the example, or what is missing of it, and tell what there is."""
    from ml_platform.defs.flights import demo as flights
    from ml_platform.defs.flights.screens import first_screen, last_screen
    from ml_platform.defs.flights.summary import built, champion_metrics, decisions

    bounds = {name: parse_time(getattr(args, name)) for name in ("first_until", "built_until", "lived_until")}
    done = flights.run_demo(project_root(args.project), **bounds, say=_say, show=lambda demo: _show(first_screen(demo, flights.PROBLEM)))
    data = {
        "built": built(done.session),
        "champion": champion_metrics(done.session, flights.PROBLEM),
        "decisions": decisions(done.session, flights.PROBLEM),
        "runs": len(done.runs),
        "seconds": done.cost if done.seconds else [],
        "peak_gib": round(done.peak_gib, 2),
    }
    return Answer(data, ("", *last_screen(done, flights.PROBLEM)))


def _show(screen: list[str]) -> None:
    sys.stderr.write("\n".join(["", *screen, "", ""]))
    sys.stderr.flush()


def _say(text: str) -> None:
    # Progress goes to standard error, so that --json stays one value.
    sys.stderr.write(f"==> {text}\n")
    sys.stderr.flush()
