"""Training sets: for each training date, the spine, its features as of the cutoff, and the label, as one version of the lake."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import polars as pl

from ml_platform.core.errors import EmptySampleError, MissingDaysError
from ml_platform.core.intervals import Interval, day_start
from ml_platform.features.declared.definition import FeatureDefinition, definition_hash
from ml_platform.features.declared.feature_limit import left_out_words
from ml_platform.features.declared.inputs import leaves, request_columns
from ml_platform.features.declared.kinds import HandmadeFeature, NestedFeature, WindowFeature
from ml_platform.features.nested.search import discovered
from ml_platform.features.nested.tree import from_code, is_all_aggregates
from ml_platform.lake.ledger.version import Staged, Version
from ml_platform.pipeline.declared_code import training_code_version
from ml_platform.pipeline.feature_tables.feature_figures import feature_figures
from ml_platform.pipeline.feature_tables.feature_values import features_at
from ml_platform.pipeline.layer_code import ENGINE, layer_code
from ml_platform.pipeline.outcome import CheckOutcome, Outcome, PartitionOutcome, Rows
from ml_platform.pipeline.tables.coverage import Reached
from ml_platform.pipeline.training.future import check_future
from ml_platform.pipeline.training.population import late_rejections
from ml_platform.pipeline.training.problem_rows import feature_versions_of, spine_times, versions_of
from ml_platform.pipeline.training.training_rows import SPINE_ROW, ChosenRows, ReadRows, choose_rows, read_rows
from ml_platform.pipeline.workspace import Workspace
from ml_platform.project.asked_features import resolve_features
from ml_platform.project.project import CompiledProblem
from ml_platform.training.labels import LABEL, LABEL_ROWS
from ml_platform.training.leakage import LeakageReport, Suspicion, accepted, check_features
from ml_platform.training.problem import GridSpine
from ml_platform.training.spine import CUTOFF
from ml_platform.training.splits import SPLIT

# Property of a training set: which discovered features had no room, in a sentence.
LEFT_OUT = "features_left_out"
ANSWERS_UNTIL = "answers_until"


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
    left_out = left_out_features(workspace.project.problem(problem_name))
    if left_out:
        workspace.say(left_out)
    # Whatever may find fault with a set, or fail, is done before anybody can read it.
    judged = judge_sets(workspace, problem_name, partitions)
    staged = [_stage(workspace, judged.problem, one, judged.found, judged.definitions) for one in judged.made.values()]
    commit = workspace.lake.writing.publish(staged, run_id=workspace.run_id, message=f"training {problem_name}") if staged else None
    outcomes = judged.outcomes(partitions, dict(zip(judged.made, commit.versions if commit else (), strict=True)))
    metadata = _metadata(judged.found, judged.definitions, outcomes) if judged.made else {}
    return Outcome(commit, outcomes, judged.checks(outcomes), metadata | ({"left_out": left_out} if left_out else {}))


@dataclass(frozen=True)
class JudgedSets:
    """The training sets of some dates and what is to be said of them, before anything is written; ``made`` by date, or ``stopped``."""

    problem: CompiledProblem
    definitions: Sequence[FeatureDefinition]
    found: _Found
    made: Mapping[str, _Set]
    stopped: Mapping[str, str]
    future: CheckOutcome

    def outcomes(self, partitions: Sequence[str], versions: Mapping[str, Version]) -> tuple[PartitionOutcome, ...]:
        """Return what becomes of each date, given the versions in which the sets stand."""
        chosen = self.found.chosen
        return tuple(
            PartitionOutcome(day, None, stopped=self.stopped[day])
            if day in self.stopped
            else PartitionOutcome(day, versions[day], numbers=chosen[day].numbers | {"coverage": chosen[day].coverage.share})
            for day in partitions
        )

    def checks(self, outcomes: Sequence[PartitionOutcome]) -> tuple[CheckOutcome, ...]:
        """Return the checks ``leakage``, ``training_rows`` and ``future``."""
        reports = {day: one.report for day, one in self.made.items()}
        return _leakage_check(reports), _rows_check(outcomes, self.found.chosen), self.future


def judge_sets(workspace: Workspace, problem_name: str, partitions: Sequence[str]) -> JudgedSets:
    """Choose the rows of training dates, compute their features and look at them with all guards, from one commit; nothing is written."""
    problem = workspace.project.problem(problem_name)
    definitions = resolve_features(workspace.project, problem)
    at, now = workspace.lake.versions.newest_commit(), workspace.clock.now()
    ahead = {day: f"The training date lies ahead: it is {now:%Y-%m-%d %H:%M} UTC." for day in partitions if day_start(day) > now}
    due = [day for day in partitions if day not in ahead]
    found = _find(workspace, problem, definitions, due, at) if due else _Found()
    spines = {day: choice.split.rows.select(found.spine_columns) for day, choice in found.chosen.items()}
    spine = None if problem.problem.population_allow else problem.spine_table
    future = check_future(workspace, spines, definitions, at=at, spine=spine)
    made = {day: _guarded(problem, found, day, definitions, future) for day in found.chosen}
    return JudgedSets(problem, definitions, found, made, {**ahead, **found.stopped}, future)


def left_out_features(problem: CompiledProblem) -> str:
    """Say which features that ``discover`` finds ``max_features`` leaves out of a problem's training sets; empty if none."""
    if problem.discovery is None or problem.carried:
        return ""
    found = discovered(problem.discovery)
    return left_out_words(found.left_out, len(found.features), f"problem {problem.name!r}")


