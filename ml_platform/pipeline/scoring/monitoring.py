"""Monitoring: per day, what the newest scores look like, how the matured ones turned out, and the decision whether to retrain."""

from __future__ import annotations

import logging
import math
from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, replace
from datetime import date
from typing import TYPE_CHECKING, Literal

from ml_platform.core.intervals import DAY, shift_day
from ml_platform.core.layers import REPORTS
from ml_platform.lake.ledger.version import Version
from ml_platform.monitoring.decision import Decision, Policy, Record, decide
from ml_platform.monitoring.incidents import Incident, follow
from ml_platform.monitoring.monitored_day import MonitoredDay
from ml_platform.pipeline.declared_code import monitoring_code_version
from ml_platform.pipeline.outcome import Outcome, PartitionOutcome
from ml_platform.pipeline.scoring.hindsight import has_unseen
from ml_platform.pipeline.workspace import Workspace
from ml_platform.project.project import CompiledProblem

if TYPE_CHECKING:
    import pyarrow as pa

    from ml_platform.lake.ledger.version import Staged
    from ml_platform.monitoring.drift import ColumnDrift
    from ml_platform.pipeline.scoring.monitored import Found
    from ml_platform.pipeline.scoring.watched import MonitoredChampion, Watched

_LOG = logging.getLogger(__name__)

Report = Literal["auto", "always", "never"]


def materialize_monitoring(workspace: Workspace, problem_name: str, partitions: Sequence[str], *, report: Report = "auto") -> Outcome:
    """Monitor some days, in their order: each sees the decisions of those before it.

    A decision that was recorded for a day never changes, nor does its incident; a second run refreshes the statistics only.

    Parameters
    ----------
    workspace : Workspace
        Project, lake and clock.
    problem_name : str
        The problem.
    partitions : sequence of str
        Days to monitor.
    report : str
        Evidently's page (slow: 5 to 10 CPU seconds) of the newest day: ``auto`` makes one every seven days, when an incident opens and when
        a retraining is decided, and no other of a day that is looked at again beside a newer one; the very first days that are monitored
        have none of their own: they have nothing to be compared with but what the model's card says already. ``always`` and ``never`` do
        as they say.

    Returns
    -------
    Outcome
        Table ``monitoring/<problem>``: one row per watched column, with the decision and what led to it as properties; artifact
        ``reports/<problem>`` with ``report.html``. A day without scores in its window is stopped with the reason. Checks ``drift`` and
        ``performance`` tell of the newest day.
    """
    from ml_platform.pipeline.scoring.monitored import checks_of, metadata_of, numbers_of
    from ml_platform.pipeline.scoring.watched import read_watched

    problem = workspace.project.problem(problem_name)
    at, since = workspace.lake.versions.newest_commit(), workspace.lake.versions.read_commit
    past = {m.day: m for m in monitored_days(workspace, problem_name, at=at)}
    is_first = not past
    trained = [p for p in workspace.lake.partitions(workspace.table("models", problem_name), at=at) if p is not None]
    watched = read_watched(workspace, problem, partitions, at=at)
    found: dict[str, Found] = {}
    for day in sorted(partitions):
        champion = watched.champion(day)
        if champion is not None:
            workspace.say(f"{problem_name}: {day} is compared with the training rows of model version {champion.version.id}")
            found[day] = monitor_day(workspace, problem, watched, champion, day, past, trained)
            past[day] = found[day].monitored
            _LOG.info("%s: decided on %s: %s", problem_name, day, past[day].to_properties()["decision"])
    staged = [_stage(workspace, problem, one) for one in found.values()]
    commit = None
    if staged:
        # Strict: a decision that another run has recorded for one of these days meanwhile must not be replaced.
        commit = workspace.lake.writing.publish(staged, run_id=workspace.run_id, message=f"monitoring {problem_name}", since=since)
    # Only now: a decision does not wait for the page that illustrates it, nor is it lost with it.
    page = _publish_report(workspace, problem_name, watched, found, report, is_first=is_first)
    versions = dict(zip(found, commit.versions if commit else (), strict=False))
    outcomes = tuple(
        PartitionOutcome(day, versions[day], numbers=numbers_of(found[day]))
        if day in found
        else PartitionOutcome(day, None, stopped=_without_scores(problem_name, day, watched.window_days))
        for day in partitions
    )
    newest = found[max(found)] if found else None
    metadata = metadata_of(workspace, watched, newest, page if isinstance(page, Version) else None)
    if not isinstance(page, str):
        return Outcome(commit, outcomes, checks_of(newest), metadata)
    return Outcome(commit, outcomes, checks_of(newest), {**metadata, "report": page}, warnings=(page,))


