"""Training sets: for each training date, the spine, its features as of the cutoff, and the label, as one version of the lake."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from ml_platform.core.errors import EmptySampleError
from ml_platform.core.hashing import content_hash
from ml_platform.core.intervals import Interval, day_start
from ml_platform.features.definition import FeatureDefinition, definition_hash
from ml_platform.features.feature_limit import left_out_words
from ml_platform.features.nested.search import discovered
from ml_platform.lake.version import Staged, Version
from ml_platform.pipeline.feature_figures import feature_figures
from ml_platform.pipeline.feature_values import features_at, resolve_features
from ml_platform.pipeline.future import check_future
from ml_platform.pipeline.outcome import CheckOutcome, Outcome, PartitionOutcome, Rows
from ml_platform.pipeline.population import late_rejections
from ml_platform.pipeline.problem_rows import feature_versions_of, spine_times, versions_of
from ml_platform.pipeline.training_rows import SPINE_ROW, ChosenRows, ReadRows, choose_rows, read_rows
from ml_platform.pipeline.workspace import Workspace
from ml_platform.project.project import CompiledProblem
from ml_platform.training.labels import LABEL, LABEL_ROWS
from ml_platform.training.leakage import LeakageReport, Suspicion, check_features
from ml_platform.training.spine import CUTOFF
from ml_platform.training.splits import SPLIT

# Property of a training set: which discovered features had no room, in a sentence.
LEFT_OUT = "features_left_out"


def materialize_training(workspace: Workspace, problem_name: str, partitions: Sequence[str]) -> Outcome:
    """Make the training set of each training date, from one commit of the lake.

    The rows of training date T are those of the spine with a cutoff in ``[T - look_back, T)`` whose label is mature at T. Spine, labels
    and features are read and computed once for all dates, because none of them depends on T.

    Parameters
    ----------
    workspace : Workspace
        Project, lake and clock.
    problem_name : str
        The problem.
    partitions : sequence of str
        Training dates.

    Returns
    -------
    Outcome
        Table ``training/<problem>``: spine columns, ``_cutoff``, ``_split``, ``_label``, features. A date whose rows do not allow a
        training is stopped with the reason. Checks ``leakage``, ``training_rows`` and
        ``future``.
    """
    problem = workspace.project.problem(problem_name)
    definitions = resolve_features(workspace.project, problem)
    left_out = left_out_features(problem)
    if left_out:
        workspace.say(left_out)
    at, now = workspace.lake.head(), workspace.clock.now()
    stopped = {day: f"The training date lies ahead: it is {now:%Y-%m-%d %H:%M} UTC." for day in partitions if day_start(day) > now}
    due = [day for day in partitions if day not in stopped]
    allowed = problem.problem.population_allow
    chosen: dict[str, ChosenRows] = {}
    missing: list[str] = []
    reports: dict[str, LeakageReport] = {}
    staged: list[Staged] = []
    values = pl.DataFrame()
    if due:
        workspace.say(f"{problem_name}: spine and labels of {len(due)} training dates up to {max(due)}")
        read = read_rows(workspace, problem, due, at=at)
        missing = read.missing
        for day in due:
            try:
                chosen[day] = choose_rows(problem, read, day)
            except EmptySampleError as error:
                stopped[day] = str(error)
        values, versions = _feature_values(workspace, read, chosen.values(), definitions, at)
        for day, choice in chosen.items():
            rows = choice.split.rows.join(values, on=SPINE_ROW, how="left", maintain_order="left")
            workspace.say(f"{problem_name}: training set of {day}, {rows.height:,} rows with {len(definitions)} features")
            decided = () if allowed else (*choice.population.suspicions, *late_rejections(problem.spine_table, read.spine_versions))
            reports[day] = _guarded(choice, values, definitions, decided)
            staged.append(_stage(workspace, problem, _Set(day, rows, choice, reports[day]), read, definitions, versions))
    commit = workspace.lake.publish(staged, run_id=workspace.run_id, message=f"training {problem_name}") if staged else None
    published = dict(zip(chosen, commit.versions if commit else (), strict=True))
    outcomes = tuple(
        PartitionOutcome(day, None, stopped=stopped[day])
        if day in stopped
        else PartitionOutcome(day, published[day], numbers=chosen[day].numbers)
        for day in partitions
    )
    rows = {day: choice.split.rows.select(read.columns) for day, choice in chosen.items()} if due else {}
    future = check_future(workspace, rows, definitions, at=at, spine=None if allowed else problem.spine_table)
    splits = Rows(tuple({"training_date": o.partition, **o.numbers} for o in outcomes if o.numbers))
    checks = (_leakage_check(reports), _rows_check(outcomes, missing), future)
    metadata = {"splits": splits, "features": Rows(tuple(feature_figures(d, values[d.name]) for d in definitions))} if chosen else {}
    metadata |= {"left_out": left_out} if left_out else {}
    return Outcome(commit, outcomes, checks, metadata)


def left_out_features(problem: CompiledProblem) -> str:
    """Say which features that ``discover`` finds ``max_features`` leaves out of a problem's training sets; empty if none."""
    if problem.discovery is None or problem.carried:
        return ""
    found = discovered(problem.discovery)
    return left_out_words(found.left_out, len(found.features), f"problem {problem.name!r}")


