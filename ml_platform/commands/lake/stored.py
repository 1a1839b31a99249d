"""``ml-platform commits | history | show | diff | lake verify``: what is stored, as of any commit."""

from __future__ import annotations

import sys
import time
from argparse import Namespace
from collections import Counter
from collections.abc import Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from ml_platform.commands.answer import Answer, Sheet
from ml_platform.commands.place import check_partition, find_table, open_lake, parse_at, project_root
from ml_platform.core.layers import TableName

if TYPE_CHECKING:
    from ml_platform.lake.health.verify import Damage
    from ml_platform.lake.ledger.version import Commit, Version
    from ml_platform.lake.reading.diff import PartitionDiff


def history(args: Namespace) -> Answer:
    """Tell every version of a table, or of one partition, newest first."""
    lake = open_lake(args.project)
    table = find_table(lake, args.table)
    check_partition(lake, table, args.partition)
    of = (table, args.partition) if args.partition else (table,)
    rows = [_version_row(v) for v in lake.history(*of, limit=args.limit)]
    count = lake.versions.count(*of)
    note = f"{count} versions in all; --limit shows more." if count > len(rows) else ""
    return Answer({"table": table, "versions": rows}, (), (Sheet(f"History of {table}", rows, note),))


def commits(args: Namespace) -> Answer:
    """Tell what was published and deleted, newest first."""
    lake = open_lake(args.project)
    found = lake.versions.commits(args.limit, args.before)
    rows = [_commit_row(commit) for commit in found]
    more = found and found[-1].number > 1
    note = f"{lake.versions.newest_commit()} commits in all; --before {found[-1].number} shows the ones before these." if more else ""
    return Answer({"commits": rows}, (), (Sheet(f"Commits of the lake at {lake.url}", rows, note),))


def show(args: Namespace) -> Answer:
    """Show rows of a table as of a commit or time."""
    lake = open_lake(args.project)
    table = find_table(lake, args.table)
    check_partition(lake, table, args.partition)
    partitions = [args.partition] if args.partition else None
    reading = lake.read(table, partitions, parse_at(args.at), args.columns, missing="raise")
    if any(v.kind == "artifact" for v in reading.versions):
        return _files(table, reading.versions)
    rows = reading.head(args.limit).to_dicts()
    as_of = f" as of {args.at}" if args.at else ""
    title = f"{table}{as_of}: {len(rows)} of {reading.rows} rows in {len(reading.versions)} partitions"
    return Answer({"table": table, "rows_in_all": reading.rows, "rows": rows}, (), (Sheet(title, rows),))


def diff(args: Namespace) -> Answer:
    """Tell what changed in a table between two commits or times."""
    lake = open_lake(args.project)
    table = find_table(lake, args.table)
    found = lake.diff(table, parse_at(args.before), parse_at(args.after), key=args.key or _key(args.project, table))
    rows = [_diff_row(part) for part in found.different]
    same = len(found.partitions) - len(rows)
    changes = ("added", "removed", "retyped", "renamed")
    columns = {how: getattr(found, f"columns_{how}") for how in changes}
    lines = tuple(f"Columns {how}: {', '.join(names)}" for how, names in columns.items() if names)
    data = {"table": table, "key": found.key, "partitions": rows, "same": same, "columns": columns}
    title = f"{table} from {args.before} to {args.after}"
    return Answer(data, lines, (Sheet(title, rows),), then=(f"{same} partitions are the same.",))


def verify(args: Namespace) -> Answer:
    """Recompute the chain of commits and every file, or only look whether they are there; the exit code is 1 if something is wrong."""
    lake = open_lake(args.project)
    is_watched = sys.stderr.isatty()
    if args.quick:
        problems = lake.health.verify(_Counter("files looked at") if is_watched else None, quick=True)
        line = (
            f"The lake at {lake.url} is there: every file has its size, and none of the {lake.versions.newest_commit()} commits is "
            "missing. Whether they hold what was published is not known from that: `ml-platform lake verify` reads them."
        )
    else:
        if is_watched and args.last is None:
            _say_at_once(lake.health.verify(quick=True))
        problems = lake.health.verify(last=args.last, reading=_Counter("read", 1e6, " MB") if is_watched else None)
        line = (
            f"The lake at {lake.url} is whole: the chain of {lake.versions.newest_commit()} commits and every file are what was published."
        )
    if not problems:
        if args.last is not None:
            some = f"The last {min(args.last, lake.versions.newest_commit())} of the {lake.versions.newest_commit()} commits"
            line = f"{some} of the lake at {lake.url}, and their files, are what was published."
        redacted = lake.retention.redactions()
        told = Sheet("But for what was redacted on purpose", redacted)
        return Answer({"problems": [], "redactions": redacted}, (line,), (told,) if redacted else ())
    rows = [vars(p) if hasattr(p, "__dict__") else {"problem": str(p)} for p in problems]
    return Answer({"problems": rows}, (), (Sheet(f"What is wrong in the lake at {lake.url}", rows),), code=1)


