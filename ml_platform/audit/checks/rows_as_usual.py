"""Whether the newest partition has about as many rows as those before it: half a delivery keeps every contract."""

from __future__ import annotations

from collections.abc import Mapping
from statistics import median
from typing import Any

from ml_platform.audit.check import Published
from ml_platform.pipeline.outcome import CheckOutcome


class RowsAsUsual:
    """The newest partition has from ``least`` to ``most`` times the median rows of the ``over`` partitions before it."""

    name = "rows_as_usual"
    description = "The newest partition has about as many rows as those before it."
    layers = ("raw", "tables", "features", "predictions")
    options: Mapping[str, Any] = {"least": 0.5, "most": 2.0, "over": 7}

    def judge(self, published: Published, options: Mapping[str, Any]) -> CheckOutcome:
        """Compare counts that the ledger has; no row is read."""
        *before, (newest, rows) = list(published.rows.items())
        before = before[-int(options["over"]) :]
        if not before:
            return CheckOutcome(self.name, True, "warn", f"{newest} is the first partition: there is nothing to compare it with.")
        usual = median(count for _, count in before)
        passed = options["least"] * usual <= rows <= options["most"] * usual
        told = f"{newest} has {rows:,} rows, the {len(before)} before it {usual:,.0f} in the middle."
        return CheckOutcome(self.name, passed, "warn", told, numbers={"rows": float(rows), "usual": float(usual)})


CHECK = RowsAsUsual()
