"""One Dagster history belongs to one branch of the lake: what was materialized on a branch must not look materialized elsewhere."""

from pathlib import Path
from typing import Any

from ml_platform.core.errors import MlPlatformError
from ml_platform.lake.settings import BRANCH, branch_name
from ml_platform.lake.version import MAIN

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


def history_folder(root: Path, branch: str) -> Path:
    """Return the ``DAGSTER_HOME`` of a branch: the project itself for ``main``, else a folder under ``data/.dagster/branches``."""
    # No branch has a plus in its name: two branches never share a folder, nor does one's folder hold another's.
    return root if branch == MAIN else root / "data" / ".dagster" / "branches" / branch.replace("/", "+")


def write_history_settings(root: Path, branch: str) -> Path:
    """Write the ``dagster.yaml`` of a branch's own history, the project's with other folders; return its ``DAGSTER_HOME``."""
    import yaml

    home = history_folder(root, branch)
    if branch == MAIN:
        return home
    source = root / "dagster.yaml"
    settings = yaml.safe_load(source.read_text(encoding="utf-8")) if source.is_file() else {}
    storage = _with_folder(settings.get("storage", {}), str(home))
    settings |= {
        # A database server holds the history of `main`, and a branch gets files of its own.
        "storage": storage or {"sqlite": {"base_dir": str(home)}},
        "local_artifact_storage": {
            "module": "dagster._core.storage.root", "class": "LocalArtifactStorage", "config": {"base_dir": str(home)},
        },
        "compute_logs": {
            "module": "dagster._core.storage.local_compute_log_manager", "class": "LocalComputeLogManager",
            "config": {"base_dir": str(home / "compute_logs")},
        },
    }  # fmt: skip
    home.mkdir(parents=True, exist_ok=True)
    (home / "dagster.yaml").write_text(yaml.safe_dump(settings, sort_keys=False), encoding="utf-8")
    return home


def _with_folder(settings: dict[str, Any], folder: str) -> dict[str, Any]:
    """Return settings with their ``base_dir``, wherever it stands, replaced; nothing if they have none."""
    if "base_dir" in settings:
        return {**settings, "base_dir": folder}
    for name, inner in settings.items():
        if isinstance(inner, dict) and (moved := _with_folder(inner, folder)):
            return {**settings, name: moved}
    return {}
