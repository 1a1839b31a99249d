"""A project as a model saw it: today's tables and problem, with the features that the model was chosen from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ml_platform.features.carried import carried_view, is_declared
from ml_platform.features.declared.definition import FeatureDefinition
from ml_platform.features.declared.inputs import request_columns
from ml_platform.features.declared.kinds import ColumnFeature
from ml_platform.project.project import Project, TableColumn


def with_carried(
    project: Project, problem_name: str, features: Sequence[FeatureDefinition], candidates: Sequence[FeatureDefinition]
) -> Project:
    """Return the project with a problem whose features are given by their definitions and not by today's views.

    Parameters
    ----------
    project : Project
        As it is declared today.
    problem_name : str
        The problem.
    features : sequence of FeatureDefinition
        Everything that its feature tables held, table by table in their order, and its table columns.
    candidates : sequence of FeatureDefinition
        Those of them that the problem asks for, in its order.

    Returns
    -------
    Project
        A view that is declared today as it was stays the declared one.
    """
    by_view: dict[str, list[FeatureDefinition]] = {}
    for definition in features:
        if definition.view and not definition.stored_as:
            by_view.setdefault(definition.view, []).append(definition)
    views = {
        name: carried_view(name, found, project.tables)
        for name, found in by_view.items()
        if not is_declared(found, project.views.get(name))
    }
    problem = replace(
        project.problem(problem_name),
        view_entities=tuple(dict.fromkeys((d.view, d.entity) for d in features if d.view)),
        table_columns=tuple(dict.fromkeys(TableColumn(d.table, str(d.value), d.entity) for d in features if isinstance(d, ColumnFeature))),
        carried=tuple(candidates),
        request=tuple(request_columns(features)),
    )
    return replace(project, views={**project.views, **views}, problems={**project.problems, problem_name: problem})
