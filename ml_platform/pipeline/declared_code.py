"""What the code is called that would make a stored table today: with this, versions of older declarations are told from current ones."""

from __future__ import annotations

from ml_platform.features.definition import FeatureDefinition, definition_hash
from ml_platform.pipeline.derived import derived_code_version
from ml_platform.pipeline.feature_values import resolve_features
from ml_platform.pipeline.kept_selection import selected_code_version
from ml_platform.pipeline.model import model_code_version
from ml_platform.pipeline.raw import raw_code_version
from ml_platform.pipeline.table import table_code_version
from ml_platform.pipeline.training_set import training_code_version
from ml_platform.pipeline.workspace import Workspace
from ml_platform.project.project import Project


def declared_code_version(workspace: Workspace, layer: str, name: str) -> str | None:
    """Return the code version that a materialization of a table would be stored with now.

    Parameters
    ----------
    workspace : Workspace
        Its project has the declarations.
    layer, name : str
        Of the table.

    Returns
    -------
    str or None
        None for what is not declared, and for layers whose versions are records: these are never made again.
    """
    project = workspace.project
    if layer == "raw" and name in project.tables:
        return raw_code_version(project.tables[name], project.root)
    if layer == "tables" and name in project.tables:
        table = project.tables[name]
        return derived_code_version(workspace, table) if table.is_derived else table_code_version(table)
    if layer == "features":
        definitions = declared_definitions(project, name)
        return None if definitions is None else definition_hash(definitions)
    if name not in project.problems:
        return None
    problem = project.problems[name]
    if layer == "training":
        return training_code_version(problem, resolve_features(project, problem))
    if layer == "selected":
        return selected_code_version(problem)
    return model_code_version(problem) if layer == "models" else None


def declared_definitions(project: Project, feature_table: str) -> tuple[FeatureDefinition, ...] | None:
    """Return the definitions of a feature table by its name (``delays__origin``); None if no stored view has it."""
    for view in project.views.values():
        for entity, name in view.asset_names.items() if view.view.store else ():
            if name == feature_table:
                return view.definitions(entity)
    return None
