"""What a problem stands on: the tables and the feature tables that must be there before it can be trained and scored."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ml_platform.core.intervals import before, day_key, day_start
from ml_platform.features.declared.compiled_view import CompiledView
from ml_platform.features.declared.inputs import leaves
from ml_platform.project.project import CompiledProblem, Project

FeatureTable = tuple[CompiledView, tuple[str, ...]]


@dataclass(frozen=True)
class Needed:
    """Names of tables, those first that others are derived from, and feature tables as views with one of their entities."""

    tables: tuple[str, ...]
    features: tuple[FeatureTable, ...]


def needed(project: Project, problem: CompiledProblem) -> Needed:
    """Return what one problem stands on.

    Parameters
    ----------
    project : Project
        Its project.
    problem : CompiledProblem
        The problem.

    Returns
    -------
    Needed
        Also the tables that contracts refer to: without them their references cannot be checked.
    """
    features: dict[tuple[str, tuple[str, ...]], FeatureTable] = {}
    names = [problem.spine_table.name, problem.label_table.name, *(c.table for c in problem.table_columns), *searched_tables(problem)]
    for name, entity in problem.view_entities:
        view = project.view(name)
        names += view.reads
        for stored, its in stored_tables(project, view, entity):
            features[stored.name, its] = (stored, its)
            names += stored.reads
    return Needed(tuple(_below(project, names)), tuple(features.values()))


def first_read_day(problem: CompiledProblem, one: FeatureTable, date: str | None) -> str | None:
    """Return the first day of a feature table that a training reads: what lies before its rows, and their windows, is of no use to it.

    Parameters
    ----------
    problem : CompiledProblem
        What is trained.
    one : FeatureTable
        A feature table that it stands on.
    date : str or None
        The training date.

    Returns
    -------
    str or None
        ``YYYY-MM-DD``; None without a training date.
    """
    if date is None:
        return None
    view, entity = one
    from ml_platform.features.engine.change_points import longest_reach

    first_cutoff = before(day_start(date), problem.problem.training.look_back)
    return day_key(before(first_cutoff, longest_reach(view.definitions(entity))))


def stored_tables(project: Project, view: CompiledView, entity: tuple[str, ...]) -> list[FeatureTable]:
    """Return the feature tables that one entity's features are read from: its own, or those of what its expressions are made of."""
    if view.view.is_expression:
        below = dict.fromkeys((d.view, d.entity) for d in leaves(view.definitions(entity)) if d.view)
        return [(project.view(name), its) for name, its in below if project.view(name).view.store]
    return [(view, entity)] if view.view.store else []


def searched_tables(problem: CompiledProblem) -> list[str]:
    """Return the tables that Featuretools' features can read."""
    return [] if problem.discovery is None else [table.stored for table in problem.discovery.tables.values() if table.stored]


def _below(project: Project, names: Iterable[str]) -> list[str]:
    """Return the tables with all that they are derived from or refer to, each after what it is made from."""
    found: dict[str, None] = {}
    begun: set[str] = set()

    def visit(name: str) -> None:
        if name in begun:
            return
        begun.add(name)
        table = project.table(name)
        for above in (*table.reads, *(r.table for r in table.contract.references if r.table in project.tables)):
            visit(above)
        found[name] = None

    for name in names:
        visit(name)
    return list(found)
