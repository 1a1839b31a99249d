"""Which of the package's code makes the content of each layer: its hash is part of what a stored version remembers."""

from __future__ import annotations

from dataclasses import dataclass

from ml_platform.core.source_code import code_hash, modules_of

# What a version remembers of the code that computed features; a stored feature table of other code is not read in their place.
ENGINE = "engine"


@dataclass(frozen=True)
class _Code:
    """Modules that make a layer's content, and the packages that are followed into from there."""

    roots: tuple[str, ...]
    within: tuple[str, ...]


# What is read from the lake and how it is stored is not among it: contents are compared by themselves. What only reports is left out.
_PRESENTATION = (
    "core.errors", "features.explain", "features.explain_code", "pipeline.feature_figures", "pipeline.table_report",
    "tables.infer", "tables.pandera_schema", "tables.profile", "models.card", "monitoring.evidently_report",
)  # fmt: skip
_TABLES = (
    "core",
    "tables",
    "pipeline.declared_availability",
    "pipeline.derived",
    "pipeline.judged_rows",
    "pipeline.raw_rows",
    "pipeline.split",
    "pipeline.split_table",
)
_FEATURES = ("core", "tables", "features", "pipeline.feature_events", "pipeline.feature_jobs", "pipeline.feature_table")
_DAYS = ("pipeline.coverage", "pipeline.presence", "pipeline.problem_reach")
_VALUES = ("pipeline.expression_values", "pipeline.feature_values", "project.asked_features", "pipeline.nested_values")
_ROWS = ("training", "pipeline.population", "pipeline.problem_rows", "pipeline.spine_row", "pipeline.training_rows")
_CODE = {
    "raw": _Code(("pipeline.raw",), ("core", "tables", "pipeline.deliveries", "pipeline.row_history")),
    "tables": _Code(("pipeline.table",), _TABLES),
    "features": _Code(("pipeline.feature_table",), _FEATURES),
    "training": _Code(("pipeline.training_set",), (*_FEATURES, *_VALUES, *_ROWS, *_DAYS)),
    "selected": _Code(("pipeline.selected",), ("core", "models", "selection", "training", "pipeline.kept_selection")),
    "models": _Code(("pipeline.model",), ("core", "models", "training", "pipeline.candidates")),
    # Records, which are not made again: it says by which code a decision was taken and a day was judged.
    "outcomes": _Code(
        ("pipeline.outcomes",), ("core", "training", "pipeline.problem_rows", "pipeline.problem_reach", "pipeline.hindsight")
    ),
    "champion": _Code(("pipeline.champion",), ("core", "registry", "models", "training")),
    "monitoring": _Code(("pipeline.monitoring",), ("core", "monitoring", "pipeline.monitored", "pipeline.watched", "pipeline.hindsight")),
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
    return code_hash(code.roots, code.within, _PRESENTATION)


def layer_modules(layer: str) -> tuple[str, ...]:
    """Return the modules whose source :func:`layer_code` hashes."""
    code = _CODE[layer]
    return modules_of(code.roots, code.within, _PRESENTATION)
