"""The assets of a problem: training, selected, models, champion, predictions, outcomes, monitoring."""

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

import dagster as dg

from ml_platform.components.assets.asset_plan import AssetPlan, Dep, asset_of
from ml_platform.components.assets.column_schemas import training_columns
from ml_platform.components.assets.feature_assets import feature_key, reach_days, whole_days
from ml_platform.components.assets.mappings import days_up, files_of_times, window
from ml_platform.components.assets.table_assets import follows_days_of
from ml_platform.core.durations import format_duration
from ml_platform.core.layers import TableName
from ml_platform.pipeline.declared_code import declared_code_version
from ml_platform.pipeline.standing.needed import searched_tables, stored_tables
from ml_platform.project.project import CompiledProblem, Project
from ml_platform.selection.selector import SELECTORS
from ml_platform.tables.declared.table import Table

# A cutoff may lie a little before or after the times that its row's file is declared to hold; the pipeline cuts at exact times.
MARGIN_DAYS = 1
TRAINING_POOL = "ml_platform_training"


def assets_of(project: Project, problem: CompiledProblem) -> list[dg.AssetsDefinition]:
    """Return the assets of one problem, from training set to monitoring."""
    plans = (_training, _selected, _model, champion_plan, _predictions, _outcomes, _monitoring)
    return [asset_of(plan(project, problem)) for plan in plans]


def _key(project: Project, layer: str, problem: CompiledProblem) -> dg.AssetKey:
    return dg.AssetKey([project.name, layer, problem.name])


def _plan(project: Project, problem: CompiledProblem, layer: str, run: Callable[[Any, Sequence[Any]], Any], **more: Any) -> AssetPlan:
    declared = problem.problem
    return AssetPlan(project=project, layer=layer, name=problem.name, run=run, owners=declared.owners, tags=declared.tags, **more)


def _files(project: Project, table: Table, first: int, last: int) -> Dep:
    key = dg.AssetKey([project.name, "tables", table.name])
    return Dep(key, None if table.partitions is None else files_of_times(table.partitions, first, last))


def _feature_deps(project: Project, problem: CompiledProblem, first: int, last: int) -> list[Dep]:
    """Return what the features of cutoffs in the days from ``D + first`` to ``D + last`` are read from."""
    deps: dict[dg.AssetKey, Dep] = {}
    for name, entity in problem.view_entities:
        view = project.view(name)
        for stored, its in stored_tables(project, view, entity):
            key = feature_key(project, stored.name, its)
            deps[key] = Dep(key, window(first - reach_days(stored, project.partitions), last))
        if view.view.store:
            continue
        for read in view.reads:
            dep = _files(project, project.table(read), first - reach_days(view, project.partitions), last)
            deps[dep.key] = dep
    for column in problem.table_columns:
        table = project.table(column.table)
        dep = _files(project, table, first, last)
        if table.name != problem.spine_table.name:
            deps.setdefault(dep.key, dep)
    if problem.discovery is not None and not problem.carried:
        windows = problem.discovery.discovery.windows
        # Without a window everything that came before counts; Dagster is told of the project's days.
        back = days_up(max(windows)) if windows else whole_days(project.partitions)
        for name in searched_tables(problem):
            dep = _files(project, project.table(name), first - back, last)
            if name != problem.spine_table.name:
                deps[dep.key] = dep
    return list(deps.values())


def _unique(deps: list[Dep]) -> tuple[Dep, ...]:
    """Keep one dependency per asset: the widest window, written first by the callers."""
    return tuple({d.key: d for d in reversed(deps)}.values())


