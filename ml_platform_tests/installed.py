"""A package as installers leave it: its module and the folder of metadata that names what it offers, on the path."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path


def install(folder: Path, package: str, offers: Mapping[str, Sequence[str]], source: str, *, version: str = "1.0") -> None:
    """Install a package of one module for as long as ``sys.path`` is as it is left.

    Parameters
    ----------
    folder : Path
        Where to.
    package : str
        Its name.
    offers : mapping of str to sequence of str
        By group, its entry points, such as ``forest = ext_forest:Forest``.
    source : str
        Its module.
    version : str
        Its version.
    """
    (folder / f"{package}.py").write_text(source)
    metadata = folder / f"{package}-{version}.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text(f"Metadata-Version: 2.1\nName: {package}\nVersion: {version}\n")
    (metadata / "entry_points.txt").write_text("".join("\n".join([f"[{group}]", *lines, ""]) for group, lines in offers.items()))
    if str(folder) not in sys.path:
        sys.path.insert(0, str(folder))
    importlib.invalidate_caches()
