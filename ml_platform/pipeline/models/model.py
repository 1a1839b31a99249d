"""Models: for each training date, a version that holds the model, its figures, its card, and the definitions of its features."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import polars as pl

from ml_platform.core.environment import environment_here
from ml_platform.core.errors import MlPlatformError, ModelError
from ml_platform.core.figures import figure
from ml_platform.features.declared.definition import FeatureDefinition, definition_hash
from ml_platform.features.declared.kinds import definition_from
from ml_platform.lake.ledger.version import ARTIFACT, Staged, Version
from ml_platform.models.card import write_card
from ml_platform.models.contender import Role
from ml_platform.models.fit import SEED, Fitted, fit
from ml_platform.models.model_file import CARD_FILES, CARD_PAGE, REFERENCE, ModelFile, card_files, read_model_files, write_model_files
from ml_platform.models.trainers.built_in.lightgbm import THREADS
from ml_platform.pipeline.declared_code import model_code_version
from ml_platform.pipeline.layer_code import ENGINE
from ml_platform.pipeline.lineage_report import lineage_metadata
from ml_platform.pipeline.models.candidates import CANDIDATES, candidates_of
from ml_platform.pipeline.models.model_card import card_of
from ml_platform.pipeline.models.model_report import baseline_check, metadata_of, numbers_of
from ml_platform.pipeline.models.selected import no_training_set, training_versions
from ml_platform.pipeline.outcome import Outcome, PartitionOutcome, page_of
from ml_platform.pipeline.workspace import Workspace
from ml_platform.project.asked_features import resolve_features
from ml_platform.project.project import CompiledProblem
from ml_platform.training.labels import LABEL
from ml_platform.training.splits import SPLIT
from ml_platform.training.target import Target

if TYPE_CHECKING:
    import numpy as np

# What a version was made with, among its properties.
ENVIRONMENT = "environment"


@dataclass(frozen=True, eq=False)
class LoadedModel:
    """A model version, verified and ready to score; ``role`` says with which of its two fitted models."""

    version: Version
    file: ModelFile
    definitions: tuple[FeatureDefinition, ...]
    role: Role = "model"

    @property
    def features(self) -> tuple[str, ...]:
        """The names of its features, in its order."""
        return tuple(feature.name for feature in self.file.trained.features)

    @property
    def target(self) -> Target:
        """What it answers."""
        return self.file.serving(self.role).target

    @property
    def card(self) -> str:
        """Its card as Markdown."""
        return self.file.card_text

    @property
    def properties(self) -> Mapping[str, Any]:
        """What the lake keeps beside the version."""
        return self.version.properties

    def predict(self, frame: pl.DataFrame) -> np.ndarray:
        """Score rows that hold its features; see `ml_platform.models.trainers.trained.Trained.predict`."""
        return self.file.serving(self.role).predict(frame)


def load_model(workspace: Workspace, version: Version | int, role: Role = "model") -> LoadedModel:
    """Load a model version.

    Parameters
    ----------
    workspace : Workspace
        Its lake holds the version.
    version : Version or int
        A version of ``models/<problem>``, or its id.
    role : str
        ``model``, or ``baseline`` for the one that was fitted beside it.

    Raises
    ------
    IntegrityError
        If a file is missing or is not what was published: the digests are checked before anything is loaded.
    ModelError
        If the version is no model, or does not give the scores that it was stored with.
    """
    if not isinstance(version, Version):
        version = workspace.lake.versions.get(version)
    if version.kind != ARTIFACT:
        raise ModelError(f"Version {version.id} of {version.table!r} holds rows and no model. Name a version of models/<problem>.")
    names = [file.name for file in version.files if file.name not in (REFERENCE, CANDIDATES)]
    loaded = read_model_files({name: workspace.lake.versions.artifact(version, name) for name in names})
    loaded.serving(role)
    return LoadedModel(version, loaded, tuple(definition_from(dict(plain)) for plain in loaded.definitions), role)


def materialize_model(workspace: Workspace, problem_name: str, partitions: Sequence[str]) -> Outcome:
    """Train the model of each training date.

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
        Artifact ``models/<problem>``: see `ml_platform.models.model_file`. A date without training set or selection, or whose features
        are no longer those of the training set, is stopped with the reason. Check ``beats_baseline``.
    """
    problem = workspace.project.problem(problem_name)
    training = training_versions(workspace, problem, partitions)
    found = workspace.lake.versions.resolve(workspace.table("selected", problem_name), partitions=partitions)
    selected = {str(version.partition): version for version in found}
    stopped: dict[str, str] = {}
    made: dict[str, _Made] = {}
    for day in partitions:
        if day not in training:
            stopped[day] = no_training_set(problem, day)
        elif day not in selected:
            stopped[day] = f"No features were selected for training date {day}. Materialize selected/{problem_name} for it first."
        else:
            try:
                made[day] = _make(workspace, problem, training[day], selected[day])
            except MlPlatformError as error:
                stopped[day] = str(error)
    commit = None
    if made:
        staged = [one.staged for one in made.values()]
        commit = workspace.lake.writing.publish(staged, run_id=workspace.run_id, message=f"models {problem_name}")
    published = dict(zip(made, commit.versions if commit else (), strict=True))
    outcomes = tuple(
        PartitionOutcome(day, None, stopped=stopped[day])
        if day in stopped
        else PartitionOutcome(day, published[day], numbers={**numbers_of(made[day].fitted), "cpu_seconds": round(made[day].seconds, 2)})
        for day in partitions
    )
    metadata = {}
    if made:
        newest = max(made)
        page = page_of(published[newest], CARD_PAGE, f"the card of the model of {newest}", workspace.lake.versions.location)
        shown = metadata_of(made[newest].fitted, made[newest].card)
        metadata = {**shown, "card_page": page, **lineage_metadata(workspace, published[newest])}
    return Outcome(commit, outcomes, (baseline_check({day: one.fitted for day, one in made.items()}),), metadata)


@dataclass(frozen=True, eq=False)
class _Made:
    """A model that was trained and written, not yet published."""

    fitted: Fitted
    card: str
    staged: Staged
    seconds: float


def _make(workspace: Workspace, problem: CompiledProblem, training: Version, selected: Version) -> _Made:
    """Train the model of one training date and write its files."""
    started = time.process_time()
    chosen = workspace.lake.versions.read([selected], columns=["feature", "chosen"]).pl().filter("chosen")["feature"].to_list()
    definitions = _definitions(workspace, problem, training, chosen)
    frame = workspace.lake.versions.read([training]).pl()
    workspace.say(f"{problem.name}: training {problem.problem.model.trainer} of {training.partition} on {len(chosen)} features")
    asked = training.properties.get("quantiles", ())
    fitted = fit(frame, chosen, problem.problem.model, training.properties["task"], quantiles=asked)
    code_version = model_code_version(problem)
    environment = environment_here(workspace.project.root, seed=SEED, threads=THREADS)
    card = card_of(workspace, problem, fitted, definitions, frame, training, selected, environment)
    learnt = frame.filter(pl.col(SPLIT) != "test", pl.col(LABEL).is_not_null())
    plain = [definition.to_dict() for definition in definitions]
    files = write_model_files(fitted.trained, fitted.companions, plain, card.to_mapping(), write_card(card), learnt, label=LABEL, seed=SEED)
    files[CANDIDATES] = candidates_of(workspace.project, problem).to_bytes()
    before = _made_before(workspace, problem, files, code_version, [training, selected])
    if before is not None:
        # The very model is there already: it keeps what it was made with, so that making it again says nothing new.
        card = replace(card, environment=before.properties[ENVIRONMENT])
        files |= card_files(card.to_mapping(), write_card(card))
    staged = workspace.lake.writing.stage_artifact(
        workspace.table("models", problem.name),
        training.partition,
        files,
        inputs=[training, selected],
        code_version=code_version,
        properties={
            **_properties(fitted, str(training.partition), definitions),
            ENVIRONMENT: dict(card.environment),
            ENGINE: training.properties.get(ENGINE),
        },
    )
    seconds = time.process_time() - started
    figures = ", ".join(f"{name} {figure(value)}" for name, value in list(fitted.evaluation.numbers.items())[:3])
    workspace.say(f"{problem.name}: model of {training.partition}: {figures} on {fitted.evaluation.rows:,} test rows ({seconds:.1f} CPU s)")
    return _Made(fitted, write_card(card), staged, seconds)


def _made_before(
    workspace: Workspace, problem: CompiledProblem, files: Mapping[str, bytes], code_version: str, made_from: Sequence[Version]
) -> Version | None:
    """Return the date's newest version if it is this model, bit for bit, made from the same versions by the same code."""
    head = workspace.lake.versions.heads(workspace.table("models", problem.name)).get(made_from[0].partition)
    if head is None or head.code_version != code_version or ENVIRONMENT not in head.properties:
        return None
    if workspace.lake.lineage.edges([head])[head.id] != tuple(sorted(version.id for version in made_from)):
        return None
    stored = {file.name: file.sha256 for file in head.files if file.name not in CARD_FILES}
    made = {name: hashlib.sha256(content).hexdigest() for name, content in files.items() if name not in CARD_FILES}
    return replace(head, reused=True) if stored == made else None


