"""What changed declarations would recompute, said before anything runs: declared code against the code that the heads were made with."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from ml_platform.core.layers import LAYERS, OTHER_LAYERS, TRAINED_LAYERS, TableName, flow_place
from ml_platform.core.partitions import partition_text
from ml_platform.features.declared.definition import FeatureDefinition, definition_hash
from ml_platform.features.declared.kinds import definition_from
from ml_platform.lake.ledger.version import ARTIFACT, Version
from ml_platform.pipeline.declared_code import declared_code_version, declared_definitions
from ml_platform.pipeline.feature_tables.feature_table import DEFINITIONS
from ml_platform.pipeline.layer_code import ENGINE, layer_code
from ml_platform.pipeline.models.champion import current_champion
from ml_platform.pipeline.tables.split_table import spoken_days
from ml_platform.pipeline.workspace import Workspace
from ml_platform.project.asked_features import resolve_features
from ml_platform.project.project import CompiledProblem
from ml_platform.tables.declared.types import stored_schema

NEW, DECLARED, INPUTS = "new", "declared otherwise", "its inputs would change"


@dataclass(frozen=True)
class Recomputed:
    """One table whose partitions would be made again, or for the first time: why, what is different, and what its heads hold now."""

    table: TableName
    why: str
    what: str
    partitions: tuple[str | None, ...]
    rows: int
    bytes: int


@dataclass(frozen=True)
class NextTraining:
    """One step of a problem's next training that would be made by another declaration than the newest; past ones stay as they are."""

    table: TableName
    newest: str | None
    rows: int
    bytes: int


@dataclass(frozen=True)
class KeptModel:
    """A model whose features are declared otherwise now: it goes on scoring by its own definitions.

    ``is_recoded`` says that other code computes its features than computed those that it was trained with: scores may differ by that.
    """

    problem: str
    version: int
    training_date: str
    is_champion: bool
    changed: tuple[str, ...]
    gone: tuple[str, ...]
    is_recoded: bool


@dataclass(frozen=True)
class ChangePlan:
    """What the declarations of one project would recompute; ``undeclared`` tables stay readable and are made no more."""

    recomputed: tuple[Recomputed, ...]
    trainings: tuple[NextTraining, ...]
    models: tuple[KeptModel, ...]
    undeclared: tuple[str, ...]


def plan_changes(workspace: Workspace) -> ChangePlan:
    """Compare the declarations of a project with what the heads of its tables were made with.

    Parameters
    ----------
    workspace : Workspace
        Project and lake; nothing of the landing zone is looked at, and nothing is computed.

    Returns
    -------
    ChangePlan
        Which partitions are out of date, directly or because something above them is; at most these are written, because equal content is
        not. What was decided, scored or observed is never made again.
    """
    lake, project = workspace.lake, workspace.project
    mine = [t for t in lake.tables() if t.project == project.name and t.layer not in OTHER_LAYERS]
    heads = {table: lake.versions.heads(table) for table in mine}
    made = [table for table in mine if table.layer not in TRAINED_LAYERS]
    direct = {table: _outdated(workspace, heads[table].values(), table) for table in made}
    reached = lake.lineage.reached_from(version for versions in direct.values() for version in versions)
    found = []
    for table in made:
        first = {v.partition for v in direct[table]}
        below = [v for v in heads[table].values() if v.id in reached and v.partition not in first]
        if first:
            found.append(_recomputed(table, DECLARED, _difference(workspace, table, direct[table]), direct[table]))
        if below:
            above = sorted(
                {v.table for v in lake.lineage.inputs(max(below, key=lambda v: partition_text(v.partition)).id) if v.id in reached}
            )
            found.append(_recomputed(table, INPUTS, f"made from {', '.join(a.short for a in above)}", below))
    found += _new(workspace, heads)
    return ChangePlan(
        tuple(sorted(found, key=lambda one: (flow_place(one.table.layer), one.table))),
        tuple(step for name in project.problems for step in _trainings(workspace, name, heads)),
        tuple(model for problem in project.problems.values() for model in _kept_models(workspace, problem)),
        tuple(t for t in made if t.layer in LAYERS and declared_code_version(project, t.layer, t.name) is None),
    )


def _outdated(workspace: Workspace, heads: Iterable[Version], table: TableName) -> list[Version]:
    """Return the heads that were made by other code than would make them today."""
    declared = declared_code_version(workspace.project, table.layer, table.name)
    return [] if declared is None else [version for version in heads if version.code_version != declared]


