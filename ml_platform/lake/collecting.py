"""Retention at work: versions that a rule lets go are marked, and collected when they have been due for the whole grace.

Marking and collecting are one short transaction under the write lock, in which everything that holds versions is looked at again.
Files are deleted after it: a crash in between leaves files that nobody can read, and the next run deletes those.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa

from ml_platform.core.durations import format_duration
from ml_platform.core.errors import LakeError
from ml_platform.core.intervals import from_micros, to_micros
from ml_platform.lake.deletions import add_deletion
from ml_platform.lake.leases import LEASE
from ml_platform.lake.ledger import Ledger
from ml_platform.lake.ledger_tables import collected, commits, doomed, leases, versions
from ml_platform.lake.live_files import live_owners
from ml_platform.lake.lookup import chunks, load_versions
from ml_platform.lake.provenance import input_closure
from ml_platform.lake.retention import Entry, Heads, Rule, due_ids, rule_for
from ml_platform.lake.roots import Roots, find_roots, is_of_models, models_but, needed_by, pinned_by
from ml_platform.lake.store import Store
from ml_platform.lake.sweeping import Swept, sweep
from ml_platform.lake.version import REJECTED

GRACE = timedelta(hours=24)
# A lease that ended so long ago belongs to no run; one that ended lately may still be renewed by a slow step.
_FORGOTTEN = timedelta(days=7)


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
    ``held`` would go by their rule, but something holds them. ``swept`` are the files that were deleted.
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


@dataclass(frozen=True)
class _Plan:
    """What may go: by version the rule, and of what is held by whom; ``tables`` has the tables of both."""

    free: dict[int, str]
    held: dict[int, str]
    tables: dict[int, str]


def collect(
    ledger: Ledger, store: Store, rules: Sequence[Rule], *, dry_run: bool = False, now: datetime | None = None, grace: timedelta = GRACE
) -> RetentionReport:
    """Mark what the rules let go, collect what was marked long enough, and delete files that nothing can be read from.

    Parameters
    ----------
    ledger, store : Ledger, Store
        Of the lake.
    rules : sequence of Rule
        The first that matches a table decides; a table without one keeps everything.
    dry_run : bool
        Change nothing; return what would be done now.
    now : datetime, optional
        The machine's time, for tests.
    grace : timedelta
        How long a version stays marked, and how old a file that belongs to nothing must be.

    Returns
    -------
    RetentionReport

    Raises
    ------
    LakeError
        If the grace is shorter than the lease of a run, or another program holds the ledger; nothing was deleted.
    """
    if grace < LEASE:
        raise LakeError(
            f"A grace of {format_duration(grace)} is too short: a run may read for {format_duration(LEASE)} what was superseded when it "
            "began. Give at least that; nothing was collected."
        )
    now = now or datetime.now(UTC)
    with ledger.reading() as connection:
        plan, marks = _plan(connection, rules, now), _marks(connection)
        report = _going(connection, plan, marks, now, grace)
        report = replace(report, held=_lines(connection, plan, plan.held, _named(connection, plan, now)))
    if dry_run:
        return replace(report, dry_run=True, swept=sweep(ledger, store, before=now - grace, dry_run=True))
    if plan.free or marks:
        with ledger.writing() as connection:
            # Again, now that nobody else can publish, branch, tag or pin.
            plan, marks = _plan(connection, rules, now), _marks(connection)
            report = replace(_going(connection, plan, marks, now, grace), held=report.held)
            ripe = _ripe(plan, marks, now, grace)
            _mark(connection, plan, marks, ripe, now)
            if ripe:
                rows = [{"version_id": i, "rule": plan.free[i], "bytes": freed} for i, freed in freed_bytes(connection, ripe).items()]
                add_deletion(connection, "retention", rows, now)
    return replace(report, swept=sweep(ledger, store, before=now - grace))


def freed_bytes(connection: sa.Connection, ids: Iterable[int]) -> dict[int, int]:
    """Return by version the bytes of its files that nothing else is read from; a file that several of them share counts once."""
    going = load_versions(connection, ids)
    owners = live_owners(connection, (file.path for version in going.values() for file in version.files))
    freed = dict.fromkeys(sorted(going), 0)
    counted: set[str] = set()
    for version in going.values():
        for file in version.files:
            if file.path not in counted and owners.get(file.path, set()) <= set(going):
                counted.add(file.path)
                freed[version.id] += file.bytes
    return freed


def _plan(connection: sa.Connection, rules: Sequence[Rule], now: datetime) -> _Plan:
    roots = find_roots(connection, to_micros(now))
    plan = _Plan({}, {}, {})
    of_models: set[int] | None = None
    # Models first: one stays what it is only as long as what it was made from can be read.
    for table, entries in sorted(_tables(connection, rules), key=lambda found: not is_of_models(found[0])):
        rule = rule_for(table, rules)
        if rule is None:
            continue
        due = due_ids(entries, rule.retention, roots.dropped, to_micros(now))
        if not due:
            continue
        if of_models is None and not is_of_models(table):
            of_models = input_closure(connection, models_but(connection, plan.free))
        held = _held(connection, table, entries, due, roots, of_models or set())
        plan.free.update(dict.fromkeys(due - set(held), rule.words))
        plan.held.update(held)
        plan.tables.update(dict.fromkeys(due, table))
    return plan


def _tables(connection: sa.Connection, rules: Sequence[Rule]) -> Iterator[tuple[str, list[Entry]]]:
    """Yield the tables that have a rule, each with its versions that still have their files."""
    names = connection.execute(sa.select(versions.c.table_name).distinct().order_by(versions.c.table_name)).scalars().all()
    for name in (name for name in names if rule_for(name, rules) is not None):
        query = (
            sa.select(versions.c.id, versions.c.partition_key, versions.c.kind, versions.c.branch_id, commits.c.time)
            .join(commits, commits.c.number == versions.c.commit_number)
            .where(versions.c.table_name == name, versions.c.id.not_in(sa.select(collected.c.version_id)))
        )
        yield name, [Entry(row[0], row[1], row[2] == REJECTED, row[3], row[4]) for row in connection.execute(query)]


def _held(
    connection: sa.Connection, table: str, entries: Sequence[Entry], due: set[int], roots: Roots, of_models: set[int]
) -> dict[int, str]:
    """Return those of the versions that are due which something holds, with what it is."""
    heads = Heads(entries)
    held = dict.fromkeys(due & roots.pinned, "pin")
    held |= {i: f"run {roots.of_runs[i]}" for i in due if i in roots.of_runs}
    for i in due - set(held):
        holder = next((state.holder for state in roots.states if heads.is_read(i, state)), None)
        if holder is not None:
            held[i] = holder
    held |= dict.fromkeys(due & of_models - set(held), "a model that was made from it")
    needs = needed_by(connection, table)
    while True:
        # What a version that stays still needs stays too, and so what that needs.
        more = {i: f"version {by}" for by, wanted in needs.items() if by not in due or by in held for i in wanted & due if i not in held}
        if not more:
            return held
        held |= more


def _marks(connection: sa.Connection) -> dict[int, int]:
    return {row.version_id: row.since for row in connection.execute(sa.select(doomed.c.version_id, doomed.c.since))}


def _ripe(plan: _Plan, marks: Mapping[int, int], now: datetime, grace: timedelta) -> list[int]:
    return sorted(i for i in plan.free if i in marks and marks[i] <= to_micros(now - grace))


def _mark(connection: sa.Connection, plan: _Plan, marks: Mapping[int, int], ripe: Sequence[int], now: datetime) -> None:
    """Bring the marks up to date: what is held again or was collected goes, what is newly due comes."""
    over = [i for i in marks if i not in plan.free]
    for chunk in chunks(sorted({*over, *ripe})):
        connection.execute(doomed.delete().where(doomed.c.version_id.in_(chunk)))
    new = [{"version_id": i, "since": to_micros(now), "rule": rule} for i, rule in sorted(plan.free.items()) if i not in marks]
    if new:
        connection.execute(doomed.insert(), new)
    # A mark from the future was made while the clock was wrong: its grace begins now.
    connection.execute(doomed.update().where(doomed.c.since > to_micros(now)).values(since=to_micros(now)))
    connection.execute(leases.delete().where(leases.c.expires < to_micros(now - _FORGOTTEN)))


def _going(connection: sa.Connection, plan: _Plan, marks: Mapping[int, int], now: datetime, grace: timedelta) -> RetentionReport:
    """Return what is collected now and what waits for it; nothing is held or swept yet."""
    ripe = _ripe(plan, marks, now, grace)
    waiting = sorted(set(plan.free) - set(ripe))
    since = [min(marks.get(i, to_micros(now)), to_micros(now)) for i in waiting]
    return RetentionReport(
        time=now,
        dry_run=False,
        collected=_lines(connection, plan, ripe, plan.free),
        marked=_lines(connection, plan, waiting, plan.free),
        held=(),
        next_sweep=from_micros(min(since)) + grace if since else None,
        swept=Swept(),
    )


def _lines(connection: sa.Connection, plan: _Plan, ids: Iterable[int], why: Mapping[int, str]) -> tuple[Line, ...]:
    groups: dict[tuple[str, str], list[int]] = defaultdict(list)
    for version_id, freed in freed_bytes(connection, ids).items():
        groups[plan.tables[version_id], why[version_id]].append(freed)
    return tuple(Line(table, reason, len(freed), sum(freed)) for (table, reason), freed in sorted(groups.items()))


def _named(connection: sa.Connection, plan: _Plan, now: datetime) -> dict[int, str]:
    """Return what holds versions, pins with their owners."""
    if "pin" not in plan.held.values():
        return plan.held
    owners = pinned_by(connection, find_roots(connection, to_micros(now)))
    return {
        i: f"pin {', '.join(owners[i][:3])}{' ...' if len(owners[i]) > 3 else ''}" if by == "pin" else by for i, by in plan.held.items()
    }
