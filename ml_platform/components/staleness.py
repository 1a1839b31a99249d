"""The check ``inputs_current`` as an asset check of its own: it is asked for when wanted, and made with every materialization."""

import dagster as dg

from ml_platform.components.publish import check_result
from ml_platform.project.project import Project


def inputs_current_check(project: Project, layer: str, name: str) -> dg.AssetChecksDefinition:
    """Return the check of one asset; it reads the ledger only."""
    key = dg.AssetKey([project.name, layer, name])

    @dg.asset_check(
        asset=key,
        name="inputs_current",
        description="What the newest version was made from is still what its inputs hold. Content is compared, over windows of any length.",
        required_resource_keys={"platform"},
    )
    def inputs_current(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
        from ml_platform.pipeline.inputs_current import check_inputs_current

        return check_result(check_inputs_current(context.resources.platform.workspace(project), layer, name), key)

    return inputs_current
