"""Seconds since the first or the last row of a window, and between its rows."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ml_platform.features.declared.functions.function import ANY, OF_VALUE, Function

if TYPE_CHECKING:
    import polars as pl

    from ml_platform.features.declared.definition import FeatureDefinition
    from ml_platform.features.engine.answers import Request


class Since(Function):
    """Seconds from a row at one end to the cutoff."""

    def answer_one(self, request: Request, definition: FeatureDefinition) -> pl.Series:
        """Return the answers to one definition."""
        return request.seconds_since(definition, is_first=self.ends == (True,)).alias(definition.name)


class Between(Function):
    """Mean seconds between two rows."""

    def answer_one(self, request: Request, definition: FeatureDefinition) -> pl.Series:
        """Return the answers to one definition."""
        return request.spread(definition.name, *request.seconds_between(definition))


_LAST, _FIRST = f"max(e._ordered_by) {OF_VALUE}", f"min(e._ordered_by) {OF_VALUE}"
_ROWS = f"count(*) {OF_VALUE}"

FUNCTIONS = (
    Since(
        name="time_since", of=ANY, words="Seconds since the last {value}",
        sql=f"epoch_us({{row}}._cutoff - {_LAST}) / 1e6", returns="DOUBLE", of_rows=True, is_ordered=True, ends=(False,),
        stored_time="last_time", primitive="time_since_last", is_thinned=True,
    ),
    Since(
        name="time_since_first", of=ANY, words="Seconds since the first {value}",
        sql=f"epoch_us({{row}}._cutoff - {_FIRST}) / 1e6", returns="DOUBLE", of_rows=True, is_ordered=True,
        ends=(True,), stored_time="first_time", primitive="time_since_first", is_thinned=True,
    ),
    Between(
        name="avg_time_between", of=ANY, words="Mean seconds between two rows with {value}",
        sql=f"CASE WHEN {_ROWS} >= 2 THEN epoch_us({_LAST} - {_FIRST}) / 1e6 / ({_ROWS} - 1) END", returns="DOUBLE", of_rows=True,
        is_ordered=True, ends=(True, False), primitive="avg_time_between", totals=("times",),
    ),
)  # fmt: skip
