"""The tables of a discovery and how they hang together, checked at load and without Featuretools."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta

from ml_platform.core.errors import DeclarationError, UnknownNameError, did_you_mean
from ml_platform.features.declared.value_types import engine_type
from ml_platform.features.nested.declaration import SPINE, Discovery, Relationship
from ml_platform.features.nested.primitives import AGGREGATIONS, TRANSFORMS, refusals, usable
from ml_platform.features.nested.tree import Column, Link
from ml_platform.tables.declared.table import Table
from ml_platform.tables.declared.types import contract_columns

# Featuretools' logical type of each engine type, and the pandas type in which it holds each logical type (all others: string).
LOGICAL_TYPES = {
    "BIGINT": "IntegerNullable", "DOUBLE": "Double", "BOOLEAN": "BooleanNullable", "VARCHAR": "Categorical", "DATE": "Datetime",
    "TIMESTAMP WITH TIME ZONE": "Datetime",
}  # fmt: skip
DTYPES = {
    "Age": "Int64", "AgeFractional": "float64", "AgeNullable": "Int64", "Boolean": "bool", "BooleanNullable": "boolean",
    "Categorical": "category", "CountryCode": "category", "Datetime": "datetime64[ns]", "Double": "float64", "Integer": "Int64",
    "IntegerNullable": "Int64", "Ordinal": "category", "PostalCode": "category", "SubRegionCode": "category",
}  # fmt: skip
TEXT_TYPES = ("Categorical", "CountryCode", "EmailAddress", "Filepath", "NaturalLanguage", "PersonFullName", "PhoneNumber", "PostalCode",
              "SubRegionCode", "URL")  # fmt: skip


@dataclass(frozen=True)
class SearchTable:
    """A table as Featuretools sees it: its columns that something says the availability of, and the row's ``key`` and ``time``.

    ``stored`` is the table's name in the lake, empty for the spine's own rows; ``times`` are the columns by which its rows may be said to
    become available or to happen.
    """

    name: str
    stored: str
    columns: Mapping[str, Column]
    logical_types: Mapping[str, str]
    key: tuple[str, ...]
    known: tuple[str, ...]
    time: Column | None
    times: tuple[str, ...] = ()

    def known_from(self, names: Iterable[str]) -> tuple[str, ...]:
        """Return the stored columns from the latest of which all of some columns are known."""
        return tuple(sorted({a for name in names for a in self.columns[name].available_at}))


@dataclass(frozen=True)
class Schema:
    """The tables of a discovery by name, its links, and the table of the spine's rows."""

    tables: Mapping[str, SearchTable]
    links: tuple[Link, ...]
    target: str
    discovery: Discovery
    where: str


def compile_schema(
    discovery: Discovery,
    tables: Mapping[str, Table],
    *,
    spine_table: str,
    spine_key: tuple[str, ...] | None,
    where: str,
) -> Schema:
    """Check a discovery against the project's tables.

    Parameters
    ----------
    discovery : Discovery
        As declared.
    tables : mapping of str to Table
        All tables of the project.
    spine_table : str
        The table of the spine.
    spine_key : tuple of str, optional
        The key of a grid; None where the rows are those of ``spine_table``.
    where : str
        File and line of the declaration.

    Raises
    ------
    DeclarationError
        If a name does not exist, a primitive is refused (all are named, with the reasons), a relationship does not lead to a key, or
        nothing leads from the spine to a table.
    """
    _check_words(discovery, where)
    names = dict.fromkeys([*discovery.tables, *(t for r in discovery.relationships for t in (r.parent, r.child) if t != SPINE)])
    for name in names:
        if name not in tables:
            raise UnknownNameError(f"{where}: discover names table {name!r}. {did_you_mean(name, tables)}")
    target = spine_table
    if spine_key is not None:
        target = next((name for name in names if set(tables[name].key) == set(spine_key)), SPINE)
    if target != SPINE:
        names = dict.fromkeys([target, *names])
    found = {name: _search_table(tables[name], discovery, where) for name in names}
    if target == SPINE and spine_key is not None:
        types = contract_columns(tables[spine_table].contract)
        columns = {c: _column(c, engine_type(types[c]) or "", (), discovery, SPINE) for c in spine_key}
        found[SPINE] = SearchTable(SPINE, "", columns, {c: LOGICAL_TYPES[columns[c].type] for c in spine_key}, spine_key, (), None)
    schema = Schema(found, tuple(_links(discovery, found, tables, spine_table, where)), target, discovery, where)
    _check_names(schema)
    return schema


def _check_words(discovery: Discovery, where: str) -> None:
    refused = refusals([*discovery.aggregations, *discovery.where], AGGREGATIONS, "aggregation")
    refused += refusals(discovery.transforms, TRANSFORMS, "transform")
    if refused:
        raise DeclarationError(
            f"{where}: discover asks for primitives that are not computed here. {' '.join(refused)} See docs/reference/primitives.md."
        )
    if discovery.max_depth not in (1, 2, 3):
        raise DeclarationError(f"{where}: discover.max_depth is {discovery.max_depth}; it can be 1, 2 or 3.")
    unused = [name for name in discovery.where if name not in discovery.aggregations]
    if unused:
        raise DeclarationError(
            f"{where}: discover.primitives.where names {unused[0]!r}, which is not among its aggregations. "
            f"{did_you_mean(unused[0], discovery.aggregations or usable(AGGREGATIONS))}"
        )
    for window in discovery.windows:
        if window <= timedelta(0) or window % timedelta(seconds=1):
            raise DeclarationError(f"{where}: a window must be whole seconds and more than none; one is {window}.")
    if discovery.definitions is None and not discovery.tables:
        raise DeclarationError(f"{where}: discover needs `tables` to search in, or `definitions`: a file that ft.save_features wrote.")


