"""What the code is called that would make a stored table today: with this, versions of older declarations are told from current ones.

A code version is the hash of the compiled declaration, as far as it decides content, and of the package's code that reads it. There is one
for the lake, for Dagster and for ``plan``; definitions ask for it whenever they are loaded, so nothing heavy is imported here.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from ml_platform.core.hashing import content_hash
from ml_platform.core.intervals import DAY
from ml_platform.features.declared.column_definition import column_definition
from ml_platform.features.declared.compiled_view import CompiledView
from ml_platform.features.declared.definition import FeatureDefinition, definition_hash
from ml_platform.features.declared.functions.registry import code_of_functions
from ml_platform.models.figures.metric import METRICS
from ml_platform.models.trainers.known_trainers import TRAINERS
from ml_platform.monitoring.drift_measure import MEASURES
from ml_platform.pipeline.layer_code import layer_code
from ml_platform.project.project import CompiledProblem, Project
from ml_platform.selection.selector import SELECTORS
from ml_platform.tables.declared.contract import Column, Contract
from ml_platform.tables.declared.source import SOURCES
from ml_platform.tables.declared.table import Table
from ml_platform.training.problem import Drift, Training


def declared_code_version(project: Project, layer: str, name: str) -> str | None:
    """Return the code version that a materialization of a table would be stored with now.

    Parameters
    ----------
    project : Project
        It has the declarations.
    layer, name : str
        Of the table.

    Returns
    -------
    str or None
        None for what is not declared, and for layers whose versions are records: these are never made again.
    """
    if layer == "raw" and name in project.tables:
        return raw_code_version(project.tables[name], project.root)
    if layer == "tables" and name in project.tables:
        return table_code_version(project.tables[name], project.root)
    if layer == "features":
        found = _stored(project, name)
        return None if found is None else feature_code_version(project, *found)
    if name not in project.problems:
        return None
    problem = project.problems[name]
    if layer == "training":
        return training_code_version(project, problem)
    if layer == "selected":
        return selected_code_version(problem)
    return model_code_version(problem) if layer == "models" else None


def declared_definitions(project: Project, feature_table: str) -> tuple[FeatureDefinition, ...] | None:
    """Return the definitions of a feature table by its name (``delays__origin``); None if no stored view has it."""
    found = _stored(project, feature_table)
    return None if found is None else found[0].definitions(found[1])


def raw_code_version(table: Table, root: Path) -> str:
    """Return the hash of what turns deliveries into raw rows: the source and its code, not the contract."""
    source = {} if table.is_derived else table.source.code(root)
    if table.splits:
        source["whole"] = True
    said = [name for name in table.contract.column_names if f"{name}=" in source.get("pattern", "")]
    if said:
        source["path_values"] = said
    kind = SOURCES.code(table.source.name) if table.source.name in SOURCES else ""
    return content_hash((layer_code("raw"), source, *([kind] if kind else [])))


def table_code_version(table: Table, root: Path) -> str:
    """Return the hash of what a table's declaration means, with the SQL or the function of a derived one, and of the code that judges.

    Descriptions, owners and tags are left out.
    """
    contract = table.contract
    return content_hash({
        "layer": layer_code("tables"),
        "columns": [
            [c.name, c.type, c.nullable, c.minimum, c.maximum, _members(c.one_of), c.matches, c.zone, *_reading(c)]
            for c in contract.columns
        ],
        "key": contract.key,
        "rules": [[r.name, r.sql, r.severity] for r in contract.rules],
        "references": contract.references,
        "bounds": [contract.max_rejected, contract.min_rows, contract.extra_columns, contract.max_shrink,
                   *([contract.known_early] if contract.known_early != Contract.known_early else [])],
        "null_values": table.source.null_values,
        "times": _times(table),
        "code": _derivation(table, root),
    })  # fmt: skip


def feature_code_version(project: Project, view: CompiledView, entity: tuple[str, ...]) -> str:
    """Return the hash of what a feature table computes, and of the code that does."""
    return content_hash((layer_code("features"), _features(project, view, entity)))


def training_code_version(project: Project, problem: CompiledProblem) -> str:
    """Return the hash of what makes a training set of tables and feature tables; how often one is made does not."""
    declared = problem.problem
    return content_hash({
        "layer": layer_code("training"),
        "features": _asked(project, problem),
        "spine": declared.spine,
        "label": declared.label,
        "task": declared.task,
        "tables": [_times(problem.spine_table), _times(problem.label_table)],
        "training": replace(declared.training, every=Training.every),
        "accepted": [declared.population_allow, declared.leakage_allow],
    })  # fmt: skip


def selected_code_version(problem: CompiledProblem) -> str:
    """Return the hash of what decides a choice of features; how often one is made does not."""
    selection = problem.problem.selection
    code = [SELECTORS.code(name) for name in selection.selectors]
    return content_hash((layer_code("selected"), replace(selection, every=None), *(code if any(code) else ())))


def model_code_version(problem: CompiledProblem) -> str:
    """Return the hash of what makes a model of a training set and a selection."""
    model = problem.problem.model
    code = [*map(TRAINERS.code, (model.trainer, model.baseline)), *map(METRICS.code, model.metrics)]
    return content_hash((layer_code("models"), model, problem.problem.quantiles, *(code if any(code) else ())))


def monitoring_code_version(problem: CompiledProblem) -> str:
    """Return the hash of what judges a day; its record says so, and stays as it is when the rule changes."""
    drift = problem.problem.monitor.drift
    if drift == Drift():
        return layer_code("monitoring")
    return content_hash((layer_code("monitoring"), drift, [MEASURES.code(name) for name, _ in drift.measures]))


def _stored(project: Project, feature_table: str) -> tuple[CompiledView, tuple[str, ...]] | None:
    for view in project.views.values():
        for entity, name in view.asset_names.items() if view.view.store else ():
            if name == feature_table:
                return view, entity
    return None


def _features(project: Project, view: CompiledView, entity: tuple[str, ...]) -> object:
    """Return what decides the values of one entity's features."""
    declared = view.view
    if declared.discover is None:
        return _defined(view.definitions(entity))
    # What is to be discovered is not known before Featuretools has looked, which no loading of definitions waits for.
    edges = (declared.ttl, declared.closed, declared.lag, declared.tail)
    asked = (declared.features, declared.windows, declared.refresh, declared.discover, entity, edges)
    return content_hash((asked, [_columns(project.tables[name]) for name in view.tables]))


