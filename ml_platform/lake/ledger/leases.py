"""Leases: a run reads one commit from its first step to its last, and retention leaves that commit alone while it runs."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import sqlalchemy as sa

from ml_platform.core.intervals import to_micros
from ml_platform.lake.ledger.commit_log import last_commit
from ml_platform.lake.ledger.ledger import Ledger
from ml_platform.lake.ledger.ledger_tables import leases
from ml_platform.lake.ledger.scope import Scope, commit_at, visible

# Longer than any run; each step renews it. A run that died lets go when it has passed.
LEASE = timedelta(hours=24)


def lease(ledger: Ledger, scope: Scope, run_id: str, *, now: datetime | None = None) -> Scope:
    """Return the scope of a run: what its first step found, for every step of it, in whichever process.

    Parameters
    ----------
    ledger : Ledger
        Of the lake.
    scope : Scope
        The branch that the run reads and writes.
    run_id : str
        The run; its own versions are written with it.
    now : datetime, optional
        The machine's time, for tests.
    """
    now = now or datetime.now(UTC)
    with ledger.reading() as connection:
        known = connection.execute(_LEASE, {"run": run_id}).one_or_none()
    if known is None or known.expires < to_micros(now + LEASE / 2):
        with ledger.writing() as connection:
            known = connection.execute(_LEASE, {"run": run_id}).one_or_none()
            # A clock that was set back must not end the lease early: commit times never go back.
            newest = last_commit(connection)
            expires = max(to_micros(now), 0 if newest is None else newest.time) + LEASE // timedelta(microseconds=1)
            if known is None:
                seen = visible(connection, Scope(scope.branch))
                _, last = commit_at(connection, seen.number)
                row = {"run_id": run_id, "branch_id": seen.branch_id, "commit_number": seen.number, "last_version": last}
                connection.execute(leases.insert(), {**row, "expires": expires})
            else:
                connection.execute(leases.update().where(leases.c.run_id == run_id).values(expires=expires))
            known = connection.execute(_LEASE, {"run": run_id}).one()
    return replace(scope, run_id=run_id, read_commit=known.commit_number, read_version=known.last_version)


def leased_runs(ledger: Ledger) -> list[str]:
    """Return the runs that hold a commit, in no order."""
    with ledger.reading() as connection:
        return list(connection.execute(sa.select(leases.c.run_id)).scalars())


def release(ledger: Ledger, run_id: str) -> None:
    """Release what a run that has ended was reading."""
    with ledger.writing() as connection:
        connection.execute(leases.delete().where(leases.c.run_id == run_id))


_LEASE = sa.select(leases).where(leases.c.run_id == sa.bindparam("run"))
