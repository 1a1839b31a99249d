"""Features of Featuretools as trees, and trees as feature definitions."""

from __future__ import annotations

import inspect
import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import timedelta
from typing import Any

from ml_platform.core.durations import format_duration
from ml_platform.core.errors import DeclarationError
from ml_platform.core.hashing import canonical_json, content_hash
from ml_platform.features.declared.definition import FeatureDefinition
from ml_platform.features.declared.explain import sentence
from ml_platform.features.declared.kinds import ColumnFeature, NestedFeature
from ml_platform.features.nested.primitives import AGGREGATIONS, TRANSFORMS, Handling, refusals
from ml_platform.features.nested.schema import DTYPES, Schema, SearchTable
from ml_platform.features.nested.tree import (
    Aggregate,
    Column,
    Direct,
    Link,
    Node,
    Transform,
    Tree,
    read_columns,
    table_reach,
    to_code,
    walk,
)

# (parent dataframe, its column, child dataframe, its column) of an entity set.
Joined = tuple[str, str, str, str]
_BY_TYPE = {
    "BIGINT": "Int64",
    "BOOLEAN": "boolean",
    "VARCHAR": "object",
    "DATE": "datetime64[ns]",
    "TIMESTAMP WITH TIME ZONE": "datetime64[ns]",
}
# Primitives whose result is a value of the column itself.
_CHOOSING = frozenset({"min", "max", "first", "last", "mode", "n_most_common", "absolute", "negate", "sum"})
_NULLABLE = frozenset({"Int64", "Float64", "boolean"})
_LONGEST_NAME = 120
# How deep tests compare the primitives that are computed by Featuretools' own functions.
_FALLBACK_DEPTH = 2


class RefusedError(Exception):
    """A feature that cannot be computed here, and why."""


@dataclass(frozen=True)
class Translator:
    """Translates features of one entity set; ``links`` says which of its relationships is which."""

    schema: Schema
    links: Mapping[Joined, Link]
    window: timedelta | None = None
    refused: dict[str, None] = field(default_factory=dict)

    def tree(self, feature: Any, output: int | None = None) -> Tree | None:
        """Return a feature of the target as a tree; None, with the reasons noted, if it cannot be computed."""
        target = self.schema.tables[self.schema.target]
        try:
            return Tree(target.stored, target.key, target.known, self.node(feature, output))
        except RefusedError as reason:
            self.refused[f"{feature.get_name()}: {reason}"] = None
            return None

    def node(self, feature: Any, output: int | None = None) -> Node:
        """Return a feature as a node; ``output`` chooses one of several results."""
        kind = type(feature).__name__
        if kind == "FeatureOutputSlice":
            return self.node(feature.base_feature, feature.n)
        if kind == "IdentityFeature":
            return self._column(feature)
        if kind == "DirectFeature":
            base = self.node(feature.base_features[0], output)
            link = self._link(feature.relationship_path[0][1])
            return Direct(link, base, base.type, base.dtype, getattr(base, "default", None))
        if kind == "TransformFeature":
            return self._transform(feature)
        if kind == "AggregationFeature":
            return self._aggregate(feature, output)
        raise RefusedError(f"a {kind} {_refused_kinds(kind)}")

    def _table(self, name: str) -> SearchTable:
        if name not in self.schema.tables:
            raise RefusedError(f"there is no table {name!r} among {', '.join(self.schema.tables)}")
        return self.schema.tables[name]

    def _column(self, feature: Any) -> Column:
        table = self._table(feature.dataframe_name)
        if table.time is not None and feature.column_name == table.time.name:
            return table.time
        if feature.column_name not in table.columns:
            raise RefusedError(f"table {table.name!r} has no column {feature.column_name!r} that something says the availability of")
        column = table.columns[feature.column_name]
        logical = type(feature.column_schema.logical_type).__name__
        return replace(column, dtype=DTYPES.get(logical, "string")) if column.type == "VARCHAR" else column

    def _link(self, relationship: Any) -> Link:
        joined = (
            relationship.parent_dataframe.ww.name, relationship._parent_column_name,
            relationship.child_dataframe.ww.name, relationship._child_column_name,
        )  # fmt: skip
        if joined not in self.links:
            parent, key, child, via = joined
            raise RefusedError(f"{child}.{via} is not declared to name rows of {parent}.{key}")
        return self.links[joined]

    def _transform(self, feature: Any) -> Transform:
        name, arguments = _primitive(feature, TRANSFORMS, "transform")
        _check_depth(feature, TRANSFORMS[name])
        inputs = tuple(self.node(base) for base in feature.base_features)
        kind = _result_type(feature, name, inputs)
        return Transform(name, arguments, inputs, kind, _dtype(kind, inputs), _default(feature, kind))

    def _aggregate(self, feature: Any, output: int | None) -> Aggregate:
        name, arguments = _primitive(feature, AGGREGATIONS, "aggregation")
        _check_depth(feature, AGGREGATIONS[name])
        path = tuple(self._link(relationship) for _, relationship in feature.relationship_path)
        table = self._table(feature.child_dataframe_name)
        inputs = () if name == "count" else tuple(self.node(base) for base in feature.base_features)
        kind = _result_type(feature, name, inputs)
        # What pandas applies group by group comes back as plain floats, also of nullable numbers.
        applied = len(inputs) > 1 or feature.primitive.uses_calc_time
        dtype = "float64" if applied and kind in {"BIGINT", "DOUBLE"} else _dtype(kind, inputs)
        window, rows = _use_previous(feature.use_previous) if feature.use_previous else (self.window, None)
        return Aggregate(
            path, name, arguments, inputs, kind, dtype,
            # Rows of which nothing says when they became available are always there.
            window=window if table.time is not None and table.known_from(path[-1].via) else None,
            rows=rows,
            where=None if feature.where is None else self.node(feature.where),
            event_time=table.time if AGGREGATIONS[name].ordered or rows else None,
            output=output,
            default=_default(feature, kind),
        )  # fmt: skip