def _defined(definitions: Iterable[FeatureDefinition]) -> object:
    """Return the hash of definitions, with the code of functions that are not the platform's own."""
    found = tuple(definitions)
    code = code_of_functions(found)
    return [definition_hash(found), *code] if code else definition_hash(found)


def _asked(project: Project, problem: CompiledProblem) -> object:
    """Return what decides the features of a training set: their definitions, or what Featuretools is to search and the rest."""
    if problem.discovery is None and not any(project.views[view].view.discover for view, _ in problem.view_entities):
        return _defined(problem.carried or project.declared_features(problem))
    if problem.carried and _is_otherwise(project, problem):
        return _defined(problem.carried)
    searched = [] if problem.discovery is None else [t.stored for t in problem.discovery.tables.values() if t.stored]
    return {
        "names": problem.problem.features,
        "views": [[view, entity, _features(project, project.views[view], entity)] for view, entity in problem.view_entities],
        "columns": definition_hash(column_definition(project.tables[one.table], one.column) for one in problem.table_columns),
        "discover": problem.problem.discover,
        "searched": [_columns(project.tables[name]) for name in searched],
    }


def _is_otherwise(project: Project, problem: CompiledProblem) -> bool:
    """Return whether a model that is made again has other features than a search would find; then it is there for the searching."""
    from ml_platform.project.asked_features import resolve_features

    return definition_hash(resolve_features(project, replace(problem, carried=()))) != definition_hash(problem.carried)


def _columns(table: Table) -> list[object]:
    """Return what a search sees of a table."""
    columns = [[c.name, c.type, table.available_at_column(c.name)] for c in table.contract.columns]
    return [table.name, table.key, columns, table.contract.references, table.event_time, table.timeless]


def _times(table: Table) -> list[object]:
    days = [table.partitions.first, table.partitions.after] if table.partitions else None
    gaps = [table.missing_days, sorted(table.lost_days), *([table.longest_silence] if table.longest_silence else [])]
    return [table.event_time, table.availability, table.delay, table.late_after, table.timeless, days, gaps]


def _derivation(table: Table, root: Path) -> dict[str, str]:
    return {**table.source.code(root), "reads": _reads(table.reads)} if table.is_derived else {}


def _reads(reads: Mapping[str, timedelta]) -> str:
    return ", ".join(f"{name} {-(-back // DAY)}d" for name, back in sorted(reads.items()))


def _reading(column: Column) -> list[object]:
    """Return by what names and how a column's values are delivered, where that is declared."""
    written = [{"format": column.format, "made_of": column.made_of}] if column.format or column.made_of else []
    return [*([column.was] if column.was else []), *written, *(["optional"] if column.optional else [])]


def _members(values: Iterable[object] | None) -> list[str] | None:
    """Return the members of a set as text in a fixed order: a set has none."""
    return None if values is None else sorted(map(repr, values))
