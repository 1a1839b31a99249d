"""The median and the percentiles ``p1`` to ``p99`` of a window."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ml_platform.features.declared.functions.function import NUMBERS, Function

if TYPE_CHECKING:
    import polars as pl

    from ml_platform.features.declared.definition import FeatureDefinition
    from ml_platform.features.engine.answers import Request

_SQL = "quantile_cont(e._value::DOUBLE, {})"
_PERCENTILE = re.compile(r"p([1-9]|[1-9][0-9])")


@dataclass(frozen=True, kw_only=True)
class Percentile(Function):
    """The value below which a ``share`` (0 to 1) of the values lies, interpolated linearly between the two nearest."""

    share: float

    @property
    def family(self) -> str:
        """All percentiles of a column are found in one walk."""
        return "percentile"

    def answer(self, request: Request, definitions: Sequence[FeatureDefinition]) -> dict[str, pl.Series]:
        """Return one series per definition."""
        shares = [share_of(d.function) or 0.0 for d in definitions]
        found = request.quantiles(str(definitions[0].value), shares, [d.span for d in definitions])
        return {d.name: request.spread(d.name, *answer) for d, answer in zip(definitions, found, strict=True)}


def share_of(name: str) -> float | None:
    """Return the share (0 to 1) of ``median`` and ``p1`` to ``p99``; None for another function."""
    if name == "median":
        return 0.5
    found = _PERCENTILE.fullmatch(name)
    return int(found[1]) / 100 if found else None


def find(name: str) -> Function | None:
    """Return the percentile of that name, if it is one."""
    share = share_of(name)
    if share is None:
        return None
    return Percentile(
        name=name, of=NUMBERS, words=f"{name[1:]}th percentile of {{value}}", returns="DOUBLE", sql=_SQL.format(share), share=share
    )


FUNCTIONS = (
    Percentile(name="median", of=NUMBERS, words="Median of {value}", sql=_SQL.format(0.5), returns="DOUBLE", primitive="median", share=0.5),
)
