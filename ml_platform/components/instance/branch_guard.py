"""One Dagster history belongs to one branch of the lake: what was materialized on a branch must not look materialized elsewhere."""

from typing import Any

from ml_platform.core.errors import MlPlatformError
from ml_platform.lake.ledger.version import MAIN
from ml_platform.lake.settings import BRANCH, branch_name

_KEY = "ml_platform/branch"


def check_history(instance: Any, branch: str | None = None) -> None:
    """Note in a Dagster instance which branch its history is of; refuse another one.

    Parameters
    ----------
    instance : DagsterInstance
        Of the run or sensor that is about to look at the lake.
    branch : str, optional
        By default the one of the settings.

    Raises
    ------
    MlPlatformError
        If the instance has the history of another branch: nothing was run.
    """
    branch = branch or branch_name()
    kept = instance.run_storage.get_cursor_values({_KEY}).get(_KEY)
    if kept is None:
        # A history that was begun before there were branches is that of `main`.
        kept = branch if branch == MAIN or not _has_history(instance) else MAIN
        if kept == branch:
            instance.run_storage.set_cursor_values({_KEY: branch})
    if kept != branch:
        raise MlPlatformError(
            f"This Dagster instance holds the history of branch {kept!r}, and {BRANCH} says {branch!r}: what ran here would look "
            f"materialized there. Nothing was run. Start the UI of a branch with: {BRANCH}={branch} make dev (or ml-platform branch dev "
            f"{branch}), which keeps a history of its own."
        )


def _has_history(instance: Any) -> bool:
    """Tell whether anything was ever materialized; the run that asks is in the instance already."""
    keys = instance.get_asset_keys()
    return any(record.asset_entry.last_materialization_record is not None for record in instance.get_asset_records(keys))
