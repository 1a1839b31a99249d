"""A trainer is registered once: declarations, training, loading and the asset graph find it there."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from ml_platform.components.assets import problem_assets
from ml_platform.components.declarations.problem import ModelModel
from ml_platform.core.errors import UnknownNameError
from ml_platform.models.trainers.built_in.constant import ConstantTrainer
from ml_platform.models.trainers.known_trainers import TRAINERS
from ml_platform.models.trainers.training import train
from ml_platform.pipeline.declared_code import model_code_version
from ml_platform.testing import registered
from ml_platform.training.problem import Model
from ml_platform_tests import flights_like as like


class Forest(ConstantTrainer):
    name = "forest"


def test_a_fifth_trainer_needs_one_entry() -> None:
    declared = replace(like.LATE_ARRIVAL, model=Model("forest", "logistic"))
    with pytest.raises(UnknownNameError, match=r"trainer 'forest' is not known\. What exists: constant, lightgbm, logistic, ridge\."):
        like.project(problem=declared)
    with registered(TRAINERS, Forest()):
        project = like.project(problem=declared)
        rows = pl.DataFrame({"x": np.arange(50.0), "_label": np.arange(50.0) * 2})
        assert train("forest", rows, ["x"], "_label").predict(rows) == pytest.approx(np.full(50, 49.0))
        specs = {s.key.path[1]: s for asset in problem_assets.assets_of(project, project.problem("late_arrival")) for s in asset.specs}
        assert "forest" in specs["predictions"].kinds
        assert "forest" in specs["models"].kinds
        # Its code is code of the model: when it changes, models are made anew.
        version, code = model_code_version(project.problems["late_arrival"]), TRAINERS.code("forest")
        with pytest.MonkeyPatch.context() as changed:
            changed.setattr("ml_platform.core.registry.normalised", lambda source: source + "\nADDED = 1\n")
            assert TRAINERS.code("forest") != code
            assert model_code_version(project.problems["late_arrival"]) != version
    assert "forest" not in TRAINERS


def test_the_declaration_names_every_trainer() -> None:
    words = str(ModelModel.model_fields["trainer"].description)
    assert [name for name in TRAINERS.built_in() if name not in words] == []
