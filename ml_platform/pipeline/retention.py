"""Retention of a project's history: what its rules let go and nothing holds is collected, with a report of what and why."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from ml_platform.pipeline.outcome import Markdown, Rows
from ml_platform.pipeline.workspace import Workspace

if TYPE_CHECKING:
    from ml_platform.lake.retention.collecting import Line, RetentionReport


_NAMED = 5


def collect_history(workspace: Workspace) -> RetentionReport:
    """Collect by the project's rules; see :meth:`ml_platform.lake.retention.lake_retention.LakeRetention.collect`."""
    report = workspace.lake.retention.collect(workspace.project.retention)
    workspace.say(summary(report))
    return report


def summary(report: RetentionReport) -> str:
    """Say in a sentence or two what was done, or would be."""
    would = "would be " if report.dry_run else ""
    deleted = report.swept.bytes + report.swept.emptied_bytes
    if report.dry_run:
        deleted += _bytes(report.collected)
    parts = [
        f"{report.versions} versions {would}collected",
        f"{sum(line.versions for line in report.marked)} {would}marked",
        f"{sum(line.versions for line in report.held)} held though their rule lets them go",
        f"{report.swept.orphans} files of no version {would}put into the trash",
    ]
    text = f"{', '.join(parts)}: {_size(deleted)} freed."
    if report.next_sweep is not None:
        text += f" The first of those that are marked go at {report.next_sweep:%Y-%m-%d %H:%M} UTC."
    if report.swept.orphan_paths:
        text += f" In the trash for a week: {', '.join(report.swept.orphan_paths[:_NAMED])}{', ...' * (report.swept.orphans > _NAMED)}."
    if report.swept.failed:
        text += f" {report.swept.failed} files could not be deleted and are tried again next time: {report.swept.reason}"
    return text


def report_metadata(workspace: Workspace, report: RetentionReport) -> Mapping[str, Any]:
    """Return numbers that can be plotted over time, and tables of what went, what waits, and what is held by whom."""
    rules = [{"tables": rule.tables, "may be deleted when": rule.retention.words} for rule in workspace.project.retention]
    told = {"summary": Markdown(summary(report)), "rules": Rows(tuple(rules))}
    told |= {name: Rows(tuple(rows)) for name, rows in lines_by_kind(report).items() if rows}
    return {
        "versions_collected": report.versions,
        "versions_marked": sum(line.versions for line in report.marked),
        "versions_held": sum(line.versions for line in report.held),
        "bytes_freed": report.swept.bytes + report.swept.emptied_bytes,
        "orphans_put_into_the_trash": report.swept.orphans,
        "orphans_deleted": report.swept.emptied,
        **told,
    }


def lines_by_kind(report: RetentionReport) -> dict[str, list[dict[str, Any]]]:
    """Return the rows of the report's three tables: ``collected``, ``marked`` and ``held``."""
    return {
        "collected": _rows(report.collected, "why"),
        "marked": _rows(report.marked, "why"),
        "held": _rows(report.held, "held by"),
    }


def _rows(lines: Iterable[Line], why: str) -> list[dict[str, Any]]:
    return [{"table": line.table, "versions": line.versions, "bytes": line.bytes, why: line.why} for line in lines]


def _bytes(lines: Iterable[Line]) -> int:
    return sum(line.bytes for line in lines)


def _size(count: int) -> str:
    return f"{count / 1e6:,.1f} MB" if count >= 1e5 else f"{count:,} bytes"
