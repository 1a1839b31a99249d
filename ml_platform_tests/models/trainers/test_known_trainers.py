"""A trainer is registered once: declarations, training, loading and the asset graph find it there."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from ml_platform.components.assets import problem_assets
from ml_platform.components.declarations.problem import ModelModel
from ml_platform.core.errors import UnknownNameError
from ml_platform.models.trainers.known_trainers import TRAINERS
from ml_platform.models.trainers.training import train
from ml_platform.training.problem import Model
from ml_platform_tests import flights_like as like


def test_a_fifth_trainer_needs_one_entry(monkeypatch: pytest.MonkeyPatch) -> None:
    declared = replace(like.LATE_ARRIVAL, model=Model("forest", "logistic"))
    with pytest.raises(UnknownNameError, match=r"trainer 'forest' is not known\. What exists: constant, lightgbm, logistic, ridge\."):
        like.project(problem=declared)
    monkeypatch.setitem(TRAINERS, "forest", replace(TRAINERS["ridge"], tasks=TRAINERS["lightgbm"].tasks))
    project = like.project(problem=declared)
    rows = pl.DataFrame({"x": np.arange(50.0), "_label": np.arange(50.0) * 2})
    assert train("forest", rows, ["x"], "_label").predict(rows) == pytest.approx(rows["_label"].to_numpy(), abs=5)
    specs = {spec.key.path[1]: spec for asset in problem_assets.assets_of(project, project.problem("late_arrival")) for spec in asset.specs}
    assert "forest" in specs["predictions"].kinds
    assert "forest" in specs["models"].kinds


def test_the_declaration_names_every_trainer() -> None:
    words = str(ModelModel.model_fields["trainer"].description)
    assert [name for name in TRAINERS if name not in words] == []
    assert all(trainer.train.__module__ == trainer.module for trainer in TRAINERS.values())
