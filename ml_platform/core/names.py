"""Names of projects, tables, views and columns, and how they are joined into lake tables."""

from __future__ import annotations

import re

from ml_platform.core.errors import DeclarationError

_NAME = re.compile(r"[a-z][a-z0-9_]{0,62}")
LAYERS = (
    "raw", "tables", "features", "training", "selected", "models",
    "champion", "predictions", "outcomes", "monitoring",
)  # fmt: skip


def check_name(name: object, what: str) -> str:
    """Return ``name`` if it can name a thing in the graph, the lake and SQL alike.

    Raises
    ------
    DeclarationError
        If it is not lower-case letters, digits and single underscores, starting with a letter.
    """
    if not isinstance(name, str) or not _NAME.fullmatch(name) or "__" in name:
        raise DeclarationError(
            f"{name!r} cannot be the name of a {what}: use lower-case letters, digits and single underscores, "
            "start with a letter, at most 63 characters. (YAML reads NO, on and 007 as other values: quote them.)"
        )
    return name


def lake_table(project: str, layer: str, name: str) -> str:
    """Return the lake's name of a table: ``project/layer/name``."""
    return f"{project}/{layer}/{name}"
