"""Let Featuretools say which features a table offers; the engine computes them.

Featuretools' search (``dfs`` with ``features_only=True``, depth 1) runs over empty, typed frames: it needs types and no rows.
It is imported only when a view with ``discover`` is asked for its definitions, because that takes a second or more.
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ml_platform.core.errors import DeclarationError, UnknownNameError, did_you_mean
from ml_platform.features.declared.compile_windows import Value, as_window, column_value, define
from ml_platform.features.declared.feature_limit import Discovered, whole_features
from ml_platform.features.declared.functions.registry import FUNCTIONS
from ml_platform.features.declared.value_types import engine_type
from ml_platform.features.declared.view import FeatureView
from ml_platform.sql.duck import quote_name
from ml_platform.tables.declared.table import Table

# Featuretools' aggregation primitives that the engine has a function for.
PRIMITIVES = {f.primitive: f.name for f in FUNCTIONS.values() if f.primitive}
# Primitives of the time index alone.
_OF_TIME = frozenset(f.primitive for f in FUNCTIONS.values() if f.of_rows)
_LOGICAL_TYPES = {
    "BIGINT": "IntegerNullable", "DOUBLE": "Double", "BOOLEAN": "BooleanNullable", "VARCHAR": "Categorical", "DATE": "Datetime",
    "TIMESTAMP WITH TIME ZONE": "Datetime",
}  # fmt: skip
_PANDAS_TYPES = {"IntegerNullable": "Int64", "Double": "float64", "BooleanNullable": "boolean", "Categorical": "category"}
_KEY, _ROW, _TIME = "__entity", "__row", "__time"


def check_discover(view: FeatureView, source: Table, types: Mapping[str, str]) -> None:
    """Check a view's ``discover`` without Featuretools.

    Raises
    ------
    UnknownNameError
        If it names a column that the source lacks.
    DeclarationError
        If it names primitives that the engine has no function for (all are listed), or the view has no windows.
    """
    discover = view.discover
    if discover is None:
        return
    refused = [p for p in discover.primitives if p not in PRIMITIVES]
    if refused:
        raise DeclarationError(
            f"{view.where}: the engine has no function for the primitives {', '.join(refused)}. {did_you_mean(refused[0], PRIMITIVES)}"
        )
    for column in discover.columns:
        if column not in types:
            raise UnknownNameError(f"{view.where}: table {source.name!r} has no column {column!r}. {did_you_mean(column, types)}")
    if not view.windows:
        raise DeclarationError(f"{view.where}: `discover` needs `windows`, for example `windows: [1d, 7d]`.")


def discover_definitions(view: FeatureView, source: Table, types: Mapping[str, str], entity: tuple[str, ...]) -> Discovered:
    """Return what Featuretools finds for one entity, as definitions of the engine: each feature for each window of the view.

    Parameters
    ----------
    view : FeatureView
        With ``discover``, checked by :func:`check_discover`.
    source : Table
        The view's table.
    types : mapping of str to str
        Columns of the table and their DuckDB types.
    entity : tuple of str
        Key columns.

    Returns
    -------
    Discovered
        At most ``discover.max_features``, in Featuretools' order; all windows of a feature or none. With the names of those that had no
        room. Columns that nothing says the availability of, and those of the keys, are not looked at unless they are named.
    """
    discover = view.discover
    if discover is None:
        return Discovered(())
    columns = discover.columns or tuple(c for c in types if _is_offered(source, types, c, entity))
    found = []
    for primitive, column in _search({c: engine_type(types[c]) or "" for c in columns}, discover.primitives):
        value = Value(None, None, "BOOLEAN", ()) if column is None else column_value(column, types)
        if primitive == "percent_true":
            # It counts NULL as not true.
            value = replace(value, sql=f"coalesce({quote_name(str(column))}, FALSE)")
        function = PRIMITIVES[primitive]
        if not FUNCTIONS[function].takes(value.type):
            raise DeclarationError(
                f"{view.where}: Featuretools found {primitive}({column}), but {function} takes {FUNCTIONS[function].takes_words} here."
            )
        made = [define(view, source, entity, value, function, as_window(window)) for window in view.windows]
        # A value with an SQL of its own is no longer the table's column: under that name it would stand in for it in other features.
        found += [replace(d, value=f"{d.value} is true") if value.sql is not None and d.value is not None else d for d in made]
    kept, rest = whole_features(tuple(dict.fromkeys(found)), discover.max_features, lambda d: (d.value, d.sql, d.function))
    return Discovered(tuple(kept), tuple(d.name for d in rest))


def _is_offered(source: Table, types: Mapping[str, str], column: str, entity: tuple[str, ...]) -> bool:
    hidden = {*entity, *source.key, source.event_time}
    return column not in hidden and engine_type(types[column]) is not None and source.available_at_column(column) is not None


def _search(columns: Mapping[str, str], primitives: tuple[str, ...]) -> list[tuple[str, str | None]]:
    """Return (primitive, column) of every feature that Featuretools builds at depth 1; the column is None for whole rows."""
    with warnings.catch_warnings():
        # Woodwork, below Featuretools, still imports the deprecated pkg_resources.
        warnings.simplefilter("ignore")
        import featuretools as ft
        import pandas as pd

        logical = {c: _LOGICAL_TYPES[kind] for c, kind in columns.items()}
        rows: dict[str, Any] = {
            _KEY: pd.Series([], dtype="Int64"),
            _ROW: pd.Series([], dtype="Int64"),
            _TIME: pd.Series([], dtype="datetime64[ns]"),
        }
        rows |= {c: pd.Series([], dtype=_PANDAS_TYPES.get(kind, "datetime64[ns]")) for c, kind in logical.items()}
        entityset = ft.EntitySet("discover")
        # Nothing can be inferred from columns without rows, so that every type is given.
        logical |= {_KEY: "IntegerNullable", _ROW: "IntegerNullable", _TIME: "Datetime"}
        keys = pd.DataFrame({_KEY: rows[_KEY]})
        entityset.add_dataframe(dataframe_name="entities", dataframe=keys, index=_KEY, logical_types={_KEY: "IntegerNullable"})
        entityset.add_dataframe(dataframe_name="rows", dataframe=pd.DataFrame(rows), index=_ROW, time_index=_TIME, logical_types=logical)
        entityset.add_relationship("entities", _KEY, "rows", _KEY)
        features: Any = ft.dfs(
            entityset=entityset,
            target_dataframe_name="entities",
            agg_primitives=list(primitives),
            trans_primitives=[],
            max_depth=1,
            features_only=True,
        )
    found = []
    for feature in features:
        base = feature.base_features[0].column_name
        if feature.primitive.name in _OF_TIME:
            found.append((feature.primitive.name, None))
        elif base in columns:
            found.append((feature.primitive.name, base))
    return found
