"""A feature definition: everything that is needed to compute one feature, also long after its view has moved on."""

from __future__ import annotations

import dataclasses
import re
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, ClassVar

from ml_platform.core.durations import format_duration
from ml_platform.core.hashing import content_hash
from ml_platform.features.declared.window_spec import FOREVER, Closed, WindowSpec

# Names the way in which definitions are hashed: models and training sets remember these hashes. What computes them has a hash of its own.
_FORMAT = 1

# A table that is read so far back is read whole.
_ENDLESS = min(FOREVER, timedelta(days=36_500))

CUTOFF = "_cutoff"
VALID_FROM = "valid_from"


@dataclass(frozen=True)
class FeatureDefinition:
    """One feature of one entity; each kind is a class of its own (:mod:`kinds`), with what it needs to be computed.

    ``entity`` holds the key columns; ``type`` is the DuckDB type of the values. ``stored_as`` is the name that the view declares where
    the feature is called otherwise beside others (:mod:`distinct_names`).
    """

    name: str
    entity: tuple[str, ...]
    type: str
    view: str = ""
    description: str = ""
    stored_as: str = ""

    # What a kind does not have is empty, so that all can be asked.
    kind: ClassVar[str] = ""
    table: ClassVar[str] = ""
    value: ClassVar[str | None] = None
    sql: ClassVar[str | None] = None
    columns: ClassVar[tuple[str, ...]] = ()
    function: ClassVar[str] = ""
    window: ClassVar[timedelta | None] = None
    refresh: ClassVar[timedelta | None] = None
    available_at: ClassVar[tuple[str, ...]] = ()
    event_time: ClassVar[str | None] = None
    code: ClassVar[str] = ""
    reads: ClassVar[tuple[tuple[str, timedelta], ...]] = ()
    rows: ClassVar[int | None] = None
    where: ClassVar[str | None] = None
    offset: ClassVar[timedelta] = timedelta(0)
    lag: ClassVar[timedelta] = timedelta(0)
    tail: ClassVar[timedelta | None] = None
    closed: ClassVar[Closed] = "left"
    inputs: ClassVar[tuple[FeatureDefinition, ...]] = ()
    request: ClassVar[tuple[tuple[str, str], ...]] = ()
    stored_time: ClassVar[str] = ""
    empty: ClassVar[float | None] = None
    is_python: ClassVar[bool] = False

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
    def span(self) -> WindowSpec:
        """The window of its rows; all there ever were, of a feature without one."""
        return WindowSpec(self.window, self.rows, self.offset, self.tail, self.closed)

    @property
    def where_column(self) -> str:
        """The column of the engine's events that holds ``where``, evaluated; named by its SQL, so that equal filters are one."""
        return f"where {self.where}"

    @property
    def reach(self) -> timedelta:
        """How far before a cutoff a row can matter: what is read, and the wait for the next refresh."""
        return self.standing + max((back for _, back in self.reads), default=timedelta(0))

    @property
    def standing(self) -> timedelta:
        """How far before a cutoff the stored row can stand that holds its value."""
        return self.refresh or timedelta(0)

    @property
    def looked_at(self) -> tuple[tuple[str, timedelta | None], ...]:
        """The tables behind it, each with how far back it is read (None: for ever)."""
        return self.reads

    @property
    def read_windows(self) -> tuple[tuple[str, WindowSpec], ...]:
        """The tables of which it needs all days that it reaches, each with the window of its rows."""
        return tuple((name, WindowSpec(None if back >= _ENDLESS else back)) for name, back in self.reads)

    @property
    def source(self) -> tuple[object, ...]:
        """What definitions share that are read together."""
        return self.kind, self.view, self.table, self.code, self.reads

    @property
    def leaves(self) -> tuple[FeatureDefinition, ...]:
        """What has to be computed from tables for it."""
        return (self,)

    def span_of(self, back: timedelta | None) -> WindowSpec:
        """Return the window of the rows of a table that is read so far back."""
        return WindowSpec(back)

    @property
    def feature_table(self) -> str:
        """The name of the feature table (within the layer) that stores this feature; empty for a column."""
        return feature_table_name(self.view, self.entity) if self.view else ""

    def to_dict(self) -> dict[str, Any]:
        """Return plain JSON values; what is empty or as usual is left out, lengths of time are text."""
        plain: dict[str, Any] = {"kind": self.kind}
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
