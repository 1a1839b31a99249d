"""What monitoring found, as tables and figures for a reader."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ml_platform.monitoring.decision import Decision
from ml_platform.monitoring.drift import ColumnDrift
from ml_platform.monitoring.incidents import Incident


def drift_rows(verdicts: Sequence[ColumnDrift]) -> tuple[dict[str, Any], ...]:
    """Return one row per column, as it is shown beside the verdict."""
    return tuple(
        {
            "column": v.column,
            "drifted": v.drifted,
            "importance": v.importance,
            "what changed": v.words,
            "effect": v.effect,
            "measure": v.measure,
            "matters from": v.limit,
            "p": v.p_value,
            "test": v.test,
            "missing before": v.missing_reference,
            "missing now": v.missing_current,
            "rows": v.rows_current,
        }
        for v in verdicts
    )


def drift_figure(verdicts: Sequence[ColumnDrift], missing_limit: float) -> dict[str, list[Any]]:
    """Return the data of the drift plot: per column the larger of its two changes, as a multiple of the size that matters."""
    return {
        "columns": [v.column for v in verdicts],
        "effects": [max(v.effect / v.limit, abs(v.missing_current - v.missing_reference) / missing_limit) for v in verdicts],
        "drifted": [v.drifted for v in verdicts],
        "importance": [v.importance for v in verdicts],
    }


def decision_text(decision: Decision, incident: Incident | None, performance: Mapping[str, Any] | None) -> str:
    """Return the decision as Markdown: what it is, why, and why not."""
    title = f"Retrain with the rows before {decision.training_date}" if decision.retrain else "No retraining"
    parts = [f"**{title}** (decided after {decision.day}, {decision.id})"]
    parts += [_listed("Reasons", decision.reasons), _listed("Why not", decision.why_not)]
    if incident is not None:
        parts.append(f"Incident {incident.id}: {incident.state}, since {incident.since} ({', '.join(incident.causes)}).")
    if performance is not None:
        parts.append(_performance_text(performance))
    return "\n\n".join(part for part in parts if part)


def _listed(title: str, lines: Sequence[str]) -> str:
    return "\n".join([f"{title}:", "", *(f"* {line}" for line in lines)]) if lines else ""


def _performance_text(performance: Mapping[str, Any]) -> str:
    error, auc = performance["error"], performance.get("auc")
    share = _interval(error, percent=performance["task"] in ("classification", "multiclass"))
    text = f"Matured: {performance['rows']:,} rows of {performance['days']} days, error {share}"
    log_loss, coverage = performance.get("log_loss") if performance["task"] == "multiclass" else None, performance.get("coverage")
    parts = [text]
    parts += [f"AUC {_interval(auc, percent=False)}"] if auc else []
    parts += [f"log-loss {_interval(log_loss, percent=False)}"] if log_loss else []
    parts += [f"within the interval {_interval(coverage, percent=True)}"] if coverage else []
    return ", ".join(parts) + "."


def _interval(figure: Mapping[str, float | None], *, percent: bool) -> str:
    form = "{:.1%}" if percent else "{:.3f}"
    value, lower, upper = figure["value"], figure["lower"], figure["upper"]
    if lower is None or upper is None:
        return form.format(value)
    return f"{form.format(value)} ({form.format(lower)} to {form.format(upper)}, days as clusters)"
