"""The small boosted models that selection asks many questions of: fewer and bolder trees than a champion's."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ml_platform.training.target import Target


def settings_for(target: Target, seed: int) -> dict[str, Any]:
    """Return LightGBM's settings of a small model; another seed draws other rows and features for each tree."""
    from ml_platform.models.trainers.built_in.lightgbm import DEFAULTS, FIXED, objectives

    return {**DEFAULTS, **FIXED, "learning_rate": 0.15, **objectives(target)[0], "seed": seed}
