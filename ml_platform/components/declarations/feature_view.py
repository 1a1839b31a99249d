"""``type: ml_platform.FeatureView``: checked words in, a core feature view out, definitions built."""

from datetime import timedelta
from typing import Annotated, ClassVar

import dagster as dg
from pydantic import Field

from ml_platform.components.declarations.table import split_python
from ml_platform.components.project_definitions import definitions_of
from ml_platform.components.words.declared import Declared
from ml_platform.components.words.scaffolds import ViewScaffolder
from ml_platform.core.errors import DeclarationError, did_you_mean
from ml_platform.features.declared import view as core
from ml_platform.features.declared.functions.registry import FUNCTIONS
from ml_platform.features.declared.window_spec import CLOSED, Closed, WindowSpec, parse_window
from ml_platform.sql.binding import read_sql


class FeatureModel(dg.Model, dg.Resolvable):
    """Features over one column, over one SQL expression that is given a name, or over whole rows."""

    column: Annotated[
        str | None, Field(description="The column of the source whose values are aggregated. Default: whole rows.", examples=["amount"])
    ] = None
    name: Annotated[
        str | None,
        Field(description="What features of `sql` or `where` are called, or the column that a `python` view returns.", examples=["large"]),
    ] = None
    sql: Annotated[
        str | None,
        Field(
            description="SQL over the columns of one row, instead of a column. Put it in quotes if it has a comma.",
            examples=["amount > 100"],
        ),
    ] = None
    functions: Annotated[
        list[str],
        Field(
            description=f"What is computed over each window: {', '.join(FUNCTIONS)}, and percentiles p1 to p99.", examples=[["sum", "mean"]]
        ),
    ] = []
    windows: Annotated[
        list[str] | None,
        Field(
            description="Windows of these features (w weeks, d days, h hours). Default: the windows of the view.", examples=[["7d", "28d"]]
        ),
    ] = None
    ttl: Annotated[
        str | None,
        Field(description="How old the value of `latest` may be (d days, h hours). Default: as the view says.", examples=["12h"]),
    ] = None
    where: Annotated[
        str | None,
        Field(
            description="SQL over the columns of one row: only rows for which it is true count. Needs a `name`.",
            examples=["country = 'SE'"],
        ),
    ] = None
    offset: Annotated[
        str | None,
        Field(description="How long before the cutoff the windows end (d days, h hours). Default: at the cutoff.", examples=["7d"]),
    ] = None


class DiscoverModel(dg.Model, dg.Resolvable):
    """Let Featuretools propose features over the source; the platform's engine computes them."""

    columns: Annotated[list[str], Field(description="The columns to look at. Default: all.", examples=[["amount", "country"]])] = []
    primitives: Annotated[
        list[str] | None,
        Field(description="Featuretools' names of aggregations. Default: those in docs/primitives.md.", examples=[["mean", "max"]]),
    ] = None
    max_features: Annotated[int, Field(description="At most this many features per entity. Default: 200.", examples=[50])] = 200


