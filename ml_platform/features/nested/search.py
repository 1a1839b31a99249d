"""Ask Featuretools which features the declared tables offer, or read the definitions that it has saved.

The search (``dfs`` with ``features_only=True``) runs over empty, typed frames: it needs types and no rows. It is imported only when a
problem with ``discover`` is first asked for its features (1-2 s), and what it found is remembered.
"""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping
from datetime import timedelta
from typing import Any

from ml_platform.core.durations import format_duration
from ml_platform.core.errors import DeclarationError
from ml_platform.core.hashing import canonical_json
from ml_platform.features.declared.definition import FeatureDefinition
from ml_platform.features.declared.feature_limit import Discovered, whole_features
from ml_platform.features.nested.schema import Schema, SearchTable
from ml_platform.features.nested.translate import Joined, Translator, named, raise_refused, slug
from ml_platform.features.nested.tree import Link, Tree

# Names that stand for what is no column of the table: a row's number, and keys of several columns.
_ROW, _KEY = "_row", "_key"
_PANDAS = {"IntegerNullable": "Int64", "Double": "float64", "BooleanNullable": "boolean", "Datetime": "datetime64[ns]"}
_remembered: dict[str, Discovered] = {}


def discovered(schema: Schema) -> Discovered:
    """Return what Featuretools finds, as definitions; or what was saved.

    Parameters
    ----------
    schema : Schema
        Checked tables and words.

    Returns
    -------
    Discovered
        At most ``max_features``, in Featuretools' order, each that aggregates once for each window; all windows of a feature or none.
        With the names of those that had no room.

    Raises
    ------
    DeclarationError
        If features come up that cannot be computed here; all are named with the reasons.
    """
    asked = canonical_json((schema.tables, schema.links, schema.target, schema.discovery))
    if asked not in _remembered:
        with warnings.catch_warnings():
            # Woodwork, below Featuretools, still imports the deprecated pkg_resources.
            warnings.simplefilter("ignore")
            _remembered[asked] = _search(schema) if schema.discovery.definitions is None else Discovered(_saved(schema))
    return _remembered[asked]


def entity_set(schema: Schema) -> tuple[Any, dict[Joined, Link]]:
    """Return the tables as an entity set without rows, and which relationship of it is which link."""
    import featuretools as ft
    import pandas as pd

    entityset = ft.EntitySet("discover")
    names = {table.stored: table.name for table in schema.tables.values()}
    keys = {name: _index(table) for name, table in schema.tables.items()}
    extra: dict[str, list[str]] = {name: [] for name in schema.tables}
    links: dict[Joined, Link] = {}
    for number, link in enumerate(schema.links):
        parent, child = names[link.parent], names[link.child]
        via = link.via[0] if len(link.via) == 1 else f"{_KEY}_{number}"
        if len(link.via) > 1:
            extra[child].append(via)
        links[parent, keys[parent], child, via] = link
    for name, table in schema.tables.items():
        logical = dict(table.logical_types) | dict.fromkeys([*extra[name], keys[name]], "IntegerNullable")
        if keys[name] in table.logical_types:
            logical[keys[name]] = table.logical_types[keys[name]]
        if table.time is not None:
            logical[table.time.name] = "Datetime"
        frame = pd.DataFrame({c: pd.Series([], dtype=_PANDAS.get(kind, "string")) for c, kind in logical.items()})
        entityset.add_dataframe(
            dataframe_name=name,
            dataframe=frame,
            index=keys[name],
            time_index=table.time.name if table.time else None,
            logical_types=logical,
        )
        values = {c: list(v) for t, _, c, v in _interesting(schema) if t == name}
        if values:
            entityset.add_interesting_values(dataframe_name=name, values=values)
    for parent, key, child, via in links:
        entityset.add_relationship(parent, key, child, via)
    return entityset, links


def _index(table: SearchTable) -> str:
    if len(table.key) == 1:
        return table.key[0]
    return _KEY if table.key else _ROW


def _interesting(schema: Schema) -> Iterator[tuple[str, str, str, tuple[object, ...]]]:
    for name, values in schema.discovery.interesting_values.items():
        yield (*name.partition("."), values)