def _say_at_once(problems: Sequence[Damage]) -> None:
    """Tell who watches what is known before a file is read."""
    some = "".join(f"\n  {problem.text}" for problem in problems[:10]) + ("\n  ..." if len(problems) > 10 else "")
    found = f"{len(problems)} problems are known before a file is read:{some}" if problems else "Every file is there and has its size."
    sys.stderr.write(f"{found}\nNow they are read.\n")


class _Counter:
    """Shows how far something is on one line of the terminal, and how long the rest takes if it goes on as before."""

    def __init__(self, what: str, unit: float = 1, name: str = "") -> None:
        self._what, self._unit, self._name = what, unit, name
        self._began = self._shown = time.monotonic()

    def __call__(self, done: int, of: int) -> None:
        now = time.monotonic()
        if now - self._shown < _REDRAWN and done < of:
            return
        self._shown = now
        rest = (now - self._began) * (of - done) / max(done, 1)
        left = f", about {timedelta(seconds=round(rest))} left" if done < of else ""
        text = f"{done / self._unit:,.0f} of {of / self._unit:,.0f}{self._name} {self._what}{left}"
        sys.stderr.write(f"\r{text:<78}" + ("\n" if done >= of else ""))
        sys.stderr.flush()


_REDRAWN = 0.2


def _commit_row(commit: Commit) -> dict[str, Any]:
    tables = Counter(version.table for version in commit.versions)
    some = [f"{table} ({count})" if count > 1 else table for table, count in sorted(tables.items())]
    return {
        "commit": commit.number,
        "time": commit.time,
        "branch": commit.branch,
        "versions": commit.created,
        "tables": ", ".join(some[:5]) + (f" and {len(some) - 5} more" if len(some) > 5 else ""),
        "run": commit.run_id[:8],
        "message": commit.message,
        "hash": commit.hash[:12],
    }


def _version_row(version: Version) -> dict[str, Any]:
    return {
        "version": version.id,
        "commit": version.commit,
        "created": version.created,
        "partition": version.partition,
        "kind": version.kind,
        "rows": version.rows,
        "bytes": version.bytes,
        "content": version.data_hash[:12],
        "code": version.code_version[:12],
        "run": version.run_id[:8],
    }


def _files(table: str, versions: tuple[Version, ...]) -> Answer:
    rows = [
        {"version": v.id, "partition": v.partition, "file": f.name, "bytes": f.bytes, "sha256": f.sha256[:12], "path": f.path}
        for v in versions
        for f in v.files
    ]
    return Answer({"table": table, "files": rows}, (), (Sheet(f"Files of {table}", rows),))


def _diff_row(part: PartitionDiff) -> dict[str, Any]:
    return {
        "partition": part.partition,
        "status": part.status,
        "version before": part.before.id if part.before else None,
        "version after": part.after.id if part.after else None,
        "rows before": part.rows_before,
        "rows after": part.rows_after,
        "rows added": part.rows_added,
        "rows removed": part.rows_removed,
        "rows changed": part.rows_changed,
    }


def _key(project: str | None, table: str) -> tuple[str, ...]:
    """Return the declared key of a table's rows, by which a diff tells changed rows from new ones."""
    of = TableName(table)
    if of.layer != "tables":
        return ()
    from ml_platform.components.opened_projects import open_projects
    from ml_platform.pipeline.row_key import row_key

    declared = open_projects(project_root(project)).get(of.project)
    return row_key(declared, table) if declared else ()