def _training(project: Project, problem: CompiledProblem) -> AssetPlan:
    declared = problem.problem
    back = days_up(declared.training.look_back)

    def run(workspace, keys):
        from ml_platform.pipeline.training.training_set import materialize_training

        return materialize_training(workspace, problem.name, keys)

    def judge(workspace, which, _names):
        from ml_platform.audit.published_checks import judge_training

        return judge_training(workspace, problem.name, which)

    deps = [
        _files(project, problem.spine_table, -back - MARGIN_DAYS, -1 + MARGIN_DAYS),
        *([] if problem.label_table.name == problem.spine_table.name else [_files(project, problem.label_table, -back, -1)]),
        *_feature_deps(project, problem, -back, -1),
    ]
    return _plan(
        project, problem, "training", run,
        description=f"Training rows of **{problem.name}** for training date T: the spine's rows with a cutoff in the "
        f"{format_duration(declared.training.look_back)} before T whose label is mature, every feature as of its cutoff, and the label. "
        f"{declared.description}",
        partitions=project.partitions, deps=_unique(deps),
        checks={
            "leakage": "No feature knows the outcome: not by its value, not by being missing; and the population was known at the cutoff.",
            "future": "No feature of a sample of rows moves when everything that becomes known at or after the cutoff is changed.",
            "training_rows": "Every split has rows of both kinds.",
        },
        judge=judge, newest=1, kinds=("duckdb", "polars"), column_schema=training_columns(project, problem),
        code_version=declared_code_version(project, "training", problem.name),
        pool=TRAINING_POOL,
    )  # fmt: skip


def _selected(project: Project, problem: CompiledProblem) -> AssetPlan:
    def run(workspace, keys):
        from ml_platform.pipeline.models.selected import materialize_selected

        return materialize_selected(workspace, problem.name, keys)

    chosen = problem.problem.selection
    return _plan(
        project, problem, "selected", run,
        description="The features that the model of this training date uses: each with scores, rank, stability and the reason in words. "
        "Chosen on the training rows, sized on the validation rows; the test rows are not looked at.",
        partitions=project.partitions, deps=(Dep(_key(project, "training", problem)),), checks={},
        kinds=("polars",) if chosen.method == "all" else tuple(sorted({SELECTORS.get(name).library for name in chosen.selectors})),
        code_version=declared_code_version(project, "selected", problem.name), pool=TRAINING_POOL,
    )  # fmt: skip


def _model(project: Project, problem: CompiledProblem) -> AssetPlan:
    declared = problem.problem

    def run(workspace, keys):
        from ml_platform.pipeline.models.model import materialize_model

        return materialize_model(workspace, problem.name, keys)

    def judge(workspace, which, _names):
        from ml_platform.audit.published_checks import judge_models

        return judge_models(workspace, problem.name, which)

    return _plan(
        project, problem, "models", run,
        description=f"One model version per training date: a {declared.model.trainer} model, its card, its metrics on untouched rows "
        f"beside {declared.model.baseline} and the constant, and the definitions of its features.",
        partitions=project.partitions, deps=(Dep(_key(project, "training", problem)), Dep(_key(project, "selected", problem))),
        checks={"beats_baseline": "Better than the constant beyond chance, and than the baseline, on rows that nobody had seen."},
        judge=judge, newest=1,
        kinds=(declared.model.trainer, "model"), code_version=declared_code_version(project, "models", problem.name), pool=TRAINING_POOL,
    )  # fmt: skip


def champion_plan(project: Project, problem: CompiledProblem) -> AssetPlan:
    """Return the plan of the pointer to the model that scores."""

    def run(workspace, _keys):
        from ml_platform.pipeline.models.champion import materialize_champion

        return materialize_champion(workspace, problem.name)

    return _plan(
        project, problem, "champion", run,
        description="The pointer to the model that scores, with every decision that ever moved it or left it. Scoring reads it by pointer: "
        "its data version stays the same, so a promotion makes no prediction stale.",
        deps=(Dep(_key(project, "models", problem)),), checks={}, kinds=("pointer",), pool=TRAINING_POOL, pointer=True,
    )  # fmt: skip


def _sources(project: Project, problem: CompiledProblem) -> list[str]:
    """Return the tables of which a day must have landed before that day can be scored."""
    return [
        problem.spine_table.name,
        *(t for view, _ in problem.view_entities for t in project.view(view).reads),
        *searched_tables(problem),
    ]


