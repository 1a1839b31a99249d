"""Which of the package's code makes the content of each layer: its hash is part of what a stored version remembers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module
from typing import Any

from ml_platform.core.source_code import PACKAGE, code_hash, modules_of

# What a version remembers of the code that computed features; a stored feature table of other code is not read in their place.
ENGINE = "engine"


@dataclass(frozen=True)
class _Code:
    """The module and its function that make a layer's content, and the packages that are followed into from there."""

    root: str
    within: tuple[str, ...]
    function: str = ""


# What is read from the lake and how it is stored is not among it: contents are compared by themselves. What only reports is left out.
_PRESENTATION = (
    "core.errors",
    "core.layers",
    "features.declared.explain",
    "features.own_views.explain_code",
    "models.card",
    "monitoring.evidently_report",
    "pipeline.feature_tables.feature_figures",
    "pipeline.tables.table_report",
    "tables.inference.infer",
    "tables.judged.pandera_schema",
    "tables.judged.profile",
)
# Declared rows and what declared SQL means.
_DECLARED = ("tables", "sql.binding", "sql.endless", "sql.tree")
_TABLES = (
    "core",
    *_DECLARED,
    "pipeline.tables.declared_availability",
    "pipeline.tables.derived",
    "pipeline.tables.judged_rows",
    "pipeline.tables.raw_rows",
    "pipeline.tables.split",
    "pipeline.tables.split_table",
)
_FEATURES = (
    "core",
    *_DECLARED,
    "features",
    "pipeline.feature_tables.feature_events",
    "pipeline.feature_tables.feature_jobs",
    "pipeline.feature_tables.feature_table",
)
_DAYS = ("pipeline.tables.coverage", "pipeline.tables.presence", "pipeline.training.problem_reach")
_VALUES = (
    "pipeline.feature_tables.expression_values",
    "pipeline.feature_tables.feature_values",
    "project.asked_features",
    "pipeline.feature_tables.nested_values",
)
_ROWS = ("training", "pipeline.training.population", "pipeline.training.problem_rows", "pipeline.training.training_rows")
_CODE = {
    "raw": _Code("pipeline.delivery.raw", ("core", *_DECLARED, "pipeline.delivery.deliveries", "pipeline.delivery.row_history")),
    "tables": _Code("pipeline.tables.table", _TABLES),
    "features": _Code("pipeline.feature_tables.feature_table", _FEATURES),
    "training": _Code("pipeline.training.training_set", (*_FEATURES, *_VALUES, *_ROWS, *_DAYS), "materialize_training"),
    "selected": _Code(
        "pipeline.models.selected", ("core", "models", "selection", "training", "pipeline.models.kept_selection"), "materialize_selected"
    ),
    "models": _Code("pipeline.models.model", ("core", "models", "training", "pipeline.models.candidates"), "materialize_model"),
    # Records, which are not made again: it says by which code a decision was taken and a day was judged.
    "outcomes": _Code(
        "pipeline.scoring.outcomes",
        ("core", "training", "pipeline.training.problem_rows", "pipeline.training.problem_reach", "pipeline.scoring.hindsight"),
    ),
    "champion": _Code("pipeline.models.champion", ("core", "registry", "models", "training")),
    "monitoring": _Code(
        "pipeline.scoring.monitoring",
        ("core", "monitoring", "pipeline.scoring.monitored", "pipeline.scoring.watched", "pipeline.scoring.hindsight"),
    ),
}


def layer_code(layer: str) -> str:
    """Return the hash of the code that makes a layer's content; other code may make other content of the same declaration.

    Parameters
    ----------
    layer : str
        One whose content can be made again (raw, tables, features, training, selected or models), or one that records (outcomes, champion
        or monitoring).
    """
    code = _CODE[layer]
    return code_hash((code.root,), code.within, _PRESENTATION)


def layer_modules(layer: str) -> tuple[str, ...]:
    """Return the modules whose source :func:`layer_code` hashes."""
    code = _CODE[layer]
    return modules_of((code.root,), code.within, _PRESENTATION)


def materializer(layer: str) -> Callable[..., Any]:
    """Return the function that makes days of a layer again: it takes the workspace, the problem's name and the days.

    Parameters
    ----------
    layer : str
        One that a training makes.
    """
    code = _CODE[layer]
    return getattr(import_module(f"{PACKAGE}.{code.root}"), code.function)
