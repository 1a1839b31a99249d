"""Verdicts of checks as Dagster's pages show them."""

from typing import Any

import dagster as dg

from ml_platform.components.dagster_internals import tied_to


class ShownResult(dg.AssetCheckResult):
    """A verdict that Dagster shows until the asset is materialized again.

    Dagster ties a verdict to the newest materialization of the step's own partition, and shows it only as long as that is the newest of the
    whole asset: the verdict on a stopped day, or on one that was found unchanged, would be shown as "not evaluated".
    """

    def to_asset_check_evaluation(self, step_context: Any) -> Any:
        """Return the verdict, tied to the newest materialization of the asset."""
        evaluation = super().to_asset_check_evaluation(step_context)
        if evaluation.partition is not None:
            return evaluation
        records = step_context.instance.fetch_materializations(dg.AssetRecordsFilter(evaluation.asset_key), limit=1).records
        return tied_to(evaluation, records[0] if records else None)
