"""Which columns tell the rows of a stored table apart, by its declaration."""

from __future__ import annotations

from ml_platform.core.layers import LAYERS, TableName
from ml_platform.features.declared.definition import CUTOFF, VALID_FROM
from ml_platform.project.project import Project


def row_key(project: Project, table: str) -> tuple[str, ...]:
    """Return the declared key of a lake table's rows inside a partition; none for what is not declared or has no key.

    Parameters
    ----------
    project : Project
        Whose declarations are asked.
    table : str
        ``project/layer/name``.
    """
    of = TableName(table)
    name = of.name
    if of.project != project.name or of.layer not in LAYERS:
        return ()
    key = LAYERS[of.layer].row_key
    if key == "declared" and name in project.tables:
        return project.tables[name].key
    if key == "change point":
        for view in project.views.values():
            for entity, asset in view.asset_names.items():
                if asset == name:
                    return (*entity, VALID_FROM)
    if key == "spine" and name in project.problems:
        return (CUTOFF, *project.problems[name].spine_key)
    return ("feature",) if key == "feature" else ()
