"""What a project's ``dagster.yaml`` names: where Dagster keeps its history, and how reports and model cards open from its UI."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ml_platform.core.lazy_names import lazy_names

if TYPE_CHECKING:
    from ml_platform.components.lake_pages import LakePages
    from ml_platform.components.local_storage import LocalStorage

_HOMES = {"LakePages": "ml_platform.components.lake_pages", "LocalStorage": "ml_platform.components.local_storage"}
__all__ = ["LakePages", "LocalStorage"]
if not TYPE_CHECKING:  # which would take any name for one that is there
    __getattr__, __dir__ = lazy_names(__name__, _HOMES)
