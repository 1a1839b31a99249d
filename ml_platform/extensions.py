"""What a trainer of your own is made of: its place in the list, and the parts of a model that the platform's own trainers use.

The names are loaded when they are first used.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from ml_platform.core.lazy_names import lazy_names

if TYPE_CHECKING:
    from ml_platform.models.trainers.encoding import ModelFeature, learn_features, to_matrix
    from ml_platform.models.trainers.known_trainers import TRAINERS, Trainer
    from ml_platform.models.trainers.linear import LinearTrained
    from ml_platform.models.trainers.linear_design import LinearDesign
    from ml_platform.models.trainers.parameters import check_params
    from ml_platform.models.trainers.trained import Trained, all_rows, read_header, to_shares, write_header
    from ml_platform.training.target import Target

_TRAINERS = "ml_platform.models.trainers"
_HOMES = {
    "LinearDesign": f"{_TRAINERS}.linear_design",
    "LinearTrained": f"{_TRAINERS}.linear",
    "ModelFeature": f"{_TRAINERS}.encoding",
    "TRAINERS": f"{_TRAINERS}.known_trainers",
    "Target": "ml_platform.training.target",
    "Trained": f"{_TRAINERS}.trained",
    "Trainer": f"{_TRAINERS}.known_trainers",
    "all_rows": f"{_TRAINERS}.trained",
    "check_params": f"{_TRAINERS}.parameters",
    "learn_features": f"{_TRAINERS}.encoding",
    "read_header": f"{_TRAINERS}.trained",
    "to_matrix": f"{_TRAINERS}.encoding",
    "to_shares": f"{_TRAINERS}.trained",
    "write_header": f"{_TRAINERS}.trained",
}
__all__ = [
    "TRAINERS",
    "LinearDesign",
    "LinearTrained",
    "ModelFeature",
    "Target",
    "Trained",
    "Trainer",
    "all_rows",
    "check_params",
    "learn_features",
    "read_header",
    "to_matrix",
    "to_shares",
    "write_header",
]
if not TYPE_CHECKING:  # which would take any name for one that is there
    __getattr__, __dir__ = lazy_names(__name__, _HOMES)
