"""How fast a value rises over the event time."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ml_platform.features.declared.functions.function import NUMBERS, OF_VALUE, Function

if TYPE_CHECKING:
    import polars as pl

    from ml_platform.features.declared.definition import FeatureDefinition
    from ml_platform.features.engine.answers import Request


class Trend(Function):
    """The least-squares slope, per day."""

    def answer_one(self, request: Request, definition: FeatureDefinition) -> pl.Series:
        """Return the answers to one definition."""
        return request.spread(definition.name, *request.slopes(definition))


FUNCTIONS = (
    Trend(
        name="trend", of=NUMBERS, words="Slope (per day) of {value}", returns="DOUBLE", is_ordered=True, totals=("moments", "slopes"),
        sql=(
            f"CASE WHEN count(*) {OF_VALUE} < 3 THEN NULL WHEN max(e._ordered_by) {OF_VALUE} = min(e._ordered_by) {OF_VALUE} THEN 0 "
            f"ELSE regr_slope(e._value, epoch_us(e._ordered_by) / 86400e6) {OF_VALUE} END"
        ),
    ),
)  # fmt: skip