def training_code_version(problem: CompiledProblem, definitions: Sequence[FeatureDefinition]) -> str:
    """Return the content hash of what makes a training set of tables and feature tables."""
    return content_hash((definition_hash(definitions), problem.problem.spine, problem.problem.label, problem.problem.training))


def _feature_values(
    workspace: Workspace, read: ReadRows, chosen: Iterable[ChosenRows], definitions: Sequence[FeatureDefinition], at: int
) -> tuple[pl.DataFrame, list[Version]]:
    """Compute the features of every row that any training date needs, once; ``_spine_row`` says of which row they are."""
    parts = [rows[SPINE_ROW] for choice in chosen for rows in (choice.split.rows, choice.guard)]
    if not parts:
        return pl.DataFrame(), []
    needed = pl.concat(parts).unique().sort()
    workspace.say(f"{len(definitions)} features of {needed.len():,} rows")
    values, versions = features_at(workspace, read.rows[needed].select(read.columns), definitions, at=at)
    names = [d.name for d in definitions]
    return values.select(names).with_columns(needed.alias(SPINE_ROW)), versions


def _guarded(
    choice: ChosenRows, values: pl.DataFrame, definitions: Sequence[FeatureDefinition], population: Sequence[Suspicion]
) -> LeakageReport:
    """Return what the guards say about one training date."""
    rows = choice.guard.select(SPINE_ROW, LABEL, LABEL_ROWS).join(values, on=SPINE_ROW, how="left", maintain_order="left")
    found = check_features(rows, [d.name for d in definitions], choice.task)
    return LeakageReport(found.features, found.rows, (*population, *found.suspicions))


@dataclass(frozen=True)
class _Set:
    """One training set: its rows with features, what they were chosen from, and what the guards say about it."""

    day: str
    rows: pl.DataFrame
    choice: ChosenRows
    report: LeakageReport


def _stage(
    workspace: Workspace,
    problem: CompiledProblem,
    made: _Set,
    read: ReadRows,
    definitions: Sequence[FeatureDefinition],
    feature_versions: Sequence[Version],
) -> Staged:
    """Write one training set with everything it was made from."""
    day, choice = made.day, made.choice
    names = [d.name for d in definitions]
    # A feature may be called like a column that identifies the row (schedule.carrier): it stands once, as the feature.
    spine = [name for name in read.columns if name in problem.spine_key or name not in names]
    bounds = choice.split.bounds
    return workspace.lake.stage(
        workspace.table("training", problem.name),
        day,
        made.rows.select(*spine, SPLIT, LABEL, *(n for n in names if n not in spine)).to_arrow(),
        key=[CUTOFF, *problem.spine_key],
        inputs=_inputs(workspace, problem, day, choice, read, definitions, feature_versions),
        code_version=training_code_version(problem, definitions),
        properties={
            "training_date": day,
            "task": choice.task,
            "features": names,
            "definitions": definition_hash(definitions),
            "splits": {name: getattr(bounds, name).isoformat() for name in ("start", "validate", "test", "end")},
            "numbers": choice.numbers,
            "leakage": [suspicion.says for suspicion in made.report.suspicions],
            **({LEFT_OUT: left_out} if (left_out := left_out_features(problem)) else {}),
        },
    )


def _inputs(
    workspace: Workspace,
    problem: CompiledProblem,
    day: str,
    choice: ChosenRows,
    read: ReadRows,
    definitions: Sequence[FeatureDefinition],
    feature_versions: Sequence[Version],
) -> list[Version]:
    """Return the versions that one training date was made from, out of those that were read for all of them."""
    window = Interval(day_start(day) - problem.problem.training.look_back, day_start(day))
    seen = pl.concat([choice.split.rows.select(CUTOFF), choice.guard.select(CUTOFF)])
    return [
        *versions_of(workspace, read.spine_versions, spine_times(problem, window)),
        # What happened at T or later belongs to rows that are not mature.
        *versions_of(workspace, read.labels.versions, window),
        *feature_versions_of(workspace, problem, definitions, feature_versions, seen),
    ]


def _leakage_check(reports: Mapping[str, LeakageReport]) -> CheckOutcome:
    rows = tuple({"training_date": day, **row} for day, report in reports.items() for row in report.table())
    bad = [report for report in reports.values() if not report.passed]
    shown = bad[0] if bad else next(iter(reports.values()), None)
    return CheckOutcome(
        "leakage",
        passed=not bad,
        severity="error",
        summary=shown.summary if shown else "No training set was made, so there was nothing to look at.",
        rows=rows,
        numbers={"suspicious": float(len(rows))},
    )


def _rows_check(outcomes: Sequence[PartitionOutcome], missing: Sequence[str]) -> CheckOutcome:
    rows: list[Mapping[str, object]] = [{"training_date": o.partition, **o.numbers, "stopped": o.stopped or ""} for o in outcomes]
    stopped = [o for o in outcomes if o.stopped]
    made = [o for o in outcomes if not o.stopped]
    summary = stopped[0].stopped if stopped else f"{len(made)} training sets, each with rows of every kind in every split."
    if missing:
        days = ", ".join(missing[:5]) + ("..." if len(missing) > 5 else "")
        summary = f"{summary} {len(missing)} days of the window were never delivered: {days}."
    numbers = {"training_sets": float(len(made)), "days_missing": float(len(missing))}
    return CheckOutcome("training_rows", passed=not stopped, severity="error", summary=str(summary), rows=tuple(rows), numbers=numbers)
