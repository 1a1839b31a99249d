"""Retention at work: versions that a rule lets go are marked, and collected when they have been due for the whole grace.

What goes is planned without a lock. Marking and collecting are short transactions under the write lock, a few thousand versions each,
in which everything that has come to hold versions since is looked at. Files are deleted after them: a crash in between leaves files
that nobody can read, and the next run deletes those.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa

from ml_platform.core.durations import format_duration
from ml_platform.core.errors import LakeError
from ml_platform.core.intervals import from_micros, to_micros
from ml_platform.lake.files.belonging import check_current, check_own, keep_newest
from ml_platform.lake.files.store import Store
from ml_platform.lake.files.trash import store_time
from ml_platform.lake.ledger.deletions import add_deletion
from ml_platform.lake.ledger.leases import LEASE
from ml_platform.lake.ledger.ledger import Ledger
from ml_platform.lake.ledger.ledger_tables import doomed, leases
from ml_platform.lake.ledger.live_files import freed_bytes, live_paths
from ml_platform.lake.ledger.lookup import chunks
from ml_platform.lake.retention.pending import Pending, find_pending, holders, still_free
from ml_platform.lake.retention.rules import Rule
from ml_platform.lake.retention.sweeping import Swept, check_plausible, survey, sweep, why_implausible

GRACE = timedelta(hours=24)
# A lease that ended so long ago belongs to no run; one that ended lately may still be renewed by a slow step.
_FORGOTTEN = timedelta(days=7)
# Others wait for the write lock no longer than so many versions take.
_AT_ONCE = 2_000


@dataclass(frozen=True)
class Line:
    """Versions of one table that share a reason; ``bytes`` are those of their files, of files that others hold too 0."""

    table: str
    why: str
    versions: int
    bytes: int


@dataclass(frozen=True)
class RetentionReport:
    """What one run of retention did, or would do.

    ``collected`` are gone for good, ``marked`` go when they have been due for the whole grace (the first at ``next_sweep``),
    ``held`` would go by their rule, but something holds them. ``swept`` is what was done with files that nothing is read from.
    """

    time: datetime
    dry_run: bool
    collected: tuple[Line, ...]
    marked: tuple[Line, ...]
    held: tuple[Line, ...]
    next_sweep: datetime | None
    swept: Swept

    @property
    def versions(self) -> int:
        """Return the number of versions that were collected."""
        return sum(line.versions for line in self.collected)


def collect(
    ledger: Ledger,
    store: Store,
    rules: Sequence[Rule],
    *,
    dry_run: bool = False,
    now: datetime | None = None,
    grace: timedelta = GRACE,
    accept_orphans: int | None = None,
) -> RetentionReport:
    """Mark what the rules let go, collect what was marked long enough, and sweep the files that nothing can be read from.

    Parameters
    ----------
    ledger, store : Ledger, Store
        Of the lake.
    rules : sequence of Rule
        The first that matches a table decides; a table without one keeps everything.
    dry_run : bool
        Change nothing; return what would be done now.
    now : datetime, optional
        When versions are judged; by default the earliest of what the machine, the store and the ledger's database say. A file that
        belongs to no version is as old as the store says, whatever this is.
    grace : timedelta
        How long a version stays marked, and how old a file that belongs to nothing must be.
    accept_orphans : int, optional
        So many files of no version are put into the trash though they are too many to be believed.

    Returns
    -------
    RetentionReport

    Raises
    ------
    LakeError
        If the grace is shorter than the lease of a run, or another program holds the ledger; what was not collected yet stays.
    WrongLedgerError
        If the ledger is not the folder's; nothing was deleted.
    ImplausibleSweepError
        If so many files belong to no version that the ledger cannot be believed; nothing was deleted.
    """
    if grace < LEASE:
        raise LakeError(
            f"A grace of {format_duration(grace)} is too short: a run may read for {format_duration(LEASE)} what was superseded when it "
            "began. Give at least that; nothing was collected."
        )
    # A dry run ties no folder to a ledger.
    (check_own if dry_run else check_current)(ledger, store)
    clock = store_time(store, dry_run=dry_run)
    now = now or min(datetime.now(UTC), clock, ledger.clock() or clock)
    found = survey(ledger, store, before=min(now, clock) - grace, clock=clock)
    if not dry_run:
        check_plausible(ledger, store, found, accept_orphans)
    with ledger.reading() as connection:
        plan, marks = find_pending(connection, rules, now), _marks(connection)
        ripe = sorted((i for i in plan.free if i in marks and marks[i] <= to_micros(now - grace)), reverse=True)
        report = _report(connection, plan, marks, ripe, now, grace)
        gone = live_paths(connection, ripe)
    if dry_run:
        swept = sweep(ledger, store, found, collected=(), clock=clock, dry_run=True)
        return replace(report, dry_run=True, swept=replace(swept, refusal=why_implausible(ledger, store, found, accept_orphans)))
    if plan.free or marks:
        _mark(ledger, plan, marks, ripe, now)
        report = replace(report, collected=_collect(ledger, plan, ripe, now, grace))
        keep_newest(ledger, store)
    return replace(report, swept=sweep(ledger, store, found, collected=gone, clock=clock))


def _marks(connection: sa.Connection) -> dict[int, int]:
    return {row.version_id: row.since for row in connection.execute(sa.select(doomed.c.version_id, doomed.c.since))}


def _mark(ledger: Ledger, plan: Pending, marks: Mapping[int, int], ripe: Sequence[int], now: datetime) -> None:
    """Bring the marks up to date: what is held again goes, what is newly due comes; what is ripe is left to `_collect`."""
    over = sorted(set(marks) - set(plan.free))
    new = sorted(set(plan.free) - set(marks) - set(ripe))
    with ledger.writing() as connection:
        for chunk in chunks(over):
            connection.execute(doomed.delete().where(doomed.c.version_id.in_(chunk)))
        # Another run of retention may have marked the same meanwhile.
        known = _marks(connection)
        rows = [{"version_id": i, "since": to_micros(now), "rule": plan.free[i]} for i in new if i not in known]
        if rows:
            connection.execute(doomed.insert(), rows)
        # A mark from the future was made while the clock was wrong: its grace begins now.
        connection.execute(doomed.update().where(doomed.c.since > to_micros(now)).values(since=to_micros(now)))
        connection.execute(leases.delete().where(leases.c.expires < to_micros(now - _FORGOTTEN)))


def _collect(ledger: Ledger, plan: Pending, ripe: Sequence[int], now: datetime, grace: timedelta) -> tuple[Line, ...]:
    """Collect what is ripe and still free, and return what was: the newest first, because they may need the earlier ones."""
    done: dict[int, int] = {}
    for start in range(0, len(ripe), _AT_ONCE):
        some = ripe[start : start + _AT_ONCE]
        with ledger.writing() as connection:
            still = still_free(connection, plan, now)
            due = doomed.c.since <= to_micros(now - grace)
            marked = set(connection.execute(sa.select(doomed.c.version_id).where(due, doomed.c.version_id.in_(some))).scalars())
            going = sorted(still & marked)
            if not going:
                continue
            freed = freed_bytes(connection, going)
            connection.execute(doomed.delete().where(doomed.c.version_id.in_(going)))
            rows = [{"version_id": i, "rule": plan.free[i], "bytes": freed[i]} for i in going]
            add_deletion(connection, "retention", rows, now)
        done |= freed
    return _lines(plan, done, plan.free)


def _report(
    connection: sa.Connection, plan: Pending, marks: Mapping[int, int], ripe: Sequence[int], now: datetime, grace: timedelta
) -> RetentionReport:
    """Return what would be collected now, what waits for it, and what is held; nothing is swept yet."""
    waiting = sorted(set(plan.free) - set(ripe))
    since = [min(marks.get(i, to_micros(now)), to_micros(now)) for i in waiting]
    return RetentionReport(
        time=now,
        dry_run=False,
        collected=_lines(plan, freed_bytes(connection, ripe), plan.free),
        marked=_lines(plan, freed_bytes(connection, waiting), plan.free),
        held=_lines(plan, freed_bytes(connection, plan.held), holders(connection, plan)),
        next_sweep=from_micros(min(since)) + grace if since else None,
        swept=Swept(),
    )


def _lines(plan: Pending, freed: Mapping[int, int], why: Mapping[int, str]) -> tuple[Line, ...]:
    count: Counter[tuple[str, str]] = Counter()
    size: dict[tuple[str, str], int] = defaultdict(int)
    for version_id, bytes_freed in freed.items():
        count[plan.tables[version_id], why[version_id]] += 1
        size[plan.tables[version_id], why[version_id]] += bytes_freed
    return tuple(Line(*line, count[line], size[line]) for line in sorted(count))
