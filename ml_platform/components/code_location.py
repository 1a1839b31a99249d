"""The definitions of the dg project in a folder, as Dagster itself would load them."""

import importlib
import sys
import tomllib
from pathlib import Path

import dagster as dg
from dagster.components.definitions import LazyDefinitions

from ml_platform.core.errors import DeclarationError

# Folders of projects whose packages this process may have loaded.
_OPENED: set[str] = set()


def load_definitions(root: Path) -> dg.Definitions:
    """Load the code location of a dg project.

    Parameters
    ----------
    root : Path
        Its folder; the package below it need not be installed.

    Raises
    ------
    DeclarationError
        If the project does not name its package, or its module of definitions has none or several.
    """
    module = definitions_module(root)
    make_importable(root)
    # Dagster's own search imports what it is tested with: half a second of each command that runs something.
    held = vars(importlib.import_module(module))
    lazy = [name for name, value in held.items() if isinstance(value, LazyDefinitions)]
    names = lazy or [name for name, value in held.items() if isinstance(value, dg.Definitions)]
    if len(names) > 1:
        raise DeclarationError(f"{module} holds more than one dagster.Definitions: {', '.join(names)}. Merge them: dg.Definitions.merge.")
    for name in names:
        found = held[name]() if lazy else held[name]
        if isinstance(found, dg.Definitions):
            return found
    raise DeclarationError(f"{module} holds no dagster.Definitions. Write a function with @dg.definitions that returns them.")


def make_importable(root: Path) -> None:
    """Let the package of a dg project be imported from its folder: it need not be installed.

    Raises
    ------
    DeclarationError
        If this process has loaded a package of that name from another project's folder: it would be taken for this one.
    """
    folder = str(root / "src" if (root / "src").is_dir() else root)
    package = definitions_module(root).partition(".")[0]
    loaded = getattr(sys.modules.get(package), "__file__", None)
    other = next((path for path in _OPENED if path != folder and loaded is not None and Path(loaded).is_relative_to(path)), None)
    if other is not None and Path(folder, package).is_dir():
        raise DeclarationError(
            f"The package {package!r} of {root} was loaded from {other} already, and Python loads each name once. Start another process, "
            "or give one of the two packages another name."
        )
    _OPENED.add(folder)
    if folder not in sys.path:
        sys.path.insert(0, folder)


def definitions_module(root: Path) -> str:
    """Return the module that the project's settings name, or the ``definitions`` of its package."""
    toml = root / "dg.toml" if (root / "dg.toml").is_file() else root / "pyproject.toml"
    settings = tomllib.loads(toml.read_text(encoding="utf-8"))
    project = (settings if toml.name == "dg.toml" else settings.get("tool", {}).get("dg", {})).get("project", {})
    if not project.get("root_module"):
        raise DeclarationError(f"{toml} does not say which package holds the definitions: add root_module under [tool.dg.project].")
    return project.get("code_location_target_module") or f"{project['root_module']}.definitions"
