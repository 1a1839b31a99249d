"""What every selector is: a way to score the features of a sample."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    import numpy as np

    from ml_platform.selection.sample import Sample


class Selector(Protocol):
    """Scores each feature by what it says about the label."""

    @property
    def name(self) -> str:
        """A short name, as in ``score_<name>``."""
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
