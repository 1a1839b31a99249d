"""The hash chain over commits: an edited row anywhere in the past changes every hash after it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence
from datetime import datetime

from ml_platform.core.hashing import canonical_json
from ml_platform.core.intervals import to_micros
from ml_platform.lake.ledger.version import MAIN, Version

FIRST = "0" * 64


def commit_hash(
    previous: str,
    number: int,
    time: datetime,
    run_id: str,
    message: str,
    versions: Iterable[Version],
    inputs: Mapping[int, Sequence[int]],
    branch: str = MAIN,
) -> str:
    """Return the SHA-256 (hexadecimal) of a commit, everything it published, and the hash of the commit before it.

    Parameters
    ----------
    previous : str
        The hash of commit ``number - 1``; ``FIRST`` for the first.
    number, time, run_id, message
        As the ledger has them.
    versions : iterable of Version
        The versions that the commit created.
    inputs : mapping of int to sequence of int
        Per version id the ids it was made from; their order does not matter.
    branch : str
        Where it was published.

    Returns
    -------
    str
        64 hexadecimal digits.
    """
    published = [
        [
            *(version.id, version.table, version.partition, version.kind, version.rows, version.bytes, version.data_hash),
            *(hashlib.sha256(version.schema_ipc).hexdigest(), version.code_version, version.properties),
            sorted(inputs.get(version.id, ())),
            [[file.name, file.path, file.sha256, file.bytes, file.rows] for file in version.files],
        ]
        for version in sorted(versions, key=lambda version: version.id)
    ]
    # Commits of `main` hash as they did before there were branches.
    elsewhere = [] if branch == MAIN else [branch]
    content = canonical_json([previous, number, to_micros(time), run_id, message, published, *elsewhere])
    return hashlib.sha256(content.encode()).hexdigest()