def _predictions(project: Project, problem: CompiledProblem) -> AssetPlan:
    def run(workspace, keys):
        from ml_platform.pipeline.scoring.predictions import materialize_predictions

        return materialize_predictions(workspace, problem.name, keys)

    def waits(workspace, days):
        from ml_platform.pipeline.scoring.due_rows import waiting_predictions

        return waiting_predictions(workspace, problem.name, days)

    champion = _key(project, "champion", problem)
    features = _feature_deps(project, problem, 0, 0)
    deps = [_files(project, problem.spine_table, -MARGIN_DAYS, MARGIN_DAYS), *features, Dep(champion)]
    stored = [d.key for d in features if TableName.of_parts(d.key.path).layer == "features"]
    return _plan(
        project, problem, "predictions", run,
        description="Scores of the spine's rows whose cutoff has passed, given by the champion of that moment, beside the features it saw. "
        "A score that was given never changes; an open day only grows.",
        partitions=project.partitions, deps=_unique(deps), checks={}, kinds=(problem.problem.model.trainer, "polars"),
        automation=follows_days_of(project, _sources(project, problem), pointers=[champion], awaited=stored),
        waits=waits,
    )  # fmt: skip


def _outcomes(project: Project, problem: CompiledProblem) -> AssetPlan:
    def run(workspace, keys):
        from ml_platform.pipeline.scoring.outcomes import materialize_outcomes

        return materialize_outcomes(workspace, problem.name, keys)

    def waits(workspace, days):
        from ml_platform.pipeline.scoring.outcomes import waiting_outcomes

        return waiting_outcomes(workspace, problem.name, days)

    horizon = days_up(problem.maturity + timedelta(days=1))
    deps = [Dep(_key(project, "predictions", problem)), _files(project, problem.label_table, 0, horizon - 1)]
    return _plan(
        project, problem, "outcomes", run,
        description=f"The labels of that day's predictions, once they are mature ({format_duration(problem.maturity)} after the cutoff, "
        "for all rows at once), beside the score that was given.",
        partitions=project.partitions, deps=tuple(deps), checks={}, kinds=("duckdb",),
        automation=follows_days_of(project, [problem.label_table.name], awaited=[deps[0].key]), waits=waits,
    )  # fmt: skip


def _monitoring(project: Project, problem: CompiledProblem) -> AssetPlan:
    declared = problem.problem

    def run(workspace, keys):
        from ml_platform.pipeline.scoring.monitoring import materialize_monitoring

        return materialize_monitoring(workspace, problem.name, keys)

    def waits(workspace, days):
        from ml_platform.pipeline.scoring.monitoring import waiting_monitoring

        return waiting_monitoring(workspace, problem.name, days)

    def judge(workspace, which, _names):
        from ml_platform.audit.published_checks import judge_monitoring

        return judge_monitoring(workspace, problem.name, which)

    days = days_up(declared.monitor.window)
    matured = days_up(problem.maturity)
    deps = (
        Dep(_key(project, "predictions", problem), window(1 - days, 0)),
        Dep(_key(project, "outcomes", problem), window(1 - declared.monitor.persistence * days - matured, -matured)),
    )
    return _plan(
        project, problem, "monitoring", run,
        description=f"What the last {format_duration(declared.monitor.window)} of scores look like against the "
        f"champion's training rows, how the "
        "matured ones turned out, and the decision: retrain or not, with its reasons. A recorded decision never changes.",
        partitions=project.partitions, deps=deps,
        checks={
            "drift": "No column moved both beyond chance and by a size that matters (two-part rule, over the window).",
            "performance": "The matured scores are not worse than the model has shown before, beyond chance.",
        },
        judge=judge,
        newest=1,
        kinds=("duckdb", "evidently"),
        automation=follows_days_of(project, _sources(project, problem), awaited=[d.key for d in deps]), waits=waits,
    )  # fmt: skip
