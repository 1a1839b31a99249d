"""The contract of drift measures."""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

import numpy as np
import polars as pl
import pytest

from ml_platform.monitoring.drift_measure import MEASURES, Sides, Size
from ml_platform.monitoring.profile import layout_of, profile_of
from ml_platform.sql.duck import session

if TYPE_CHECKING:
    from ml_platform.monitoring.drift_measure import Kind

ROWS = 4_000


def sides_of(kind: Kind, shift: float, *, seed: int = 0) -> Sides:
    """Return a made column before and after a change of so many standard deviations, or of the shares of its categories."""
    rng = np.random.default_rng(seed)
    before, now = rng.normal(size=ROWS), rng.normal(shift, size=ROWS)
    frames = [pl.DataFrame({"x": values}) for values in (before, now)]
    if kind == "category":
        frames = [frame.select(x=pl.lit("c") + (pl.col("x") * 2).round().clip(-4, 4).cast(pl.Int8).cast(pl.String)) for frame in frames]
    with session() as con:
        relation = con.from_arrow(frames[0].to_arrow())
        layout = layout_of(relation)
        reference, current = profile_of(relation, layout), profile_of(con.from_arrow(frames[1].to_arrow()), layout)
        numeric = kind == "numeric"
        return Sides(reference.columns["x"], current.columns["x"], layout.edges.get("x", ()), reference.mean("x") if numeric else 0.0)


class DriftMeasureContract:
    """What every measure of drift keeps, for each kind of column. Subclass it, with the ``names`` of yours."""

    names: ClassVar[tuple[str, ...]] = ()

    def pytest_generate_tests(self, metafunc: pytest.Metafunc) -> None:
        """Run each test for each measure and kind of column."""
        if "measured" in metafunc.fixturenames:
            cases = [(name, kind) for name in self.names for kind in MEASURES.get(name).kinds]
            metafunc.parametrize("measured", cases, ids=["-".join(case) for case in cases])

    def size(self, measured: tuple[str, Kind], shift: float, *, seed: int = 0) -> Size:
        """Return what a measure says of a change."""
        name, kind = measured
        return MEASURES.get(name).measure(sides_of(kind, shift, seed=seed))

    def test_equal_counts_are_not_apart(self, measured: tuple[str, Kind]) -> None:
        name, kind = measured
        sides = sides_of(kind, 0.0)
        assert MEASURES.get(name).measure(Sides(sides.reference, sides.reference, sides.edges, sides.mean)).value == pytest.approx(0.0)

    def test_a_greater_change_is_a_greater_size(self, measured: tuple[str, Kind]) -> None:
        sizes = [self.size(measured, shift).value for shift in (0.0, 0.5, 1.0, 2.0)]
        assert np.isfinite(sizes).all()
        assert sizes == sorted(sizes)
        assert sizes[0] >= 0

    def test_by_chance_alone_it_stays_below_its_limit(self, measured: tuple[str, Kind]) -> None:
        found = [self.size(measured, 0.0, seed=seed) for seed in range(5)]
        assert all(size.value < MEASURES.get(measured[0]).limit for size in found)
        assert all(0 <= size.chance < MEASURES.get(measured[0]).limit for size in found)

    def test_a_change_of_two_standard_deviations_matters(self, measured: tuple[str, Kind]) -> None:
        size = self.size(measured, 2.0)
        assert size.value - size.chance >= MEASURES.get(measured[0]).limit
