"""The value of the first or the last row of a window, by event time."""

from __future__ import annotations

from datetime import timedelta
from typing import TYPE_CHECKING

from ml_platform.core.durations import format_duration
from ml_platform.features.declared.functions.function import ANY, OF_VALUE, ORDER, Function

if TYPE_CHECKING:
    import polars as pl

    from ml_platform.features.declared.definition import FeatureDefinition
    from ml_platform.features.engine.answers import Request


class EndValue(Function):
    """The value of a row at one end."""

    def answer_one(self, request: Request, definition: FeatureDefinition) -> pl.Series:
        """Return the answers to one definition."""
        return request.value_at_end(definition, is_first=self.ends == (True,)).alias(definition.name)


class Latest(EndValue):
    """The last value, for so long as it lives."""

    def over(self, definition: FeatureDefinition) -> str:
        """Return over what, in words."""
        return f"not older than {format_duration(definition.window or timedelta(0))}"


_FIRST, _LAST = (True,), (False,)
_VALUE = f"(e._value, {ORDER}) {OF_VALUE}"
# In a struct, because the plain function looks past a NULL.
_ROW = f"({{{{'value': e._value}}}}, {ORDER}) FILTER (e._ordered_by IS NOT NULL)['value']"

FUNCTIONS = (
    EndValue(name="first", of=ANY, words="First {value}", sql=f"arg_min{_VALUE}", is_ordered=True, ends=_FIRST, is_thinned=True),
    EndValue(
        name="first_row", of=ANY, words="In the first row, also if it is NULL, {value}", sql=f"arg_min{_ROW}", is_ordered=True, ends=_FIRST,
        is_thinned=True, skips_nulls=False, primitive="first",
    ),
    EndValue(name="last", of=ANY, words="Last {value}", sql=f"arg_max{_VALUE}", is_ordered=True, ends=_LAST, is_thinned=True),
    # Featuretools takes the row's value even if there is none.
    EndValue(
        name="last_row", of=ANY, words="In the last row, also if it is NULL, {value}", sql=f"arg_max{_ROW}", is_ordered=True, ends=_LAST,
        is_thinned=True, skips_nulls=False, primitive="last",
    ),
    Latest(name="latest", of=ANY, words="Latest {value}", sql=f"arg_max{_VALUE}", is_ordered=True, ends=_LAST, is_thinned=True),
)  # fmt: skip
