"""Checks by themselves: what is published judged again, by today's declaration, and nothing published.

Each check judges with the function that judges it beside a materialization; here it is given what the lake holds.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime, timedelta
from typing import TYPE_CHECKING

from ml_platform.core.intervals import DAY, day_start
from ml_platform.core.partitions import partition_text
from ml_platform.pipeline.outcome import CheckOutcome, PartitionOutcome
from ml_platform.pipeline.workspace import Workspace

if TYPE_CHECKING:
    from ml_platform.pipeline.scoring.monitored import Found
    from ml_platform.tables.declared.table import Table

# Partitions of a table that are judged in one pass: a year of days would hold all of its raw rows in memory at once.
AT_ONCE = 60


@dataclass(frozen=True)
class Which:
    """Which published partitions a check looks at: some that are named, or so many of the newest (None: all)."""

    partitions: tuple[str | None, ...] | None = None
    newest: int | None = None

    def of(self, published: Iterable[str | None]) -> list[str | None]:
        """Return the partitions to look at, in their order."""
        if self.partitions is not None:
            return list(dict.fromkeys(self.partitions))
        known = sorted(published, key=partition_text)
        return known if self.newest is None else known[-self.newest :]


@dataclass(frozen=True)
class Judged:
    """What checks say by themselves, and of how many partitions that are published how many they looked at."""

    checks: tuple[CheckOutcome, ...]
    looked_at: tuple[str | None, ...] = ()
    published: int = 0


# Takes the workspace, which partitions, and the names of the checks that are asked for.
Judge = Callable[[Workspace, Which, Collection[str]], Judged]


def judge_raw(workspace: Workspace, table_name: str, which: Which) -> Judged:
    """Judge ``arrival`` by what is recorded: a passed day between the published ones that has no delivery is missing.

    A day without a version whose files are there is opened, so that a delivery that cannot be read is told apart; a function that fetches
    is not called.
    """
    from ml_platform.pipeline.delivery.raw import arrival_check, not_landed, raw_numbers

    table = workspace.project.table(table_name)
    heads = {v.partition: v for v in workspace.lake.versions.resolve(workspace.table("raw", table_name))}
    keys = which.of(heads)
    if which.partitions is None:
        keys = _without_gaps(keys)
    if not keys:
        return _nothing(("arrival",), workspace.table("raw", table_name))
    unread = _unread_delivery(workspace, table, [key for key in keys if key not in heads])
    outcomes = [
        PartitionOutcome(key, heads[key], numbers=raw_numbers(heads[key]))
        if key in heads
        else unread.get(key) or not_landed(key, workspace.clock.now())
        for key in keys
    ]
    check = arrival_check(table, outcomes)
    if which.partitions is None:
        check = _with_days_since(check, keys[-1], table, workspace.clock.now())
    return Judged((check,), tuple(keys), len(heads))


def judge_tables(workspace: Workspace, table_name: str, which: Which) -> Judged:
    """Judge the contract's checks: what was delivered for the partitions (or what they are derived from) by today's contract."""
    from ml_platform.pipeline.tables.judged_rows import Verdicts
    from ml_platform.pipeline.tables.table import judge_partitions
    from ml_platform.pipeline.tables.table_report import contract_checks

    table = workspace.project.table(table_name)
    here = workspace.table("tables", table_name)
    heads = {v.partition: v for v in workspace.lake.versions.resolve(here)}
    made_from = (
        {}
        if table.is_derived or table.splits
        else {v.partition: v for v in workspace.lake.versions.resolve(workspace.table("raw", table_name))}
    )
    known = {**heads, **made_from}
    keys = [key for key in which.of(known) if key in known]
    if not keys:
        return _nothing(("contract", "contract_warnings", *(["declared_availability"] if _says_when_known(table) else [])), here)
    verdicts = Verdicts(is_published=False)
    at_once = len(keys) if table.splits else AT_ONCE
    for start in range(0, len(keys), at_once):
        piece = keys[start : start + at_once]
        workspace.say(f"checks of table {table_name}: {start + len(piece)} of {len(keys)} partitions")
        judge_partitions(workspace, table, piece, verdicts)
    checks: tuple[CheckOutcome, ...] = contract_checks(verdicts.judgements, verdicts.stopped, len(keys))
    if _says_when_known(table):
        from ml_platform.pipeline.tables.declared_availability import check_declared

        good = [heads[key] for key in keys if key in heads and key not in verdicts.stopped]
        checks = (*checks, check_declared(workspace, table, good))
    return Judged(checks, tuple(keys), len(heads))


def judge_features(workspace: Workspace, view_name: str, entity: Sequence[str], which: Which) -> Judged:
    """Judge ``rows_and_nulls`` of the stored change points, for the features that are declared today."""
    from ml_platform.features.declared.definition import feature_table_name
    from ml_platform.pipeline.feature_tables.feature_table import feature_task, partition_interval, rows_and_nulls_check
    from ml_platform.sql.duck import quote_name, session

    here = workspace.table("features", feature_table_name(view_name, tuple(entity)))
    heads = {v.partition: v for v in workspace.lake.versions.resolve(here)}
    keys = [key for key in which.of(heads) if key in heads]
    if not keys:
        return _nothing(("rows_and_nulls",), here)
    task = feature_task(workspace, view_name, entity)
    definitions = task.definitions
    days = [str(key) for key in keys]
    coverage = task.coverage([day for day in days if task.inputs(partition_interval(workspace.project, day))])
    reading = workspace.lake.versions.read([heads[key] for key in keys])
    stored = [name for name in dict.fromkeys(d.stored_name for d in definitions) if name in reading.schema.names]
    with session() as con:
        counted = ", ".join(["count(*)", *(f"count({quote_name(name)})" for name in stored)])
        rows, *values = reading.relation(con).aggregate(counted).fetchall()[0]
    check = rows_and_nulls_check(definitions, int(rows), dict(zip(stored, values, strict=True)), coverage)
    return Judged((check,), tuple(keys), len(heads))


def judge_training(workspace: Workspace, problem_name: str, which: Which) -> Judged:
    """Judge the checks of training sets: their rows are chosen and their features computed as for a materialization of today."""
    from ml_platform.pipeline.training.training_set import judge_sets

    here = workspace.table("training", problem_name)
    heads = {str(v.partition): v for v in workspace.lake.versions.resolve(here)}
    days = [str(key) for key in which.of(heads) if key in heads]
    if not days:
        return _nothing(("leakage", "training_rows", "future"), here)
    judged = judge_sets(workspace, problem_name, days)
    return Judged(judged.checks(judged.outcomes(days, heads)), tuple(days), len(heads))


def judge_models(workspace: Workspace, problem_name: str, which: Which) -> Judged:
    """Judge ``beats_baseline``: the stored models score the test rows of the training sets that they were made from."""
    from ml_platform.models.fit import Fitted, measured
    from ml_platform.pipeline.models.model import load_model
    from ml_platform.pipeline.models.model_report import baseline_check
    from ml_platform.training.labels import LABEL
    from ml_platform.training.spine import CUTOFF
    from ml_platform.training.splits import SPLIT

    here, training = workspace.table("models", problem_name), workspace.table("training", problem_name)
    heads = {str(v.partition): v for v in workspace.lake.versions.resolve(here)}
    days = [str(key) for key in which.of(heads) if key in heads]
    if not days:
        return _nothing(("beats_baseline",), here)
    fitted: dict[str, Fitted] = {}
    for day in days:
        workspace.say(f"checks of models {problem_name}: {day}")
        loaded = load_model(workspace, heads[day])
        learnt = [v for v in workspace.lake.lineage.inputs(heads[day].id) if v.table == training]
        frame = workspace.lake.versions.read(learnt, columns=[CUTOFF, SPLIT, LABEL, *loaded.features]).pl()
        fitted[day] = measured(loaded.file.trained, loaded.file.companions, frame)
    return Judged((baseline_check(fitted),), tuple(days), len(heads))


def judge_monitoring(workspace: Workspace, problem_name: str, which: Which) -> Judged:
    """Judge ``drift`` and ``performance`` of the newest of some monitored days, and name the days before it that did not pass."""
    from ml_platform.pipeline.scoring.monitored import checks_of
    from ml_platform.pipeline.scoring.monitoring import monitor_day, monitored_days
    from ml_platform.pipeline.scoring.watched import read_watched

    here = workspace.table("monitoring", problem_name)
    at = workspace.lake.versions.newest_commit()
    past = {m.day: m for m in monitored_days(workspace, problem_name, at=at)}
    days = [str(key) for key in which.of(past) if key in past]
    if not days:
        return _nothing(("drift", "performance"), here)
    problem = workspace.project.problem(problem_name)
    watched = read_watched(workspace, problem, days, at=at)
    found: list[Found] = []
    for day in days:
        champion = watched.champion(day)
        if champion is not None:
            found.append(monitor_day(workspace, problem, watched, champion, day, past, ()))
    newest = found[-1] if found else None
    earlier = [(one.day, checks_of(one)) for one in found[:-1]]
    checks = tuple(
        _with_earlier(check, [day for day, checks in earlier for other in checks if other.name == check.name and not other.passed])
        for check in checks_of(newest)
    )
    return Judged(checks, tuple(days), len(past))


def _unread_delivery(workspace: Workspace, table: Table, partitions: Sequence[str | None]) -> dict[str | None, PartitionOutcome]:
    """Return why partitions without a version have none although files of theirs have landed; a function that fetches is not called."""
    from ml_platform.core.errors import SourceError
    from ml_platform.pipeline.delivery.deliveries import deliveries_of, with_times
    from ml_platform.pipeline.delivery.raw import NOT_READ_YET, joined_rows

    if not partitions or not table.source.is_watched:
        return {}
    open_partition = deliveries_of(workspace, table, partitions)
    why: dict[str | None, PartitionOutcome] = {}
    for partition in partitions:
        try:
            deliveries = open_partition(partition)
            if deliveries:
                timed = with_times(deliveries, None)
                joined_rows(timed, [one.rows() for one, _ in timed])
                why[partition] = PartitionOutcome(partition, None, f"{deliveries[0].name} {NOT_READ_YET}", absent="not read")
        except SourceError as error:
            why[partition] = PartitionOutcome(partition, None, str(error))
    return why


def _with_days_since(check: CheckOutcome, newest: str | None, table: Table, now: datetime) -> CheckOutcome:
    """Return the check with how many declared days have passed since the newest delivery: how late is too late, a freshness policy says."""
    if newest is None or table.partitions is None:
        return check
    until = min(now, day_start(table.partitions.end.isoformat())) if table.partitions.end else now
    passed = max((until - day_start(newest)) // DAY - 1, 0)
    said = f" The newest is of {newest}; {passed} days have passed since then." if passed else ""
    return replace(check, summary=check.summary + said, numbers={**check.numbers, "days_since": float(passed)})


def _with_earlier(check: CheckOutcome, days: Sequence[str]) -> CheckOutcome:
    """Return the check of the newest day with the days before it on which it did not pass."""
    if not days:
        return check
    named = ", ".join(days[:10]) + (f" and {len(days) - 10} more" if len(days) > 10 else "")
    numbers: Mapping[str, float] = {**check.numbers, "earlier_days_not_passed": float(len(days))}
    return replace(check, summary=f"{check.summary.rstrip('.')}. It did not pass on {named} either.", numbers=numbers)


def _without_gaps(keys: Sequence[str | None]) -> list[str | None]:
    """Return every day from the first to the last; what has no partitions stays as it is."""
    if not keys or keys[0] is None:
        return list(keys)
    first, last = date.fromisoformat(str(keys[0])), date.fromisoformat(str(keys[-1]))
    return [(first + timedelta(days=n)).isoformat() for n in range((last - first) // DAY + 1)]


def _says_when_known(table: Table) -> bool:
    return bool(not table.is_derived and table.availability and table.raw_partitions is not None)


def _nothing(names: Iterable[str], table: str) -> Judged:
    said = f"Nothing to judge: {table} has no published partition of those that were asked for. Materialize it first."
    return Judged(tuple(CheckOutcome(name, True, "warn", said) for name in names))
