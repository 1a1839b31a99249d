"""A dg project around declarations: the few files that Dagster needs to find them."""

from __future__ import annotations

import tomllib
from pathlib import Path

from ml_platform.core.errors import DeclarationError

_PYPROJECT = """\
[build-system]
requires = ["hatchling"]
build-backend = "hatchling.build"

[project]
name = "{name}"
version = "0.1.0"
requires-python = ">=3.11"
dependencies = ["ml-platform"]

[tool.hatch.build.targets.wheel]
packages = ["{package}"]

[tool.dg]
directory_type = "project"

[tool.dg.project]
root_module = "{package}"
code_location_name = "{package}"
"""
_DEFINITIONS = '''\
from pathlib import Path

import dagster as dg
import ml_platform


@dg.definitions
def defs() -> dg.Definitions:
    """Load everything that stands below ``defs/``."""
    loaded = ml_platform.load_from_defs_folder(path_within_project=Path(__file__).parent)
    return dg.Definitions.merge(loaded, dg.Definitions(executor=ml_platform.chosen_executor()))
'''
_EXECUTOR = '''\
import dagster as dg
import ml_platform


@dg.definitions
def executor() -> dg.Definitions:
    """Run the steps of a run in its own process; ML_PLATFORM_EXECUTOR=multiprocess gives each a process, which costs seconds of imports."""
    return dg.Definitions(executor=ml_platform.chosen_executor())
'''
_INSTANCE = """\
# History is kept under data/.dagster with no environment variable to set; start Dagster in this folder.
telemetry: {enabled: false}
nux: {enabled: false}
storage:
  custom:
    module: ml_platform.instance
    class: LocalStorage
    config: {base_dir: data/.dagster}
local_artifact_storage:
  module: dagster._core.storage.root
  class: LocalArtifactStorage
  config: {base_dir: data/.dagster}
compute_logs:
  module: ml_platform.instance   # logs as usual; and reports and model cards open from the UI
  class: LakePages
  config: {base_dir: data/.dagster/compute_logs}
# What a step decides, tries again, waits for or falls back on stands in the log of its run; WARNING for the exceptional alone.
python_logs: {managed_python_loggers: [ml_platform], python_log_level: INFO}
# So many runs at a time; steps of one pool wait for each other, also across runs.
concurrency:
  runs: {max_concurrent_runs: 2}
  pools: {default_limit: 1, granularity: op}
# A run whose process died is noticed and started again; a failed step has its own retries.
run_monitoring: {enabled: true, start_timeout_seconds: 300, free_slots_after_run_end_seconds: 60}
run_retries: {enabled: true, max_retries: 2, retry_on_asset_or_op_failure: false}
retention:
  sensor: {purge_after_days: {skipped: 3, success: 30, failure: 30, started: 30}}
"""
_IGNORED = "data/\n__pycache__/\n.tmp_dagster_home_*/\n"


def new_project(root: Path, package: str) -> list[Path]:
    """Write a dg project that holds nothing yet.

    Parameters
    ----------
    root : Path
        Its folder.
    package : str
        The Python package below it that will hold ``defs/``.

    Returns
    -------
    list of Path
        The files that were written.

    Raises
    ------
    DeclarationError
        If there is a Python project already that is no dg project.
    """
    if (root / "pyproject.toml").exists():
        raise DeclarationError(
            f'{root}/pyproject.toml belongs to a project that Dagster does not know. Add [tool.dg] with directory_type = "project" and '
            f"[tool.dg.project] with root_module to it, or go to an empty folder."
        )
    texts = {
        "pyproject.toml": _PYPROJECT.format(name=package.replace("_", "-"), package=package),
        "dagster.yaml": _INSTANCE,
        ".gitignore": _IGNORED,
        f"{package}/__init__.py": "",
        f"{package}/definitions.py": _DEFINITIONS,
        f"{package}/defs/__init__.py": "",
    }
    return [write_new(root / name, text) for name, text in texts.items()]


def settle_in(root: Path) -> list[Path]:
    """Write into a dg project that others made what it lacks of a new one's settings; nothing that is there is touched.

    Parameters
    ----------
    root : Path
        Its folder.

    Returns
    -------
    list of Path
        The files that were written: ``dagster.yaml``, and the executor below ``defs/`` unless the project has chosen one.
    """
    written = [] if (root / "dagster.yaml").exists() else [write_new(root / "dagster.yaml", _INSTANCE)]
    folder = defs_folder(root)
    own = [*folder.parent.glob("*.py"), *folder.glob("*.py")]
    if not any("executor" in path.read_text(encoding="utf-8") for path in own):
        written.append(write_new(folder / "executor.py", _EXECUTOR))
    return written


def defs_folder(root: Path) -> Path:
    """Return the folder of declarations of a dg project."""
    toml = "dg.toml" if (root / "dg.toml").is_file() else "pyproject.toml"
    settings = tomllib.loads((root / toml).read_text(encoding="utf-8"))
    settings = settings if toml == "dg.toml" else settings.get("tool", {}).get("dg", {})
    project = settings.get("project", {})
    module = project.get("defs_module") or f"{project.get('root_module', root.name)}.defs"
    source = root / "src" if (root / "src").is_dir() else root
    return source.joinpath(*module.split("."))


def write_new(path: Path, text: str) -> Path:
    """Write a file that must not be there yet.

    Raises
    ------
    DeclarationError
        If it is.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        raise DeclarationError(f"{path} is there already and was left as it is. Remove it, or choose another name with --name.") from None
    return path
