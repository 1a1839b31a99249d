"""A Dagster asset-graph data platform for machine learning: declare tables, feature views and a problem, get the graph.

The names below are loaded when they are first used, so that ``import ml_platform.core`` costs nothing and knows no Dagster.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ml_platform.core.lazy_names import lazy_names

if TYPE_CHECKING:
    from ml_platform.commands.start.quickstart import quickstart
    from ml_platform.components.assets.policies import chosen_executor
    from ml_platform.components.declarations.feature_view import FeatureView
    from ml_platform.components.declarations.problem import Problem
    from ml_platform.components.declarations.retention import Retention
    from ml_platform.components.declarations.table import Table
    from ml_platform.components.load_folder import load_from_defs_folder
    from ml_platform.components.opening import open_project
    from ml_platform.components.resources.engine import Engine
    from ml_platform.components.resources.resource import LakeDuckDB, Platform

_HOMES = {
    "Engine": "ml_platform.components.resources.engine",
    "FeatureView": "ml_platform.components.declarations.feature_view",
    "LakeDuckDB": "ml_platform.components.resources.resource",
    "Platform": "ml_platform.components.resources.resource",
    "Problem": "ml_platform.components.declarations.problem",
    "Retention": "ml_platform.components.declarations.retention",
    "Table": "ml_platform.components.declarations.table",
    "chosen_executor": "ml_platform.components.assets.policies",
    "load_from_defs_folder": "ml_platform.components.load_folder",
    "open_project": "ml_platform.components.opening",
    "quickstart": "ml_platform.commands.start.quickstart",
}
__all__ = [
    "Engine",
    "FeatureView",
    "LakeDuckDB",
    "Platform",
    "Problem",
    "Retention",
    "Table",
    "chosen_executor",
    "load_from_defs_folder",
    "open_project",
    "quickstart",
]
if not TYPE_CHECKING:  # which would take any name for one that is there
    __getattr__, __dir__ = lazy_names(__name__, _HOMES)
