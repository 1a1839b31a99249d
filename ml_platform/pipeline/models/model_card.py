"""The card of a model that was just trained: what the pure card needs to know of the project and the lake."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import polars as pl

from ml_platform.core.durations import format_duration
from ml_platform.features.declared.definition import FeatureDefinition
from ml_platform.features.declared.inputs import leaves
from ml_platform.lake.ledger.version import Version
from ml_platform.models.card import Card, CardFeature, CardSource, CardSplit
from ml_platform.models.figures.evaluation import Evaluation
from ml_platform.models.fit import Fitted
from ml_platform.pipeline.training.training_set import LEFT_OUT
from ml_platform.pipeline.workspace import Workspace
from ml_platform.project.project import CompiledProblem
from ml_platform.training.labels import LABEL
from ml_platform.training.problem import GridSpine, Problem, Value
from ml_platform.training.spine import CUTOFF
from ml_platform.training.splits import SPLIT, SPLITS

# From this share of missing values on, a reader should know that a feature often says nothing.
MOSTLY_MISSING = 0.5
# A leaf of a tree has at least so many rows: of fewer a class has hardly one of its own.
RARE_ROWS = 50


def card_of(
    workspace: Workspace,
    problem: CompiledProblem,
    fitted: Fitted,
    definitions: Sequence[FeatureDefinition],
    frame: pl.DataFrame,
    training: Version,
    selected: Version,
    environment: Mapping[str, Any],
) -> Card:
    """Collect what stands on the card of a model.

    Parameters
    ----------
    workspace : Workspace
        Project and lake.
    problem : CompiledProblem
        The problem.
    fitted : Fitted
        The model and its figures.
    definitions : sequence of FeatureDefinition
        Those of its features.
    frame : polars.DataFrame
        The training set.
    training, selected : Version
        What the model is made from.
    environment : mapping
        What it was made with; see `ml_platform.core.environment`.
    """
    importance, simpler = fitted.trained.importance(), fitted.companions["baseline"].importance()
    declared = problem.problem
    splits = _splits(frame)
    return Card(
        problem=problem.name,
        description=declared.description,
        label=(
            f"`{declared.label.sql}` over the rows of `{declared.label.table}` that match on {', '.join(declared.label.match)}, "
            f"observed for {format_duration(declared.label.horizon)} from {_begin(declared)}"
        ),
        training_date=str(training.partition),
        trainer=fitted.trained.kind,
        baseline=fitted.companions["baseline"].kind,
        splits=splits,
        features=tuple(CardFeature(d.name, d.description, importance.get(d.name, 0.0), simpler.get(d.name, 0.0)) for d in definitions),
        candidates=len(training.properties["features"]),
        model=fitted.evaluation,
        against=fitted.against,
        timeless=timeless_tables(workspace, definitions),
        made_from=_sources(workspace, training, selected),
        coverage=tuple(training.properties.get("coverage", ())),
        limits=(*_declared_limits(problem, training), *_limits(fitted.evaluation, frame, [d.name for d in definitions], splits, selected)),
        contender=fitted.contender,
        environment=environment,
    )


def _begin(declared: Problem) -> str:
    steps = declared.spine.steps if isinstance(declared.spine, GridSpine) else 1
    return f"the begin of each of {steps} steps on, the first of which begins at the cutoff" if steps > 1 else "the cutoff"


def _declared_limits(problem: CompiledProblem, training: Version) -> tuple[str, ...]:
    """Say what was declared that no check can vouch for, which days are not there, and which discovered features had no room."""
    left_out = training.properties.get(LEFT_OUT)
    words = (str(left_out),) if left_out else ()
    reason = problem.problem.population_allow
    lines = [*training.properties.get("leakage_accepted", ()), *_instead(problem, training)]
    for table in training.properties.get("coverage", ()):
        if table["gone on without"]:
            days, name, by, without = (table[key] for key in ("days", "table", "reached by", "gone on without"))
            lines.append(
                f"Of the {days} days of {name} that {by} reaches, {table['coverage']:.1%} were there: it went on without {without}."
            )
    if not reason:
        return (*lines, *words)
    share = float(training.properties.get("numbers", {}).get("unknown_at_cutoff_share", 0.0))
    return (
        *lines,
        f"What becomes known after the cutoff may decide which rows there are ({share:.1%} were first known at or after their own and "
        f"are left out). It is declared to be right: {reason.rstrip('.')}.",
        *words,
    )


def _instead(problem: CompiledProblem, training: Version) -> list[str]:
    """Say how many rows have the label that is declared for rows of which nothing came."""
    label = problem.problem.label
    if not isinstance(label.without_rows, Value):
        return []
    share = float(training.properties.get("numbers", {}).get("without_label_rows_share", 0.0))
    return [
        f"In {share:.1%} of the rows nothing came within {format_duration(label.horizon)}: their label is {label.without_rows.value} by "
        "declaration. Of a time until something that means: at least so long."
    ]


def timeless_tables(workspace: Workspace, definitions: Sequence[FeatureDefinition]) -> tuple[str, ...]:
    """Return the tables behind the features that are declared timeless."""
    tables = workspace.project.tables
    read = {name for d in leaves(definitions) for name in (d.table, *(table for table, _ in d.reads)) if name in tables}
    return tuple(sorted(name for name in read if tables[name].timeless))


def _splits(frame: pl.DataFrame) -> tuple[CardSplit, ...]:
    found = []
    for name in SPLITS:
        rows = frame.filter(pl.col(SPLIT) == name)
        if rows.height:
            first, last = (f"{time:%Y-%m-%d %H:%M}" for time in (rows[CUTOFF].min(), rows[CUTOFF].max()))
            labels = rows[LABEL].drop_nulls()
            if labels.dtype == pl.String:
                found.append(CardSplit(name, rows.height, first, last, None, _shares(labels)))
            else:
                found.append(CardSplit(name, rows.height, first, last, float(labels.to_numpy().mean())))
    return tuple(found)


def _shares(labels: pl.Series) -> dict[str, float]:
    """Return the share of each class, the most frequent first."""
    counts = labels.value_counts(name="rows").sort(["rows", labels.name], descending=[True, False])
    return dict(zip(counts[labels.name], (counts["rows"] / labels.len()).to_list(), strict=True))


def _sources(workspace: Workspace, training: Version, selected: Version) -> tuple[CardSource, ...]:
    """Summarise the closure of what the model was made from, one line per table."""
    by_table: dict[str, list[Version]] = {}
    for version in workspace.lake.lineage.closure([training, selected]):
        by_table.setdefault(version.table, []).append(version)
    found = []
    for table, versions in sorted(by_table.items()):
        days = sorted(str(version.partition) for version in versions if version.partition is not None)
        first, last = (days[0], days[-1]) if days else (None, None)
        found.append(CardSource(table, len(versions), first, last, sum(version.rows for version in versions)))
    return tuple(found)


def _limits_of_classes(evaluation: Evaluation, frame: pl.DataFrame) -> list[str]:
    """Say of which classes a model knows too little, and which came that it has not learnt."""
    names = [one.name for one in evaluation.classes]
    counts = dict(frame.filter(pl.col(SPLIT) != "test").group_by(LABEL).len().iter_rows())
    rare = [f"{name} ({counts.get(name, 0)} rows)" for name in names if counts.get(name, 0) < RARE_ROWS]
    lines = [f"Hardly learnt, because rare: {', '.join(rare)}. It will seldom name them."] if rare else []
    new = sorted(set(frame.filter(pl.col(SPLIT) == "test")[LABEL].drop_nulls()) - set(names))
    if new:
        lines.append(
            f"Not learnt, because first seen in the test rows: {', '.join(new)}. It gives them no probability; each counts as wrong."
        )
    return lines


def _limits(
    evaluation: Evaluation, frame: pl.DataFrame, features: Sequence[str], splits: Sequence[CardSplit], selected: Version
) -> tuple[str, ...]:
    """Say in words where the model should not be trusted."""
    first, last = splits[0].first[:10], splits[-1].last[:10]
    lines = [
        f"It knows rows from {first} to {last} only: a season or an event outside of them is new to it.",
        f"Its figures are of {evaluation.days} days at the end of that time; another month can differ by more than their intervals.",
    ]
    learnt = [split for split in splits if split.name != "test"]
    lines += _limits_of_classes(evaluation, frame) if evaluation.classes else []
    mean = sum(split.rows * (split.mean_label or 0.0) for split in learnt) / max(1, sum(split.rows for split in learnt))
    if evaluation.task == "classification" and abs(evaluation.mean_label - mean) > 0.2 * mean:
        lines.append(
            f"The label's mean was {mean:.3f} in the rows it learnt from and {evaluation.mean_label:.3f} in the test rows: "
            "its order can be right where its probabilities are not."
        )
    shares = frame.select(pl.col(list(features)).null_count() / frame.height).row(0, named=True) if features else {}
    missing = [name for name, share in shares.items() if share > MOSTLY_MISSING]
    if missing:
        lines.append(f"Missing in most rows: {', '.join(missing)}.")
    if "kept_from" in selected.properties:
        lines.append(f"Its features were chosen for {selected.properties['kept_from']} and kept since; the rows it learnt from are newer.")
    before_noise = selected.properties.get("before_noise")
    if before_noise is not None and before_noise < len(features):
        lines.append(f"{len(features) - before_noise} of its {len(features)} features rank behind a noise probe.")
    phi = selected.properties.get("phi")
    if phi is not None:
        lines.append(f"Other weeks would have chosen partly other features (stability phi {phi:.2f}; 1 is the same each time).")
    return tuple(lines)
