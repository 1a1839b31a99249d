"""``type: ml_platform.Problem``: checked words in, a core problem out, definitions built."""

from typing import Annotated, ClassVar

import dagster as dg
from pydantic import Field

from ml_platform.components.declarations.discovery import DiscoverModel
from ml_platform.components.declarations.problem_parts import (
    LabelModel,
    LeakageModel,
    ModelModel,
    MonitorModel,
    PopulationModel,
    SelectionModel,
    SpineModel,
    TrainingModel,
    ValueModel,
)
from ml_platform.components.project_definitions import definitions_of
from ml_platform.components.words.declared import Declared
from ml_platform.components.words.scaffolds import ProblemScaffolder
from ml_platform.core.errors import DeclarationError, did_you_mean
from ml_platform.sql.binding import read_sql
from ml_platform.training import problem as core


@dg.scaffold_with(ProblemScaffolder)
class Problem(Declared):
    """A prediction problem: training set, selection, model, champion, predictions, outcomes and monitoring as assets."""

    kind: ClassVar[str] = "problem"

    spine: Annotated[
        SpineModel,
        Field(
            description="For whom or what, and when, predictions are made.",
            examples=[{"each": "customer", "every": "1d", "active": {"in": "orders", "within": "28d"}}],
        ),
    ]
    label: Annotated[
        LabelModel,
        Field(
            description="What is predicted: an aggregate over rows that come after the cutoff.",
            examples=[{"from": "orders", "match": ["customer"], "sql": "count(*) > 0", "horizon": "7d", "without_rows": "zero"}],
        ),
    ]
    task: Annotated[
        core.DeclaredTask | None,
        Field(
            description="binary (a probability), multiclass (one for each class), regression (a number) or quantiles (of a number). "
            "Default: what the label's type says: true or false, a text, a number; a few whole numbers leave it open.",
            examples=["regression"],
        ),
    ] = None
    quantiles: Annotated[
        list[float] | None,
        Field(
            description="With task quantiles: which, rising, each between 0 and 1; the outer two are an interval. Default: 0.1, 0.5, 0.9.",
            examples=[[0.05, 0.5, 0.95]],
        ),
    ] = None
    features: Annotated[
        list[str],
        Field(
            description="What the model may use: all of a view (view), one of its features (view.feature), or a column of a table "
            "(table.column).",
            examples=[["spending", "customers.city"]],
        ),
    ] = []
    discover: Annotated[
        DiscoverModel | None, Field(description="Let Featuretools search tables for more features.", examples=[{"tables": ["orders"]}])
    ] = None
    training: Annotated[
        TrainingModel,
        Field(
            description="When models are trained, and on which rows.",
            examples=[{"every": "7d", "look_back": "240d", "validate": "28d", "test": "28d"}],
        ),
    ] = TrainingModel()
    selection: Annotated[
        str | SelectionModel,
        Field(
            description="How features are chosen: auto (default), all, or the method with how long a choice is kept.",
            examples=["auto", {"method": "auto", "every": "28d"}],
        ),
    ] = "auto"
    sizes: Annotated[
        list[int] | None,
        Field(description="Numbers of features that the selection tries. Default: chosen from the data.", examples=[[8, 16, 32]]),
    ] = None
    model_: Annotated[
        ModelModel,
        Field(
            description="What trains the models, and what they have to beat.",
            alias="model",
            examples=[{"trainer": "lightgbm", "baseline": "logistic"}],
        ),
    ] = ModelModel()
    metrics: Annotated[
        list[str],
        Field(
            description="The figures that models are shown with, also those of installed packages. Default: all that fit the task.",
            examples=[["auc", "log_loss", "brier"]],
        ),
    ] = []
    monitor: Annotated[
        MonitorModel,
        Field(description="What is monitored while a model scores, and when to retrain.", examples=[{"window": "7d", "persistence": 2}]),
    ] = MonitorModel()
    population: Annotated[
        PopulationModel | None,
        Field(
            description="Accepts what the population guard finds, with the reason.",
            examples=[{"allow": "Cancelled orders are removed by hand the day after."}],
        ),
    ] = None
    leakage: Annotated[
        LeakageModel | None,
        Field(
            description="Accepts what the leakage guard finds in single features, each with the reason.",
            examples=[{"allow": {"customer_amount_*": "Amounts are known when the order is placed."}}],
        ),
    ] = None
    promote_margin: Annotated[
        float,
        Field(
            description="By how much a challenger must be better than the champion: in AUC, else as a share of the champion's loss. "
            "Default: 0.002.",
            examples=[0.005],
        ),
    ] = 0.002

    def to_core(self) -> core.Problem:
        """Return the declaration as the core knows it.

        Raises
        ------
        DeclarationError
            If it cannot be right; the message names the file and the line.
        """
        where = self.where

        length = self.length
        retrain = self.monitor.retrain
        return core.Problem(
            name=self.checked_name("problem"),
            spine=self._spine(where),
            label=core.Label(
                self.label.table, tuple(self.label.match), read_sql(self.label.sql, self.folder, where=f"{where}, label.sql"),
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
            model=core.Model(self.model_.trainer, self.model_.baseline, dict(self.model_.params), tuple(self.metrics)),
            monitor=core.Monitor(
                length(self.monitor.window, "monitor.window"), self.monitor.persistence,
                core.Retrain(
                    length(retrain.cool_down, "monitor.retrain.cool_down"),
                    length(retrain.at_least_every, "monitor.retrain.at_least_every"),
                ),
                core.Drift(self.monitor.drift.alpha, self.monitor.drift.missing, tuple(self.monitor.drift.measures.items())),
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
        every = None if given.every is None else self.length(given.every, "selection.every")
        sizes = {} if self.sizes is None else {"sizes": tuple(self.sizes)}
        return core.Selection(method, every=every, selectors=tuple(given.selectors), **sizes)  # type: ignore[arg-type]

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
            return core.RowsSpine(given.rows_of, read_sql(given.cutoff, self.folder, where=f"{where}, spine.cutoff"))
        active = given.active or {}
        if given.each is None or given.every is None or set(active) != {"in", "within"}:
            raise DeclarationError(f"{where}: the spine {_spine_needs(given)}")
        key = (given.each,) if isinstance(given.each, str) else tuple(given.each)
        every = self.length(given.every, "spine.every")
        return core.GridSpine(key, active["in"], every, self.length(active["within"], "spine.active.within"), given.steps)


def _spine_needs(given: SpineModel) -> str:
    """Return what a spine lacks, and how it is written."""
    if given.each is None:
        return (
            "needs `rows_of` with `cutoff` (one prediction per row) or `each` with `every` and `active` (one per entity and step). "
            "Write spine: {rows_of: orders, cutoff: ordered_at} or spine: {each: customer, every: 1d, active: {in: orders, within: 28d}}"
        )
    lacks = [name for name in ("every", "active") if getattr(given, name) is None] or ["active with in and within"]
    key = given.each if isinstance(given.each, str) else f"[{', '.join(given.each)}]"
    return f"lacks {' and '.join(lacks)}. Write spine: {{each: {key}, every: {given.every or '1d'}, active: {{in: orders, within: 28d}}}}"
