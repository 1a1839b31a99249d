"""How long the random tests look: each says how many examples it wants on every run, and `make hunt` multiplies that."""

from __future__ import annotations

import os

EFFORT = int(os.environ.get("ML_PLATFORM_TEST_EFFORT", "1"))


def examples(usual: int) -> int:
    """Return how many examples a test looks at that looks at ``usual`` ones on every run."""
    return usual * EFFORT
