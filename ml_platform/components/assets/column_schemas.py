"""The columns of tables, feature tables and training sets as Dagster shows them: each with the sentence that says what it is."""

from typing import Any

import dagster as dg

from ml_platform.features.declared.compiled_view import CompiledView
from ml_platform.features.declared.definition import VALID_FROM, FeatureDefinition
from ml_platform.project.project import CompiledProblem, Project
from ml_platform.tables.declared.types import contract_columns
from ml_platform.training.label_sql import bind_label
from ml_platform.training.steps import STEP_TYPES, has_steps

# Dagster opens a page with all columns under this key, before any metadata; under another name they are a link that opens them.
IN_PLACE, BY_LINK = "dagster/column_schema", "columns"
# So many lines of a table's own contract are what its reader came for.
_MOST_IN_PLACE = 20
_VALID_FROM = "The first cutoff for which the values of the row hold; they hold until the entity's next row."


def shown_columns(schema: dg.TableSchema, *, is_table: bool) -> dict[str, Any]:
    """Return columns as metadata of an asset.

    The columns of a table stand on its page where they are few. A page whose reader comes for a plot or a verdict begins with that, and
    has its columns, often hundreds, behind a link: none of them is left out.

    Parameters
    ----------
    schema : TableSchema
        The columns.
    is_table : bool
        Whether they are what the asset is about: the contract of a table.
    """
    in_place = is_table and len(schema.columns) <= _MOST_IN_PLACE
    return {IN_PLACE: schema} if in_place else {BY_LINK: dg.MetadataValue.table_schema(schema)}


def feature_columns(view: CompiledView, entity: tuple[str, ...]) -> dg.TableSchema | None:
    """Return the columns of one feature table; None where Featuretools is yet to be asked which there are, which takes seconds."""
    if view.view.discover is not None:
        return None
    told = {d.stored_name: _told(d) for d in view.definitions(entity)}
    told |= {VALID_FROM: _VALID_FROM, **dict.fromkeys(entity, "Key of the entity.")}
    return dg.TableSchema([dg.TableColumn(name, kind, told.get(name)) for name, kind in view.column_types(entity).items()])


def training_columns(project: Project, problem: CompiledProblem) -> dg.TableSchema | None:
    """Return the columns of a training set; None where a view's features are yet to be discovered."""
    definitions = _features(project, problem)
    if definitions is None:
        return None
    types = contract_columns(problem.spine_table.contract) | (STEP_TYPES if has_steps(problem.problem) else {})
    names = {d.name for d in definitions}
    joined = [*(c for _, entity in problem.view_entities for c in entity), *(c for joined in problem.table_columns for c in joined.on)]
    spine = dict.fromkeys([*problem.spine_key, *problem.problem.label.match, *joined, *problem.request])
    told = dict.fromkeys(problem.request, "What the caller gives at request time.")
    told |= dict.fromkeys(problem.spine_key, "Key of the spine row.")
    columns = [dg.TableColumn(n, types[n], told.get(n)) for n in spine if n in problem.spine_key or n not in names]
    columns += [
        dg.TableColumn("_cutoff", "TIMESTAMP WITH TIME ZONE", "Features are of what was available strictly before it."),
        dg.TableColumn("_split", "VARCHAR", "train, validate or test, in the order of time."),
        dg.TableColumn("_label", _label_type(problem), f"`{problem.problem.label.sql}` over {problem.label_table.name}, once mature."),
    ]
    there = {column.name for column in columns}
    return dg.TableSchema([*columns, *(dg.TableColumn(d.name, d.type, d.description) for d in definitions if d.name not in there)])


def _label_type(problem: CompiledProblem) -> str:
    """Return the type of stored labels: of classes their names, else numbers."""
    is_text = bind_label(problem.problem, problem.label_table).type == "VARCHAR"
    return "VARCHAR" if is_text or problem.problem.task == "multiclass" else "DOUBLE"


def _told(definition: FeatureDefinition) -> str:
    if definition.stored_name != definition.name:
        return f"When the last one was, for: {definition.description}"
    return definition.description


def _features(project: Project, problem: CompiledProblem) -> tuple[FeatureDefinition, ...] | None:
    searches = problem.discovery is not None or any(project.view(name).view.discover for name, _ in problem.view_entities)
    return None if searches else project.declared_features(problem)
