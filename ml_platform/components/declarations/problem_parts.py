"""The parts of a problem that have words of their own."""

from typing import Annotated, Any

import dagster as dg
from pydantic import Field

from ml_platform.models.trainers.known_trainers import TRAINERS
from ml_platform.selection.selector import SELECTORS
from ml_platform.training import problem as core


class SpineModel(dg.Model, dg.Resolvable):
    """The rows to predict for: ``rows_of`` a table with a ``cutoff``, or a grid of ``each`` active entity."""

    rows_of: Annotated[str | None, Field(description="One prediction per row of this table. Needs `cutoff`.", examples=["orders"])] = None
    cutoff: Annotated[
        str | None,
        Field(
            description="With `rows_of`: when the prediction is made, as SQL over the row. Features use only what was available before it.",
            examples=["ordered_at - interval 2 hours"],
        ),
    ] = None
    each: Annotated[
        str | list[str] | None,
        Field(
            description="One prediction per entity and step: the entity's key column, or columns. Needs `every` and `active`.",
            examples=["customer"],
        ),
    ] = None
    every: Annotated[str | None, Field(description="With `each`: the step (w weeks, d days, h hours).", examples=["1d"])] = None
    steps: Annotated[
        int,
        Field(
            description="With `each`: forecast this many stretches of the label's horizon one after the other; 7 with a horizon of 1d is a "
            "week. Default: 1.",
            examples=[7],
        ),
    ] = 1
    active: Annotated[
        dict[str, str] | None,
        Field(
            description="With `each`: which entities there are at a step, those with a row in a table within a length of time before.",
            examples=[{"in": "orders", "within": "28d"}],
        ),
    ] = None


class ValueModel(dg.Model, dg.Resolvable):
    """The label of a row that is predicted for and has no label rows."""

    value: Annotated[float | str, Field(description="The label: a number, or the name of a class.", examples=[60])]


class LabelModel(dg.Model, dg.Resolvable):
    """What is predicted: an aggregate over the rows that come after the cutoff."""

    table: Annotated[str, Field(description="The table whose rows are aggregated.", alias="from", examples=["orders"])]
    sql: Annotated[
        str,
        Field(
            description="The aggregate over the matching rows: true or false, a number, or a text that names a class. `_cutoff` is the "
            "cutoff of the row.",
            examples=["count(*) > 0", "coalesce(sum(amount), 0)"],
        ),
    ]
    horizon: Annotated[
        str,
        Field(
            description="How long after the cutoff rows count (w weeks, d days, h hours). The label is known when it has passed.",
            examples=["7d"],
        ),
    ]
    match: Annotated[
        list[str], Field(description="The columns that a row to predict for and its label rows share.", examples=[["customer"]])
    ]
    without_rows: Annotated[
        core.WithoutRows | ValueModel,
        Field(
            description="What the label is where no row matches: `exclude` leaves the row out (default), `zero` is 0 or false, `null` is "
            "unknown; or a value of your own, a number or a class.",
            examples=["zero", {"value": 60}],
        ),
    ] = "exclude"


class TrainingModel(dg.Model, dg.Resolvable):
    """When and on which rows models are trained."""

    every: Annotated[str, Field(description="The least time between two trainings (w weeks, d days). Default: 7d.", examples=["7d"])] = "7d"
    look_back: Annotated[
        str, Field(description="How far before the training date rows are taken (w weeks, d days). Default: 240d.", examples=["240d"])
    ] = "240d"
    validate_: Annotated[
        str,
        Field(
            description="How much of the newest rows before the test chooses the features and ends the training (w weeks, d days). "
            "Default: 28d.",
            alias="validate",
            examples=["28d"],
        ),
    ] = "28d"
    test: Annotated[
        str,
        Field(
            description="How much of the newest rows only the decision sees, no selection or training (w weeks, d days). Default: 28d.",
            examples=["28d"],
        ),
    ] = "28d"
    max_rows: Annotated[
        int | None, Field(description="Train on at most this many rows, chosen by a hash of their key. Default: all.", examples=[100000])
    ] = None


