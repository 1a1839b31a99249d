"""The code location: what ``defs/`` declares, one executor, and the policies that hold for every asset."""

from datetime import timedelta
from pathlib import Path

import dagster as dg

import ml_platform
from ml_platform.components.assets.policies import apply_policies


@dg.definitions
def defs() -> dg.Definitions:
    """Load ``defs/`` and apply executor and policies once over the whole graph."""
    loaded = ml_platform.load_from_defs_folder(path_within_project=Path(__file__).parent)
    return dg.Definitions.merge(
        apply_policies(loaded, fresh_within=timedelta(hours=36)), dg.Definitions(executor=ml_platform.chosen_executor())
    )
