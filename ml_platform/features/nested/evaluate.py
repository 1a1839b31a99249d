"""Evaluate trees of features of features, level by level: a frame of rows at cutoffs, the frames of its parents and of its children.

Nothing loops over rows. An aggregate of what a child row says of itself goes to the window engine as it is. One of what depends on the
cutoff (a feature of the child's parent, say) is listed: pairs of a query and a child row, a bounded number at a time; the inner values are
computed for the different (row, cutoff) among them, and each query is an entity of its own for the same engine.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np
import polars as pl

from ml_platform.features.declared.definition import CUTOFF
from ml_platform.features.nested.aggregates import ROW_FINDERS, Aggregation, Asked, Rows, aggregate_groups, is_fast
from ml_platform.features.nested.frames import Frame, Ints, Tables, find_rows, is_known
from ml_platform.features.nested.pairs import Pairs, list_pairs
from ml_platform.features.nested.pandas_values import POLARS_TYPES
from ml_platform.features.nested.picked import Picked
from ml_platform.features.nested.transforms import transform
from ml_platform.features.nested.tree import Aggregate, Column, Direct, Link, Node, Transform, Tree, is_own, row_availability
from ml_platform.features.timeline.event_columns import to_micros

# So many pairs of a query and a child row are held at a time; each costs about 100 bytes and its share of the inner values.
PAIR_LIMIT = 2_000_000

Values = dict[Node, pl.Series]
# Rows at the end of a path that count from the same columns on and keep the same condition.
_Same = tuple[tuple[Link, ...], tuple[str, ...], Node | None, Column | None]


def evaluate(
    frames: Mapping[str, pl.DataFrame], spine: pl.DataFrame, trees: Sequence[Tree], *, pair_limit: int = PAIR_LIMIT
) -> list[pl.Series]:
    """Evaluate trees for every row of a spine.

    Parameters
    ----------
    frames : mapping of str to DataFrame
        The tables that the trees read, rows in stored order, with the columns of :func:`ml_platform.features.nested.tree.read_columns`.
    spine : DataFrame of n rows
        The trees' keys and ``_cutoff``.
    trees : sequence of Tree
        What to evaluate.
    pair_limit : int
        Pairs of a query and a child row held at a time.

    Returns
    -------
    list of Series of n rows
        One per tree. A row without key or cutoff has NULL; a row that its table does not know yet has each feature's default, as in
        Featuretools.
    """
    cutoffs, has_cutoff = to_micros(spine[CUTOFF])
    grid, times = np.unique(cutoffs, return_inverse=True)
    found: dict[int, pl.Series] = {}
    groups: dict[tuple, list[int]] = {}
    for place, tree in enumerate(trees):
        groups.setdefault((tree.table, tree.key, tree.known), []).append(place)
    for (table, key, known), places in groups.items():
        given = dict(frames)
        if not table:
            given[table] = spine.select(key).unique(maintain_order=True).drop_nulls()
        tables = Tables(given)
        frame, inverse = Frame(table, find_rows(tables, table, key, known, spine), times.astype(np.int64)).distinct()
        values = Evaluator(tables, grid, pair_limit).evaluate(frame, [trees[p].node for p in places])
        there = spine.select(pl.all_horizontal(pl.col(c).is_not_null() for c in key)).to_series() & pl.Series(has_cutoff)
        for place in places:
            spread = values[trees[place].node].gather(inverse)
            found[place] = pl.select(pl.when(there).then(spread)).to_series()
    return [found[place] for place in range(len(trees))]


class Evaluator:
    """Evaluates nodes on frames of some tables; ``grid`` holds the different cutoffs (microseconds) that frames refer to."""

    def __init__(self, tables: Tables, grid: Ints, pair_limit: int) -> None:
        self.tables = tables
        self.grid = grid
        self.pair_limit = pair_limit
        self._whole: dict[tuple[str, Node], pl.Series] = {}
        self._asked: dict[tuple[_Same, tuple[Aggregate, ...]], Aggregation] = {}
        self._orders: dict[tuple[str, Column | None, tuple[str, ...]], Ints] = {}

    def evaluate(self, frame: Frame, nodes: Iterable[Node]) -> Values:
        """Return the values of nodes on a frame, one per row of it; a missing row has each node's default."""
        nodes = list(dict.fromkeys(nodes))
        leaves = list(dict.fromkeys(leaf for node in nodes for leaf in _leaves(node)))
        values: Values = {}
        for link, group in _grouped((n for n in leaves if isinstance(n, Direct)), lambda n: n.link).items():
            values |= {node: picked.whole for node, picked in self._direct(frame, link, group).items()}
        aggregates = [n for n in leaves if isinstance(n, Aggregate)]
        if aggregates:
            values |= self._aggregates(frame, aggregates)
        missing = frame.rows < 0
        for node in nodes:
            values[node] = _with_default(self._local(frame, node, values), missing, node)
        return {node: values[node] for node in nodes}

    def _local(self, frame: Frame, node: Node, values: Values) -> pl.Series:
        """Return a column or a transform; what comes from other tables is among the values already."""
        if node not in values:
            if isinstance(node, Transform):
                inputs = [self._local(frame, part, values) for part in node.inputs]
                values[node] = transform(node, inputs, self.grid[frame.times])
            elif isinstance(node, Column):
                values[node] = self._column(frame, node)
        return values[node]

    def _column(self, frame: Frame, node: Column) -> pl.Series:
        known = self.tables.known(frame.table, node.available_at)
        series = self._stored(frame.table, node)
        if not series.len():
            return _gather(series, frame.rows)
        there = (frame.rows >= 0) & is_known(known[frame.rows], self.grid[frame.times])
        return _gather(series, np.where(there, frame.rows, -1))

    def _stored(self, table: str, node: Column) -> pl.Series:
        """Return a column of all rows of a table, in the type of the engine."""
        if (table, node) not in self._whole:
            series = self.tables.frames[table][node.name].cast(POLARS_TYPES[node.type]).rechunk()
            self._whole[table, node] = series.fill_nan(None) if series.dtype.is_float() else series
        return self._whole[table, node]

    def _own(self, table: str, node: Node) -> pl.Series:
        """Return what all rows of a table say of themselves and of parents that are always known, whatever the cutoff."""
        if isinstance(node, Column):
            return self._stored(table, node)
        if (table, node) not in self._whole:
            if isinstance(node, Transform):
                inputs = [self._own(table, part) for part in node.inputs]
                self._whole[table, node] = transform(node, inputs, np.zeros(self.tables.height(table), dtype=np.int64))
            elif isinstance(node, Direct):
                every = np.arange(self.tables.height(table))
                rows = self.tables.parents(node.link, every, np.full(every.size, np.iinfo(np.int64).max))
                self._whole[table, node] = _with_default(_gather(self._own(node.link.parent, node.input), rows), rows < 0, node)
        return self._whole[table, node]

    def _direct(self, frame: Frame, link: Link, nodes: list[Direct]) -> dict[Node, Picked]:
        """Return what rows of a frame say of their parents: once for each different (parent, cutoff)."""
        rows = self.tables.parents(link, frame.rows, self.grid[frame.times])
        above, places = Frame(link.parent, rows, frame.times), None
        if not all(isinstance(n.input, Column) for n in nodes):
            above, places = above.distinct()
        values = self.evaluate(above, [n.input for n in nodes])
        return {n: Picked(values[n.input], places) for n in nodes}

    def _aggregates(self, frame: Frame, nodes: list[Aggregate]) -> Values:
        values: Values = {}
        for same, group in _grouped(nodes, _same_rows).items():
            direct = [n for n in group if _is_direct(n)]
            listed = [n for n in group if not _is_direct(n)]
            if direct:
                values |= self._windows(frame, same, direct)
            if listed:
                values |= self._listed(frame, same, listed)
        return values

    def _windows(self, frame: Frame, same: _Same, nodes: list[Aggregate]) -> Values:
        """Let the window engine aggregate the rows of a child table as they are."""
        (link,), available_at, where, event_time = same
        numbered = self.tables.numbered(link)
        if (same, tuple(nodes)) not in self._asked:
            codes = numbered.child
            if where is not None:
                codes = np.where(self._own(link.child, where).fill_null(value=False).to_numpy(), codes, -1)
            parts = {part: Picked(self._own(link.child, part)) for n in nodes if n.primitive not in ROW_FINDERS for part in n.inputs}
            known = self.tables.known(link.child, available_at)
            rows = Rows(codes, known, lambda: self._rank(link.child, event_time, available_at), parts)
            self._asked[same, tuple(nodes)] = Aggregation(nodes, rows)
        asked = np.where(frame.rows >= 0, numbered.parent[frame.rows], -1) if numbered.parent.size else np.full(frame.size, -1)
        answers = self._asked[same, tuple(nodes)].answer(Asked(asked, self.grid[frame.times]))
        return self._finished(link.child, event_time, available_at, answers, frame.times)

    def _listed(self, frame: Frame, same: _Same, nodes: list[Aggregate]) -> Values:
        """List pairs of a query and a row, and aggregate piece by piece."""
        path, available_at, _, event_time = same
        table = path[-1].child
        windows = [n.window for n in nodes if n.window is not None]
        window = max(windows) if len(windows) == len(nodes) else None
        made: dict[Node, list[pl.Series]] = {n: [] for n in nodes}
        order: list[Ints] = []
        cutoffs = self.grid[frame.times]
        for pairs in list_pairs(self.tables, path, available_at, frame.rows, cutoffs, window, limit=self.pair_limit):
            order.append(pairs.queries)
            times = frame.times[pairs.queries]
            rows = self._pair_rows(table, pairs, times, same, nodes)
            asked = Asked(np.arange(pairs.queries.size), self.grid[times])
            fast = [n for n in nodes if is_fast(n)]
            found = self._finished(table, event_time, available_at, Aggregation(fast, rows).answer(asked), times) if fast else {}
            for node in nodes:
                made[node].append(found[node] if node in found else aggregate_groups(node, rows, asked))
        place = np.argsort(np.concatenate(order)) if order else np.zeros(0, dtype=np.int64)
        return {n: pl.concat(parts).gather(place) if parts else pl.Series([], dtype=POLARS_TYPES[n.type]) for n, parts in made.items()}

    def _pair_rows(self, table: str, pairs: Pairs, times: Ints, same: _Same, nodes: list[Aggregate]) -> Rows:
        """Compute the inner values of pairs, once for each different (row, cutoff), of parents' for each different (parent, cutoff)."""
        _, available_at, where, event_time = same
        listed = Frame(table, pairs.rows, times[pairs.query])
        parts = list(dict.fromkeys(part for n in nodes if not (is_fast(n) and n.primitive in ROW_FINDERS) for part in n.inputs))
        wanted = [*parts, *([where] if where is not None else [])]
        values: dict[Node, Picked] = {}
        for link, group in _grouped((n for n in wanted if isinstance(n, Direct)), lambda n: n.link).items():
            values |= self._direct(listed, link, list(dict.fromkeys(group)))
        rest = [n for n in wanted if n not in values]
        if rest:
            inner, places = listed.distinct()
            values |= {node: Picked(series, places) for node, series in self.evaluate(inner, rest).items()}
        codes = pairs.query
        if where is not None:
            codes = np.where(values[where].whole.fill_null(value=False).to_numpy(), codes, -1)
        known = self.tables.known(table, available_at)[pairs.rows]
        return Rows(codes, known, lambda: self._rank(table, event_time, available_at)[pairs.rows], {p: values[p] for p in parts}, own=True)

    def _finished(
        self, table: str, event_time: Column | None, available_at: tuple[str, ...], answers: Mapping[Node, pl.Series], times: Ints
    ) -> Values:
        """Look up the values of rows that were found as the first or the last one."""
        values: Values = {**answers}
        finders = [n for n in answers if isinstance(n, Aggregate) and n.primitive in ROW_FINDERS]
        if finders:
            by_rank = np.append(self._order(table, event_time, available_at), -1)
            for node in finders:
                row = by_rank[values[node].fill_null(-1).to_numpy()]
                value = self.evaluate(Frame(table, row, times), node.inputs)[node.inputs[0]]
                # Where there is no row at all, the default of the inner feature says nothing.
                values[node] = pl.select(pl.when(pl.Series(row >= 0)).then(value)).to_series()
        return values

    def _order(self, table: str, event_time: Column | None, available_at: tuple[str, ...]) -> Ints:
        """Return the rows of a table in the order of event time, availability and storage."""
        key = (table, event_time, available_at)
        if key not in self._orders:
            known = self.tables.known(table, available_at)
            self._orders[key] = np.lexsort((known, self._happened(table, event_time, known)))
        return self._orders[key]

    def _rank(self, table: str, event_time: Column | None, available_at: tuple[str, ...]) -> Ints:
        """Return the place of each row in that order, -1 for one that has no event time."""
        order = self._order(table, event_time, available_at)
        rank = np.empty(order.size, dtype=np.int64)
        rank[order] = np.arange(order.size)
        happened = self._happened(table, event_time, self.tables.known(table, available_at))
        return np.where(happened < np.iinfo(np.int64).max, rank, -1)

    def _happened(self, table: str, event_time: Column | None, known: Ints) -> Ints:
        return known if event_time is None else self.tables.known(table, (event_time.name,))