def _definitions(workspace: Workspace, problem: CompiledProblem, training: Version, chosen: Sequence[str]) -> tuple[FeatureDefinition, ...]:
    """Return the definitions of the chosen features, if they are still those that the training set was made with."""
    declared = resolve_features(workspace.project, problem)
    if definition_hash(declared) != training.properties["definitions"]:
        raise ModelError(
            f"The features of {problem.name!r} were declared anew after the training set of {training.partition} was made (version "
            f"{training.id}), so nobody could compute them for scoring. "
            f"Materialize training/{problem.name} and selected/{problem.name} again."
        )
    by_name = {definition.name: definition for definition in declared}
    unknown = [name for name in chosen if name not in by_name]
    if unknown:
        raise ModelError(
            f"The selection of {training.partition} chose {', '.join(unknown)}, which the training set does not have. "
            f"Materialize selected/{problem.name} again."
        )
    return tuple(by_name[name] for name in chosen)


def _properties(fitted: Fitted, day: str, definitions: Sequence[FeatureDefinition]) -> dict[str, Any]:
    evaluation = fitted.evaluation
    return {
        "training_date": day,
        "task": evaluation.task,
        "trainer": fitted.trained.kind,
        "baseline": fitted.companions["baseline"].kind,
        "features": [definition.name for definition in definitions],
        "definitions": definition_hash(definitions),
        "metrics": {name: figure.to_mapping() for name, figure in evaluation.metrics.items()},
        "baseline_metrics": {name: figure.to_mapping() for name, figure in fitted.against["baseline"].metrics.items()},
        "constant_metrics": {name: figure.to_mapping() for name, figure in fitted.against["constant"].metrics.items()},
        "test": {
            "rows": evaluation.rows,
            "days": evaluation.days,
            "mean_label": evaluation.mean_label,
            "mean_score": evaluation.mean_score,
        },
        "beats_constant": fitted.beats_constant,
        "beats_baseline": fitted.beats_baseline,
        "contender": fitted.contender,
        **({"classes": list(target.classes)} if (target := fitted.trained.target).classes else {}),
        **({"quantiles": list(target.quantiles)} if target.quantiles else {}),
    }
