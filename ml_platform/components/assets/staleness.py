"""The check ``inputs_current`` as an asset check of its own: it is asked for when wanted, and reads the ledger only."""

from collections.abc import Callable
from typing import Any

import dagster as dg

from ml_platform.components.assets.feature_assets import feature_key
from ml_platform.components.events.publish import check_result
from ml_platform.components.instance.branch_guard import check_history
from ml_platform.components.steps.step_failure import step_failure
from ml_platform.core.errors import MlPlatformError
from ml_platform.features.declared.compiled_view import CompiledView
from ml_platform.project.project import CompiledProblem, Project

# What moves every day is looked at once a day: with a condition of its own a check does not ride along with each run of its asset.
DAILY = dg.AutomationCondition.cron_tick_passed("0 5 * * *").with_label("once a day")
_NEWEST = "What the newest version was made from is still what its inputs hold. Content is compared, over windows of any length."
_EVERY = "What every partition was made from is still what its windows reach: also rows that came later than their table's bounds foresee."


def checks_of_view(project: Project, view: CompiledView) -> list[dg.AssetChecksDefinition]:
    """Return one check per feature table of a view; none for a view that is computed at the spine only."""

    def of(entity: tuple[str, ...]) -> dg.AssetChecksDefinition:
        def run(workspace: Any) -> Any:
            from ml_platform.audit.inputs_current import check_features_current

            return check_features_current(workspace, view.name, entity)

        return check_of(project, feature_key(project, view.name, entity), "inputs_current", _EVERY, run, DAILY)

    return [of(entity) for entity in view.view.entities] if view.view.store else []


def checks_of_problem(project: Project, problem: CompiledProblem) -> list[dg.AssetChecksDefinition]:
    """Return the checks of a problem's training set, model and predictions, each of its newest partition."""

    def of(layer: str, condition: dg.AutomationCondition | None = None) -> dg.AssetChecksDefinition:
        def run(workspace: Any) -> Any:
            from ml_platform.audit.inputs_current import check_inputs_current

            return check_inputs_current(workspace, layer, problem.name)

        return check_of(project, dg.AssetKey([project.name, layer, problem.name]), "inputs_current", _NEWEST, run, condition)

    return [of("training"), of("models"), of("predictions", DAILY)]


def check_of(
    project: Project,
    key: dg.AssetKey,
    name: str,
    description: str,
    run: Callable[[Any], Any],
    condition: dg.AutomationCondition | None = None,
) -> dg.AssetChecksDefinition:
    """Return an asset check of its own, which asks ``run(workspace)`` for its verdict."""

    @dg.asset_check(
        asset=key,
        name=name,
        description=description,
        required_resource_keys={"platform"},
        automation_condition=condition,
    )
    def body(context: dg.AssetCheckExecutionContext) -> dg.AssetCheckResult:
        try:
            check_history(context.instance)
            return check_result(run(context.resources.platform.workspace(project)), key)
        except MlPlatformError as error:
            raise step_failure(error) from error

    return body