def _leaves(node: Node) -> Iterable[Node]:
    """Yield what a node reads from other tables, through the transforms of its own row."""
    if isinstance(node, Transform):
        for part in node.inputs:
            yield from _leaves(part)
    elif not isinstance(node, Column):
        yield node


def _same_rows(node: Aggregate) -> _Same:
    return node.path, row_availability(node), node.where, node.event_time


def _is_direct(node: Aggregate) -> bool:
    """Whether the engine can aggregate the child table as it is: nothing that it reads depends on the query's cutoff."""
    inner = node.primitive in ROW_FINDERS or all(is_own(i) for i in node.inputs)
    return len(node.path) == 1 and is_fast(node) and inner and (node.where is None or is_own(node.where))


def _with_default(series: pl.Series, missing: np.ndarray, node: Node) -> pl.Series:
    """Return the values of a node, with its default where there is no row."""
    if not missing.any():
        return series
    default = pl.Series([getattr(node, "default", None)], dtype=series.dtype)
    return pl.select(pl.when(pl.Series(missing)).then(default).otherwise(series)).to_series()


def _gather(series: pl.Series, rows: Ints) -> pl.Series:
    if not series.len():
        return pl.Series([None] * rows.size, dtype=series.dtype)
    if (rows >= 0).all():
        return series.gather(rows)
    wanted = pl.select(pl.when(pl.Series(rows >= 0)).then(pl.Series(rows))).to_series()
    return series.gather(wanted)


def _grouped(nodes: Iterable, key: Callable) -> dict:
    groups: dict = {}
    for node in nodes:
        groups.setdefault(key(node), []).append(node)
    return groups
