"""How many rows, values, and different values a window has."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ml_platform.features.declared.functions.function import ANY, Function

if TYPE_CHECKING:
    import numpy as np
    import polars as pl
    from numpy.typing import NDArray

    from ml_platform.features.declared.definition import FeatureDefinition
    from ml_platform.features.engine.answers import Request


# A column of any type; a NaN is no value.
_KNOWN = "NOT (typeof(e._value) IN ('FLOAT', 'DOUBLE') AND e._value::VARCHAR = 'nan')"


class Count(Function):
    """Values of a column, or rows."""

    def answer_one(self, request: Request, definition: FeatureDefinition) -> pl.Series:
        """Return the answers to one definition."""
        window = request.window(definition.span)
        counts = request.rows(window) if definition.value is None else request.present(definition.value, window)
        return request.spread(definition.name, counts)


class Distinct(Function):
    """Different values of a column."""

    def answer(self, request: Request, definitions: Sequence[FeatureDefinition]) -> dict[str, pl.Series]:
        """Return one series per definition: all windows in one walk."""
        found = request.different(str(definitions[0].value), [d.span for d in definitions])
        return {d.name: request.spread(d.name, counts) for d, counts in zip(definitions, found, strict=True)}

    def rows_needed(self, request: Request, definition: FeatureDefinition) -> NDArray[np.int64]:
        """Return one row of each value and entity."""
        import polars as pl

        axis = request.axis
        ranks = request.columns.values(str(definition.value)).ranks[0][axis.order]
        different = pl.DataFrame({"code": axis.codes, "rank": ranks, "row": axis.order}).filter(pl.col("rank") >= 0)
        return different.unique(["code", "rank"], keep="any")["row"].to_numpy()


FUNCTIONS = (
    Count(
        name="count", of=ANY, words="Number of values of {value}", words_of_rows="Number of rows",
        sql=f"CASE WHEN {{row}}._known THEN count(e._value) FILTER ({_KNOWN}) END",
        sql_of_rows="CASE WHEN {row}._known THEN count(e._available_at) END", returns="BIGINT", empty=0, of_rows=True, primitive="count",
        totals=("present",), reduce=lambda known: known.counts,
    ),
    Distinct(
        name="distinct", of=ANY, words="Number of different values of {value}",
        sql="CASE WHEN {row}._known THEN count(DISTINCT e._value) END", returns="BIGINT", empty=0, primitive="num_unique",
        is_thinned=True, keeps_many=True,
    ),
)  # fmt: skip
