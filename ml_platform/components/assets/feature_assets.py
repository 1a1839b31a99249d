"""The feature assets of a view: one per entity, each a history of change points."""

import dagster as dg

from ml_platform.components.assets.asset_plan import AssetPlan, Dep, asset_of
from ml_platform.components.assets.column_schemas import feature_columns
from ml_platform.components.assets.mappings import days_up, files_of_times
from ml_platform.components.assets.table_assets import follows_days_of
from ml_platform.core.durations import format_duration
from ml_platform.features.declared.compile_windows import as_window
from ml_platform.features.declared.compiled_view import CompiledView
from ml_platform.features.declared.definition import feature_table_name
from ml_platform.features.declared.edges import MICROSECOND
from ml_platform.features.declared.window_spec import FOREVER
from ml_platform.pipeline.declared_code import declared_code_version
from ml_platform.project.project import Project
from ml_platform.tables.declared.table import DailyPartitions

# Dagster counts the days of a mapping one by one. What is older still goes into the values: reading does not ask the mapping.
MOST_DAYS = 1_100


def feature_key(project: Project, view: str, entity: tuple[str, ...]) -> dg.AssetKey:
    """Return the asset key of one feature table."""
    return dg.AssetKey([project.name, "features", feature_table_name(view, entity)])


def assets_of(project: Project, view: CompiledView) -> list[dg.AssetsDefinition]:
    """Return one asset per entity of the view; none for a view that is computed at the spine only."""
    if not view.view.store:
        return []
    return [asset_of(_plan(project, view, entity)) for entity in view.view.entities]


def reach_days(view: CompiledView, partitions: DailyPartitions | None) -> int:
    """Return how many days before its own a day of the view can look back to: the longest window and one refresh.

    A continuous view also looks at the last row before its window, which leaves it as the day begins.
    Windows over all rows look back to the project's first day; where the days have no end, Dagster is told of the last ``MOST_DAYS``.
    """
    if view.max_window < FOREVER:
        return days_up(view.max_window + (view.view.refresh or MICROSECOND))
    return whole_days(partitions)


def whole_days(partitions: DailyPartitions | None) -> int:
    """Return how many days Dagster is told that a feature over all that came before looks back to."""
    if partitions is None or partitions.end is None:
        return MOST_DAYS
    return (partitions.end - partitions.start).days


def _plan(project: Project, view: CompiledView, entity: tuple[str, ...]) -> AssetPlan:
    def run(workspace, keys):
        from ml_platform.pipeline.feature_tables.feature_table import materialize_features

        return materialize_features(workspace, view.view.name, entity, keys)

    def waits(workspace, days):
        from ml_platform.pipeline.feature_tables.feature_table import waiting_features

        return waiting_features(workspace, view.view.name, entity, days)

    def judge(workspace, which, _names):
        from ml_platform.audit.published_checks import judge_features

        return judge_features(workspace, view.view.name, entity, which)

    deps = []
    for name in view.reads:
        table = project.table(name)
        mapping = None if table.partitions is None else files_of_times(table.partitions, -reach_days(view, project.partitions), 0)
        deps.append(Dep(dg.AssetKey([project.name, "tables", name]), mapping))
    refresh = "continuously" if view.view.refresh is None else f"every {format_duration(view.view.refresh)}"
    told = ", ".join(as_window(w).label for w in view.view.windows)
    return AssetPlan(
        project=project,
        layer="features",
        name=feature_table_name(view.view.name, entity),
        run=run,
        description=f"{view.view.description or view.view.name} per **{', '.join(entity)}**"
        f"{f', over windows of {told}' if told else ''}, refreshed {refresh}. A row holds from its `valid_from` until the next row of "
        "the same entity: the value at any cutoff is the last row at or before it.",
        partitions=project.partitions,
        deps=tuple(deps),
        checks={"rows_and_nulls": "The feature table has rows, and no feature is empty throughout."},
        judge=judge,
        owners=view.view.owners,
        tags=view.view.tags,
        kinds=("duckdb", "polars", "featuretools") if view.view.discover else ("duckdb", "polars"),
        code_version=declared_code_version(project, "features", view.asset_names[entity]),
        column_schema=feature_columns(view, entity),
        automation=follows_days_of(project, view.reads),
        waits=waits,
    )
