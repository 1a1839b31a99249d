"""Select seldom, train often: the newest selection serves later training dates too, where nothing speaks against it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import polars as pl

from ml_platform.core.durations import format_duration
from ml_platform.core.intervals import day_start
from ml_platform.lake.ledger.version import Staged, Version
from ml_platform.pipeline.declared_code import selected_code_version
from ml_platform.pipeline.outcome import Rows
from ml_platform.pipeline.workspace import Workspace
from ml_platform.project.project import CompiledProblem
from ml_platform.selection.filters import unusable
from ml_platform.training.labels import LABEL
from ml_platform.training.splits import SPLIT


@dataclass(frozen=True)
class Kept:
    """A selection of an earlier training date that serves a later one; ``because`` says so in words."""

    version: Version
    because: str


def made_with(training: Version) -> dict[str, Any]:
    """Return what a selection remembers of its training set, so that a later date can tell whether it may keep it."""
    return {"definitions": training.properties["definitions"], "seen_until": training.properties["splits"]["test"]}


def keep_selection(workspace: Workspace, problem: CompiledProblem, training: Version) -> Kept | None:
    """Look for a selection that a training date can keep.

    It is the newest one that was made, not kept itself, for an earlier training date. It is kept if it is younger than the declared
    ``every``, was made by the same rules from the same features, has seen no row of this date's test rows, and if all features that it
    chose can still be used.

    Parameters
    ----------
    workspace : Workspace
        Project and lake.
    problem : CompiledProblem
        The problem.
    training : Version
        The training set of the date.

    Returns
    -------
    Kept or None
        None where features are to be chosen anew; the log says why.
    """
    every, day = problem.problem.selection.every, str(training.partition)
    if every is None:
        return None
    heads = workspace.lake.versions.resolve(workspace.table("selected", problem.name))
    made = [v for v in heads if str(v.partition) < day and "kept_from" not in v.properties]
    if not made:
        return None
    newest = max(made, key=lambda v: str(v.partition))
    against = _against(workspace, problem, training, newest)
    if against is not None:
        workspace.say(f"{problem.name}: features are chosen anew for {day}: {against}")
        return None
    return Kept(
        newest,
        # Not how often one is made: made again under another declaration, it must say the same.
        f"Kept from {newest.partition}, {format_duration(_age(training, newest))} before. "
        f"The rows that chose them all lie before the test rows of {day}.",
    )


def stage_kept(workspace: Workspace, problem: CompiledProblem, training: Version, kept: Kept) -> Staged:
    """Write a kept selection as that of a later date: the same rows, each saying from when it is, made from both versions."""
    rows = workspace.lake.versions.read([kept.version]).pl()
    rows = rows.with_columns(pl.format("kept from {}; {}", pl.lit(kept.version.partition), "reason").alias("reason"))
    properties = {
        **kept.version.properties,
        "training_date": training.partition,
        "kept_from": kept.version.partition,
        "kept_because": kept.because,
    }
    return workspace.lake.writing.stage(
        workspace.table("selected", problem.name),
        training.partition,
        rows.to_arrow(),
        key=["rank", "feature"],
        inputs=[training, kept.version],
        code_version=selected_code_version(problem),
        properties=properties,
    )


def kept_metadata(workspace: Workspace, version: Version) -> dict[str, Any]:
    """Return what a reader sees of a kept selection."""
    rows = workspace.lake.versions.read([version], columns=["rank", "feature", "chosen", "reason"]).pl()
    chosen = rows.filter("chosen").sort("rank").select("rank", "feature", "reason")
    return {"kept": version.properties["kept_because"], "chosen": Rows(tuple(chosen.to_dicts()))}


def _age(training: Version, selection: Version) -> timedelta:
    return day_start(str(training.partition)) - day_start(str(selection.partition))


def _against(workspace: Workspace, problem: CompiledProblem, training: Version, selection: Version) -> str | None:
    """Say what speaks against keeping a selection; None if nothing does."""
    declared, earlier = problem.problem.selection, str(selection.partition)
    age, every = _age(training, selection), declared.every or timedelta(0)
    if age >= every:
        return f"the last choice, of {earlier}, is {format_duration(age)} old, and one is made every {format_duration(every)}."
    if selection.code_version != selected_code_version(problem):
        return f"the choice of {earlier} was made by other rules."
    if selection.properties.get("definitions") != training.properties["definitions"]:
        return f"other features were declared when those of {earlier} were chosen."
    # A shorter test split, or a longer one since: what chose the features must not judge them.
    if str(selection.properties["seen_until"]) > training.properties["splits"]["test"]:
        return f"the choice of {earlier} has seen rows that are test rows now."
    chosen = selection.properties["chosen"]
    rows = workspace.lake.versions.read([training], columns=[*chosen, SPLIT, LABEL]).pl() if chosen else pl.DataFrame()
    learnt = rows.filter(pl.col(SPLIT) == "train", pl.col(LABEL).is_not_null()) if chosen else rows
    for name, reason in unusable(learnt, chosen).items():
        return f"{name}, which was chosen for {earlier}, can no longer be used ({reason})."
    return None
