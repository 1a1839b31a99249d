"""Which features a problem, or a list of names, asks for: one definition each, by names that tell them apart."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from ml_platform.core.errors import UnknownNameError, did_you_mean
from ml_platform.features.declared.definition import FeatureDefinition
from ml_platform.features.declared.distinct_names import asked_definitions, with_distinct_names
from ml_platform.features.nested.search import discovered
from ml_platform.project.project import CompiledProblem, Project
from ml_platform.training.steps import step_features

if TYPE_CHECKING:
    from ml_platform.features.declared.compiled_view import CompiledView


def resolve_features(
    project: Project, wanted: CompiledProblem | Sequence[str], spine_columns: Sequence[str] | None = None
) -> tuple[FeatureDefinition, ...]:
    """Return the definitions that a problem, or a list of names, asks for.

    Parameters
    ----------
    project : Project
        Where the names are declared.
    wanted : CompiledProblem or sequence of str
        A problem; or views (all entities), single features (``delays.origin_count_7d``) and table columns (``planes.seats``).
    spine_columns : sequence of str, optional
        With names: leave out entities of views whose columns are not all among these.

    Returns
    -------
    tuple of FeatureDefinition
        In the order asked for, each once; those called alike carry the name of their view.

    Raises
    ------
    UnknownNameError
        If there is no such view, feature, table or column.
    """
    if isinstance(wanted, CompiledProblem) and wanted.carried:
        return wanted.carried
    names = wanted.problem.features if isinstance(wanted, CompiledProblem) else wanted

    def entities_of(view: str) -> list[tuple[str, ...]]:
        return _entities(project.view(view), wanted, spine_columns)

    for name in names:
        _check_name(project, name, entities_of, spine_columns)
    found = dict.fromkeys(asked_definitions(names, project.views, project.tables, entities_of))
    if isinstance(wanted, CompiledProblem) and wanted.discovery is not None:
        found |= dict.fromkeys(discovered(wanted.discovery).features)
    if isinstance(wanted, CompiledProblem):
        found |= dict.fromkeys(step_features(wanted.problem))
    return with_distinct_names(found)


def _check_name(
    project: Project, name: str, entities_of: Callable[[str], list[tuple[str, ...]]], spine_columns: Sequence[str] | None
) -> None:
    owner, _, column = name.partition(".")
    if owner in project.views:
        view, entities = project.view(owner), entities_of(owner)
        if not entities:
            asked = "; ".join(", ".join(entity) for entity in view.entities)
            raise UnknownNameError(
                f"The spine has no columns of any entity of view {owner!r} ({asked}). It has: {', '.join(spine_columns or ())}."
            )
        made = [d.name for entity in entities for d in view.definitions(entity)] if column else [column]
        if column not in made:
            raise UnknownNameError(f"View {owner!r} has no feature {column!r}. {did_you_mean(column, made)}")
    elif owner not in project.tables or not column:
        options = [*project.views, *project.tables]
        raise UnknownNameError(f"{name!r} names neither a view, a feature nor a table's column. {did_you_mean(owner, options)}")


def _entities(view: CompiledView, wanted: CompiledProblem | Sequence[str], spine_columns: Sequence[str] | None) -> list[tuple[str, ...]]:
    if isinstance(wanted, CompiledProblem):
        return [entity for name, entity in wanted.view_entities if name == view.name]
    return [entity for entity in view.entities if spine_columns is None or set(entity) <= set(spine_columns)]
