"""``type: ml_platform.Problem``: checked words in, a core problem out, definitions built."""

from typing import Annotated, Any

import dagster as dg
from pydantic import Field

from ml_platform.components.declared import Declared
from ml_platform.components.discovery import DiscoverModel
from ml_platform.components.project_definitions import definitions_of
from ml_platform.core.durations import parse_duration
from ml_platform.core.errors import DeclarationError, did_you_mean
from ml_platform.core.names import check_name
from ml_platform.models.known_trainers import TRAINERS
from ml_platform.tables.sql import read_sql
from ml_platform.training import problem as core


class SpineModel(dg.Model, dg.Resolvable):
    """The rows to predict for: ``rows_of`` a table with a ``cutoff``, or a grid of ``each`` active entity."""

    rows_of: Annotated[str | None, Field(description="One spine row per row of this table.")] = None
    cutoff: Annotated[str | None, Field(description="SQL over that row: features may use only what was available strictly before it.")] = (
        None
    )
    each: Annotated[str | list[str] | None, Field(description="Key column(s) of the entity of a grid.")] = None
    every: Annotated[str | None, Field(description="Step of the grid, e.g. 1d.")] = None
    steps: Annotated[
        int, Field(description="Forecast so many stretches of the label's horizon, one after the other: 7 with a horizon of 1d is a week.")
    ] = 1
    active: Annotated[
        dict[str, str] | None, Field(description="{in: table, within: 30d}: entities with a row of the table that recently.")
    ] = None


class ValueModel(dg.Model, dg.Resolvable):
    """The label of a spine row without label rows."""

    value: Annotated[float | str, Field(description="A number, or the name of a class.")]


class LabelModel(dg.Model, dg.Resolvable):
    """What is predicted: an aggregate over the rows that come after the cutoff."""

    table: Annotated[str, Field(description="The table whose rows are aggregated.", alias="from")]
    sql: Annotated[
        str,
        Field(description="The aggregate: true or false, a number, or a text that names a class. `_cutoff` is the cutoff of the row."),
    ]
    horizon: Annotated[str, Field(description="How long after the cutoff rows count, e.g. 36h. A label is mature for all rows at once.")]
    match: Annotated[list[str], Field(description="Columns that the spine row and the label rows share.")]
    without_rows: Annotated[
        core.WithoutRows | ValueModel,
        Field(description="What a spine row without label rows is: exclude, zero, null, or {value: 60} (a number, or a class)."),
    ] = "exclude"


class TrainingModel(dg.Model, dg.Resolvable):
    """When and on what models are trained."""

    every: Annotated[str, Field(description="Never sooner than this after the last training.")] = "7d"
    look_back: Annotated[str, Field(description="How far back training rows reach.")] = "240d"
    validate_: Annotated[str, Field(description="The rows that choose size and stop the training.", alias="validate")] = "28d"
    test: Annotated[str, Field(description="The newest rows, untouched by selection and training.")] = "28d"
    max_rows: Annotated[int | None, Field(description="Train on at most this many rows, chosen by a hash of their key.")] = None


class RetrainModel(dg.Model, dg.Resolvable):
    """What keeps retraining in bounds."""

    cool_down: Annotated[str, Field(description="No retraining sooner than this after the last.")] = "7d"
    at_least_every: Annotated[str, Field(description="Retrain when the model is older than this.")] = "28d"


class MonitorModel(dg.Model, dg.Resolvable):
    """What is watched."""

    window: Annotated[str, Field(description="The newest scores that are compared with the training rows.")] = "7d"
    persistence: Annotated[int, Field(description="Windows in a row that must have drifted.")] = 2
    retrain: Annotated[RetrainModel, Field(description="Bounds of retraining.")] = RetrainModel()


class PopulationModel(dg.Model, dg.Resolvable):
    """What is declared about which rows there are."""

    allow: Annotated[
        str, Field(description="Why it is right that what comes later decides which rows there are; stands in the model card.")
    ]


class LeakageModel(dg.Model, dg.Resolvable):
    """What is declared about features that seem to know the answer."""

    allow: Annotated[dict[str, str], Field(description="Feature (or a pattern with *) to the reason why it may; stands in the model card.")]


class ModelModel(dg.Model, dg.Resolvable):
    """How models are made."""

    trainer: Annotated[str, Field(description=f"One of {', '.join(TRAINERS)}.")] = "lightgbm"
    baseline: Annotated[str, Field(description="The trainer of the model that it has to beat.")] = "logistic"
    params: Annotated[dict[str, Any], Field(description="Parameters of the trainer.")] = {}


class SelectionModel(dg.Model, dg.Resolvable):
    """How features are chosen, and how often."""

    method: Annotated[str, Field(description="auto (L1 and boosting gain fused, size by validation) or all.")] = "auto"
    every: Annotated[
        str | None,
        Field(description="Later trainings keep a choice that is younger than this, e.g. 28d; without it each one chooses anew."),
    ] = None


