"""A declared prediction problem: which rows, which label, which features, and how a model of them is made and watched."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Literal, get_args

from ml_platform.core.hashing import LATER
from ml_platform.features.nested.declaration import Discovery
from ml_platform.lake.retention.rules import Retention

Method = Literal["auto", "all"]
METHODS: tuple[Method, ...] = get_args(Method)
WithoutRows = Literal["exclude", "zero", "null"]
DeclaredTask = Literal["binary", "multiclass", "regression", "quantiles"]
DECLARED_TASKS: tuple[DeclaredTask, ...] = get_args(DeclaredTask)
# The middle, and an interval that holds four of five.
QUANTILES = (0.1, 0.5, 0.9)


@dataclass(frozen=True)
class RowsSpine:
    """One spine row per row of ``table``; ``cutoff`` is a SQL expression over the row."""

    table: str
    cutoff: str


@dataclass(frozen=True)
class GridSpine:
    """Every ``every``, one spine row per entity (values of ``key``) that has a row of ``table`` available within the last ``within``.

    With ``steps`` there is one for each of the next ``steps`` stretches of the label's horizon, see `ml_platform.training.steps`.
    """

    key: tuple[str, ...]
    table: str
    every: timedelta
    within: timedelta
    steps: int = field(default=1, metadata={LATER: True})


Spine = RowsSpine | GridSpine


@dataclass(frozen=True)
class Value:
    """What the label of a spine row without label rows is: a number, or the name of a class."""

    value: float | str


@dataclass(frozen=True)
class Label:
    """An aggregate over the rows of ``table`` that match the spine row on ``match``.

    Observed over ``[cutoff, cutoff + horizon)`` by event time, mature for all rows at ``cutoff + horizon`` plus the table's delay.
    ``sql`` is the aggregate: true or false, a number, or a text that names a class; it may read the row's cutoff as ``_cutoff``.
    """

    table: str
    match: tuple[str, ...]
    sql: str
    horizon: timedelta
    without_rows: WithoutRows | Value = "exclude"

    @property
    def instead(self) -> float | str | None:
        """The label of a spine row without label rows; None where it has none."""
        if isinstance(self.without_rows, Value):
            return self.without_rows.value
        return 0.0 if self.without_rows == "zero" else None


@dataclass(frozen=True)
class Training:
    """When and on what models are trained: rows of ``[T - look_back, T)``; the last ``test`` are untouched, ``validate`` stands before."""

    every: timedelta = timedelta(days=7)
    look_back: timedelta = timedelta(days=240)
    validate: timedelta = timedelta(days=28)
    test: timedelta = timedelta(days=28)
    max_rows: int | None = None


@dataclass(frozen=True)
class Selection:
    """How features are chosen: ``auto`` fuses the rankings of the ``selectors``; ``all`` keeps every one.

    ``sizes`` is the curve that validation judges.

    A choice that is younger than ``every`` serves later training dates too; None chooses for each training date.
    """

    method: Method = "auto"
    sizes: tuple[int, ...] = (8, 15, 30, 60)
    tolerance: float = 0.02
    every: timedelta | None = None
    selectors: tuple[str, ...] = field(default=("l1", "gain"), metadata={LATER: True})


@dataclass(frozen=True)
class Model:
    """The trainer of the champion's kind, the baseline that it has to beat, and the ``metrics`` of both (none: all that fit)."""

    trainer: str = "lightgbm"
    baseline: str = "logistic"
    params: Mapping[str, object] = field(default_factory=dict)
    metrics: tuple[str, ...] = field(default=(), metadata={LATER: True})


@dataclass(frozen=True)
class Retrain:
    """What keeps retraining in bounds: never sooner than ``cool_down`` after the last, never later than ``at_least_every``."""

    cool_down: timedelta = timedelta(days=7)
    at_least_every: timedelta = timedelta(days=28)


@dataclass(frozen=True)
class Drift:
    """What counts as drift: a change beyond chance, and of a size that matters.

    ``alpha`` is shared by the tests of all columns (Bonferroni). ``missing`` is the change of the missing share that matters, ``measures``
    are sizes of change by name, each with the size that matters; a kind of column for which none is named is judged by the usual ones.
    """

    alpha: float = 0.01
    missing: float = 0.02
    measures: tuple[tuple[str, float], ...] = ()


@dataclass(frozen=True)
class Monitor:
    """What is watched: drift over ``window`` against the model's training rows, in ``persistence`` windows running."""

    window: timedelta = timedelta(days=7)
    persistence: int = 2
    retrain: Retrain = field(default_factory=Retrain)
    drift: Drift = field(default=Drift(), metadata={LATER: True})


@dataclass(frozen=True)
class Problem:
    """One declared prediction problem.

    ``features`` names views (all features of every entity the spine can join), single features (``delays.arr_delay_mean_7d``)
    or columns of a table as of the cutoff (``schedule.carrier``); ``discover`` lets Featuretools search tables for more of them.
    ``task`` says what the label is where its values leave that open: one of two classes (``binary``), of several (``multiclass``), a number
    (``regression``), or a number of which the ``quantiles`` are asked for.
    ``population_allow`` is why it is right all the same that later knowledge decides which rows there are; empty: it is not.
    ``leakage_allow`` names features (or patterns with ``*``) that the leakage guard is to accept, each with the reason.
    """

    name: str
    spine: Spine
    label: Label
    features: tuple[str, ...] = ()
    task: DeclaredTask | None = None
    training: Training = field(default_factory=Training)
    selection: Selection = field(default_factory=Selection)
    model: Model = field(default_factory=Model)
    monitor: Monitor = field(default_factory=Monitor)
    promote_margin: float = 0.002
    population_allow: str = ""
    leakage_allow: Mapping[str, str] = field(default_factory=dict)
    retention: Retention | None = None  # None: as the project has it
    description: str = ""
    owners: tuple[str, ...] = ()
    tags: Mapping[str, str] = field(default_factory=dict)
    discover: Discovery | None = None
    where: str = ""
    quantiles: tuple[float, ...] = field(default=(), metadata={LATER: True})

    @property
    def reach(self) -> timedelta:
        """From a cutoff to the end of what its labels observe: the horizon, of a forecast in steps all of them."""
        steps = self.spine.steps if isinstance(self.spine, GridSpine) else 1
        return self.label.horizon * steps
