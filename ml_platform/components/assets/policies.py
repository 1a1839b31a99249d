"""Policies that hold for every asset of a layer, applied once over the whole graph instead of being pasted on each."""

from datetime import timedelta

import dagster as dg

from ml_platform.components.settings import executor_name
from ml_platform.core.layers import DAILY_LAYERS

DEFAULT_OWNER = "team:data-platform"


def chosen_executor() -> dg.ExecutorDefinition:
    """Return the executor that ``ML_PLATFORM_EXECUTOR`` names: in-process, because a new process per step costs seconds of imports."""
    return dg.multiprocess_executor if executor_name() == "multiprocess" else dg.in_process_executor


def apply_policies(definitions: dg.Definitions, *, fresh_within: timedelta) -> dg.Definitions:
    """Return the definitions with an owner on every asset that has none, and a freshness policy on what moves daily.

    Parameters
    ----------
    definitions : Definitions
        Of a whole code location.
    fresh_within : timedelta
        A daily asset that was not materialized for this long is shown as failing its freshness; two thirds of it warn.
    """
    policy = _freshness_policy(fresh_within)

    def with_policies(spec: dg.AssetSpec) -> dg.AssetSpec:
        owned = spec if spec.owners else spec.replace_attributes(owners=[DEFAULT_OWNER])
        if owned.tags.get("ml_platform/layer") in DAILY_LAYERS and owned.partitions_def is not None:
            return dg.apply_freshness_policy(owned, policy, overwrite_existing=False)
        return owned

    return definitions.permissive_map_resolved_asset_specs(func=with_policies, selection=None)


def with_freshness(definitions: dg.Definitions, fresh_within: timedelta) -> dg.Definitions:
    """Return the definitions of one declaration with the freshness that it declares, on what of it is expected to move.

    Parameters
    ----------
    definitions : Definitions
        What the declaration makes.
    fresh_within : timedelta
        As of :func:`apply_policies`, which leaves a declared policy as it is.
    """
    policy = _freshness_policy(fresh_within)

    def fresh(spec: dg.AssetSpec) -> dg.AssetSpec:
        return dg.apply_freshness_policy(spec, policy) if spec.tags.get("ml_platform/layer") in DAILY_LAYERS else spec

    return definitions.permissive_map_resolved_asset_specs(func=fresh, selection=None)


def _freshness_policy(fresh_within: timedelta) -> dg.FreshnessPolicy:
    return dg.FreshnessPolicy.time_window(fail_window=fresh_within, warn_window=fresh_within * 2 / 3)