def _search(schema: Schema) -> Discovered:
    import featuretools as ft

    discovery = schema.discovery
    entityset, links = entity_set(schema)
    features: Any = ft.dfs(
        entityset=entityset,
        target_dataframe_name=schema.target,
        agg_primitives=list(discovery.aggregations),
        trans_primitives=list(discovery.transforms),
        where_primitives=list(discovery.where),
        max_depth=discovery.max_depth,
        features_only=True,
    )
    invented = {_index(t) for t in schema.tables.values() if len(t.key) != 1} | {via for *_, via in links if via.startswith(_KEY)}
    features = [f for f in features if not _reads(f, invented)]
    found = _translated(schema, links, features, discovery.windows or (None,))
    # What only looks at the spine's own row is there once, whatever the windows.
    kept, rest = whole_features(found, discovery.max_features, lambda made: made[2])
    return Discovered(named(kept), tuple(slug(wanted) for _, wanted, _ in rest))


def _reads(feature: Any, invented: set[str]) -> bool:
    """Whether a feature reads the values of columns that stand for a row's number or for several columns; counting them reads none."""
    if type(feature).__name__ == "IdentityFeature":
        return feature.column_name in invented
    if feature.primitive is not None and feature.primitive.name == "count":
        return feature.where is not None and _reads(feature.where, invented)
    where = getattr(feature, "where", None)
    return any(_reads(base, invented) for base in [*feature.base_features, *([where] if where is not None else [])])


def _translated(
    schema: Schema, links: Mapping[Joined, Link], features: list[Any], windows: tuple[timedelta | None, ...]
) -> list[tuple[Tree, str, str]]:
    translators = [Translator(schema, links, window) for window in windows]
    found: dict[Tree, tuple[Tree, str, str]] = {}
    for feature in features:
        outputs = feature.get_feature_names()
        for place, name in enumerate(outputs):
            output = place if len(outputs) > 1 else None
            always = Translator(schema, links).tree(feature, output)
            for translator in translators:
                tree = translator.tree(feature, output)
                if tree is None:
                    continue
                # What has no window, or one of its own, is the same for every window.
                suffix = f" {format_duration(translator.window)}" if translator.window and tree != always else ""
                found.setdefault(tree, (tree, f"{name}{suffix}", name))
    raise_refused(list(dict.fromkeys(reason for t in translators for reason in t.refused)), schema.where)
    return list(found.values())


def _saved(schema: Schema) -> tuple[FeatureDefinition, ...]:
    """Read a file of ``ft.save_features``; its entity set must be the declared tables, as far as the features use it."""
    import featuretools as ft

    try:
        features = ft.load_features(schema.discovery.definitions)
    except Exception as error:
        # Featuretools raises whatever the broken text runs into.
        raise DeclarationError(f"{schema.where}: Featuretools cannot read discover.definitions: {type(error).__name__}: {error}") from error
    strangers = sorted({f.dataframe_name for f in features} - {schema.target})
    if strangers:
        raise DeclarationError(
            f"{schema.where}: discover.definitions holds features of {', '.join(strangers)}, but the spine's rows are those of "
            f"{schema.target}."
        )
    entityset = features[0].entityset if features else None
    links: dict[Joined, Link] = {}
    names = {table.stored: table.name for table in schema.tables.values()}
    for link in schema.links:
        if len(link.via) == 1:
            links[names[link.parent], link.key[0], names[link.child], link.via[0]] = link
    _check_times(schema, entityset)
    return named(_translated(schema, links, features, schema.discovery.windows or (None,)))


def _check_times(schema: Schema, entityset: Any) -> None:
    """Refuse definitions that were made for another time of the rows: their windows would hold other rows here."""
    for frame in entityset.dataframes if entityset is not None else ():
        table = schema.tables.get(frame.ww.name)
        if table is None:
            continue
        if (frame.ww.time_index or "") not in (table.times or ("",)):
            ours = f"become available by {', '.join(dict.fromkeys(table.times))}" if table.times else "have no time"
            raise DeclarationError(
                f"{schema.where}: discover.definitions was saved with the time index {frame.ww.time_index!r} of {table.name}, but the "
                f"rows of that table {ours}."
            )
