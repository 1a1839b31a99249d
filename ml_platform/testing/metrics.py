"""The contract of metrics."""

from __future__ import annotations

import json
from collections.abc import Mapping
from functools import cache
from typing import TYPE_CHECKING, ClassVar

import numpy as np
import pytest

from ml_platform.models.figures.clustered import Estimate
from ml_platform.models.figures.metric import METRICS
from ml_platform.testing.rows import days_of, rows_for, split_of
from ml_platform.testing.trainers import trained_once
from ml_platform.training.target import Target

if TYPE_CHECKING:
    from ml_platform.training.labels import Task


@cache
def judged_rows(task: Task) -> tuple[np.ndarray, np.ndarray, np.ndarray, Target]:
    """Return labels, scores and days of test rows that a simple model has scored, and what it answers."""
    rows, trained = split_of(rows_for(task), "test"), trained_once("lightgbm", task)
    return trained.target.codes(rows["_label"]), trained.predict(rows), days_of(rows), trained.target


class MetricContract:
    """What every metric keeps, for each task that it can judge. Subclass it, with the ``names`` of yours."""

    names: ClassVar[tuple[str, ...]] = ()

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Run each test for each metric and task."""
        cases = [(name, task) for name in self.names for task in METRICS.get(name).tasks]
        metafunc.parametrize(("name", "task"), cases, ids=["-".join(case) for case in cases])

    def figures(self, name: str, rows: tuple[np.ndarray, np.ndarray, np.ndarray, Target]) -> dict[str, Estimate]:
        """Return what a metric says of some rows, by name."""
        found = METRICS.get(name).measure(*rows)
        return dict(found) if isinstance(found, Mapping) else {} if found is None else {name: found}

    def test_its_figures_are_finite_numbers_within_their_intervals(self, name: str, task: Task) -> None:
        found = self.figures(name, judged_rows(task))
        assert found
        for figure in found.values():
            assert np.isfinite(figure.value)
            assert figure.lower is None or figure.lower <= figure.value <= (figure.upper or 0.0)
        json.dumps({one: figure.to_mapping() for one, figure in found.items()}, allow_nan=False)

    def test_the_order_of_the_rows_does_not_matter(self, name: str, task: Task) -> None:
        labels, scores, days, target = judged_rows(task)
        order = np.random.default_rng(0).permutation(labels.size)
        again = self.figures(name, (labels[order], scores[order], days[order], target))
        for one, figure in self.figures(name, judged_rows(task)).items():
            assert again[one].value == pytest.approx(figure.value, rel=1e-9)

    def test_what_it_is_given_is_left_as_it_was(self, name: str, task: Task) -> None:
        rows = judged_rows(task)
        before = [one.copy() for one in rows[:3]]
        self.figures(name, rows)
        for one, was in zip(rows[:3], before, strict=True):
            np.testing.assert_array_equal(one, was)

    def test_rows_of_one_day_have_no_interval(self, name: str, task: Task) -> None:
        labels, scores, days, target = judged_rows(task)
        assert all(figure.lower is None for figure in self.figures(name, (labels, scores, days * 0, target)).values())
