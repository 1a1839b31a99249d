"""How far apart the values of a window lie."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from ml_platform.features.declared.functions.function import NUMBERS, Function, Stretches

if TYPE_CHECKING:
    import numpy as np
    import polars as pl
    from numpy.typing import NDArray

    from ml_platform.features.declared.definition import FeatureDefinition
    from ml_platform.features.engine.answers import Request


class Range(Function):
    """The largest value minus the smallest."""

    def answer(self, request: Request, definitions: Sequence[FeatureDefinition]) -> dict[str, pl.Series]:
        """Return one series per definition; NULL where a window has no value, or only one infinity."""
        column, specs = str(definitions[0].value), [d.span for d in definitions]
        largest, smallest = (request.extremes(column, specs, is_largest=which) for which in (True, False))
        return {
            d.name: request.spread(d.name, _apart(high, low), known)
            for d, (high, known), (low, _) in zip(definitions, largest, smallest, strict=True)
        }

    def rows_needed(self, request: Request, definition: FeatureDefinition) -> NDArray[np.int64]:
        """Return one row of each entity with the largest value, and one with the smallest."""
        import numpy as np

        return np.concatenate([request.extreme_rows(str(definition.value), is_largest=which) for which in (True, False)])


def _apart(high: NDArray, low: NDArray) -> NDArray[np.float64]:
    """Return the difference as a float; of whole numbers it is exact before it is one, also where it leaves 64 bits with a sign."""
    import numpy as np

    if high.dtype.kind == "i":
        return (high.astype(np.uint64) - low.astype(np.uint64)).astype(np.float64)
    with np.errstate(invalid="ignore", over="ignore"):
        return high - low


def _range(known: Stretches) -> NDArray[np.float64]:
    import numpy as np

    return _apart(np.maximum.reduceat(known.numbers, known.starts), np.minimum.reduceat(known.numbers, known.starts))


_NUMBER = "nullif(e._value::DOUBLE, 'nan'::DOUBLE)"

FUNCTIONS = (
    Range(
        name="range", of=NUMBERS, words="Largest minus smallest {value}", sql=f"nullif(max({_NUMBER}) - min({_NUMBER}), 'nan'::DOUBLE)",
        returns="DOUBLE", is_thinned=True, reduce=_range,
    ),
)  # fmt: skip
