"""What extensions of your own are made of: the registries that they are found in, what each kind has to have, and parts that ours use.

The names are loaded when they are first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ml_platform.core.lazy_names import lazy_names

if TYPE_CHECKING:
    from ml_platform.audit.check import CHECKS, Check, Published
    from ml_platform.features.declared.functions.function import BOOLEANS, NUMBERS, SUMMABLE, Function
    from ml_platform.features.declared.functions.registry import WINDOW_FUNCTIONS
    from ml_platform.lake.files.store import STORES, Scheme, Store
    from ml_platform.models.figures.clustered import Estimate, estimate, estimate_mean
    from ml_platform.models.figures.metric import METRICS, Metric
    from ml_platform.models.trainers.encoding import ModelFeature, learn_features, to_matrix
    from ml_platform.models.trainers.known_trainers import TRAINERS, Trainer
    from ml_platform.models.trainers.linear import LinearTrained
    from ml_platform.models.trainers.linear_design import LinearDesign
    from ml_platform.models.trainers.parameters import check_params
    from ml_platform.models.trainers.trained import Trained, all_rows, read_header, to_shares, write_header
    from ml_platform.monitoring.drift_measure import MEASURES, DriftMeasure, Sides, Size
    from ml_platform.pipeline.outcome import CheckOutcome
    from ml_platform.selection.sample import Sample
    from ml_platform.selection.selector import SELECTORS, Selector
    from ml_platform.tables.declared.source import SOURCES, Delivery, Source
    from ml_platform.training.target import Target

_HOMES = {
    "BOOLEANS": "ml_platform.features.declared.functions.function",
    "CHECKS": "ml_platform.audit.check",
    "MEASURES": "ml_platform.monitoring.drift_measure",
    "METRICS": "ml_platform.models.figures.metric",
    "NUMBERS": "ml_platform.features.declared.functions.function",
    "SELECTORS": "ml_platform.selection.selector",
    "SOURCES": "ml_platform.tables.declared.source",
    "STORES": "ml_platform.lake.files.store",
    "SUMMABLE": "ml_platform.features.declared.functions.function",
    "TRAINERS": "ml_platform.models.trainers.known_trainers",
    "WINDOW_FUNCTIONS": "ml_platform.features.declared.functions.registry",
    "Check": "ml_platform.audit.check",
    "CheckOutcome": "ml_platform.pipeline.outcome",
    "Delivery": "ml_platform.tables.declared.source",
    "DriftMeasure": "ml_platform.monitoring.drift_measure",
    "Estimate": "ml_platform.models.figures.clustered",
    "Function": "ml_platform.features.declared.functions.function",
    "LinearDesign": "ml_platform.models.trainers.linear_design",
    "LinearTrained": "ml_platform.models.trainers.linear",
    "Metric": "ml_platform.models.figures.metric",
    "ModelFeature": "ml_platform.models.trainers.encoding",
    "Published": "ml_platform.audit.check",
    "Sample": "ml_platform.selection.sample",
    "Scheme": "ml_platform.lake.files.store",
    "Selector": "ml_platform.selection.selector",
    "Sides": "ml_platform.monitoring.drift_measure",
    "Size": "ml_platform.monitoring.drift_measure",
    "Source": "ml_platform.tables.declared.source",
    "Store": "ml_platform.lake.files.store",
    "Target": "ml_platform.training.target",
    "Trained": "ml_platform.models.trainers.trained",
    "Trainer": "ml_platform.models.trainers.known_trainers",
    "all_rows": "ml_platform.models.trainers.trained",
    "check_params": "ml_platform.models.trainers.parameters",
    "estimate": "ml_platform.models.figures.clustered",
    "estimate_mean": "ml_platform.models.figures.clustered",
    "learn_features": "ml_platform.models.trainers.encoding",
    "read_header": "ml_platform.models.trainers.trained",
    "to_matrix": "ml_platform.models.trainers.encoding",
    "to_shares": "ml_platform.models.trainers.trained",
    "write_header": "ml_platform.models.trainers.trained",
}
__all__ = [
    "BOOLEANS",
    "CHECKS",
    "MEASURES",
    "METRICS",
    "NUMBERS",
    "SELECTORS",
    "SOURCES",
    "STORES",
    "SUMMABLE",
    "TRAINERS",
    "WINDOW_FUNCTIONS",
    "Check",
    "CheckOutcome",
    "Delivery",
    "DriftMeasure",
    "Estimate",
    "Function",
    "LinearDesign",
    "LinearTrained",
    "Metric",
    "ModelFeature",
    "Published",
    "Sample",
    "Scheme",
    "Selector",
    "Sides",
    "Size",
    "Source",
    "Store",
    "Target",
    "Trained",
    "Trainer",
    "all_rows",
    "check_params",
    "estimate",
    "estimate_mean",
    "learn_features",
    "read_header",
    "to_matrix",
    "to_shares",
    "write_header",
]
if not TYPE_CHECKING:  # which would take any name for one that is there
    __getattr__, __dir__ = lazy_names(__name__, _HOMES)
