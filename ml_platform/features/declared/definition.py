"""A feature definition: everything that is needed to compute one feature, also long after its view has moved on."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Literal

from ml_platform.core.durations import format_duration, parse_duration
from ml_platform.core.hashing import content_hash
from ml_platform.features.declared import edges
from ml_platform.features.declared.functions.registry import function_of
from ml_platform.features.declared.window_spec import Closed, WindowSpec

# Names the way in which definitions are hashed: models and training sets remember these hashes. What computes them has a hash of its own.
_FORMAT = 1

CUTOFF = "_cutoff"
VALID_FROM = "valid_from"


@dataclass(frozen=True)
class FeatureDefinition:
    """One feature of one entity.

    ``kind`` says how it is computed: ``window`` by the engine over the rows of ``table``; ``handmade`` by ``code`` (SQL, or Python
    source with the ``function`` to call) from the tables of ``reads``; ``column`` is ``value`` of ``table`` as of the cutoff;
    ``expression`` is ``sql`` over the features ``inputs`` and the columns ``request`` (names and DuckDB types) of the spine row itself;
    ``nested`` is a tree of features of features, kept in ``code``.

    ``entity`` holds the key columns (for a ``column``: the table's key, which the spine must have). ``value`` names the column that
    ``function`` aggregates, None where rows are counted; ``sql`` is the row-level expression behind it, None for a column as it
    stands, and ``columns`` are the table's columns that it and ``where`` read. A row counts from the latest of ``available_at`` (stored
    availability columns); rows are ordered by ``event_time``, or by availability if None. ``type`` is the DuckDB type of the values.

    A window holds rows that keep ``where`` (all if None): those of the last ``window`` (the time-to-live for ``latest``), or the last
    ``rows``, or all there ever were if both are None. It ends ``offset`` before the refresh, includes the ends that ``closed`` says, and
    starts on a multiple of ``tail`` (rounded down) if there is one. The refresh is the last multiple of ``refresh`` (None: continuous) at
    or before the cutoff minus ``lag``.

    ``stored_as`` is the name that the view declares where the feature is called otherwise beside others (:mod:`distinct_names`).
    """

    name: str
    kind: Literal["window", "handmade", "column", "expression", "nested"]
    entity: tuple[str, ...]
    type: str
    view: str = ""
    table: str = ""
    value: str | None = None
    sql: str | None = None
    columns: tuple[str, ...] = ()
    function: str = ""
    window: timedelta | None = None
    refresh: timedelta | None = None
    available_at: tuple[str, ...] = ()
    event_time: str | None = None
    code: str = ""
    reads: tuple[tuple[str, timedelta], ...] = ()
    description: str = ""
    rows: int | None = None
    where: str | None = None
    offset: timedelta = timedelta(0)
    lag: timedelta = timedelta(0)
    tail: timedelta | None = None
    closed: Closed = "left"
    inputs: tuple[FeatureDefinition, ...] = ()
    request: tuple[tuple[str, str], ...] = ()
    stored_as: str = ""

    @property
    def declared_name(self) -> str:
        """The name that the feature has within its view."""
        return self.stored_as or self.name

    @property
    def as_declared(self) -> FeatureDefinition:
        """The definition as its view declares it, and as it is hashed beside a feature table."""
        return dataclasses.replace(self, name=self.declared_name, stored_as="") if self.stored_as else self

    @property
    def stored_name(self) -> str:
        """The column of the feature table: the feature's name, or for ``time_since`` that of the last event time it is counted from."""
        name, stored = self.declared_name, self.stored_time
        return stored.join(name.rsplit(self.function, 1)) if stored else name

    @property
    def stored_type(self) -> str:
        """The DuckDB type of the feature table's column."""
        return "TIMESTAMP WITH TIME ZONE" if self.stored_time else self.type

    @property
    def stored_time(self) -> str:
        """What is counted from the cutoff is stored as the time that it is counted from, under this name; empty for all others."""
        return function_of(self).stored_time if self.kind == "window" else ""

    @property
    def span(self) -> WindowSpec:
        """The window, of a feature of kind ``window``."""
        return WindowSpec(self.window, self.rows, self.offset, self.tail, self.closed)

    @property
    def reach(self) -> timedelta:
        """How far before a cutoff a row of ``table`` can matter: the window, the wait for the next refresh, and the lag."""
        return edges.reach(self.span, self.refresh, self.lag)

    @property
    def where_column(self) -> str:
        """The column of the engine's events that holds ``where``, evaluated; named by its SQL, so that equal filters are one."""
        return f"where {self.where}"

    @property
    def feature_table(self) -> str:
        """The name of the feature table (within the layer) that stores this feature; empty for a column."""
        return feature_table_name(self.view, self.entity) if self.view else ""

    @property
    def is_python(self) -> bool:
        """Whether ``code`` is Python source (its function to call is named) and not SQL."""
        return self.kind == "handmade" and bool(self.function)

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values; what is empty or as usual is left out, lengths of time are text."""
        plain: dict[str, Any] = {}
        for field in dataclasses.fields(self):
            value = getattr(self, field.name)
            # A field that came later leaves the hashes of older definitions as they were.
            if value == field.default:
                continue
            if isinstance(value, timedelta):
                plain[field.name] = format_duration(value)
            elif field.name == "reads":
                plain["reads"] = {table: format_duration(back) for table, back in value}
            elif field.name == "request":
                plain["request"] = dict(value)
            elif field.name == "inputs":
                plain["inputs"] = [definition.to_dict() for definition in value]
            elif isinstance(value, tuple):
                plain[field.name] = list(value)
            else:
                plain[field.name] = value
        return {name: value for name, value in plain.items() if value not in (None, "", [], {})}

    @classmethod
    def from_dict(cls, plain: Mapping[str, Any]) -> FeatureDefinition:
        """Return the definition that :meth:`to_dict` wrote."""
        values = dict(plain)
        for name in ("window", "refresh", "offset", "lag", "tail"):
            if values.get(name) is not None:
                values[name] = parse_duration(values[name], what=name)
        for name in ("entity", "columns", "available_at"):
            values[name] = tuple(values.get(name, ()))
        values["inputs"] = tuple(cls.from_dict(definition) for definition in values.get("inputs", ()))
        values["request"] = tuple(values.get("request", {}).items())
        values["reads"] = tuple((table, parse_duration(back, what=f"reads.{table}")) for table, back in values.get("reads", {}).items())
        return cls(**values)


def feature_table_name(view: str, entity: Iterable[str]) -> str:
    """Return the name of a view's feature table for one entity: ``delays__origin_dest``.

    Columns may be called anything, tables of the lake may not: ``raceId`` becomes ``raceid``, and what is no letter, digit or underscore
    becomes one, with a mark of the real name behind it.

    Examples
    --------
    >>> feature_table_name("results", ["raceId", "driver"])
    'results__raceid_driver'
    >>> feature_table_name("orders", ["kunden nr"])
    'orders__kunden_nr_2857'
    """
    return f"{view}__{'_'.join(map(_in_a_name, entity))}"


def _in_a_name(column: str) -> str:
    lower = column.lower()
    plain = re.sub(r"[^a-z0-9_]", "_", lower)
    return plain if plain == lower else f"{plain}_{content_hash(column, length=4)}"


def _without_descriptions(plain: dict[str, Any]) -> dict[str, Any]:
    """Return a definition's plain values without the sentences, also those of its inputs: other words compute the same."""
    kept = {name: value for name, value in plain.items() if name != "description"}
    return kept | {"inputs": [_without_descriptions(i) for i in kept["inputs"]]} if "inputs" in kept else kept


def definition_hash(definitions: Iterable[FeatureDefinition]) -> str:
    """Return the hash of what the definitions compute, whatever their order and their descriptions.

    Parameters
    ----------
    definitions : iterable of FeatureDefinition
        One feature, or all of a feature table (then it is the table's code version).

    Returns
    -------
    str
        16 hexadecimal digits.
    """
    plain = [_without_descriptions(d.to_dict()) for d in definitions]
    return content_hash({"rules": _FORMAT, "features": sorted(plain, key=lambda v: (v.get("entity", []), v["name"]))})