@dataclass(frozen=True)
class _Found:
    """What the training dates of a run are made of: their rows, the features of all of them, and why some of the dates are stopped."""

    read: ReadRows | None = None
    values: pl.DataFrame = field(default_factory=pl.DataFrame)
    versions: Sequence[Version] = ()
    chosen: Mapping[str, ChosenRows] = field(default_factory=dict)
    stopped: Mapping[str, str] = field(default_factory=dict)

    @property
    def spine_columns(self) -> list[str]:
        """The columns of the spine."""
        return [] if self.read is None else self.read.columns


def _find(workspace: Workspace, problem: CompiledProblem, definitions: Sequence[FeatureDefinition], due: Sequence[str], at: int) -> _Found:
    """Choose the rows of each training date and compute their features, each once; a date without what it needs is stopped."""
    workspace.say(f"{problem.name}: spine and labels of {len(due)} training dates up to {max(due)}")
    read, chosen, stopped = read_rows(workspace, problem, due, at=at), {}, {}
    for day in due:
        try:
            chosen[day] = choose_rows(problem, read, day)
        except (EmptySampleError, MissingDaysError) as error:
            stopped[day] = str(error)
    if not chosen:
        return _Found(read, stopped=stopped)
    parts = {day: pl.concat([choice.split.rows[SPINE_ROW], choice.guard[SPINE_ROW]]).unique() for day, choice in chosen.items()}
    needed = pl.concat(parts.values()).unique().sort()
    workspace.say(f"{len(definitions)} features of {needed.len():,} rows")
    reached = Reached()
    values, versions = features_at(workspace, read.rows[needed].select(read.columns), definitions, at=at, reached=reached)
    for day, rows in parts.items():
        of_features = reached.coverage(workspace, at, needed.is_in(rows.implode()).to_numpy(), until=day_start(day))
        coverage = chosen[day].coverage.and_of(of_features)
        chosen[day] = replace(chosen[day], coverage=coverage)
        if not coverage.is_whole:
            stopped[day] = f"Training date {day}: {coverage.says}"
            del chosen[day]
    return _Found(read, values.select([d.name for d in definitions]).with_columns(needed.alias(SPINE_ROW)), versions, chosen, stopped)


@dataclass(frozen=True)
class _Set:
    """One training set: its rows with features, what they were chosen from, what the guards say about it, and what of that is accepted."""

    day: str
    rows: pl.DataFrame
    choice: ChosenRows
    report: LeakageReport
    leaks: tuple[str, ...]
    accepted: tuple[str, ...]


def _guarded(problem: CompiledProblem, found: _Found, day: str, definitions: Sequence[FeatureDefinition], future: CheckOutcome) -> _Set:
    """Join the rows of one training date with their features, and look at them with the guards."""
    choice, declared = found.chosen[day], problem.problem
    past: dict[str, str] = {}
    keyless: list[pl.Expr] = []
    for number, definition in enumerate(definitions):
        own = own_columns(problem, definition)
        if own is not None:
            past[definition.name] = f"_keyless_{number}"
            keyless.append(pl.any_horizontal(pl.col(own).is_null()).alias(past[definition.name]))
    rows = choice.guard.select(SPINE_ROW, LABEL, LABEL_ROWS, *keyless).join(found.values, on=SPINE_ROW, how="left", maintain_order="left")
    of_features, right = accepted(check_features(rows, [d.name for d in definitions], choice.task, past), declared.leakage_allow)
    decided: tuple[Suspicion, ...] = ()
    if not declared.population_allow and found.read is not None:
        decided = (*choice.population.suspicions, *late_rejections(problem.spine_table, found.read.spine_versions))
    report = LeakageReport(of_features.features, of_features.rows, (*decided, *of_features.suspicions))
    leaks = (*(suspicion.says for suspicion in report.suspicions), *([] if future.passed else [future.summary]))
    whole = choice.split.rows.join(found.values, on=SPINE_ROW, how="left", maintain_order="left")
    return _Set(day, whole, choice, report, leaks, right)