def waiting_monitoring(workspace: Workspace, problem_name: str, days: Sequence[str]) -> dict[str, str]:
    """Return the days without a score in their window, each with the reason; in-sample scores do not count. No row is read.

    Parameters
    ----------
    workspace : Workspace
        Project and lake.
    problem_name : str
        The problem.
    days : sequence of str
        Days to monitor.
    """
    window_days = max(math.ceil(workspace.project.problem(problem_name).problem.monitor.window / DAY), 1)
    heads = workspace.lake.versions.heads(workspace.table("predictions", problem_name))
    reached = {shift_day(day, -back) for day in days for back in range(window_days)} & heads.keys()
    scored = {day for day in reached if heads[day].rows and has_unseen(workspace, heads[day])}
    return {
        day: _without_scores(problem_name, day, window_days)
        for day in days
        if not any(shift_day(day, -back) in scored for back in range(window_days))
    }


def monitored_days(workspace: Workspace, problem_name: str, *, at: int | None = None) -> list[MonitoredDay]:
    """Return what is recorded of every monitored day, in their order; for decisions, replays and pages."""
    heads = workspace.lake.versions.heads(workspace.table("monitoring", problem_name), at=at)
    return [MonitoredDay.from_properties(day, heads[day].properties) for day in sorted(d for d in heads if d is not None)]


def pending_decisions(workspace: Workspace, problem_name: str) -> tuple[list[Decision], list[Decision]]:
    """Return the recorded decisions to retrain that no training has served yet, and those that none ever will.

    A model of the decision's training date serves it; one of a later date makes it pointless. What was decided on the last day of a
    closed past has no training date left.

    Parameters
    ----------
    workspace : Workspace
        Project and lake.
    problem_name : str
        The problem.

    Returns
    -------
    pending, without_date : list of Decision
        Oldest first. Nothing is computed: they are read from the records.
    """
    at = workspace.lake.versions.newest_commit()
    newest = max((p for p in workspace.lake.partitions(workspace.table("models", problem_name), at=at) if p is not None), default="")
    decisions = [m.record.decision for m in monitored_days(workspace, problem_name, at=at)]
    days = workspace.project.partitions
    end = None if days is None or days.end is None else days.end.isoformat()
    unserved = [d for d in decisions if d is not None and d.retrain and d.training_date > newest]
    return [d for d in unserved if end is None or d.training_date < end], [
        d for d in unserved if end is not None and d.training_date >= end
    ]


def _without_scores(problem_name: str, day: str, window_days: int) -> str:
    return (
        f"{day} cannot be monitored. There is no score of {problem_name!r} in the {window_days} days up to it: materialize its predictions "
        "first."
    )


def monitor_day(
    workspace: Workspace,
    problem: CompiledProblem,
    watched: Watched,
    champion: MonitoredChampion,
    day: str,
    past: Mapping[str, MonitoredDay],
    trained: Sequence[str],
) -> Found:
    """Judge one day and decide, unless it was decided before: then its decision stands, and nothing is asked of ``trained``."""
    from ml_platform.monitoring.drift import compare, strictly_drifted
    from ml_platform.monitoring.error_test import compare_error
    from ml_platform.pipeline.scoring.monitored import Found

    current = watched.profile(day, champion)
    verdicts = compare(champion.profile, current, importance=champion.importance, rule=problem.problem.monitor.drift)
    performance = watched.performance(day, champion)
    before = [past[d] for d in sorted(past) if d < day]
    tested = next((m for m in reversed(before) if m.record.error), None)
    since = (date.fromisoformat(day) - date.fromisoformat(tested.day)).days if tested else 0
    error = compare_error(performance.error_rate, tested.record.error if tested else None, days_since=since) if performance else None
    drifted = strictly_drifted(verdicts) if watched.is_half_full(day, champion) else {}
    record = Record(day, champion.version.id, drifted, error)
    if day in past and past[day].record.decision is not None:
        decision, incident = past[day].record.decision, past[day].incident
    else:
        decision, incident = _decide(workspace, problem, [*(m.record for m in before), record], before, trained)
    monitored = MonitoredDay(
        record=replace(record, decision=decision),
        incident=incident,
        drifted=tuple(v.column for v in verdicts if v.drifted),
        performance=performance.to_mapping() if performance else None,
        champion={"training_date": champion.training_date, "task": champion.task},
    )
    inputs = (champion.version, *watched.prediction_versions(day, champion), *watched.outcome_versions(day))
    return Found(monitored, verdicts, champion, inputs, current.rows)


