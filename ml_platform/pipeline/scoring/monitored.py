"""What the monitoring of one day found out, and how it is told: numbers, checks, plots and the decision in words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ml_platform.lake.ledger.version import Version
from ml_platform.monitoring.drift import ColumnDrift
from ml_platform.monitoring.findings import decision_text, drift_figure, drift_rows
from ml_platform.monitoring.monitored_day import MonitoredDay
from ml_platform.monitoring.score_figures import plotted_columns
from ml_platform.pipeline.models.champion import name_of
from ml_platform.pipeline.outcome import CheckOutcome, Markdown, Plot, page_of
from ml_platform.pipeline.scoring.score_plot import score_plot
from ml_platform.pipeline.scoring.watched import MonitoredChampion, Watched
from ml_platform.pipeline.workspace import Workspace
from ml_platform.training.steps import has_steps

REPORT_FILE = "report.html"
FIGURES = ("auc", "error", "log_loss", "coverage")


@dataclass(frozen=True)
class Found:
    """What one run found out about one day."""

    monitored: MonitoredDay
    verdicts: tuple[ColumnDrift, ...]
    champion: MonitoredChampion
    inputs: tuple[Version, ...]
    rows: int

    @property
    def drifted_importance(self) -> float:
        """Share of the model's importance that strictly drifted features carry, in [0, 1]."""
        return sum(v.importance for v in self.verdicts if v.strict and v.importance is not None)

    @property
    def day(self) -> str:
        """The monitored day."""
        return self.monitored.day


def numbers_of(found: Found) -> dict[str, float | int | str]:
    """Return what is plotted over days: rows, shares in [0, 1], metrics of the matured rows, and whether a retraining was decided."""
    monitored, decision = found.monitored, found.monitored.record.decision
    numbers: dict[str, float | int | str] = {
        "rows": found.rows,
        "drifted_share": len(monitored.drifted) / max(len(found.verdicts), 1),
        "drifted_importance": found.drifted_importance,
        "retrain": int(decision is not None and decision.retrain),
    }
    performance = monitored.performance or {}
    numbers.update({name: performance[name]["value"] for name in FIGURES if name in performance})
    return numbers


def checks_of(newest: Found | None) -> tuple[CheckOutcome, ...]:
    """Return the checks ``drift`` and ``performance`` of one day; both pass, and say so, where nothing could be compared."""
    if newest is None:
        reason = "Nothing was compared: there is no score in the window."
        return CheckOutcome("drift", True, "warn", reason), CheckOutcome("performance", True, "warn", reason)
    monitored, test = newest.monitored, newest.monitored.record.error
    weight = newest.drifted_importance
    names = f": {', '.join(monitored.drifted[:5])}{' ...' if len(monitored.drifted) > 5 else ''}" if monitored.drifted else ""
    drift = CheckOutcome(
        "drift", not monitored.drifted, "warn",
        f"{newest.day}: {len(monitored.drifted)} of {len(newest.verdicts)} columns drifted ({weight:.0%} of the model's importance){names}",
        drift_rows(newest.verdicts),
        {"drifted_share": len(monitored.drifted) / max(len(newest.verdicts), 1), "drifted_importance": weight, "rows": newest.rows},
    )  # fmt: skip
    if test is None:
        return drift, CheckOutcome("performance", True, "warn", f"{newest.day}: too few days with matured outcomes to compare.")
    performance = CheckOutcome(
        "performance", not test.worse, "warn",
        f"{newest.day}: error {test.error:.1%} on {test.rows:,} rows of {test.days} days, the best so far {test.best:.1%} (z {test.z:.1f})",
        ({"figure": "error", "now": test.error, "best so far": test.best, "standard error": test.standard_error, "z": test.z},),
        {name: float(value) for name, value in numbers_of(newest).items() if name in FIGURES},
    )  # fmt: skip
    return drift, performance


def metadata_of(workspace: Workspace, watched: Watched, newest: Found | None, page: Version | None) -> dict[str, Any]:
    """Return what a reader sees of the newest day, and where its report is, if it has one."""
    if newest is None:
        return {}
    monitored, champion = newest.monitored, newest.champion
    problem = workspace.project.problem(champion.version.table.name).problem
    scores = watched.rows(newest.day, champion, plotted_columns(champion.columns, steps=has_steps(problem)))
    metadata: dict[str, Any] = {
        "decision": Markdown(
            decision_text(monitored.record.decision, monitored.incident, monitored.performance) if monitored.record.decision else ""
        ),
        "drift": Plot("drift", drift_figure(newest.verdicts, problem.monitor.drift.missing)),
        "scores": score_plot(champion.target, champion.reference, scores, "this window"),
        "champion_version": champion.version.id,
        "scored_by": name_of(champion.version, champion.role),
    }
    if page is not None:
        metadata["report"] = page_of(page, REPORT_FILE, f"Evidently's report of {page.partition}", workspace.lake.versions.location)
        metadata["evidently_drifted_share"] = page.properties["drifted_share"]
    return metadata