def _recomputed(table: TableName, why: str, what: str, versions: Sequence[Version]) -> Recomputed:
    partitions = tuple(sorted((v.partition for v in versions), key=partition_text))
    return Recomputed(table, why, what, partitions, sum(v.rows for v in versions), sum(v.bytes for v in versions))


def _difference(workspace: Workspace, table: TableName, outdated: Sequence[Version]) -> str:
    """Say in words what today's declaration has that the newest outdated head has not."""
    newest = max(outdated, key=lambda version: partition_text(version.partition))
    name = table.name
    if table.layer == "features":
        new = {d.name: definition_hash([d]) for d in declared_definitions(workspace.project, name) or ()}
        return _told("feature", dict(newest.properties[DEFINITIONS]), new) or "the code that computes them"
    if table.layer == "tables":
        schema = stored_schema(workspace.project.table(name))
        old = {field.name: str(field.type) for field in newest.schema}
        return _told("column", old, {field.name: str(field.type) for field in schema}) or "contract, key, times or code"
    return "how its source is read"


def _told(what: str, old: dict[str, str], new: dict[str, str]) -> str:
    groups = {
        "added": [n for n in new if n not in old], "removed": [n for n in old if n not in new],
        "changed": [n for n in new if n in old and new[n] != old[n]],
    }  # fmt: skip
    return "; ".join(
        f"{len(names)} {what}{'s' * (len(names) != 1)} {how}: {', '.join(names[:3])}{' ...' if len(names) > 3 else ''}"
        for how, names in groups.items()
        if names
    )


def _new(workspace: Workspace, heads: dict[TableName, dict[str | None, Version]]) -> list[Recomputed]:
    """Return what is declared and has no version yet, for the days that what it is made from has."""
    project = workspace.project
    made_from: dict[TableName, list[TableName]] = {}
    for table in project.tables.values():
        above = [project.lake_table("tables", read) for read in table.reads] or [project.lake_table("raw", table.name)]
        made_from[project.lake_table("tables", table.name)] = above
    for view in project.views.values():
        for name in view.asset_names.values() if view.view.store else ():
            made_from[project.lake_table("features", name)] = [project.lake_table("tables", read) for read in view.tables]
    days = {table: set(versions) for table, versions in heads.items()}
    found = []
    for table, above in made_from.items():
        if table not in heads:
            name, of_tables = table.name, table.layer == "tables"
            daily = project.tables[name].partitions is not None if of_tables else project.partitions is not None
            keys: set[str | None] = {key for one in above for key in days.get(one, ()) if (key is not None) == daily}
            if of_tables and project.tables[name].splits and days.get(above[0]):
                spoken = spoken_days(workspace, project.tables[name])
                keys = {*(spoken.filled if spoken else ())}
            # What stands on another new table is built for the same days.
            days[table] = keys
            found.append(Recomputed(table, NEW, "", tuple(sorted(keys, key=partition_text)), 0, 0))
    return found


def _trainings(workspace: Workspace, problem: str, heads: dict[TableName, dict[str | None, Version]]) -> list[NextTraining]:
    found = []
    for layer in TRAINED_LAYERS:
        table = workspace.table(layer, problem)
        newest = max(heads.get(table, {}).values(), key=lambda version: partition_text(version.partition), default=None)
        if newest is not None and newest.code_version != declared_code_version(workspace.project, layer, problem):
            found.append(NextTraining(table, newest.partition, newest.rows, newest.bytes))
    return found


def _kept_models(workspace: Workspace, problem: CompiledProblem) -> list[KeptModel]:
    declared = {d.name: definition_hash([d]) for d in resolve_features(workspace.project, problem)}
    champion = current_champion(workspace, problem)
    models = {v.id: v for v in workspace.lake.versions.resolve(workspace.table("models", problem.name)) if v.kind == ARTIFACT}
    if champion is not None:
        models[champion.version.id] = champion.version
    found = []
    for model in sorted(models.values(), key=lambda v: (partition_text(v.partition), v.id)):
        carried = {d.name: definition_hash([d]) for d in _carried(workspace, model)}
        changed = tuple(name for name in carried if name in declared and declared[name] != carried[name])
        gone = tuple(name for name in carried if name not in declared)
        is_recoded = model.properties.get(ENGINE) != layer_code("features")
        if changed or gone or is_recoded:
            is_champion = champion is not None and champion.version.id == model.id
            found.append(KeptModel(problem.name, model.id, str(model.partition), is_champion, changed, gone, is_recoded))
    return found


def _carried(workspace: Workspace, model: Version) -> list[FeatureDefinition]:
    """Return the definitions that a model carries; the model itself is not loaded."""
    return [definition_from(plain) for plain in json.loads(workspace.lake.versions.artifact(model, "definitions.json"))]