class Problem(Declared):
    """A prediction problem: training set, selection, model, champion, predictions, outcomes and monitoring as assets."""

    spine: Annotated[SpineModel, Field(description="The rows to predict for.")]
    label: Annotated[LabelModel, Field(description="What is predicted.")]
    task: Annotated[
        core.DeclaredTask | None,
        Field(
            description="binary (a probability), multiclass (one for each class), regression (a number) or quantiles (of a number). The "
            "label's type says it else: true or false, a text, a number; a few whole numbers leave it open."
        ),
    ] = None
    quantiles: Annotated[
        list[float] | None, Field(description="Of task quantiles: which, rising; the outer two are an interval. Default 0.1, 0.5, 0.9.")
    ] = None
    features: Annotated[list[str], Field(description="Views, view.feature, or table.column.")] = []
    discover: Annotated[DiscoverModel | None, Field(description="Let Featuretools search tables for more features.")] = None
    training: Annotated[TrainingModel, Field(description="When and on what models are trained.")] = TrainingModel()
    selection: Annotated[str | SelectionModel, Field(description="auto, all, or {method: auto, every: 28d}.")] = "auto"
    sizes: Annotated[list[int] | None, Field(description="Sizes of the selection's curve.")] = None
    model_: Annotated[ModelModel, Field(description="How models are made.", alias="model")] = ModelModel()
    monitor: Annotated[MonitorModel, Field(description="What is watched, and when to retrain.")] = MonitorModel()
    population: Annotated[PopulationModel | None, Field(description="{allow: reason} accepts what the population guard finds.")] = None
    leakage: Annotated[
        LeakageModel | None, Field(description="{allow: {feature: reason}} accepts what the leakage guard finds in a feature.")
    ] = None
    promote_margin: Annotated[
        float, Field(description="A challenger must be better by this: AUC, else a share of the champion's loss.")
    ] = 0.002

    def to_core(self) -> core.Problem:
        """Return the declaration as the core knows it.

        Raises
        ------
        DeclarationError
            If it cannot be right; the message names the file and the line.
        """
        where = self.where

        def length(text: str, what: str) -> Any:
            return parse_duration(text, what=f"{what} of {where}")

        retrain = self.monitor.retrain
        return core.Problem(
            name=check_name(self.name, f"problem ({where})"),
            spine=self._spine(where),
            label=core.Label(
                self.label.table, tuple(self.label.match), read_sql(self.label.sql, self.folder),
                length(self.label.horizon, "label.horizon"), self._without_rows(),
            ),
            features=tuple(self.features),
            task=self.task or ("quantiles" if self.quantiles else None),
            quantiles=tuple(self.quantiles or (core.QUANTILES if self.task == "quantiles" else ())),
            discover=None if self.discover is None else self.discover.to_core(self.folder, where),
            training=core.Training(
                length(self.training.every, "training.every"), length(self.training.look_back, "training.look_back"),
                length(self.training.validate_, "training.validate"), length(self.training.test, "training.test"), self.training.max_rows,
            ),
            selection=self._selection(where),
            model=core.Model(self.model_.trainer, self.model_.baseline, dict(self.model_.params)),
            monitor=core.Monitor(
                length(self.monitor.window, "monitor.window"), self.monitor.persistence,
                core.Retrain(length(retrain.cool_down, "cool_down"), length(retrain.at_least_every, "at_least_every")),
            ),
            promote_margin=self.promote_margin,
            population_allow=self._population_allow(where),
            leakage_allow={} if self.leakage is None else dict(self.leakage.allow),
            description=self.description,
            owners=tuple(self.owners),
            tags=dict(self.tags),
            retention=self.kept,
            where=where,
        )  # fmt: skip

    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:
        """Build the assets from training set to monitoring."""
        return definitions_of(self, context)

    def _without_rows(self) -> core.WithoutRows | core.Value:
        given = self.label.without_rows
        return core.Value(given.value) if isinstance(given, ValueModel) else given

    def _population_allow(self, where: str) -> str:
        if self.population is not None and not self.population.allow.strip():
            raise DeclarationError(f"{where}: population.allow is empty; say why later knowledge may decide which rows there are.")
        return "" if self.population is None else self.population.allow.strip()

    def _selection(self, where: str) -> core.Selection:
        given = SelectionModel(method=self.selection) if isinstance(self.selection, str) else self.selection
        method = {known: known for known in core.METHODS}.get(given.method)  # type: ignore[call-overload]
        if method is None:
            raise DeclarationError(f"{where}: selection {given.method!r} is not known. {did_you_mean(given.method, core.METHODS)}")
        if given.every is not None and given.method == "all":
            raise DeclarationError(f"{where}: selection all chooses nothing, so it cannot choose every {given.every}. Leave `every` out.")
        every = None if given.every is None else parse_duration(given.every, what=f"selection.every of {where}")
        sizes = {} if self.sizes is None else {"sizes": tuple(self.sizes)}
        return core.Selection(method, every=every, **sizes)  # type: ignore[arg-type]

    def _spine(self, where: str) -> core.Spine:
        given = self.spine
        if given.rows_of is not None:
            if given.steps != 1:
                raise DeclarationError(
                    f"{where}: spine.steps is for a grid (each, every, active); rows_of has one row per row of its table."
                )
            if given.cutoff is None:
                raise DeclarationError(
                    f"{where}: spine.rows_of needs `cutoff`: a SQL expression over the row, e.g. scheduled_at - interval 2 hours."
                )
            return core.RowsSpine(given.rows_of, read_sql(given.cutoff, self.folder))
        active = given.active or {}
        if given.each is None or given.every is None or set(active) != {"in", "within"}:
            raise DeclarationError(f"{where}: the spine needs rows_of and cutoff, or each, every and active: {{in: table, within: 30d}}.")
        key = (given.each,) if isinstance(given.each, str) else tuple(given.each)
        every = parse_duration(given.every, what=f"spine.every of {where}")
        return core.GridSpine(
            key, active["in"], every, parse_duration(active["within"], what=f"spine.active.within of {where}"), given.steps
        )
