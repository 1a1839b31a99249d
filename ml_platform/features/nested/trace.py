"""Which rows a feature of features was made of, level by level."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import polars as pl

from ml_platform.features.declared.definition import CUTOFF
from ml_platform.features.nested.aggregates import FOREVER
from ml_platform.features.nested.evaluate import PAIR_LIMIT, Evaluator
from ml_platform.features.nested.frames import Frame, Ints, Tables, find_rows
from ml_platform.features.nested.pairs import list_pairs
from ml_platform.features.nested.tree import Aggregate, Direct, Node, Transform, Tree, children, row_availability
from ml_platform.features.timeline.event_columns import to_micros

Traced = dict[tuple[str, tuple[str, ...]], set[int]]


def trace(frames: Mapping[str, pl.DataFrame], spine: pl.DataFrame, tree: Tree) -> Traced:
    """Return the rows that a tree looks at for some spine rows.

    Parameters
    ----------
    frames : mapping of str to DataFrame
        As for :func:`ml_platform.features.nested.evaluate.evaluate`.
    spine : DataFrame
        Key and ``_cutoff``; every row is traced, so one or a few.
    tree : Tree
        What is asked about.

    Returns
    -------
    dict
        Row numbers by table and by the stored columns from the latest of which the rows counted (none: always). The rows that keep an
        aggregate's condition and lie in its window, also those whose value is missing; the parents that were found; and the spine's own.
    """
    given = dict(frames)
    if not tree.table:
        given[tree.table] = spine.select(tree.key).unique(maintain_order=True).drop_nulls()
    tables = Tables(given)
    grid, times = np.unique(to_micros(spine[CUTOFF])[0], return_inverse=True)
    frame = Frame(tree.table, find_rows(tables, tree.table, tree.key, tree.known, spine), times.astype(np.int64))
    found: Traced = {}
    if tree.table:
        _note(found, tree.table, tree.known, frame.rows)
    _trace(Evaluator(tables, grid, PAIR_LIMIT), frame, tree.node, found)
    return found


def _trace(evaluator: Evaluator, frame: Frame, node: Node, found: Traced) -> None:
    if isinstance(node, Transform):
        for part in children(node):
            _trace(evaluator, frame, part, found)
    elif isinstance(node, Direct):
        rows = evaluator.tables.parents(node.link, frame.rows, evaluator.grid[frame.times])
        _note(found, node.link.parent, node.link.parent_known, rows)
        _trace(evaluator, Frame(node.link.parent, rows, frame.times), node.input, found)
    elif isinstance(node, Aggregate):
        _trace_aggregate(evaluator, frame, node, found)


def _trace_aggregate(evaluator: Evaluator, frame: Frame, node: Aggregate, found: Traced) -> None:
    tables, grid, known = evaluator.tables, evaluator.grid, row_availability(node)
    table = node.path[-1].child
    for pairs in list_pairs(tables, node.path, known, frame.rows, grid[frame.times], node.window or FOREVER, limit=PAIR_LIMIT):
        inner = Frame(table, pairs.rows, frame.times[pairs.queries][pairs.query])
        if node.where is not None:
            kept = evaluator.evaluate(inner, [node.where])[node.where].fill_null(value=False).to_numpy()
            inner = Frame(table, inner.rows[kept], inner.times[kept])
        _note(found, table, known, inner.rows)
        for part in node.inputs:
            _trace(evaluator, inner, part, found)


def _note(found: Traced, table: str, known: tuple[str, ...], rows: Ints) -> None:
    found.setdefault((table, known), set()).update(int(row) for row in np.unique(rows[rows >= 0]))
