"""The checks that a declaration asks for by name: each an asset check of its own, of every asset of the declaration that it can judge."""

from collections.abc import Iterable, Mapping
from typing import Any

import dagster as dg

from ml_platform.audit.check import CHECKS, Check
from ml_platform.components.assets.staleness import check_of
from ml_platform.core.layers import TableName
from ml_platform.project.project import Project


def checks_of(
    project: Project, asked: Mapping[str, Mapping[str, Any] | None], assets: Iterable[dg.AssetsDefinition]
) -> list[dg.AssetChecksDefinition]:
    """Return the asset checks of a declaration; each runs with its asset, and by itself."""
    if not asked:
        return []
    tables = [TableName.of_parts(spec.key.path) for one in assets for spec in one.specs]
    named = [(CHECKS.get(name), options or {}) for name, options in asked.items()]
    return [_of(project, table, check, options) for check, options in named for table in tables if table.layer in check.layers]


def _of(project: Project, table: TableName, check: Check, options: Mapping[str, Any]) -> dg.AssetChecksDefinition:
    def run(workspace: Any) -> Any:
        from ml_platform.audit.check import run_check

        return run_check(workspace, check.name, table.layer, table.name, options)

    return check_of(project, dg.AssetKey(list(table.parts)), check.name, check.description, run)