def _search_table(table: Table, discovery: Discovery, where: str) -> SearchTable:
    columns: dict[str, Column] = {}
    logical: dict[str, str] = {}
    for name, duckdb_type in contract_columns(table.contract).items():
        kind, known = engine_type(duckdb_type), table.available_at_column(name)
        if kind is None or (table.availability and known is None):
            continue
        given = discovery.types.get(f"{table.name}.{name}")
        if given is not None and (kind != "VARCHAR" or given not in TEXT_TYPES):
            raise DeclarationError(
                f"{where}: discover.types gives {table.name}.{name} ({kind}) the type {given!r}. Texts can be: {', '.join(TEXT_TYPES)}."
            )
        columns[name] = _column(name, kind, (known,) if known else (), discovery, table.name)
        logical[name] = given or LOGICAL_TYPES[kind]
    key = table.key if set(table.key) <= set(columns) else ()
    time = columns.get(table.event_time or "")
    if time is None and table.availability:
        first = table.available_at_columns[0]
        time = Column(first, "TIMESTAMP WITH TIME ZONE", "datetime64[ns]", (first,))
    known = tuple(sorted({a for c in key for a in columns[c].available_at}))
    times = (*((time.name,) if time else ()), *(group.sql.strip() for group in table.availability))
    return SearchTable(table.name, table.name, columns, logical, key, known, time, times)


def _column(name: str, kind: str, known: tuple[str, ...], discovery: Discovery, table: str) -> Column:
    logical = discovery.types.get(f"{table}.{name}") or LOGICAL_TYPES[kind]
    return Column(name, kind, DTYPES.get(logical, "string"), known)


def _links(
    discovery: Discovery, found: Mapping[str, SearchTable], tables: Mapping[str, Table], spine_table: str, where: str
) -> Iterable[Link]:
    declared = [*discovery.relationships]
    for name in found:
        for reference in tables[name].contract.references if name != SPINE else ():
            if reference.table in found and set(reference.to_columns) == set(found[reference.table].key):
                declared.append(Relationship(reference.table, reference.to_columns, name, reference.columns))
    if SPINE in found and spine_table in found:
        key = found[SPINE].key
        declared.append(Relationship(SPINE, key, spine_table, key))
    return dict.fromkeys(_link(r, found, where) for r in declared)


def _link(relationship: Relationship, found: Mapping[str, SearchTable], where: str) -> Link:
    said = f"{relationship.parent}({', '.join(relationship.key)}) to {relationship.child}({', '.join(relationship.via)})"
    for table, columns in ((relationship.parent, relationship.key), (relationship.child, relationship.via)):
        if table not in found:
            raise UnknownNameError(f"{where}: the relationship {said} names table {table!r}. {did_you_mean(table, found)}")
        for column in columns:
            if column not in found[table].columns:
                raise UnknownNameError(
                    f"{where}: the relationship {said} names {table}.{column}, which is no column that something says the availability of. "
                    f"{did_you_mean(column, found[table].columns)}"
                )
    parent, child = found[relationship.parent], found[relationship.child]
    if parent is child:
        raise DeclarationError(f"{where}: the relationship {said} leads to the same table; Featuretools knows no such thing.")
    if set(relationship.key) != set(parent.key) or len(relationship.key) != len(relationship.via):
        raise DeclarationError(
            f"{where}: the relationship {said} must lead to the key of {parent.name} ({', '.join(parent.key) or 'it has none'}), column by "
            "column."
        )
    return Link(
        child.stored,
        relationship.via,
        child.known_from(relationship.via),
        parent.stored,
        relationship.key,
        parent.known_from(relationship.key),
    )


def _check_names(schema: Schema) -> None:
    discovery = schema.discovery
    for what, names in (("interesting_values", discovery.interesting_values), ("types", discovery.types)):
        for name in names:
            table, _, column = name.partition(".")
            if table not in schema.tables or column not in schema.tables[table].columns:
                options = [f"{t.name}.{c}" for t in schema.tables.values() for c in t.columns]
                raise UnknownNameError(f"{schema.where}: discover.{what} names {name!r}. {did_you_mean(name, options)}")
    reached, waiting = {schema.tables[schema.target].stored}, True
    while waiting:
        more = {t for link in schema.links for t in (link.child, link.parent) if reached & {link.child, link.parent}}
        waiting = not more <= reached
        reached |= more
    alone = [name for name, table in schema.tables.items() if table.stored not in reached]
    if alone and discovery.definitions is None:
        raise DeclarationError(
            f"{schema.where}: no relationship leads from the spine ({schema.target}) to {', '.join(alone)}. Add `references` to a "
            "contract, or `relationships` to discover: [{parent: airports, key: [faa], child: schedule, via: [origin]}]."
        )
