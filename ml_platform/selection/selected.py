"""What a selection found: a row per feature, the size curve, how stable the choice is, and where noise begins."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ml_platform.selection.size import SizePoint
from ml_platform.selection.stability import Stability

if TYPE_CHECKING:
    import polars as pl


@dataclass(frozen=True)
class FeatureRow:
    """What is known about one feature after the selection.

    ``rank`` (1 is best), the ``scores`` by selector, ``cluster`` (the best-ranked feature that it is a near-copy of) and ``frequency``
    (share of the bootstraps that chose it) are None, or empty, where a feature was left out before, or nothing had to be chosen.
    """

    feature: str
    chosen: bool
    rank: int | None
    scores: Mapping[str, float]
    fused: float | None
    cluster: str | None
    frequency: float | None
    null_share: float
    reason: str


@dataclass(frozen=True)
class SelectionResult:
    """The outcome of a selection by some ``selectors``; ``rows`` are by rank, the ones left out last."""

    rows: tuple[FeatureRow, ...]
    selectors: tuple[str, ...] = ()
    curve: tuple[SizePoint, ...] = ()
    stability: Stability | None = None
    before_noise: int | None = None
    train_rows: int = 0
    validate_rows: int = 0

    @property
    def chosen(self) -> tuple[str, ...]:
        """The chosen features, by rank."""
        return tuple(row.feature for row in self.rows if row.chosen)

    def to_frame(self) -> pl.DataFrame:
        """Return one row per feature: the columns of ``FeatureRow``, with a ``score_<name>`` for each selector."""
        import polars as pl

        scores = {f"score_{name}": name for name in self.selectors}
        schema = {
            "feature": pl.String, "chosen": pl.Boolean, "rank": pl.Int32, **dict.fromkeys(scores, pl.Float64), "fused": pl.Float64,
            "cluster": pl.String, "frequency": pl.Float64, "null_share": pl.Float64, "reason": pl.String,
        }  # fmt: skip
        rows = [tuple(row.scores.get(scores[n]) if n in scores else getattr(row, n) for n in schema) for row in self.rows]
        return pl.DataFrame(rows, schema=schema, orient="row")

    def to_mapping(self) -> dict[str, Any]:
        """Return everything but the rows as plain values for JSON."""
        stability = self.stability
        return {
            "chosen": list(self.chosen),
            "candidates": len(self.rows),
            "curve": [
                {"size": p.size, "quality": p.quality, "error": p.error, "per_seed": list(p.per_seed)} for p in self.curve
            ],
            "before_noise": self.before_noise,
            "phi": stability and stability.phi,
            "phi_lower": stability and stability.lower,
            "phi_upper": stability and stability.upper,
            "bootstraps": stability.bootstraps if stability else 0,
            "train_rows": self.train_rows,
            "validate_rows": self.validate_rows,
        }  # fmt: skip