def own_columns(problem: CompiledProblem, definition: FeatureDefinition) -> tuple[str, ...] | None:
    """Return the spine row's own columns by which a feature over earlier rows is looked up; None for a feature of the row itself.

    What is looked up by the very key of the row is about the row itself, unless the row is an entity at a time.
    """
    found: dict[str, None] = {}
    for leaf in leaves([definition]):
        is_grid = isinstance(problem.problem.spine, GridSpine)
        of_nested = isinstance(leaf, NestedFeature) and is_grid and is_all_aggregates(from_code(leaf.code))
        over_rows = of_nested or isinstance(leaf, WindowFeature | HandmadeFeature)
        if not over_rows or (not is_grid and set(problem.spine_key) <= set(leaf.entity)):
            return None
        found |= dict.fromkeys(leaf.entity)
    return tuple(found | dict.fromkeys(request_columns([definition])))


def _stage(workspace: Workspace, problem: CompiledProblem, made: _Set, found: _Found, definitions: Sequence[FeatureDefinition]) -> Staged:
    """Write one training set with everything it was made from."""
    day, choice = made.day, made.choice
    names = [d.name for d in definitions]
    # A feature may be called like a column that identifies the row (schedule.carrier): it stands once, as the feature.
    spine = [name for name in found.spine_columns if name in problem.spine_key or name not in names]
    bounds = choice.split.bounds
    return workspace.lake.writing.stage(
        workspace.table("training", problem.name),
        day,
        made.rows.select(*spine, SPLIT, LABEL, *(n for n in names if n not in spine)).to_arrow(),
        key=[CUTOFF, *problem.spine_key],
        inputs=_inputs(workspace, problem, day, choice, found, definitions),
        code_version=training_code_version(workspace.project, problem),
        properties={
            "training_date": day,
            # Of a feed that is silent, what was known then is not to be seen from its days alone.
            **({} if found.read is None else {ANSWERS_UNTIL: min(found.read.observed_until, day_start(day)).isoformat()}),
            "task": choice.task,
            **({"quantiles": list(problem.problem.quantiles)} if choice.task == "quantiles" else {}),
            "features": names,
            "definitions": definition_hash(definitions),
            ENGINE: layer_code("features"),
            "splits": {name: getattr(bounds, name).isoformat() for name in ("start", "validate", "test", "end")},
            "numbers": choice.numbers,
            **({LEFT_OUT: left_out} if (left_out := left_out_features(problem)) else {}),
            "coverage": list(choice.coverage.rows()),
            "leakage": list(made.leaks),
            "leakage_accepted": list(made.accepted),
        },
    )


def _inputs(
    workspace: Workspace,
    problem: CompiledProblem,
    day: str,
    choice: ChosenRows,
    found: _Found,
    definitions: Sequence[FeatureDefinition],
) -> list[Version]:
    """Return the versions that one training date was made from, out of those that were read for all of them."""
    if found.read is None:
        return []
    window = Interval(day_start(day) - problem.problem.training.look_back, day_start(day))
    seen = pl.concat([choice.split.rows.select(CUTOFF), choice.guard.select(CUTOFF)])
    return [
        *versions_of(workspace, found.read.spine_versions, spine_times(problem, window)),
        # What happened at T or later belongs to rows that are not mature.
        *versions_of(workspace, found.read.labels.versions, window),
        *feature_versions_of(workspace, problem, definitions, found.versions, seen),
    ]


def _metadata(found: _Found, definitions: Sequence[FeatureDefinition], outcomes: Sequence[PartitionOutcome]) -> dict[str, Rows]:
    return {
        "splits": Rows(tuple({"training_date": o.partition, **o.numbers} for o in outcomes if o.numbers)),
        "coverage": Rows(found.chosen[max(found.chosen)].coverage.rows()),
        "features": Rows(tuple(feature_figures(d, found.values[d.name]) for d in definitions)),
    }


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


def _rows_check(outcomes: Sequence[PartitionOutcome], chosen: Mapping[str, ChosenRows]) -> CheckOutcome:
    rows: list[Mapping[str, object]] = [{"training_date": o.partition, **o.numbers, "stopped": o.stopped or ""} for o in outcomes]
    stopped = [o for o in outcomes if o.stopped]
    made = [o for o in outcomes if not o.stopped]
    summary = stopped[0].stopped if stopped else f"{len(made)} training sets, each with rows of every kind in every split."
    without = {(t.table, day) for choice in chosen.values() for t in choice.coverage.tables for day in t.allowed}
    if without:
        days = ", ".join(f"{table} {day}" for table, day in sorted(without)[:5]) + ("..." if len(without) > 5 else "")
        summary = f"{summary} {len(without)} days are not there and were gone on without: {days}."
    numbers = {"training_sets": float(len(made)), "days_missing": float(len(without))}
    return CheckOutcome("training_rows", passed=not stopped, severity="error", summary=str(summary), rows=tuple(rows), numbers=numbers)
