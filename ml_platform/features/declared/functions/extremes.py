"""The smallest and the largest value of a window."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ml_platform.features.declared.functions.function import ORDERED, Function, Stretches

if TYPE_CHECKING:
    import numpy as np
    import polars as pl
    from numpy.typing import NDArray

    from ml_platform.features.declared.definition import FeatureDefinition
    from ml_platform.features.engine.answers import Request


@dataclass(frozen=True, kw_only=True)
class Extreme(Function):
    """The smallest value, or the largest."""

    is_largest: bool

    def answer(self, request: Request, definitions: Sequence[FeatureDefinition]) -> dict[str, pl.Series]:
        """Return one series per definition: all windows on one set of tables."""
        column = str(definitions[0].value)
        series = request.columns.values(column).series
        found = request.extremes(column, [d.span for d in definitions], is_largest=self.is_largest)
        dtype = series.dtype if series.dtype.is_temporal() else None
        return {d.name: request.spread(d.name, *answer, dtype) for d, answer in zip(definitions, found, strict=True)}

    def rows_needed(self, request: Request, definition: FeatureDefinition) -> NDArray[np.int64]:
        """Return one row of each entity with that value."""
        return request.extreme_rows(str(definition.value), is_largest=self.is_largest)


def _smallest(known: Stretches) -> NDArray:
    import numpy as np

    return np.minimum.reduceat(known.numbers, known.starts)


def _largest(known: Stretches) -> NDArray:
    import numpy as np

    return np.maximum.reduceat(known.numbers, known.starts)


FUNCTIONS = (
    Extreme(
        name="min", of=ORDERED, words="Smallest {value}", sql="min(e._value)", primitive="min", is_thinned=True, reduce=_smallest,
        is_largest=False,
    ),
    Extreme(
        name="max", of=ORDERED, words="Largest {value}", sql="max(e._value)", primitive="max", is_thinned=True, reduce=_largest,
        is_largest=True,
    ),
)  # fmt: skip
