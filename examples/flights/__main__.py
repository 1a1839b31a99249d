"""``python -m examples.flights demo`` (`make demo`) builds the flights; ``land`` (`make land`) delivers more of them."""

from __future__ import annotations

import sys
from argparse import Namespace
from collections.abc import Sequence
from datetime import UTC, datetime

from examples.flights import demo as story
from examples.flights import feeds
from ml_platform.commands.answer import Answer, Sheet, carry_out, leave
from ml_platform.commands.arguments import Parser
from ml_platform.commands.place import UsageError, parse_time, project_root
from ml_platform.components.settings import landing_root, project_clock
from ml_platform.core.durations import parse_duration

# What the demo starts with; December is left to be lived through.
FIRST_DELIVERY = datetime(2013, 12, 1, tzinfo=UTC)


def main(arguments: Sequence[str] | None = None) -> int:
    """Run one command, as ``ml-platform`` does with its own."""
    args = build_parser().parse_args(arguments)
    return carry_out(lambda: args.command(args), as_json=args.json)


def build_parser() -> Parser:
    """Return the parser of both commands."""
    parser = Parser(prog="python -m examples.flights", description="The flights of 2013: delivered, built, and lived through.")
    commands = parser.add_subparsers(title="commands", metavar="COMMAND", required=True)
    landing = commands.add_parser("land", help="deliver flights to the landing zone, as the source systems would have")
    landing.set_defaults(command=land)
    when = landing.add_mutually_exclusive_group()
    when.add_argument("--until", metavar="DAY|TIME", help="everything reported before this day's first instant, or this time (UTC)")
    when.add_argument("--next", nargs="?", const="1d", metavar="1d|1h", help="this much more of the platform's time (default: 1d)")
    building = commands.add_parser("demo", help="build the whole example: tables, features, a champion, days of predictions")
    building.set_defaults(command=demo)
    building.add_argument(
        "--first-until", metavar="DAY", default="2013-03-06", help="a first champion on the days before (default: %(default)s)"
    )
    building.add_argument("--built-until", metavar="DAY", default="2013-12-01", help="landed and built at once (default: %(default)s)")
    building.add_argument("--lived-until", metavar="DAY", default="2013-12-11", help="then lived through day by day (default: %(default)s)")
    for command in (landing, building):
        command.add_argument("--json", action="store_true", help="write one JSON value instead of text")
    return parser


def land(args: Namespace) -> Answer:
    """Deliver the feeds up to a time, or for a length of time from what has landed on."""
    root = project_root(None)
    landing = landing_root(root)
    report = feeds.land(landing, _until(args, feeds.landed_until(landing)), clock=project_clock(root), say=_say)
    data = {"landing": landing, "from": report.start, "until": report.until, "files": report.files, "rows": dict(report.rows)}
    if not report.files and report.until == report.start:
        return Answer(data, (f"Everything before {report.until:%Y-%m-%d %H:%M} UTC has landed already; nothing was changed.",))
    since = f"from {report.start:%Y-%m-%d %H:%M} " if report.start else ""
    rows = [{"feed": name, "rows": count} for name, count in report.rows.items()]
    line = f"{report.files} files with what was reported {since}until {report.until:%Y-%m-%d %H:%M} UTC, the platform's time now."
    return Answer(data, (line,), (Sheet(f"Landed in {landing}", rows),))


def _until(args: Namespace, landed: datetime | None) -> datetime:
    if args.until is not None:
        return parse_time(args.until)
    step = parse_duration(args.next or "1d", what="The length of --next")
    if not step:
        raise UsageError("--next needs a length of time above zero, such as 1d or 1h.")
    return FIRST_DELIVERY if landed is None else landed + step


def demo(args: Namespace) -> Answer:
    """Build the example, or what is missing of it, and tell what there is."""
    from examples.flights.screens import first_screen, last_screen
    from examples.flights.summary import built, champion_metrics, decisions

    bounds = {name: parse_time(getattr(args, name)) for name in ("first_until", "built_until", "lived_until")}
    done = story.run_demo(project_root(None), **bounds, say=_say, show=lambda demo: _show(first_screen(demo, story.PROBLEM)))
    data = {
        "built": built(done.session),
        "champion": champion_metrics(done.session, story.PROBLEM),
        "decisions": decisions(done.session, story.PROBLEM),
        "runs": len(done.runs),
        "seconds": done.cost if done.seconds else [],
        "peak_gib": round(done.peak_gib, 2),
    }
    return Answer(data, ("", *last_screen(done, story.PROBLEM)))


def _show(screen: list[str]) -> None:
    sys.stderr.write("\n".join(["", *screen, "", ""]))
    sys.stderr.flush()


def _say(text: str) -> None:
    # Progress goes to standard error, so that --json stays one value.
    sys.stderr.write(f"==> {text}\n")
    sys.stderr.flush()


if __name__ == "__main__":
    leave(main())
