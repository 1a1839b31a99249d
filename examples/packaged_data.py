"""Data that a package on PyPI brings along: found without importing the package."""

from __future__ import annotations

import importlib.util
from pathlib import Path

from ml_platform.core.errors import SourceError


def find_data(package: str, folder: str) -> Path:
    """Return a folder inside an installed package.

    Raises
    ------
    SourceError
        If the package is not installed.
    """
    spec = importlib.util.find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise SourceError(
            f"The data of this example come from the package {package!r}, and it is not installed. "
            "Install it with: pip install 'ml-platform[examples]'"
        )
    return Path(next(iter(spec.submodule_search_locations))) / folder
