"""Selected features: for each training date, which features its model uses, with the reason for each."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ml_platform.core.errors import MlPlatformError
from ml_platform.lake.ledger.version import Commit, Staged, Version
from ml_platform.pipeline.declared_code import selected_code_version
from ml_platform.pipeline.models.kept_selection import keep_selection, kept_metadata, made_with, stage_kept
from ml_platform.pipeline.outcome import Outcome, PartitionOutcome, Plot, Rows
from ml_platform.pipeline.workspace import Workspace
from ml_platform.project.project import CompiledProblem
from ml_platform.selection.select import select_features
from ml_platform.selection.selected import SelectionResult


def materialize_selected(workspace: Workspace, problem_name: str, partitions: Sequence[str]) -> Outcome:
    """Choose the features of each training date.

    Parameters
    ----------
    workspace : Workspace
        Project and lake.
    problem_name : str
        The problem.
    partitions : sequence of str
        Training dates.

    Returns
    -------
    Outcome
        Table ``selected/<problem>``: one row per candidate (feature, chosen, rank, a score of each selector, fused, cluster, frequency,
        null_share, reason); the size curve, the stability and where noise begins as properties. Where the declaration allows it, a date
        keeps the choice of an earlier one (`keep_selection`), and says so. A date without a training set, or with one that nothing can be
        learnt from, is stopped with the reason.
    """
    problem = workspace.project.problem(problem_name)
    training = training_versions(workspace, problem, partitions)
    made: dict[str, _Made] = {}
    stopped: dict[str, str] = {}
    for day in sorted(partitions):
        if day not in training:
            stopped[day] = no_training_set(problem, day)
            continue
        try:
            # Published one by one: a later date of the same run may keep what an earlier one has chosen.
            made[day] = _make(workspace, problem, training[day])
        except MlPlatformError as error:
            stopped[day] = str(error)
    outcomes = tuple(
        PartitionOutcome(day, None, stopped=stopped[day])
        if day in stopped
        else PartitionOutcome(day, made[day].version, numbers=made[day].numbers)
        for day in partitions
    )
    newest = made[max(made)] if made else None
    return Outcome(newest.commit if newest else None, outcomes, metadata=newest.metadata if newest else {})


@dataclass(frozen=True)
class _Made:
    """The published selection of one training date, and what is told of it."""

    commit: Commit
    numbers: dict[str, float | int | str]
    metadata: dict[str, Any]

    @property
    def version(self) -> Version:
        return self.commit.versions[0]


def _make(workspace: Workspace, problem: CompiledProblem, training: Version) -> _Made:
    """Choose the features of one training date, or keep those of an earlier one."""
    started = time.process_time()
    day, kept, result = str(training.partition), keep_selection(workspace, problem, training), None
    if kept is None:
        result = _select(workspace, problem, training)
        staged = _stage(workspace, problem, day, result, training)
        told = f"{len(result.chosen)} of {len(result.rows)} features for {day}"
    else:
        staged = stage_kept(workspace, problem, training, kept)
        told = f"features for {day}: {kept.because}"
    commit = workspace.lake.writing.publish([staged], run_id=workspace.run_id, message=f"selected {problem.name}")
    seconds = time.process_time() - started
    workspace.say(f"{problem.name}: {told} ({seconds:.1f} CPU s)")
    if result is None:
        properties = commit.versions[0].properties
        numbers = {"features": len(properties["chosen"]), "candidates": properties["candidates"], "kept_from": properties["kept_from"]}
        metadata = kept_metadata(workspace, commit.versions[0])
    else:
        numbers, metadata = _numbers(result), _metadata(result, training.properties["task"])
    return _Made(commit, {**numbers, "cpu_seconds": round(seconds, 2)}, metadata)


def training_versions(workspace: Workspace, problem: CompiledProblem, partitions: Sequence[str]) -> dict[str, Version]:
    """Return the readable training sets of training dates, by date."""
    found = workspace.lake.versions.resolve(workspace.table("training", problem.name), partitions=partitions)
    return {str(version.partition): version for version in found}


def no_training_set(problem: CompiledProblem, day: str) -> str:
    """Say that there is nothing to learn from, and what to do."""
    return f"There is no training set of {problem.name!r} for training date {day}. Materialize training/{problem.name} for it first."


def _select(workspace: Workspace, problem: CompiledProblem, version: Version) -> SelectionResult:
    frame = workspace.lake.versions.read([version]).pl()
    workspace.say(f"{problem.name}: choosing from {len(version.properties['features'])} features of {version.partition}")
    return select_features(frame, version.properties["features"], problem.problem.selection, task=version.properties["task"])


def _stage(workspace: Workspace, problem: CompiledProblem, day: str, result: SelectionResult, version: Version) -> Staged:
    return workspace.lake.writing.stage(
        workspace.table("selected", problem.name),
        day,
        result.to_frame().to_arrow(),
        key=["rank", "feature"],
        inputs=[version],
        code_version=selected_code_version(problem),
        properties={"training_date": day, **made_with(version), **result.to_mapping()},
    )


def _numbers(result: SelectionResult) -> dict[str, float | int | str]:
    """Return what is plotted over training dates."""
    numbers: dict[str, float | int | str] = {"features": len(result.chosen), "candidates": len(result.rows)}
    if result.stability is not None and result.stability.phi is not None:
        numbers["stability_phi"] = result.stability.phi
    if result.before_noise is not None:
        numbers["features_before_noise"] = result.before_noise
    return numbers


def _metadata(result: SelectionResult, task: str) -> dict[str, Any]:
    """Return what a reader sees of the newest date: the chosen features with their reasons, the curve, and the stability in words."""
    rows = tuple(
        {"rank": row.rank, "feature": row.feature, "near-copy of": "" if row.cluster == row.feature else row.cluster, "reason": row.reason}
        for row in result.rows
        if row.chosen
    )
    left_out = tuple({"feature": row.feature, "reason": row.reason} for row in result.rows if row.rank is None and not row.chosen)
    found: dict[str, Any] = {"chosen": Rows(rows)}
    if left_out:
        found["left_out"] = Rows(left_out)
    if result.curve:
        measure = {"classification": "Gini", "multiclass": "share of the log-loss saved"}.get(task, "R²")
        found["sizes"] = Rows(
            tuple({"features": p.size, measure: p.quality, "error of the distance to the best": p.error} for p in result.curve)
        )
        if task == "classification":
            found["size_curve"] = Plot("size_curve", _size_figure(result))
    if result.stability is not None:
        found["stability"] = _stability_words(result)
    if result.before_noise is not None and result.before_noise < len(result.chosen):
        found["warning"] = (
            f"A shuffled noise probe ranks after {result.before_noise} features, before the last of the {len(result.chosen)} chosen: "
            "the tail of the choice may be noise."
        )
    return found


def _size_figure(result: SelectionResult) -> dict[str, Any]:
    """Return the data of the size curve's plot; the Gini is 2 AUC - 1."""
    return {
        "sizes": [point.size for point in result.curve],
        "auc": [(1 + point.quality) / 2 for point in result.curve],
        "chosen": len(result.chosen),
        "baseline": None,
    }


def _stability_words(result: SelectionResult) -> str:
    stability = result.stability
    if stability is None or stability.phi is None:
        return "Not defined: there was nothing to choose."
    bounds = "" if stability.lower is None else f" [{stability.lower:.2f}, {stability.upper:.2f}]"
    return f"phi {stability.phi:.2f}{bounds} over {stability.bootstraps} week-block bootstraps: {stability.words}"