def _decide(
    workspace: Workspace, problem: CompiledProblem, records: Sequence[Record], before: Sequence[MonitoredDay], trained: Sequence[str]
) -> tuple[Decision, Incident | None]:
    policy = Policy.of(problem.problem)
    decision = decide(workspace.project.name, problem.name, policy, records, trained=trained, now=workspace.clock.now())
    previous = before[-1].incident if before else None
    name = workspace.table("monitoring", problem.name)
    return decision, follow(previous, decision.alarms, problem=name, day=records[-1].day)


def _stage(workspace: Workspace, problem: CompiledProblem, found: Found) -> Staged:
    return workspace.lake.writing.stage(
        workspace.table("monitoring", problem.name),
        found.day,
        _table(found.verdicts),
        inputs=found.inputs,
        code_version=monitoring_code_version(problem),
        properties=found.monitored.to_properties(),
    )


def _table(verdicts: Sequence[ColumnDrift]) -> pa.Table:
    """Return one row per watched column: the drifted first, then by importance."""
    import pyarrow as pa

    fields = (
        ("column", pa.string()), ("kind", pa.string()), ("rows_reference", pa.int64()), ("rows_current", pa.int64()),
        ("missing_reference", pa.float64()), ("missing_current", pa.float64()), ("test", pa.string()), ("statistic", pa.float64()),
        ("p_value", pa.float64()), ("measure", pa.string()), ("effect", pa.float64()), ("limit", pa.float64()),
        ("stability", pa.float64()), ("missing_p_value", pa.float64()), ("drifted", pa.bool_()), ("strict", pa.bool_()),
        ("importance", pa.float64()), ("words", pa.string()),
    )  # fmt: skip
    return pa.Table.from_pylist([asdict(v) for v in verdicts], schema=pa.schema(fields))


def _publish_report(
    workspace: Workspace, problem_name: str, watched: Watched, found: Mapping[str, Found], report: Report, *, is_first: bool
) -> Version | str | None:
    """Publish Evidently's page of the newest day that deserves one; return its version, or in words why it could not be made."""
    from ml_platform.core.errors import EmptySampleError
    from ml_platform.pipeline.scoring.monitored import REPORT_FILE

    table = workspace.table(REPORTS, problem_name)
    heads = workspace.lake.versions.heads(table) if report == "auto" else {}
    shown = [day for day in heads if day is not None]
    days = [day for day in found if report == "always" or (report == "auto" and _is_news(found[day].monitored, shown, is_first=is_first))]
    if not days:
        return None
    newest = found[max(days)]
    head = heads.get(newest.day)
    # A day that is looked at again beside a newer one keeps the page of what was decided on it: asked for alone it gets another.
    if head is not None and (
        newest.day < max(found) or {v.id for v in workspace.lake.lineage.inputs(head.id)} == {v.id for v in newest.inputs}
    ):
        return None
    workspace.say(f"{problem_name}: Evidently's report of {newest.day}")
    rows = watched.rows(newest.day, newest.champion)
    try:
        from ml_platform.monitoring.evidently_report import evidently_report

        page = evidently_report(newest.champion.reference.select(newest.champion.columns), rows)
    except EmptySampleError:
        return None
    except Exception as error:
        # Of a library that is not ours, and of a page that nothing else is made from: whatever fails there fails alone.
        said = str(error).partition("\n")[0][:300]
        return (
            f"Evidently's report of {newest.day} could not be made: {type(error).__name__}: {said}. The day's figures and its decision "
            f"are recorded without it. Materialize monitoring/{problem_name} of {newest.day} again to try once more."
        )
    properties = {"drifted_share": page.drifted_share, "drifted": sorted(name for name, moved in page.drifted.items() if moved)}
    staged = workspace.lake.writing.stage_artifact(table, newest.day, {REPORT_FILE: page.html}, inputs=newest.inputs, properties=properties)
    return workspace.lake.writing.publish([staged], run_id=workspace.run_id, message=f"report {problem_name}").versions[0]


def _is_news(monitored: MonitoredDay, shown: Collection[str], *, is_first: bool) -> bool:
    """Tell whether a day opens an incident, asks for a retraining, or lies a week from every day that has a page."""
    decision, incident = monitored.record.decision, monitored.incident
    if (decision is not None and decision.retrain) or (incident is not None and incident.state == "open"):
        return True
    return not is_first and not any(abs(date.fromisoformat(monitored.day) - date.fromisoformat(day)) < 7 * DAY for day in shown)
