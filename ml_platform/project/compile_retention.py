"""From what the declarations say about their history to the lake's rules: the nearest word counts."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from ml_platform.core.errors import UnknownNameError, did_you_mean
from ml_platform.core.layers import RETENTION_LAYERS, TableName
from ml_platform.lake.retention.rules import FOREVER, Retention, Rule
from ml_platform.tables.declared.table import Table

if TYPE_CHECKING:
    from ml_platform.features.declared.compiled_view import CompiledView
    from ml_platform.project.project import CompiledProblem


@dataclass(frozen=True)
class DeclaredRetention:
    """What a project says of the history of everything it makes, and of single layers; without a word it stays for ever."""

    default: Retention = FOREVER
    layers: Mapping[str, Retention] = field(default_factory=dict)
    where: str = ""


def compile_retention(
    project: str,
    declared: DeclaredRetention | None,
    tables: Iterable[Table],
    views: Iterable[CompiledView],
    problems: Iterable[CompiledProblem],
) -> tuple[Rule, ...]:
    """Return the rules for the lake's tables of a project: those of single declarations, then of layers, then of the project.

    Parameters
    ----------
    project : str
        The project's name.
    declared : DeclaredRetention, optional
        Of the project.
    tables, views, problems : iterables
        Each may have a retention of its own, for all that it makes.

    Returns
    -------
    tuple of Rule
        The first that matches a table decides. Empty if nothing is ever to be deleted.

    Raises
    ------
    UnknownNameError
        If a layer does not exist.
    """
    declared = declared or DeclaredRetention()
    known = sorted(name for names in RETENTION_LAYERS.values() for name in names)
    for layer in declared.layers:
        if layer not in known:
            raise UnknownNameError(f"{declared.where}: layers names {layer!r}. {did_you_mean(layer, known)}")
    own = [
        *((table.retention, [(layer, table.name) for layer in RETENTION_LAYERS["table"]]) for table in tables),
        *(
            (view.view.retention, [(layer, name) for layer in RETENTION_LAYERS["view"] for name in view.asset_names.values()])
            for view in views
        ),
        *((problem.problem.retention, [(layer, problem.name) for layer in RETENTION_LAYERS["problem"]]) for problem in problems),
    ]
    rules = [
        *(_rule(TableName.of(project, *made), retention) for retention, all_made in own if retention is not None for made in all_made),
        *(_rule(f"{project}/{layer}/*", retention) for layer, retention in sorted(declared.layers.items())),
        _rule(f"{project}/*", declared.default),
    ]
    return tuple(rules) if any(not rule.retention.is_forever for rule in rules) else ()


def _rule(tables: str, retention: Retention) -> Rule:
    return Rule(tables, retention.superseded_for, retention.versions)
