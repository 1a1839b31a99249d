"""What a model is worth beside its baseline and the constant, and every decision about a problem's models, in plain values for a reader."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ml_platform.core.figures import figure
from ml_platform.lake.ledger.version import Version
from ml_platform.models.contender import Role
from ml_platform.pipeline.models.champion import champion_history, current_champion
from ml_platform.pipeline.workspace import Workspace

_FIGURES = {"model": "metrics", "baseline": "baseline_metrics", "constant": "constant_metrics"}


def champion_metrics(workspace: Workspace, problem: str) -> list[dict[str, Any]]:
    """Return the champion's metrics on rows that neither selection nor training had seen, beside those of the model it left behind."""
    champion = current_champion(workspace, problem)
    return [] if champion is None else model_metrics(champion.version, champion.role)


def model_metrics(model: Version, role: Role, *, named: str = "champion") -> list[dict[str, Any]]:
    """Return one row per metric of a model version: the one of its two models with that role, and the other.

    Parameters
    ----------
    model : Version
        Of ``models/<problem>``.
    role : str
        ``model`` or ``baseline``.
    named : str
        What the first is called.
    """
    figures = {name: model.properties.get(kept, {}) for name, kept in _FIGURES.items()}
    other = "baseline" if role == "model" else "model"
    return [
        {
            "metric": name,
            named: _value(value),
            other: _value(figures[other].get(name)),
            **({"constant": _value(figures["constant"][name])} if name in figures["constant"] else {}),
        }
        for name, value in figures[role].items()
    ]


def verdicts(workspace: Workspace, problem: str) -> list[dict[str, Any]]:
    """Return every verdict on a model: promoted, refused or held, the newest last."""
    return [
        {
            "decided_at": one.decided_at,
            "training_date": one.training_date,
            "role": one.role,
            "verdict": one.verdict,
            "difference": one.difference,
            "lower": one.lower,
            "upper": one.upper,
            "reasons": " ".join(one.words),
        }
        for one in champion_history(workspace, problem)
    ]


def _value(value: Any) -> Any:
    if isinstance(value, Mapping):
        low, high = value.get("lower"), value.get("upper")
        shown = figure(value["value"])
        return shown if low is None or high is None else f"{shown}  [{figure(low)}, {figure(high)}]"
    return value