class RetrainModel(dg.Model, dg.Resolvable):
    """What keeps retraining in bounds."""

    cool_down: Annotated[
        str, Field(description="No retraining sooner than this after the last (w weeks, d days). Default: 7d.", examples=["7d"])
    ] = "7d"
    at_least_every: Annotated[
        str, Field(description="Retrain when the champion is older than this (w weeks, d days). Default: 28d.", examples=["28d"])
    ] = "28d"


class DriftModel(dg.Model, dg.Resolvable):
    """What counts as drift: a change beyond chance, and of a size that matters."""

    alpha: Annotated[
        float, Field(description="The chance of a false alarm in a window, shared by all columns. Default: 0.01.", examples=[0.01])
    ] = 0.01
    missing: Annotated[
        float, Field(description="The change in the share of missing values that matters. Default: 0.02.", examples=[0.02])
    ] = 0.02
    measures: Annotated[
        dict[str, float],
        Field(
            description="Sizes of change by name, each with the size that matters. Columns of a kind (numbers, categories) for which none "
            "is named are judged by the usual ones. Default: wasserstein 0.1 for numbers, jensen_shannon 0.1 and total_variation 0.05 for "
            "categories.",
            examples=[{"psi": 0.2}],
        ),
    ] = {}


class MonitorModel(dg.Model, dg.Resolvable):
    """What is monitored while a model scores."""

    window: Annotated[
        str,
        Field(description="The newest scores that are compared with the training rows (w weeks, d days). Default: 7d.", examples=["7d"]),
    ] = "7d"
    persistence: Annotated[
        int, Field(description="How many windows in a row must have drifted before retraining. Default: 2.", examples=[2])
    ] = 2
    retrain: Annotated[
        RetrainModel, Field(description="Bounds of retraining.", examples=[{"cool_down": "7d", "at_least_every": "28d"}])
    ] = RetrainModel()
    drift: Annotated[DriftModel, Field(description="What counts as drift.", examples=[{"measures": {"psi": 0.2}}])] = DriftModel()


class PopulationModel(dg.Model, dg.Resolvable):
    """What is declared about which rows there are."""

    allow: Annotated[
        str,
        Field(
            description="Why it is right that something known only later decides which rows there are; it stands in the model card.",
            examples=["Cancelled orders are removed by hand the day after."],
        ),
    ]


class LeakageModel(dg.Model, dg.Resolvable):
    """What is declared about features that seem to know the answer."""

    allow: Annotated[
        dict[str, str],
        Field(
            description="Features (a name, or a pattern with *) that may seem to know the answer, each with the reason for the model card.",
            examples=[{"customer_amount_*": "Amounts are known when the order is placed."}],
        ),
    ]


class ModelModel(dg.Model, dg.Resolvable):
    """How models are made."""

    trainer: Annotated[
        str, Field(description=f"What trains the model: {', '.join(TRAINERS.built_in())}. Default: lightgbm.", examples=["lightgbm"])
    ] = "lightgbm"
    baseline: Annotated[
        str,
        Field(
            description=f"What trains the simple model that it has to beat: {', '.join(TRAINERS.built_in())}. Default: logistic.",
            examples=["constant"],
        ),
    ] = "logistic"
    params: Annotated[
        dict[str, Any],
        Field(description="Parameters of the trainer, by its own names. Default: the trainer's.", examples=[{"num_leaves": 31}]),
    ] = {}


class SelectionModel(dg.Model, dg.Resolvable):
    """How features are chosen, and how often."""

    method: Annotated[
        str,
        Field(description="`auto` chooses by rankings and takes the best size (default); `all` takes every feature.", examples=["auto"]),
    ] = "auto"
    every: Annotated[
        str | None,
        Field(
            description="Later trainings keep a choice that is younger than this (w weeks, d days). Default: each chooses anew.",
            examples=["28d"],
        ),
    ] = None
    selectors: Annotated[
        list[str],
        Field(
            description=f"What ranks the features: {', '.join(SELECTORS.built_in())}, or of installed packages; several are fused. "
            f"Default: {', '.join(core.Selection().selectors)}.",
            examples=[["l1", "gain"]],
        ),
    ] = list(core.Selection().selectors)
