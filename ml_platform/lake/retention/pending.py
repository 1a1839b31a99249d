"""Which versions may be deleted, and what holds the others: planned over the whole ledger without a lock, looked at again under it.

Under the lock only what is new since the plan is looked at: branches, tags, runs, pins, and versions. Whatever any of those
may hold stays this time; the next run plans anew.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

import sqlalchemy as sa

from ml_platform.core.intervals import to_micros
from ml_platform.lake.ledger.ledger_tables import collected, commits, versions
from ml_platform.lake.ledger.provenance import input_closure
from ml_platform.lake.ledger.version import REJECTED
from ml_platform.lake.retention.roots import Roots, find_roots, is_of_models, models_but, needed_by, needed_since, pinned_by, written_by
from ml_platform.lake.retention.rules import Entry, Heads, Rule, due_ids, rule_for


@dataclass(frozen=True)
class Pending:
    """The versions that are due: ``free`` ones by rule, of ``held`` ones who holds them; ``tables`` has the tables of both.

    ``roots``, ``heads`` (by table) and ``needs`` are what the plan was made from, ``newest`` the last version that it has seen.
    """

    free: dict[int, str]
    held: dict[int, str]
    tables: dict[int, str]
    roots: Roots
    heads: dict[str, Heads]
    needs: dict[int, set[int]]
    newest: int


def find_pending(connection: sa.Connection, rules: Sequence[Rule], now: datetime) -> Pending:
    """Return what the rules let go and what of it is held, as of now."""
    newest = connection.execute(sa.select(sa.func.max(versions.c.id))).scalar() or 0
    plan = Pending({}, {}, {}, find_roots(connection, to_micros(now)), {}, {}, newest)
    of_models: set[int] | None = None
    # Models first: one stays what it is only as long as what it was made from can be read.
    for table, entries in sorted(_tables(connection, rules), key=lambda found: not is_of_models(found[0])):
        rule = rule_for(table, rules)
        if rule is None:
            continue
        due = due_ids(entries, rule.retention, plan.roots.dropped, to_micros(now))
        if not due:
            continue
        if of_models is None and not is_of_models(table):
            of_models = input_closure(connection, models_but(connection, plan.free))
        plan.heads[table] = Heads(entries)
        needs = needed_by(connection, table)
        plan.needs.update(needs)
        held = _held(plan.heads[table], due, plan.roots, of_models or set(), needs)
        plan.free.update(dict.fromkeys(due - set(held), rule.words))
        plan.held.update(held)
        plan.tables.update(dict.fromkeys(due, table))
    return plan


def still_free(connection: sa.Connection, plan: Pending, now: datetime) -> set[int]:
    """Return those of the free versions that nothing has come to hold since the plan was made.

    Parameters
    ----------
    connection : Connection
        In a writing transaction: nothing else can publish, branch, tag, pin or begin a run.
    plan : Pending
        As it was.
    now : datetime
        The machine's time.
    """
    roots = find_roots(connection, to_micros(now), closures=False)
    free = set(plan.free)
    fresh = connection.execute(sa.select(versions.c.id).where(versions.c.id > plan.newest)).scalars().all()
    pinned = {i for owner, held in roots.owners.items() for i in held - plan.roots.owners.get(owner, frozenset())}
    # Of what was published since, all that it was made from: whether it is a model need not be asked.
    held = input_closure(connection, {*fresh, *pinned}) & free
    held |= set(written_by(connection, set(roots.runs) - set(plan.roots.runs))) & free
    held |= {i for wanted in needed_since(connection, plan.newest).values() for i in wanted} & free
    known = {state.limits for state in plan.roots.states}
    for state in (state for state in roots.states if state.limits not in known):
        for heads in plan.heads.values():
            held |= heads.read_in(state) & free
    return free - _with_needed(held, plan.needs, free)


def holders(connection: sa.Connection, plan: Pending) -> dict[int, str]:
    """Return what holds each version that is held, pins with the first of their owners."""
    pinned = [i for i, by in plan.held.items() if by == "pin"]
    owners = pinned_by(connection, plan.roots, pinned) if pinned else {}
    return {
        i: f"pin {', '.join(owners[i][:3])}{' ...' if len(owners[i]) > 3 else ''}" if by == "pin" else by for i, by in plan.held.items()
    }


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


def _held(heads: Heads, due: set[int], roots: Roots, of_models: set[int], needs: Mapping[int, set[int]]) -> dict[int, str]:
    """Return those of the versions that are due which something holds, with what it is."""
    held = dict.fromkeys(due & roots.pinned, "pin")
    held |= {i: f"run {roots.of_runs[i]}" for i in due if i in roots.of_runs}
    for state in roots.states:
        for i in heads.read_in(state) & due:
            held.setdefault(i, state.holder)
    held |= dict.fromkeys(due & of_models - set(held), "a model that was made from it")
    # What a version that stays still needs stays too, and so what that needs.
    waiting = [i for i in needs if i not in due or i in held]
    while waiting:
        by = waiting.pop()
        for i in needs.get(by, set()) & due:
            if i not in held:
                held[i] = f"version {by}"
                waiting.append(i)
    return held


def _with_needed(held: Iterable[int], needs: Mapping[int, set[int]], among: Collection[int]) -> set[int]:
    """Return the versions with all those that they still need."""
    found, waiting = set(held), list(held)
    while waiting:
        new = {i for i in needs.get(waiting.pop(), ()) if i in among} - found
        found |= new
        waiting += new
    return found
