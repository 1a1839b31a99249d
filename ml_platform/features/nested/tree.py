"""A feature of features as a tree: plain data that says everything, so that a model computes it long after the declarations have moved on.

The tree is evaluated on rows of a table, each at a cutoff. A column is the row's own; a transform combines values of the row; a direct
feature is a value of the row's parent; an aggregate is made of the rows that are its children.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from ml_platform.core.durations import format_duration, parse_duration
from ml_platform.core.hashing import canonical_json

# Raised when a tree is evaluated differently, so that what was computed before is not taken for it.
TREE_RULES = 1


@dataclass(frozen=True)
class Column:
    """A column of the row itself: NULL until its ``available_at`` (stored columns; none: always known) lies before the cutoff.

    ``type`` is the engine's type, ``dtype`` the pandas type in which Featuretools would hold the values.
    """

    name: str
    type: str
    dtype: str
    available_at: tuple[str, ...] = ()


@dataclass(frozen=True)
class Link:
    """How two tables hang together: the columns ``via`` of ``child`` name the ``key`` of ``parent``.

    ``child_known`` and ``parent_known`` are the stored columns that say from when each side's columns are known.
    """

    child: str
    via: tuple[str, ...]
    child_known: tuple[str, ...]
    parent: str
    key: tuple[str, ...]
    parent_known: tuple[str, ...]


@dataclass(frozen=True)
class Transform:
    """Featuretools' transform ``primitive`` (``arguments`` as JSON) of values of the same row; ``default`` if the row is not known."""

    primitive: str
    arguments: str
    inputs: tuple[Node, ...]
    type: str
    dtype: str
    default: Any = None


@dataclass(frozen=True)
class Direct:
    """A value of the parent's row that became available last before the cutoff; ``default`` if there is none."""

    link: Link
    input: Node
    type: str
    dtype: str
    default: Any = None


@dataclass(frozen=True)
class Aggregate:
    """Featuretools' aggregation ``primitive`` over the rows at the end of ``path``, those for which ``where`` is true.

    Rows count that became available in the last ``window`` before the cutoff (None: at any time before), of these the last ``rows`` if
    given. Where the result depends on their order, ``event_time`` says which; without it they stand in the order of availability.
    ``output`` chooses one of several results; ``default`` is the value where there are no rows.
    """

    path: tuple[Link, ...]
    primitive: str
    arguments: str
    inputs: tuple[Node, ...]
    type: str
    dtype: str
    window: timedelta | None = None
    rows: int | None = None
    where: Node | None = None
    event_time: Column | None = None
    output: int | None = None
    default: Any = None


Node = Column | Transform | Direct | Aggregate


@dataclass(frozen=True)
class Tree:
    """A node on the rows of ``table``, which are found by ``key``; they are known from ``known`` on (stored columns; none: always).

    Without a ``table`` the rows are the keys of the spine themselves.
    """

    table: str
    key: tuple[str, ...]
    known: tuple[str, ...]
    node: Node


def children(node: Node) -> tuple[Node, ...]:
    """Return the nodes that a node is directly made of."""
    if isinstance(node, Transform):
        return node.inputs
    if isinstance(node, Direct):
        return (node.input,)
    if isinstance(node, Aggregate):
        return (*node.inputs, *((node.where,) if node.where else ()))
    return ()


def walk(node: Node) -> Iterator[Node]:
    """Yield the node and everything below it."""
    yield node
    for child in children(node):
        yield from walk(child)


def own_availability(node: Node) -> frozenset[str]:
    """Return the stored availability columns of everything that a node reads of the row itself."""
    if isinstance(node, Column):
        return frozenset(node.available_at)
    if isinstance(node, Direct):
        return frozenset(node.link.child_known)
    if isinstance(node, Aggregate):
        return frozenset(node.path[0].parent_known)
    return frozenset().union(*(own_availability(i) for i in node.inputs))


def is_own(node: Node) -> bool:
    """Whether a node has one value per row, whatever the cutoff: it reads the row itself, and parents that are always known."""
    if isinstance(node, Transform):
        return all(is_own(i) for i in node.inputs) and node.primitive not in {"age", "time_since"}
    if isinstance(node, Direct):
        always = not node.link.parent_known and not (isinstance(node.input, Column) and node.input.available_at)
        return always and is_own(node.input) and not own_availability(node.input)
    return isinstance(node, Column)


