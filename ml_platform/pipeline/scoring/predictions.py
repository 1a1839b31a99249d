"""Predictions: the rows of a day whose cutoff has passed, scored once and for good by the champion of that moment."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import polars as pl

from ml_platform.core.intervals import day_interval, day_start
from ml_platform.features.declared.definition import FeatureDefinition, definition_hash
from ml_platform.lake.ledger.version import Commit, Staged, Version
from ml_platform.pipeline.feature_tables.feature_values import features_at
from ml_platform.pipeline.layer_code import ENGINE, layer_code
from ml_platform.pipeline.lineage_report import lineage_metadata
from ml_platform.pipeline.models.champion import Champion, current_champion
from ml_platform.pipeline.models.model import load_model
from ml_platform.pipeline.outcome import Outcome, PartitionOutcome
from ml_platform.pipeline.scoring.due_rows import (
    MODEL_VERSION,
    PREDICTION_DAY,
    SCORE,
    not_scored,
    read_due,
    read_given,
    why_unscored,
)
from ml_platform.pipeline.scoring.hindsight import first_unseen_day
from ml_platform.pipeline.scoring.score_plot import plot_of_day
from ml_platform.pipeline.tables.coverage import Reached
from ml_platform.pipeline.training.problem_reach import active_reach
from ml_platform.pipeline.training.problem_rows import feature_versions_of, spine_times, versions_of
from ml_platform.pipeline.workspace import Workspace
from ml_platform.project.project import CompiledProblem
from ml_platform.training.spine import CUTOFF, TIME
from ml_platform.training.steps import STARTS, has_steps

SCORED_AT, IN_SAMPLE = "_scored_at", "_in_sample"
_DAY = PREDICTION_DAY


def materialize_predictions(workspace: Workspace, problem_name: str, partitions: Sequence[str]) -> Outcome:
    """Score the rows of some days whose cutoff has passed and that have no score yet.

    A row that has a score keeps it bit for bit, whoever is champion now: decisions were taken on it.

    Parameters
    ----------
    workspace : Workspace
        Project, lake and clock; rows with a cutoff up to ``clock.now()`` are scored.
    problem_name : str
        The problem.
    partitions : sequence of str
        Days, by cutoff.

    Returns
    -------
    Outcome
        Table ``predictions/<problem>``: key and label match columns, ``_cutoff``, ``_score`` (of several classes or quantiles with
        columns of each, see `ml_platform.training.target`), ``_model_version``, ``_scored_at``, ``_in_sample`` (the model has learnt from
        this day: the score is no forecast, and is left out of outcomes and monitoring), and the features that the model saw. A day
        without rows, one that is none of the spine's grid, and every day while there is no champion, is stopped with the reason; one whose
        cutoffs are still to come waits.
    """
    problem = workspace.project.problem(problem_name)
    champion = current_champion(workspace, problem)
    if champion is None:
        reason = why_unscored(workspace, problem_name)
        return Outcome(None, tuple(PartitionOutcome(day, None, stopped=reason) for day in partitions))
    at, now = workspace.lake.versions.newest_commit(), workspace.clock.now()
    heads = workspace.lake.versions.resolve(workspace.table("predictions", problem_name), partitions=partitions, at=at)
    due = read_due(workspace, problem, partitions, heads, at=at, now=now)
    found, given, new = due.found, due.given, due.new
    versions = {str(head.partition): replace(head, reused=True) for head in heads}
    commit, held = None, Held({}, "")
    if new.height:
        scoring, held = _score(workspace, problem, champion, new, found.versions, now=now, at=at)
        new = scoring.rows
    if new.height:
        commit = _publish(workspace, problem, scoring, versions)
        versions |= {str(v.partition): v for v in commit.versions}
        given = read_given(workspace, problem, list(versions.values()), found.spine.rows)
    numbers = _numbers(workspace, given, new, held)
    outcomes = tuple(
        PartitionOutcome(day, versions[day], numbers=numbers[day])
        if day in versions
        else PartitionOutcome(day, None, stopped=held.says_of(day))
        if held.says_of(day)
        else not_scored(problem, found.spine, day, now)
        for day in partitions
    )
    metadata: dict[str, Any] = {"champion": champion.version.id, "scored_by": champion.name, "rows_scored": new.height}
    if held.rows:
        metadata["not scored"] = f"{sum(held.rows.values())} rows are not scored yet. {held.says}"
    if versions:
        newest = versions[max(versions)]
        metadata = {"scores": plot_of_day(workspace, problem_name, newest), **metadata, **lineage_metadata(workspace, newest)}
    return Outcome(commit, outcomes, metadata=metadata)


@dataclass(frozen=True)
class _Scoring:
    """Rows that were scored now, with their day, and what they were scored from."""

    rows: pl.DataFrame
    definitions: Sequence[FeatureDefinition]
    code_version: str
    model: Version
    spine_versions: Sequence[Version]
    feature_versions: Sequence[Version]


@dataclass(frozen=True)
class Held:
    """Rows by day that wait for days which are not there, and which these are."""

    rows: Mapping[str, int]
    says: str

    def says_of(self, day: str) -> str:
        """Return why nothing of a day is scored; empty if no row of it waits."""
        return f"{self.rows[day]} rows of {day} are not scored yet. {self.says}" if day in self.rows else ""


def held_predictions(workspace: Workspace, problem_name: str, days: Sequence[str]) -> tuple[set[str], dict[str, str]]:
    """Find out of which days there are rows that can be scored now, and of which rows wait; nothing is scored.

    Parameters
    ----------
    workspace : Workspace
        Project, lake and clock.
    problem_name : str
        The problem, which has a champion.
    days : sequence of str
        Days, by cutoff.

    Returns
    -------
    ready, held : set of str, dict of str to str
        Days; a held one with how many of its rows wait for which days of which tables, and what to do. Columns that are looked up by a key
        are not looked for.
    """
    problem = workspace.project.problem(problem_name)
    champion, at = current_champion(workspace, problem), workspace.lake.versions.newest_commit()
    heads = workspace.lake.versions.resolve(workspace.table("predictions", problem_name), partitions=days, at=at)
    new = read_due(workspace, problem, days, heads, at=at, now=workspace.clock.now()).new
    if champion is None or not new.height:
        return set(), {}
    reached = active_reach(problem, new[CUTOFF])
    reached.add_features(workspace.project.table, new[CUTOFF], load_model(workspace, champion.version, champion.role).definitions)
    blocked, held = _held(workspace, reached, new, at)
    return set(new.filter(~blocked)[_DAY]), {day: held.says_of(day) for day in sorted(held.rows)}


def _held(workspace: Workspace, reached: Reached, new: pl.DataFrame, at: int) -> tuple[pl.Series, Held]:
    """Return which rows reach a day that is not there, and what is to be said of them."""
    blocked = pl.Series(reached.blocked(workspace, at, new.height), dtype=pl.Boolean)
    says = reached.coverage(workspace, at, blocked.to_numpy()).says
    return blocked, Held(dict(new.filter(blocked).group_by(_DAY).len().iter_rows()), says)


def _score(
    workspace: Workspace,
    problem: CompiledProblem,
    champion: Champion,
    new: pl.DataFrame,
    spine_versions: Sequence[Version],
    *,
    now: datetime,
    at: int,
) -> tuple[_Scoring, Held]:
    """Score rows with the features that the model was made with, whatever the views are today.

    A score is given once: rows of which windows reach days that are not there wait for them.
    """
    version = champion.version
    model = load_model(workspace, version, champion.role)
    workspace.say(f"{problem.name}: {new.height:,} rows are scored by model version {version.id}, {champion.name}")
    if version.properties.get(ENGINE) != layer_code("features"):
        workspace.say(f"{problem.name}: its features are computed by other code than it was trained with; see `ml-platform plan`")
    reached = active_reach(problem, new[CUTOFF])
    values, versions = features_at(workspace, new.drop(_DAY), model.definitions, at=at, reached=reached)
    blocked, held = _held(workspace, reached, new, at)
    if held.rows:
        workspace.say(f"{problem.name}: {blocked.sum():,} rows are not scored. {held.says}")
    new, values = new.filter(~blocked), values.filter(~blocked)
    names = [d.name for d in model.definitions]
    key = row_columns(problem)
    scores = model.target.to_columns(model.predict(values))
    rows = values.select(*key, CUTOFF, *(n for n in names if n not in key)).with_columns(
        *scores.values(),
        pl.lit(version.id, dtype=pl.Int64).alias(MODEL_VERSION),
        pl.lit(now).cast(TIME).alias(SCORED_AT),
        (new[_DAY] < first_unseen_day(workspace, version)).alias(IN_SAMPLE),
        new[_DAY],
    )
    own = [*key, CUTOFF, *scores, MODEL_VERSION, SCORED_AT, IN_SAMPLE]
    rows = rows.select(*own, *(n for n in names if n not in own), _DAY)
    return _Scoring(rows, model.definitions, definition_hash(model.definitions), version, spine_versions, versions), held


def _publish(workspace: Workspace, problem: CompiledProblem, scoring: _Scoring, heads: Mapping[str, Version]) -> Commit:
    """Publish the days that have grown; what another process published in the meantime stands, and our rows are added to it."""
    table = workspace.table("predictions", problem.name)
    by_day = {str(day): rows.drop(_DAY) for (day,), rows in scoring.rows.group_by(_DAY, maintain_order=True)}
    kept = {day: [heads[day]] if day in heads else [] for day in by_day}
    expected = {day: heads.get(day) for day in by_day}
    published: dict[str, Version] = {}
    while True:
        staged = _stage(workspace, problem, {day: by_day[day] for day in expected}, kept, scoring)
        commit = workspace.lake.writing.publish(staged, run_id=workspace.run_id, message=f"predictions {problem.name}")
        published |= zip(expected, commit.versions, strict=True)
        before = {day: _before(workspace, table, published[day]) for day in expected}
        missed = {day: version for day, version in before.items() if version is not None and version != expected[day]}
        if not missed:
            return replace(commit, versions=tuple(published.values()))
        for day, version in missed.items():
            kept[day].append(version)
        expected = {day: published[day] for day in missed}


def _before(workspace: Workspace, table: str, version: Version) -> Version | None:
    """Return the version of that day just before ``version``."""
    older = [v for v in workspace.lake.latest().history(table, version.partition) if v.id < version.id and v.kind == version.kind]
    return older[0] if older else None


def _stage(
    workspace: Workspace,
    problem: CompiledProblem,
    new: Mapping[str, pl.DataFrame],
    kept: Mapping[str, Sequence[Version]],
    scoring: _Scoring,
) -> list[Staged]:
    """Write the rows of each day that have a score already, as they are, and the new ones; features that a row lacks are NULL."""
    days: dict[str | None, pl.DataFrame] = {day: _with_given(workspace, problem, rows, kept[day]) for day, rows in new.items()}

    def inputs(day: str | None) -> list[Version]:
        return [
            scoring.model,
            *versions_of(workspace, scoring.spine_versions, spine_times(problem, day_interval(str(day)))),
            *feature_versions_of(workspace, problem, scoring.definitions, scoring.feature_versions, new[str(day)]),
            *kept[str(day)],
        ]

    return workspace.lake.writing.stage_partitions(
        workspace.table("predictions", problem.name),
        {day: rows.to_arrow() for day, rows in days.items()},
        key=[CUTOFF, *problem.spine_key],
        inputs=inputs,
        code_version=scoring.code_version,
        properties=lambda day: {"model_versions": days[day][MODEL_VERSION].unique().sort().to_list()},
    )


def _with_given(workspace: Workspace, problem: CompiledProblem, new: pl.DataFrame, kept: Sequence[Version]) -> pl.DataFrame:
    if not kept:
        return new
    given = [workspace.lake.versions.read([version]).pl() for version in kept]
    # Of two scores of one row the first that was given stands.
    same = [*problem.spine_key, CUTOFF]
    rows = pl.concat([new.clear(), *given, new], how="diagonal_relaxed").unique(same, keep="first", maintain_order=True)
    # What was scored before there was the mark is marked by the same rule.
    unseen = {model: first_unseen_day(workspace, model) for model in rows[MODEL_VERSION].unique()}
    learnt = pl.col(CUTOFF).dt.strftime("%Y-%m-%d") < pl.col(MODEL_VERSION).replace_strict(unseen, return_dtype=pl.String)
    return rows.with_columns(pl.coalesce(IN_SAMPLE, learnt))


def _numbers(workspace: Workspace, given: pl.DataFrame, new: pl.DataFrame, held: Held) -> dict[str, Mapping[str, float | int | str]]:
    """Return what is plotted over days; rows from before their model's training date were scored in hindsight and prove nothing of it."""
    models = given[MODEL_VERSION].unique().to_list()
    trained = {m: date for m in models if (date := workspace.lake.versions.get(m).properties.get("training_date"))}
    dates = pl.DataFrame(
        {MODEL_VERSION: list(trained), "_trained": [day_start(d) for d in trained.values()]},
        schema={MODEL_VERSION: pl.Int64, "_trained": TIME},
    )
    by_day = (
        given.join(dates, on=MODEL_VERSION, how="left")
        .group_by(_DAY)
        .agg(
            rows=pl.len(),
            mean_score=pl.col(SCORE).mean(),
            hindsight_share=(pl.col(CUTOFF) < pl.col("_trained")).fill_null(False).mean(),
        )
    )
    fresh = dict(new.group_by(_DAY).len().iter_rows())
    numbers = {(day := row.pop(_DAY)): {**row, "rows_new": fresh.get(day, 0)} for row in by_day.iter_rows(named=True)}
    return {day: row | ({"rows_held": held.rows[day]} if day in held.rows else {}) for day, row in numbers.items()}


def row_columns(problem: CompiledProblem) -> list[str]:
    """Return the columns that identify a prediction and find its label."""
    made = [STARTS] if has_steps(problem.problem) else []
    return list(dict.fromkeys([*problem.spine_key, *made, *problem.problem.label.match]))
