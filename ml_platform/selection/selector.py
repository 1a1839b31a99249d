"""What a selector is, a way to score the features of a sample; and which there are."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from ml_platform.core.registry import Registry

if TYPE_CHECKING:
    import numpy as np

    from ml_platform.selection.sample import Sample


class Selector(Protocol):
    """Scores each feature by what it says about the label."""

    @property
    def name(self) -> str:
        """What declarations call it, and the column ``score_<name>``."""
        ...

    @property
    def title(self) -> str:
        """What it is called in a sentence, such as ``L1 regression``."""
        ...

    @property
    def library(self) -> str:
        """The library that it computes with, which Dagster shows as an icon."""
        ...

    def score(self, sample: Sample, seed: int) -> np.ndarray:
        """Score the features.

        Parameters
        ----------
        sample : Sample
            Training rows.
        seed : int
            Of everything that is drawn.

        Returns
        -------
        ndarray of float64, shape (features,)
            The larger the better, 0 for a feature that was not used at all; never negative or NaN. Scores of two selectors, or of two
            samples, are not on one scale.
        """
        ...

    def quick(self) -> Selector:
        """Return the same selector for smaller questions: the bootstraps of the stability report ask many. It may return itself."""
        ...


SELECTORS: Registry[Selector] = Registry(
    "selector", "ml_platform.selectors", Selector, built_in="ml_platform.selection.selectors", attribute="SELECTOR"
)
