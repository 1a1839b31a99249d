"""What a measure of drift is, the size of a change between two sets of counts; and which there are."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple, Protocol

from ml_platform.core.registry import Registry

if TYPE_CHECKING:
    from ml_platform.monitoring.profile import ColumnProfile
    from ml_platform.training.problem import Drift

Kind = Literal["numeric", "category"]
# What judges a kind of column for which the problem names none.
USUAL = ("wasserstein", "jensen_shannon", "total_variation")


@dataclass(frozen=True, eq=False)
class Sides:
    """What is known of a column on both sides: sums over its rows, at least one with a value on each.

    ``counts`` of the two profiles are over the same bins: of a number between its ``edges`` (bin i holds ``edges[i - 1] < x <= edges[i]``,
    the first and the last are open), of a category one for each known value and one for all others. ``mean`` is the reference's, of a
    number.
    """

    reference: ColumnProfile
    current: ColumnProfile
    edges: tuple[float, ...] = ()
    mean: float = 0.0


class Size(NamedTuple):
    """The size of a change, and which size chance alone gives for so many rows (0 where the size is already less chance)."""

    value: float
    chance: float = 0.0


class DriftMeasure(Protocol):
    """A size of change between the rows that a model was trained on and the newest ones."""

    @property
    def name(self) -> str:
        """What declarations call it."""
        ...

    @property
    def title(self) -> str:
        """What it is called beside its value, such as ``JS``."""
        ...

    @property
    def kinds(self) -> tuple[Kind, ...]:
        """Which columns it measures: ``numeric``, ``category`` or both."""
        ...

    @property
    def limit(self) -> float:
        """The size from which a change matters, where the problem does not say another."""
        ...

    def measure(self, sides: Sides) -> Size:
        """Measure how far the current side has moved from the reference.

        Parameters
        ----------
        sides : Sides
            Counts of both.

        Returns
        -------
        Size
            0 for equal shares, the larger the further; never negative.
        """
        ...


_PACKAGE = "ml_platform.monitoring.measures"
MEASURES: Registry[DriftMeasure] = Registry(
    "drift measure", "ml_platform.drift_measures", DriftMeasure, built_in=_PACKAGE, attribute="MEASURES", several=True
)


@dataclass(frozen=True)
class Distance:
    """A measure that is one function."""

    name: str
    title: str
    kinds: tuple[Kind, ...]
    limit: float
    measure: Callable[[Sides], Size]


def measures_of(kind: Kind, rule: Drift) -> list[tuple[DriftMeasure, float]]:
    """Return what judges a kind of column, each with the size that matters: what the rule names for it, else what is usual."""
    named = [(MEASURES.get(name), limit) for name, limit in rule.measures]
    usual = [(one, one.limit) for one in map(MEASURES.get, USUAL)]
    return [pair for pair in named if kind in pair[0].kinds] or [pair for pair in usual if kind in pair[0].kinds]
