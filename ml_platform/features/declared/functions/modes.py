"""The most frequent value of a window."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ml_platform.features.declared.functions.function import ANY, Function

if TYPE_CHECKING:
    import polars as pl

    from ml_platform.features.declared.definition import FeatureDefinition
    from ml_platform.features.engine.answers import Request


class Mode(Function):
    """The most frequent value, of several the smallest."""

    def answer_one(self, request: Request, definition: FeatureDefinition) -> pl.Series:
        """Return the answers to one definition."""
        return request.most_frequent(str(definition.value), definition.span).alias(definition.name)


# DuckDB's own mode() takes any of the most frequent values.
_COUNTED = "list_transform(map_entries(histogram(e._value)), lambda x: {{'times': -(x.value::BIGINT), 'value': x.key}})"

FUNCTIONS = (Mode(name="mode", of=ANY, words="Most frequent {value}", sql=f"list_sort({_COUNTED})[1]['value']", primitive="mode"),)
