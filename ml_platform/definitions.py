"""The code location: what ``defs/`` declares, one executor, and the policies that hold for every asset."""

from datetime import timedelta
from pathlib import Path

import dagster as dg

from ml_platform.components.policies import apply_policies
from ml_platform.components.settings import executor_name


@dg.definitions
def defs() -> dg.Definitions:
    """Load ``defs/`` and apply executor and policies once over the whole graph."""
    loaded = dg.load_from_defs_folder(path_within_project=Path(__file__).parent)
    # A new process per step costs several CPU-seconds of imports: in-process unless one setting asks otherwise.
    executor = dg.multiprocess_executor if executor_name() == "multiprocess" else dg.in_process_executor
    return dg.Definitions.merge(apply_policies(loaded, fresh_within=timedelta(hours=36)), dg.Definitions(executor=executor))
