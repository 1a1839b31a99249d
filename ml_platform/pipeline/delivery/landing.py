"""What lies in the landing zone, and which of it the lake has not taken in yet."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field

from ml_platform.core.errors import SourceError
from ml_platform.core.partitions import partition_of, partition_text
from ml_platform.pipeline.delivery.deliveries import place_of
from ml_platform.pipeline.delivery.taken_in import Comparison, Delivery
from ml_platform.pipeline.workspace import Workspace
from ml_platform.tables.declared.pattern import Found
from ml_platform.tables.declared.table import Table


def scan(workspace: Workspace, problems: dict[str, str] | None = None, leave_out: Collection[str] = ()) -> dict[str, dict[str, Delivery]]:
    """Look at the landing zone once; no file is opened.

    Parameters
    ----------
    workspace : Workspace
        Project and landing zone.
    problems : dict, optional
        Receives, by table, why its files could not be looked for; without it the first such error is raised.
    leave_out : collection of str
        Tables that are not looked at.

    Returns
    -------
    dict of str to dict of str to Delivery
        Table name to partition key (``""`` for a table without partitions) to what lies there for it; without tables that have a problem.
    """
    found = {}
    for table in workspace.project.tables.values():
        if not table.source.is_watched or table.name in leave_out:
            continue
        try:
            found[table.name] = _deliveries(workspace, table)
        except SourceError as error:
            if problems is None:
                raise
            problems[table.name] = str(error)
    return found


def landed_days(workspace: Workspace, table: Table, days: Sequence[str | None]) -> list[str | None]:
    """Return those of some days of which files lie there; all of a table that is not delivered in files."""
    source = table.source
    if not source.is_watched:
        return list(days)
    there = source.landed(place_of(workspace, table), days)
    return [day for day in days if day in there]


@dataclass(frozen=True)
class NewDeliveries:
    """What a look at the landing zone has found.

    ``changed`` are, per table, the sorted partitions to take in; ``seen`` the signatures to remember, so that nothing is asked for or
    compared twice; ``later`` counts, per table, partitions whose files have another time and could not be compared yet.
    """

    changed: Mapping[str, list[str]]
    seen: Mapping[str, Mapping[str, str]]
    later: Mapping[str, int] = field(default_factory=dict)


def new_deliveries(
    workspace: Workspace, found: Mapping[str, Mapping[str, Delivery]], seen: Mapping[str, Mapping[str, str]]
) -> NewDeliveries:
    """Find the partitions whose files neither the lake nor the caller has seen as they are now.

    A file that has another time is compared by its content, so much of it per call as `taken_in.BYTES_PER_TICK` says.

    Parameters
    ----------
    workspace : Workspace
        Its lake knows the files of every partition that was taken in.
    found : mapping
        A ``scan``.
    seen : mapping of table to partition to signature
        What the caller was told to remember; keeps a delivery that cannot be read from being asked for again and again.
    """
    comparison = Comparison(workspace.landing)
    changed: dict[str, list[str]] = {}
    remembered: dict[str, dict[str, str]] = {}
    later: dict[str, int] = {}
    for table, deliveries in found.items():
        known = remembered[table] = {k: d.signature for k, d in deliveries.items() if seen.get(table, {}).get(k) == d.signature}
        unseen = [key for key in deliveries if key not in known]
        heads = (
            workspace.lake.versions.resolve(workspace.table("raw", table), partitions=[partition_of(key) for key in unseen])
            if unseen
            else []
        )
        taken = {partition_text(head.partition): head for head in heads}
        for key in sorted(unseen):
            verdict = comparison.verdict(deliveries[key], taken.get(key))
            if verdict == "later":
                later[table] = later.get(table, 0) + 1
                continue
            known[key] = deliveries[key].signature
            if verdict == "new":
                changed.setdefault(table, []).append(key)
    return NewDeliveries(changed, remembered, later)


def _deliveries(workspace: Workspace, table: Table) -> dict[str, Delivery]:
    found: dict[str, Delivery] = {}
    for day, files in table.source.landed(place_of(workspace, table)).items():
        states = [state for file in files if (state := _state(file)) is not None]
        if states:
            found[partition_text(day)] = Delivery(tuple(states))
    return found


def _state(file: Found) -> tuple[str, int, int] | None:
    """Return name, size and time of change of a file; None of one that has gone meanwhile."""
    try:
        state = file.path.stat()
    except FileNotFoundError:
        return None
    # A file that may not be read yet is another delivery once it may: its time is none until then.
    may_be_read = file.refused is None and os.access(file.path, os.R_OK)
    return file.name, state.st_size, state.st_mtime_ns if may_be_read else 0