def is_all_aggregates(tree: Tree) -> bool:
    """Whether a tree reads no column of its own row or of a parent: whatever it says, it says of other rows."""

    def of(node: Node) -> bool:
        return isinstance(node, Aggregate) or (not isinstance(node, Column) and all(of(child) for child in children(node)))

    return of(tree.node)


def row_availability(node: Aggregate) -> tuple[str, ...]:
    """Return the stored columns from the latest of which a row counts in an aggregate: those of all that it needs."""
    known = set(node.path[-1].child_known)
    for part in (*node.inputs, *((node.where,) if node.where else ())):
        known |= own_availability(part)
    if node.event_time is not None:
        known |= set(node.event_time.available_at)
    return tuple(sorted(known))


def read_columns(tree: Tree) -> dict[str, tuple[str, ...]]:
    """Return the stored columns that a tree reads of each table."""
    found: dict[str, dict[str, None]] = {tree.table: dict.fromkeys([*tree.key, *tree.known])}

    def read(table: str, node: Node) -> None:
        columns = found.setdefault(table, {})
        if isinstance(node, Column):
            columns |= dict.fromkeys([node.name, *node.available_at])
        elif isinstance(node, Transform):
            for part in node.inputs:
                read(table, part)
        elif isinstance(node, Direct):
            _link(node.link)
            read(node.link.parent, node.input)
        else:
            for link in node.path:
                _link(link)
            for part in (*children(node), *((node.event_time,) if node.event_time else ())):
                read(node.path[-1].child, part)

    def _link(link: Link) -> None:
        found.setdefault(link.child, {}).update(dict.fromkeys([*link.via, *link.child_known]))
        found.setdefault(link.parent, {}).update(dict.fromkeys([*link.key, *link.parent_known]))

    read(tree.table, tree.node)
    return {table: tuple(columns) for table, columns in found.items()}


def table_reach(tree: Tree) -> dict[str, timedelta | None]:
    """Return how far before the cutoff the rows of each table can matter; None where nothing bounds it.

    That the spine's own rows are looked up does not count.
    """
    reach: dict[str, timedelta | None] = {}
    for node in walk(tree.node):
        if isinstance(node, Direct):
            reach[node.link.parent] = None
        elif isinstance(node, Aggregate):
            for link in node.path[:-1]:
                reach[link.child] = None
            last = node.path[-1].child
            if last not in reach:
                reach[last] = node.window
            elif (known := reach[last]) is not None:
                reach[last] = None if node.window is None else max(known, node.window)
    return reach


def to_code(tree: Tree) -> str:
    """Return a tree as canonical JSON; :func:`from_code` reads it."""
    plain = {"rules": TREE_RULES, "table": tree.table, "key": tree.key, "known": tree.known, "node": _plain(tree.node)}
    return canonical_json(plain)


def from_code(code: str) -> Tree:
    """Return the tree that :func:`to_code` wrote."""
    plain = json.loads(code)
    return Tree(plain["table"], tuple(plain["key"]), tuple(plain["known"]), _node(plain["node"]))


_KINDS: dict[str, type] = {"column": Column, "transform": Transform, "direct": Direct, "aggregate": Aggregate}


def _plain(value: Any) -> Any:
    if isinstance(value, timedelta):
        return format_duration(value)
    if isinstance(value, tuple):
        return [_plain(v) for v in value]
    if not hasattr(value, "__dataclass_fields__"):
        return value
    fields = {name: _plain(getattr(value, name)) for name in value.__dataclass_fields__}
    fields = {name: v for name, v in fields.items() if v is not None}
    kind = next((name for name, found in _KINDS.items() if isinstance(value, found)), None)
    return fields if kind is None else {"node": kind, **fields}


def _node(plain: Mapping[str, Any]) -> Node:
    values = dict(plain)
    kind = _KINDS[values.pop("node")]
    for name in ("inputs", "available_at"):
        if name in values:
            values[name] = tuple(_node(v) if isinstance(v, dict) else v for v in values[name])
    for name in ("input", "where", "event_time"):
        if name in values:
            values[name] = _node(values[name])
    if "link" in values:
        values["link"] = _link(values["link"])
    if "path" in values:
        values["path"] = tuple(_link(link) for link in values["path"])
    if "window" in values:
        values["window"] = parse_duration(values["window"], what="window")
    return kind(**values)


def _link(plain: Mapping[str, Any]) -> Link:
    values: dict[str, Any] = {name: tuple(v) if isinstance(v, list) else v for name, v in plain.items()}
    return Link(**values)