def definition_of(tree: Tree, name: str, featuretools_name: str) -> FeatureDefinition:
    """Return the definition of a tree, which says everything that is needed to compute it.

    A column of the spine's own row is the same feature as ``table.column`` of a problem.
    """
    if isinstance(tree.node, Column) and tree.table:
        known = tuple(sorted({*tree.known, *tree.node.available_at}))
        column = ColumnFeature(
            name=tree.node.name, entity=tree.key, type=tree.node.type, table=tree.table, value=tree.node.name,
            columns=(tree.node.name,), available_at=known,
        )  # fmt: skip
        return replace(column, description=sentence(column))
    windows = sorted({n.window for n in walk(tree.node) if isinstance(n, Aggregate) and n.window is not None})
    within = f", of the last {', '.join(format_duration(w) for w in windows)}" if windows else ""
    reach = {table: back for table, back in table_reach(tree).items() if table}
    return NestedFeature(
        name=name,
        entity=tree.key,
        type=tree.node.type,
        table=tree.table,
        columns=tuple(sorted(set(read_columns(tree).get(tree.table, ())) - {""})),
        code=to_code(tree),
        reads=tuple(sorted((table, ALL if back is None else back) for table, back in reach.items())),
        description=f"{featuretools_name} as Featuretools calls it{within}.",
    )


# How far back a table is read of which nothing bounds the age of a row that matters.
ALL = timedelta(days=40_000)


def named(trees: Iterable[tuple[Tree, str, str]]) -> tuple[FeatureDefinition, ...]:
    """Return definitions of (tree, wanted name, name in Featuretools); names that fall together get a hash of what they compute."""
    found = list(trees)
    slugs = [slug(wanted) for _, wanted, _ in found]
    definitions = []
    for (tree, _, theirs), name in zip(found, slugs, strict=True):
        code = content_hash(to_code(tree), length=6)
        short = name if len(name) <= _LONGEST_NAME and slugs.count(name) == 1 else f"{name[: _LONGEST_NAME - 7]}_{code}"
        definitions.append(definition_of(tree, short, theirs))
    return tuple(dict.fromkeys(definitions))


def slug(name: str) -> str:
    """Return a name of Featuretools as one for columns: ``MEAN(a.b.x)`` is ``mean_a_b_x``."""
    words = {"+": " plus ", "-": " minus ", "*": " times ", "/": " by ", "%": " modulo ", ">=": " ge ", "<=": " le ", "!=": " ne "}
    words |= {">": " gt ", "<": " lt ", "=": " is "}
    for sign in sorted(words, key=len, reverse=True):
        name = name.replace(f" {sign} ", words[sign])
    return re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")


def raise_refused(refused: Sequence[str], where: str) -> None:
    """Raise one error that names every feature that cannot be computed, with its reason."""
    if refused:
        raise DeclarationError(
            f"{where}: {len(refused)} features that discover finds cannot be computed here. {'; '.join(refused)}. "
            "See docs/reference/primitives.md."
        )


