"""A Dagster asset-graph data platform for machine learning: declare tables, feature views and a problem, get the graph.

The names below are loaded when they are first used, so that ``import ml_platform.core`` costs nothing and knows no Dagster.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ml_platform.commands.start.quickstart import quickstart
    from ml_platform.components.declarations.feature_view import FeatureView
    from ml_platform.components.declarations.problem import Problem
    from ml_platform.components.declarations.retention import Retention
    from ml_platform.components.declarations.table import Table
    from ml_platform.components.load_folder import load_from_defs_folder
    from ml_platform.components.opening import open_project

_HOMES = {
    "Table": "ml_platform.components.declarations.table",
    "FeatureView": "ml_platform.components.declarations.feature_view",
    "Problem": "ml_platform.components.declarations.problem",
    "Retention": "ml_platform.components.declarations.retention",
    "load_from_defs_folder": "ml_platform.components.load_folder",
    "open_project": "ml_platform.components.opening",
    "quickstart": "ml_platform.commands.start.quickstart",
}
__all__ = ["FeatureView", "Problem", "Retention", "Table", "load_from_defs_folder", "open_project", "quickstart"]


def __getattr__(name: str) -> Any:
    if name in _HOMES:
        return getattr(importlib.import_module(_HOMES[name]), name)
    raise AttributeError(f"module 'ml_platform' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])
