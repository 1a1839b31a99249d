"""Where the Dagster history of a branch is kept: each in a folder of its own, with the project's settings."""

import importlib
import os
from collections.abc import Iterator
from contextlib import chdir, contextmanager
from pathlib import Path
from typing import Any

import dagster as dg

from ml_platform.components.dagster_internals import LOCAL_ARTIFACTS
from ml_platform.components.instance.branch_guard import check_history
from ml_platform.core.errors import MlPlatformError
from ml_platform.lake.ledger.version import MAIN

HOME = "DAGSTER_HOME"
# What Dagster keeps in files beside its database: module, class, and the folder in a branch's home.
_OWN_FILES = {
    "local_artifact_storage": (*LOCAL_ARTIFACTS, ""),
    "compute_logs": ("ml_platform.components.lake_pages", "LakePages", "compute_logs"),
}


@contextmanager
def open_history(root: Path, branch: str) -> Iterator[dg.DagsterInstance]:
    """Open the instance that holds the history of a branch, the one that ``ml-platform branch dev`` shows.

    Parameters
    ----------
    root : Path
        The folder of the dg project.
    branch : str
        ``main`` is kept where ``DAGSTER_HOME`` or the project's ``dagster.yaml`` say.

    Raises
    ------
    MlPlatformError
        If there are neither, or the history is that of another branch.
    """
    home = history_home(root, branch)
    if not (home / "dagster.yaml").is_file():
        raise MlPlatformError(
            f"Nothing says where the Dagster history of {branch!r} is kept: {home} has no dagster.yaml. Write one (ml-platform init does), "
            f"or set {HOME} to the folder that has it."
        )
    # The paths of a project's dagster.yaml are relative to the folder that Dagster is started in.
    with chdir(root), dg.DagsterInstance.from_config(str(home)) as instance:
        check_history(instance, branch)
        yield instance


def has_history(root: Path, branch: str) -> bool:
    """Tell whether anything says where a branch's history is kept: a branch has the settings of its project, with a folder of its own."""
    return (history_home(root, MAIN) / "dagster.yaml").is_file() or (history_folder(root, branch) / "dagster.yaml").is_file()


def history_home(root: Path, branch: str) -> Path:
    """Return the ``DAGSTER_HOME`` of a branch, with its settings written if it is not ``main``."""
    given = os.environ.get(HOME)
    if branch == MAIN:
        return Path(given) if given else root
    return write_history_settings(root, branch)


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
    # A database server holds the history of `main`, and a branch gets files of its own.
    settings["storage"] = storage or {"sqlite": {"base_dir": str(home)}}
    for name, (module, kind, folder) in _OWN_FILES.items():
        settings.pop(name, None)
        # Without these words Dagster keeps both below the DAGSTER_HOME as well, so one that has renamed them is left to itself.
        if _is_there(module, kind):
            settings[name] = {"module": module, "class": kind, "config": {"base_dir": str(home / folder)}}
    home.mkdir(parents=True, exist_ok=True)
    (home / "dagster.yaml").write_text(yaml.safe_dump(settings, sort_keys=False), encoding="utf-8")
    return home


def _is_there(module: str, kind: str) -> bool:
    try:
        return hasattr(importlib.import_module(module), kind)
    except ImportError:
        return False


def _with_folder(settings: dict[str, Any], folder: str) -> dict[str, Any]:
    """Return settings with their ``base_dir``, wherever it stands, replaced; nothing if they have none."""
    if "base_dir" in settings:
        return {**settings, "base_dir": folder}
    for name, inner in settings.items():
        if isinstance(inner, dict) and (moved := _with_folder(inner, folder)):
            return {**settings, name: moved}
    return {}
