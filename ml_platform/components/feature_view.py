"""``type: ml_platform.FeatureView``: checked words in, a core feature view out, definitions built."""

from datetime import timedelta
from typing import Annotated

import dagster as dg
from pydantic import Field

from ml_platform.components.declared import Declared, duration_or_none
from ml_platform.components.project_definitions import definitions_of
from ml_platform.components.table import split_python
from ml_platform.core.durations import parse_duration
from ml_platform.core.errors import DeclarationError, did_you_mean
from ml_platform.core.names import check_name
from ml_platform.features import view as core
from ml_platform.features.functions import FUNCTIONS
from ml_platform.features.window_spec import CLOSED, Closed, parse_window
from ml_platform.tables.sql import read_sql


class FeatureModel(dg.Model, dg.Resolvable):
    """Features over one column, or over one SQL expression that is given a name."""

    column: Annotated[str | None, Field(description="A column of the source.")] = None
    name: Annotated[str | None, Field(description="Name of the SQL expression, or of a column that a python view returns.")] = None
    sql: Annotated[str | None, Field(description="Row-level SQL over the source's columns.")] = None
    functions: Annotated[list[str], Field(description=f"What is computed: {', '.join(FUNCTIONS)}, and percentiles p1 to p99.")] = []
    windows: Annotated[list[str] | None, Field(description="Windows of these features; the view's if left out.")] = None
    ttl: Annotated[str | None, Field(description="How long `latest` keeps a value.")] = None
    where: Annotated[str | None, Field(description="SQL over the source's columns: only rows for which it is true count.")] = None
    offset: Annotated[str | None, Field(description="How long before the refresh the windows of these features end.")] = None


class DiscoverModel(dg.Model, dg.Resolvable):
    """Let Featuretools propose the features (depth 1); the engine computes them."""

    columns: Annotated[list[str], Field(description="Columns to look at; all if left out.")] = []
    primitives: Annotated[list[str] | None, Field(description="Featuretools' names of aggregation primitives.")] = None
    max_features: Annotated[int, Field(description="At most this many features per entity.")] = 200


class FeatureView(Declared):
    """Features of one or more entities from one source, one asset per entity."""

    entities: Annotated[list[list[str]], Field(description="Key columns of each entity.")] = []
    source: Annotated[str | None, Field(description="The table whose rows are aggregated.")] = None
    sql: Annotated[str | None, Field(description="One SELECT that returns a row per entity from what was available at the refresh.")] = None
    python: Annotated[str | None, Field(description="file.py:function(tables, cutoff) that returns a row per entity.")] = None
    reads: Annotated[dict[str, str], Field(description="With `sql` or `python`: the tables handed over, and how far back.")] = {}
    windows: Annotated[
        list[str], Field(description="Windows: lengths such as 3h and 28d, numbers of rows such as `10 rows`, or `all`.")
    ] = []
    refresh: Annotated[str, Field(description="How often values change: 1h, 1d, or continuous.")] = "1d"
    features: Annotated[list[FeatureModel], Field(description="What is computed.")] = []
    discover: Annotated[DiscoverModel | None, Field(description="Let Featuretools propose features.")] = None
    ttl: Annotated[str | None, Field(description="How long `latest` keeps a value, for all features of the view.")] = None
    closed: Annotated[
        str, Field(description="Ends that belong to a window: left, right, both or neither. Left sees no value of the future.")
    ] = "left"
    lag: Annotated[str | None, Field(description="How long after each refresh its values are used.")] = None
    tail: Annotated[str | None, Field(description="Round the starts of windows down to multiples of this.")] = None
    inputs: Annotated[list[str], Field(description="Without a source: features (view.name) and columns (table.name) for `sql`.")] = []
    request: Annotated[dict[str, str], Field(description="What only the caller knows: name and type; in training, of the spine.")] = {}
    store: Annotated[bool, Field(description="Keep a feature table; false computes at the spine only.")] = True

    def to_core(self) -> core.FeatureView:
        """Return the declaration as the core knows it.

        Raises
        ------
        DeclarationError
            If it cannot be right; the message names the file and the line.
        """
        where = self.where
        given = [k for k in ("source", "sql", "python") if getattr(self, k) is not None]
        if len(given) != 1 and (given or not (self.inputs or self.request)):
            raise DeclarationError(
                f"{where}: a view needs exactly one of source, sql and python (or inputs and request instead); it has "
                f"{', '.join(given) or 'none'}."
            )
        discover = self.discover
        return core.FeatureView(
            name=check_name(self.name, f"feature view ({where})"),
            entities=tuple(tuple(e) for e in self.entities),
            source=self.source,
            sql=None if self.sql is None else read_sql(self.sql, self.folder),
            python=self._python(where),
            reads={t: parse_duration(d, what=f"reads.{t} of {where}") for t, d in self.reads.items()},
            windows=tuple(parse_window(w, what=f"window of {where}") for w in self.windows),
            refresh=None if self.refresh == "continuous" else parse_duration(self.refresh, what=f"refresh of {where}"),
            features=tuple(_feature(f, where) for f in self.features),
            discover=None if discover is None else _discover(discover),
            ttl=duration_or_none(self.ttl, f"ttl of {where}"),
            closed=self._closed(where),
            lag=duration_or_none(self.lag, f"lag of {where}") or timedelta(0),
            tail=duration_or_none(self.tail, f"tail of {where}"),
            store=self.store,
            description=self.description,
            owners=tuple(self.owners),
            tags=dict(self.tags),
            retention=self.kept,
            where=where,
            request=dict(self.request),
            inputs=tuple(self.inputs),
        )

    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:
        """Build one feature asset per entity."""
        return definitions_of(self, context)

    def _closed(self, where: str) -> Closed:
        for closed in CLOSED:
            if closed == self.closed:
                return closed
        raise DeclarationError(f"{where}: closed is {self.closed!r}. {did_you_mean(self.closed, CLOSED)}")

    def _python(self, where: str) -> tuple[str, str] | None:
        if self.python is None:
            return None
        file, function = split_python(self.python, where)
        return (self.folder / file).as_posix(), function


def _feature(given: FeatureModel, where: str) -> core.FeatureColumn:
    # Without a column it is the whole rows that have functions.
    name = given.name or given.column or ("" if given.sql is None and given.where is None else None)
    if name is None or (given.column is not None and given.sql is not None):
        said = given.model_dump(exclude_none=True)
        raise DeclarationError(f"{where}: a feature needs `column`, or `name` with `sql`, or none of them for whole rows; got {said}.")
    windows = None if given.windows is None else tuple(parse_window(w, what=f"window of {name} in {where}") for w in given.windows)
    sql = given.sql if given.sql is not None else (given.column if given.name and given.column else None)
    return core.FeatureColumn(
        name,
        tuple(given.functions),
        sql,
        windows,
        ttl=duration_or_none(given.ttl, f"ttl of {name} in {where}"),
        where=given.where,
        offset=duration_or_none(given.offset, f"offset of {name} in {where}") or timedelta(0),
    )


def _discover(given: DiscoverModel) -> core.Discover:
    primitives = {} if given.primitives is None else {"primitives": tuple(given.primitives)}
    return core.Discover(tuple(given.columns), max_features=given.max_features, **primitives)