def _primitive(feature: Any, known: Mapping[str, Handling], what: str) -> tuple[str, str]:
    primitive = feature.primitive
    name = primitive.name
    if not type(primitive).__module__.startswith("featuretools.primitives.standard"):
        raise RefusedError(f"{type(primitive).__name__} is a primitive of your own; write it as a view of SQL or Python")
    found = refusals([name], known, what)
    if found:
        raise RefusedError(found[0].rstrip("."))
    # With the usual values too: a later Featuretools may have others.
    usual = {key: parameter.default for key, parameter in inspect.signature(type(primitive)).parameters.items()}
    arguments = {key: value for key, value in (usual | dict(primitive.get_arguments())).items() if value is not None}
    try:
        return name, canonical_json(arguments)
    except TypeError as error:
        raise RefusedError(f"{name} has an argument that is no plain value ({error})") from error


def _check_depth(feature: Any, handling: Handling) -> None:
    """Refuse Featuretools' own functions on top of features of features: what they answer depends on the pandas type of their input."""
    if handling.path == "fallback" and feature.get_depth() > _FALLBACK_DEPTH:
        raise RefusedError(
            f"{feature.primitive.name} is Featuretools' own function, which answers by the pandas types that it is handed; those of "
            f"features of features are not settled, so that it is computed to depth {_FALLBACK_DEPTH} only; say "
            f"`max_depth: {_FALLBACK_DEPTH}` or leave the primitive out"
        )


def _use_previous(previous: Any) -> tuple[timedelta | None, int | None]:
    if previous.has_no_observations():
        if previous.has_multiple_units() or not hasattr(previous, "get_unit_type"):
            raise RefusedError("use_previous with several units")
        unit, count = next(iter(previous.times.items()))
        lengths = {"w": "weeks", "d": "days", "h": "hours", "m": "minutes", "s": "seconds"}
        if unit not in lengths:
            raise RefusedError(f"use_previous of {count}{unit}: the window's length depends on the calendar")
        return timedelta(**{lengths[unit]: count}), None
    return None, int(previous.get_value("o"))


def _default(feature: Any, kind: str) -> Any:
    """Return what Featuretools puts where there is nothing; None where that is NaN, or no value of the feature's type (0 of a time)."""
    value = feature.default_value
    if isinstance(value, str) != (kind == "VARCHAR") or kind in {"DATE", "TIMESTAMP WITH TIME ZONE"}:
        return None
    if isinstance(value, bool | int | str):
        return bool(value) if kind == "BOOLEAN" else value
    return float(value) if isinstance(value, float) and not math.isnan(value) else None


def _result_type(feature: Any, name: str, inputs: tuple[Node, ...]) -> str:
    """Return the engine's type of a feature's values."""
    if name in _CHOOSING and inputs:
        return inputs[0].type
    schema = feature.column_schema
    logical = type(schema.logical_type).__name__ if schema.logical_type is not None else ""
    if logical in {"Integer", "IntegerNullable", "Age", "AgeNullable"}:
        return "BIGINT"
    if logical in {"Boolean", "BooleanNullable"}:
        return "BOOLEAN"
    if logical == "Datetime":
        return "TIMESTAMP WITH TIME ZONE"
    if logical == "Ordinal":
        return "BIGINT"
    if logical in {"Double", "AgeFractional"} or "numeric" in schema.semantic_tags:
        return "DOUBLE"
    if logical in {"Categorical", "NaturalLanguage"} or "category" in schema.semantic_tags:
        return "VARCHAR"
    raise RefusedError(f"{name} gives {logical or 'values of no type'}; a feature is a number, boolean, text or time")


def _dtype(kind: str, inputs: tuple[Node, ...]) -> str:
    """Return the pandas type in which Featuretools holds a computed feature: nullable where something it is made of is."""
    nullable = any(i.dtype in _NULLABLE for i in inputs)
    if kind in {"BIGINT", "DOUBLE"}:
        return ("Int64" if kind == "BIGINT" else "Float64") if nullable else "float64"
    if kind == "BOOLEAN":
        return "boolean" if nullable else "bool"
    return _BY_TYPE[kind]


def _refused_kinds(kind: str) -> str:
    if kind == "GroupByTransformFeature":
        return "looks at other rows of its group; an aggregation over a window says the same of past rows alone"
    return "is no kind of feature that is known here"
