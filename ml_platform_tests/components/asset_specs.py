"""All asset specs of the demo in plain words; ``python -m ml_platform_tests.components.asset_specs`` writes the golden file anew."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import dagster as dg

from examples.flights.definitions import defs
from ml_platform.components.assets.column_schemas import BY_LINK, IN_PLACE

GOLDEN = Path(__file__).with_name("asset_specs.golden.json")


def describe() -> dict[str, Any]:
    """Return every asset of the code location with what a reader, a sensor or another asset can see of it."""
    definitions = defs()
    graph = definitions.resolve_asset_graph()
    checks: dict[dg.AssetKey, list[str]] = {}
    for check in graph.asset_check_keys:
        checks.setdefault(check.asset_key, []).append(check.name)
    return {
        spec.key.to_user_string(): _describe(spec, sorted(checks.get(spec.key, ())))
        for spec in sorted(definitions.resolve_all_asset_specs(), key=lambda s: s.key)
    }


def _describe(spec: dg.AssetSpec, checks: list[str]) -> dict[str, Any]:
    linked = spec.metadata.get(BY_LINK)
    schema = spec.metadata.get(IN_PLACE) if linked is None else linked.schema
    return {
        "group": spec.group_name,
        "description": spec.description,
        "deps": {d.asset_key.to_user_string(): _mapping(d.partition_mapping) for d in sorted(spec.deps, key=lambda d: d.asset_key)},
        "partitions": _partitions(spec.partitions_def),
        "owners": sorted(spec.owners),
        "kinds": sorted(spec.kinds),
        "tags": {k: v for k, v in sorted(spec.tags.items()) if not k.startswith("dagster/kind/")},
        "code_version": spec.code_version is not None,
        "automation": None if spec.automation_condition is None else spec.automation_condition.get_label(),
        "fresh": spec.freshness_policy is not None,
        "columns": None if schema is None else [f"{c.name}: {c.type}" for c in schema.columns],
        "columns are": None if schema is None else "a link" if linked is not None else "in place",
        "checks": checks,
    }


def _mapping(mapping: dg.PartitionMapping | None) -> str | None:
    if isinstance(mapping, dg.TimeWindowPartitionMapping):
        return f"days {mapping.start_offset:+d} to {mapping.end_offset:+d}"
    return None if mapping is None else type(mapping).__name__


def _partitions(partitions: dg.PartitionsDefinition | None) -> str | None:
    if isinstance(partitions, dg.DailyPartitionsDefinition):
        end = partitions.end
        return f"daily from {partitions.start:%Y-%m-%d}{f' to {end:%Y-%m-%d}' if end else ''}"
    return None


if __name__ == "__main__":
    GOLDEN.write_text(json.dumps(describe(), indent=1, sort_keys=True) + "\n", encoding="utf-8")
