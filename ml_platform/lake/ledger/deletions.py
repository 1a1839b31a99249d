"""What was deleted is in the hash chain too: a commit without versions that names what retention or a redaction took away."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator, Sequence
from datetime import datetime
from typing import Any, Literal

import sqlalchemy as sa

from ml_platform.core.hashing import canonical_json
from ml_platform.core.intervals import from_micros, to_micros
from ml_platform.lake.ledger.chain import FIRST, commit_hash
from ml_platform.lake.ledger.commit_log import last_commit, next_commit
from ml_platform.lake.ledger.ledger_tables import MAIN_ID, collected, commits, redactions, replaced_files

Kind = Literal["retention", "redaction"]
_MESSAGE = re.compile(r"(retention|redaction): (\d+) versions, sha256 ([0-9a-f]{64})")


def add_deletion(connection: sa.Connection, kind: Kind, rows: Sequence[dict[str, Any]], now: datetime) -> datetime:
    """Add the commit of a deletion, and the rows that say what was deleted; return its time, which the rows carry.

    Parameters
    ----------
    connection : Connection
        In a writing transaction.
    kind : {"retention", "redaction"}
        ``rows`` are those of ``collected``, or of ``redactions`` with their ``files``; all without a time.
    rows : sequence of dict
        At least one.
    now : datetime
        The machine's time.
    """
    last = last_commit(connection)
    number, time, next_id = next_commit(last, now)
    stamped = [{**row, "time": to_micros(time)} for row in rows]
    if kind == "retention":
        connection.execute(collected.insert(), stamped)
    else:
        connection.execute(redactions.insert(), [{name: row[name] for name in row if name != "files"} for row in stamped])
        connection.execute(
            replaced_files.insert(),
            [{**file, "version_id": row["version_id"], "number": row["number"]} for row in stamped for file in row["files"]],
        )
    message = _message(connection, kind, to_micros(time))
    previous = FIRST if last is None else last.hash
    digest = commit_hash(previous, number, time, "", message, (), {})
    row = {"number": number, "time": to_micros(time), "last_version": next_id - 1, "run_id": "", "message": message}
    connection.execute(commits.insert(), {**row, "previous": previous, "hash": digest, "branch_id": MAIN_ID})
    return time


def unproved_deletions(connection: sa.Connection) -> Iterator[tuple[int, str]]:
    """Yield (commit, what is wrong) for every deletion that the chain does not account for, or that is not what it says."""
    proved: dict[Kind, set[int]] = {"retention": set(), "redaction": set()}
    last_version = 0
    query = sa.select(commits.c.number, commits.c.time, commits.c.message, commits.c.last_version).order_by(commits.c.number)
    for row in connection.execute(query).all():
        # A run may give its commit any message; one that published something is no deletion.
        found = _MESSAGE.fullmatch(row.message) if row.last_version == last_version else None
        last_version = row.last_version
        if found is None:
            continue
        kind: Kind = "retention" if found[1] == "retention" else "redaction"
        proved[kind].add(row.time)
        if row.message != _message(connection, kind, row.time):
            yield row.number, f"What {kind} deleted with commit {row.number} was edited in the ledger."
    kinds: tuple[tuple[Kind, sa.Table], ...] = (("retention", collected), ("redaction", redactions))
    for kind, table in kinds:
        for time, count in connection.execute(sa.select(table.c.time, sa.func.count()).group_by(table.c.time).order_by(table.c.time)):
            if time not in proved[kind]:
                when = f"{from_micros(time):%Y-%m-%d %H:%M} UTC"
                yield 0, f"{count} row(s) of {table.name} of {when} belong to no commit: somebody else wrote them."


def _message(connection: sa.Connection, kind: Kind, time: int) -> str:
    """Return the message of the deletions of one time, with a digest over the rows as the ledger has them."""
    table = collected if kind == "retention" else redactions
    rows = connection.execute(sa.select(table).where(table.c.time == time).order_by(*table.primary_key)).all()
    content: list[Any] = [list(row) for row in rows]
    if kind == "redaction":
        same = redactions.c.version_id == replaced_files.c.version_id, redactions.c.number == replaced_files.c.number
        query = sa.select(replaced_files).join(redactions, sa.and_(*same)).where(redactions.c.time == time)
        content += [list(row) for row in connection.execute(query.order_by(*replaced_files.primary_key))]
    return f"{kind}: {len(rows)} versions, sha256 {hashlib.sha256(canonical_json(content).encode()).hexdigest()}"
