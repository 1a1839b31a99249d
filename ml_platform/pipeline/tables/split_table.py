"""The days of a table that one delivery makes: those that hold something else than before are judged, the others stay what they are."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ml_platform.core.layers import QUARANTINE
from ml_platform.core.partitions import partition_of
from ml_platform.lake.ledger.version import Version
from ml_platform.pipeline.delivery.raw import NOTHING_LANDED
from ml_platform.pipeline.tables.accepted import accepted_contents
from ml_platform.pipeline.tables.judged_rows import Verdicts, judge_rows
from ml_platform.pipeline.tables.raw_rows import is_text, structure_stop
from ml_platform.pipeline.tables.split import DELIVERED, Split, raw_head, said_of_days, split, today_of
from ml_platform.pipeline.workspace import Workspace
from ml_platform.sql.duck import session
from ml_platform.tables.declared.table import Table
from ml_platform.tables.judged.days_of_rows import NO_DAY


def judge_split(workspace: Workspace, table: Table, keys: Sequence[str | None], verdicts: Verdicts, code_version: str) -> None:
    """Judge days of a table whose deliveries hold many, in one pass over the newest; add to ``verdicts`` what became of them.

    A day between the first and the last of the delivery's rows that never had one waits: the delivery says that nothing happened, and a
    history of thirty years need not be ten thousand versions without rows. A day after the last is not delivered. One before the first
    that is there stays: an export of the last months does not withdraw what came before them. What cannot be cut into days at all stops
    the whole (partition None).
    """
    head = raw_head(workspace, table)
    if head is None:
        verdicts.absent |= dict.fromkeys(keys, f"{NOTHING_LANDED}: raw {table.name} has no version")
        return
    stopped = structure_stop(table, head)
    cut = None if stopped else split(workspace, table, head)
    stopped = stopped or (None if cut is None else _without_times(table, cut))
    if stopped or cut is None:
        verdicts.stopped[None] = str(stopped)
        return
    changed = _changed(workspace, table, cut, [str(key) for key in keys], verdicts, code_version)
    if not changed and NO_DAY not in cut.delivered:
        return
    undated = [NO_DAY] if cut.delivered.get(NO_DAY) or _has_quarantine(workspace, table) else []
    rows = cut.rows_of([*undated, *changed])
    sources: dict[str | None, list[Version]] = {partition_of(day): [head] for day in (*undated, *changed)}
    with session() as con:
        con.register("raw", rows)
        judge_rows(workspace, table, con, sources, verdicts, code_version=code_version, is_text=is_text(head), cut=cut)


@dataclass(frozen=True)
class Spoken:
    """The days that a delivery speaks of, and those among them that it never had a row of: on these nothing happened."""

    days: frozenset[str]
    empty: frozenset[str]

    @property
    def filled(self) -> frozenset[str]:
        """The days that are made."""
        return self.days - self.empty


def spoken_days(workspace: Workspace, table: Table) -> Spoken | None:
    """Return the days that the newest delivery speaks of; None if there is none, or none that can be cut into days."""
    head = raw_head(workspace, table)
    if head is None or structure_stop(table, head) is not None:
        return None
    cut, today = said_of_days(workspace, table, head), today_of(workspace)
    empty = cut.empty_days(today)
    return Spoken(frozenset(cut.days(today)) | empty, empty)


def changed_days(workspace: Workspace, table: Table, head: Version) -> list[str]:
    """Return the days that a raw version says something else of than what was made of them.

    Of one that cannot be cut into days it is the table's first: whoever asks for it is told what stops the whole.
    """
    cut = None if structure_stop(table, head) is not None else said_of_days(workspace, table, head)
    if cut is None or _without_times(table, cut) is not None:
        return [] if table.partitions is None else [table.partitions.start.isoformat()]
    here = workspace.table("tables", table.name)
    heads = workspace.lake.versions.heads(here)
    rejected = workspace.lake.versions.rejected(here)
    today = today_of(workspace)
    last = cut.last(today) or ""
    spoken = set(cut.days(today)) | {str(day) for day in heads if day is not None and day > last}
    changed = []
    for day in sorted(spoken):
        newest = max((v for v in (heads.get(day), rejected.get(day)) if v is not None), key=lambda v: v.id, default=None)
        if _lies_before(heads.get(day), cut, day) or (newest is None and not cut.has_rows(day)):
            continue
        if newest is None or newest.properties.get(DELIVERED) != cut.digest(day):
            changed.append(day)
    return changed


def _changed(workspace: Workspace, table: Table, cut: Split, keys: Sequence[str], verdicts: Verdicts, code_version: str) -> list[str]:
    """Return which days are to be judged; of the others note why they are not."""
    here = workspace.table("tables", table.name)
    heads, rejected = workspace.lake.versions.heads(here), workspace.lake.versions.rejected(here)
    today = today_of(workspace)
    first, last = cut.first, cut.last(today)
    spoken, empty = set(cut.days(today)), cut.empty_days(today)
    changed = []
    for key in keys:
        head, stopped = heads.get(key), rejected.get(key)
        if head is not None and _lies_before(head, cut, key):
            verdicts.unchanged[key] = head
        elif head is None and stopped is None and key in empty:
            verdicts.waiting[key] = "Nothing happened on it: what is delivered has rows before and after it, and none of it."
        elif key not in spoken and (head is None or first is None or key < first):
            if head is not None:
                verdicts.unchanged[key] = head
            else:
                told = (
                    f"the rows that are delivered go from {cut.start or first} to {last}" if first else "no row that is delivered has a day"
                )
                verdicts.waiting[key] = f"It is not delivered: {told}."
        elif not verdicts.is_published or _decides_by_others(table):
            changed.append(key)
        elif stopped is not None and (head is None or stopped.id > head.id) and _is_made_of(stopped, cut, key, code_version):
            loss = stopped.properties.get("loss")
            if loss and (loss["content"], loss["replaces"]) in accepted_contents(workspace, table.name, key):
                changed.append(key)
            else:
                verdicts.stopped[key] = str(stopped.properties["reason"])
        elif head is not None and _is_made_of(head, cut, key, code_version):
            verdicts.unchanged[key] = head
        else:
            changed.append(key)
    return changed


def _lies_before(head: Version | None, cut: Split, day: str) -> bool:
    """Whether a day with rows lies before all that is delivered: an export of the last months does not withdraw it."""
    return head is not None and head.rows > 0 and cut.first is not None and day < cut.first


def _decides_by_others(table: Table) -> bool:
    """Whether rows are rejected by what other tables hold, which may have changed while the delivery has not."""
    return any(reference.severity == "reject" for reference in table.contract.references)


def _is_made_of(version: Version, cut: Split, day: str, code_version: str) -> bool:
    return version.code_version == code_version and version.properties.get(DELIVERED) == cut.digest(day)


def _without_times(table: Table, cut: Split) -> str | None:
    """Return why a delivery cannot be cut into days: too many of its rows say no time."""
    rows = sum(cut.delivered.values())
    if not cut.untimed or cut.untimed / rows <= table.contract.max_rejected:
        return None
    return (
        f"{cut.untimed} of {rows} rows ({cut.untimed / rows:.1%}) have no {table.event_time} that can be read as a time, more than the "
        f"{table.contract.max_rejected:.1%} that the contract allows, so they belong to no day. Nothing of this delivery is taken in. "
        f"Correct the delivery, or how the contract reads {table.event_time} (its type, zone or format)."
    )


def _has_quarantine(workspace: Workspace, table: Table) -> bool:
    """Whether rows without a day stand in quarantine, which a delivery without any takes out."""
    return any(v.rows for v in workspace.lake.versions.resolve(workspace.table(QUARANTINE, table.name), partitions=[None]))
