"""What those who extend the platform test with: the contract that everything of a kind must keep, and registries that forget.

The contracts are classes for pytest: a subclass in your tests that names your thing runs all of it. Only they need pytest.
The names are loaded when they are first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ml_platform.core.lazy_names import lazy_names

if TYPE_CHECKING:
    from ml_platform.testing.checks import CheckContract
    from ml_platform.testing.drift_measures import DriftMeasureContract
    from ml_platform.testing.functions import FunctionContract
    from ml_platform.testing.metrics import MetricContract
    from ml_platform.testing.registries import isolated_registries, registered
    from ml_platform.testing.selectors import SelectorContract
    from ml_platform.testing.sources import SourceContract
    from ml_platform.testing.stores import StoreContract
    from ml_platform.testing.trainers import TrainerContract

_HOMES = {
    "CheckContract": "ml_platform.testing.checks",
    "DriftMeasureContract": "ml_platform.testing.drift_measures",
    "FunctionContract": "ml_platform.testing.functions",
    "MetricContract": "ml_platform.testing.metrics",
    "SelectorContract": "ml_platform.testing.selectors",
    "SourceContract": "ml_platform.testing.sources",
    "StoreContract": "ml_platform.testing.stores",
    "TrainerContract": "ml_platform.testing.trainers",
    "isolated_registries": "ml_platform.testing.registries",
    "registered": "ml_platform.testing.registries",
}
__all__ = [
    "CheckContract",
    "DriftMeasureContract",
    "FunctionContract",
    "MetricContract",
    "SelectorContract",
    "SourceContract",
    "StoreContract",
    "TrainerContract",
    "isolated_registries",
    "registered",
]
if not TYPE_CHECKING:  # which would take any name for one that is there
    __getattr__, __dir__ = lazy_names(__name__, _HOMES)