@dg.scaffold_with(ViewScaffolder)
class FeatureView(Declared):
    """Features of one or more entities from one source, one asset per entity."""

    kind: ClassVar[str] = "feature view"

    entities: Annotated[
        list[list[str]],
        Field(
            description="What the features describe: a list of entities, each a list of its key columns in the source.",
            examples=[[["customer"], ["customer", "country"]]],
        ),
    ] = []
    source: Annotated[str | None, Field(description="The table whose rows are aggregated.", examples=["orders"])] = None
    sql: Annotated[
        str | None,
        Field(
            description="Instead of a source: one SELECT over what was available, a row per entity, or the path of a .sql file.",
            examples=["SELECT customer, max(amount) AS largest FROM orders GROUP BY customer"],
        ),
    ] = None
    python: Annotated[
        str | None,
        Field(
            description="Instead of a source: file.py:function, called with the tables and the cutoff; returns a row per entity.",
            examples=["habits.py:last_orders"],
        ),
    ] = None
    reads: Annotated[
        dict[str, str],
        Field(
            description="With `sql` or `python`: each table that is handed over, and how far back (d days, h hours).",
            examples=[{"orders": "28d"}],
        ),
    ] = {}
    windows: Annotated[
        list[str],
        Field(
            description="How far back features look: a length (w weeks, d days, h hours, m minutes), a number of rows (10 rows), or all.",
            examples=[["7d", "28d"]],
        ),
    ] = []
    refresh: Annotated[
        str,
        Field(description="How often values change: 1d (default), 1h, another length of time, or `continuous`.", examples=["1h"]),
    ] = "1d"
    features: Annotated[
        list[FeatureModel], Field(description="What is computed.", examples=[[{"column": "amount", "functions": ["sum", "mean"]}]])
    ] = []
    discover: Annotated[
        DiscoverModel | None, Field(description="Let Featuretools propose features of the source.", examples=[{"max_features": 50}])
    ] = None
    ttl: Annotated[
        str | None,
        Field(
            description="How old values of `latest` may be (d days, h hours), for all features of the view. Default: any age.",
            examples=["2d"],
        ),
    ] = None
    closed: Annotated[
        str,
        Field(
            description="Which ends belong to a window: left (default), right, both or neither. With right and both, a row that becomes "
            "available at the very cutoff is seen.",
            examples=["left"],
        ),
    ] = "left"
    lag: Annotated[
        str | None,
        Field(description="How long after each refresh its values are first used (d days, h hours). Default: at once.", examples=["2h"]),
    ] = None
    tail: Annotated[
        str | None,
        Field(
            description="Windows begin at multiples of this (d days, h hours), rounded down. Default: to the microsecond.", examples=["1h"]
        ),
    ] = None
    inputs: Annotated[
        list[str],
        Field(
            description="Without a source: the features (view.feature) and columns (table.column) that the `sql` of the features reads.",
            examples=[["spending.customer_amount_mean_7d"]],
        ),
    ] = []
    request: Annotated[
        dict[str, str],
        Field(
            description="Values that only the caller of a prediction knows: name and type. In training they are columns of the spine.",
            examples=[{"amount": "float64"}],
        ),
    ] = {}
    store: Annotated[
        bool,
        Field(
            description="Keep a feature table (default: true). With false, features are computed when they are asked for.", examples=[False]
        ),
    ] = True

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
            name=self.checked_name("feature view"),
            entities=tuple(tuple(e) for e in self.entities),
            source=self.source,
            sql=None if self.sql is None else read_sql(self.sql, self.folder, where=f"{where}, sql"),
            python=self._python(where),
            reads={t: self.length(d, f"reads.{t}") for t, d in self.reads.items()},
            windows=self._windows(self.windows, "windows") or (),
            refresh=None if self.refresh == "continuous" else self.length(self.refresh, "refresh"),
            features=tuple(self._feature(f, f"features[{n}]", where) for n, f in enumerate(self.features)),
            discover=None if discover is None else _discover(discover),
            ttl=self.length_or_none(self.ttl, "ttl"),
            closed=self._closed(where),
            lag=self.length_or_none(self.lag, "lag") or timedelta(0),
            tail=self.length_or_none(self.tail, "tail"),
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

    def _windows(self, given: list[str] | None, what: str) -> tuple[WindowSpec, ...] | None:
        with self.said():
            return None if given is None else tuple(parse_window(w, what=f"{what}[{n}]") for n, w in enumerate(given))

    def _feature(self, given: FeatureModel, what: str, where: str) -> core.FeatureColumn:
        # Without a column it is the whole rows that have functions.
        name = given.name or given.column or ("" if given.sql is None and given.where is None else None)
        if name is None or (given.column is not None and given.sql is not None):
            said = given.model_dump(exclude_none=True)
            raise DeclarationError(
                f"{where}: {what} needs `column`, or `name` with `sql`, or none of them for whole rows; got {said}. "
                "Write {column: amount, functions: [sum]} or {name: large, sql: amount > 100, functions: [share]}"
            )
        sql = given.sql if given.sql is not None else (given.column if given.name and given.column else None)
        return core.FeatureColumn(
            name,
            tuple(given.functions),
            sql,
            self._windows(given.windows, f"{what}.windows"),
            ttl=self.length_or_none(given.ttl, f"{what}.ttl"),
            where=given.where,
            offset=self.length_or_none(given.offset, f"{what}.offset") or timedelta(0),
        )


def _discover(given: DiscoverModel) -> core.Discover:
    primitives = {} if given.primitives is None else {"primitives": tuple(given.primitives)}
    return core.Discover(tuple(given.columns), max_features=given.max_features, **primitives)
