"""What a run in this process has done, asset by asset, read from its own events."""

from collections.abc import Sequence
from typing import Any

import dagster as dg

from ml_platform.core.layers import TableName


def made_rows(result: dg.ExecuteInProcessResult, keys: Sequence[dg.AssetKey], before: int) -> list[dict[str, Any]]:
    """Return per asset how many of its partitions were written, were there already, and which checks failed.

    Parameters
    ----------
    result : ExecuteInProcessResult
        Of a run over assets of ours.
    keys : sequence of AssetKey
        The assets.
    before : int
        The lake's newest commit when the run began.
    """
    made: dict[dg.AssetKey, list[dict[str, Any]]] = {key: [] for key in keys}
    for event in result.get_asset_materialization_events():
        one = event.step_materialization_data.materialization
        # A range run ends each asset with an event of its own that names no partition and no version.
        if "lake/commit" in one.metadata:
            made[one.asset_key].append({name: value.value for name, value in one.metadata.items()})
    # What Dagster knew already is observed: one by one, or many in one event that says how many.
    same: dict[dg.AssetKey, list[dict[str, Any]]] = {key: [] for key in keys}
    for event in result.all_events:
        if event.event_type_value == "ASSET_OBSERVATION":
            seen = event.asset_observation_data.asset_observation
            same[seen.asset_key].append({name: value.value for name, value in seen.metadata.items()})
    checks: dict[dg.AssetKey, list[str]] = {}
    for check in result.get_asset_check_evaluations():
        if not check.passed:
            checks.setdefault(check.asset_key, []).append(check.check_name)
    return [
        {
            "asset": TableName.of_parts(key.path).short,
            "written": sum(one["lake/commit"] > before for one in found),
            "unchanged": sum(one["lake/commit"] <= before for one in found) + sum(one.get("partitions", 1) for one in same[key]),
            "rows": sum(one.get("dagster/partition_row_count", one.get("dagster/row_count", 0)) for one in [*found, *same[key]]),
            "seconds": max((one.get("seconds", 0.0) for one in found), default=0.0),
            "checks that failed": ", ".join(checks.get(key, ())),
        }
        for key, found in made.items()
    ]


def failures(result: dg.ExecuteInProcessResult) -> list[str]:
    """Return per failed step of a run its name and what it said; of a run that failed without a step, where to look."""
    found = []
    for event in result.all_events:
        if event.is_step_failure and event.step_failure_data.error is not None:
            user = event.step_failure_data.user_failure_data
            told = user.description if user and user.description else event.step_failure_data.error.message
            found.append(f"{event.step_key}: {told.strip()}")
    return found or ([] if result.success else [f"run {result.run_id} failed before its first step; see it in the UI"])


def broken_checks(result: dg.ExecuteInProcessResult) -> dict[str, list[str]]:
    """Return by layer what the checks of a run say that found an error: what was stopped, and what to do."""
    found: dict[str, list[str]] = {}
    for check in result.get_asset_check_evaluations():
        if not check.passed and check.severity == dg.AssetCheckSeverity.ERROR:
            table = TableName.of_parts(check.asset_key.path)
            found.setdefault(table.layer, []).append(f"{table.short}, check {check.check_name}: {check.description or 'did not pass'}")
    return found
