from pathlib import Path

import dagster as dg

import ml_platform


@dg.definitions
def defs() -> dg.Definitions:
    """Load everything that stands below ``defs/``."""
    loaded = ml_platform.load_from_defs_folder(path_within_project=Path(__file__).parent)
    return dg.Definitions.merge(loaded, dg.Definitions(executor=ml_platform.chosen_executor()))
