"""What Dagster would show as stale, asked of an instance without a webserver."""

from __future__ import annotations

import dagster as dg
from dagster._core.definitions.data_version import CachingStaleStatusResolver
from dagster._core.loader import LoadingContextForTest


def stale_reasons(definitions: dg.Definitions, instance: dg.DagsterInstance, key: dg.AssetKey, day: str | None = None) -> list[str]:
    """Return why an asset (one day of it) is stale, or that it is missing; nothing if it is fresh."""
    resolver = CachingStaleStatusResolver(instance, definitions.resolve_asset_graph(), LoadingContextForTest(instance))
    status = resolver.get_status(key, day).value
    reasons = [cause.reason for cause in resolver.get_stale_causes(key, day)]
    return [status] if status == "MISSING" else reasons
