"""The champion: which model scores, and every judgement that ever moved that pointer or left it."""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import datetime
from typing import Any

import polars as pl

from ml_platform.core.errors import MlPlatformError, ModelError
from ml_platform.features.declared.definition import definition_hash
from ml_platform.lake.ledger.version import ARTIFACT, Commit, Version
from ml_platform.models.contender import Role
from ml_platform.pipeline.feature_tables.feature_values import features_at
from ml_platform.pipeline.layer_code import layer_code
from ml_platform.pipeline.models.model import LoadedModel, load_model
from ml_platform.pipeline.outcome import Markdown, Outcome, PartitionOutcome, Rows
from ml_platform.pipeline.workspace import Workspace
from ml_platform.project.asked_features import resolve_features
from ml_platform.project.project import CompiledProblem
from ml_platform.registry.common_target import aligned, common_target
from ml_platform.registry.pointer import KEY, Judgement, from_rows, in_order, is_due, judgement_of, last_promotion, to_arrow
from ml_platform.registry.promotion import JudgedRows, PromotionDecision, decide, decide_first, decide_leaky
from ml_platform.training.labels import LABEL
from ml_platform.training.spine import CUTOFF
from ml_platform.training.splits import SPLIT
from ml_platform.training.target import Target

# A text column with so few values names parts that a person cares about; with more it names single things.
MAX_SLICES = 30
SHOWN_JUDGEMENTS = 20


@dataclass(frozen=True)
class Champion:
    """The model version that scores, its training date, since when (on the platform's clock), and which of its two models it is."""

    version: Version
    training_date: str
    since: datetime
    role: Role = "model"

    @property
    def name(self) -> str:
        """The serving model in words, such as ``lightgbm`` or ``logistic (baseline)``."""
        return name_of(self.version, self.role)


def current_champion(workspace: Workspace, problem: CompiledProblem | str) -> Champion | None:
    """Return the model that scores a problem now; None if none was ever promoted."""
    name = problem if isinstance(problem, str) else problem.name
    promoted = last_promotion(read_history(workspace, name)[0])
    if promoted is None:
        return None
    return Champion(workspace.lake.versions.get(promoted.model_version), promoted.training_date, promoted.decided_at, promoted.role)


def name_of(version: Version, role: Role) -> str:
    """Return one of a version's two models in words, such as ``lightgbm`` or ``logistic (baseline)``."""
    kind = version.properties.get("trainer" if role == "model" else "baseline", role)
    return str(kind) if role == "model" else f"{kind} (baseline)"


def champion_history(workspace: Workspace, problem_name: str) -> tuple[Judgement, ...]:
    """Return every judgement of a problem's models, the oldest first."""
    return read_history(workspace, problem_name)[0]


def materialize_champion(workspace: Workspace, problem_name: str) -> Outcome:
    """Judge the newest model that was not judged yet, and let it score if it deserves to.

    The model and the champion score the same rows: the test rows of the model's training set, which neither has seen. The champion is given
    *its* features, computed by its own definitions where the training set does not hold them. Of a version's two fitted models, the
    declared one and its baseline, the better one is judged and would serve.

    Parameters
    ----------
    workspace : Workspace
        Project, lake, and the clock that dates the judgement.
    problem_name : str
        The problem.

    Returns
    -------
    Outcome
        Table ``champion/<problem>``, without partitions: one row per judgement; the closure of a promoted model is pinned. Nothing is
        written when there is nothing to judge.
    """
    problem = workspace.project.problem(problem_name)
    history, head = read_history(workspace, problem_name)
    candidate = _candidate(workspace, problem_name, history)
    if candidate is None:
        pin_promoted(workspace, problem_name, history)
        if head is None:
            reason = f"There is no model of {problem_name!r} to judge. Materialize a partition of models/{problem_name} first."
            return Outcome(None, (PartitionOutcome(None, None, stopped=reason),))
        return champion_outcome(workspace, None, replace(head, reused=True), history)
    serving = last_promotion(history)
    decision, inputs = _judge(workspace, problem, candidate, serving)
    judgement = judgement_of(
        decision,
        decided_at=workspace.clock.now(),
        training_date=str(candidate.partition),
        model_version=candidate.id,
        champion_version=serving.model_version if serving else None,
    )
    workspace.say(f"{problem_name}: the model of {candidate.partition} is {decision.verdict}. {decision.reasons[0]}")
    commit, history = append_judgement(workspace, problem_name, judgement, inputs)
    return champion_outcome(workspace, commit, commit.versions[0], history)


def read_history(workspace: Workspace, problem_name: str) -> tuple[tuple[Judgement, ...], Version | None]:
    """Return all judgements, the oldest first, and the version that holds them."""
    heads = workspace.lake.versions.resolve(workspace.table("champion", problem_name))
    if not heads:
        return (), None
    return from_rows(workspace.lake.versions.read(heads).arrow().to_pylist()), heads[0]


def _candidate(workspace: Workspace, problem_name: str, history: tuple[Judgement, ...]) -> Version | None:
    """Return the newest model, if it is still to be judged."""
    models = workspace.lake.versions.resolve(workspace.table("models", problem_name))
    newest = max((v for v in models if v.kind == ARTIFACT), key=lambda v: (str(v.partition), v.id), default=None)
    return newest if newest is not None and is_due(str(newest.partition), newest.id, history) else None


def _judge(
    workspace: Workspace, problem: CompiledProblem, candidate: Version, serving: Judgement | None
) -> tuple[PromotionDecision, list[Version]]:
    """Return the decision about a model and the versions that it was taken from."""
    table = workspace.table("training", problem.name)
    training = next(version for version in workspace.lake.lineage.inputs(candidate.id) if version.table == table)
    if suspicions := training.properties.get("leakage"):
        return decide_leaky(suspicions), [candidate, training]
    challenger = load_model(workspace, candidate)
    frame = workspace.lake.versions.read([training]).pl().filter(pl.col(SPLIT) == "test", pl.col(LABEL).is_not_null())
    rows = _judged_rows(frame, challenger.target)
    scores = challenger.predict(frame)
    baseline, constant = (challenger.file.companions[role] for role in ("baseline", "constant"))
    simpler, same_kind = baseline.predict(frame), baseline.kind == challenger.file.trained.kind
    if serving is None:
        return decide_first(rows, scores, simpler, constant.predict(frame), same_kind=same_kind), [candidate, training]
    champion = load_model(workspace, serving.model_version, serving.role)
    inputs = [candidate, training, champion.version]
    try:
        rivals = champion.predict(_with_features(workspace, problem, frame, training, champion))
    except MlPlatformError as error:
        # A view or table that the champion reads may be gone; then nobody can compare, and nothing may be promoted unseen.
        return PromotionDecision("held", "champion", None, (f"Held: the champion cannot score these rows. {error}",)), inputs
    margin = problem.problem.promote_margin
    try:
        common = common_target(challenger.target, champion.target)
    except ModelError as error:
        return PromotionDecision("held", "champion", None, (f"Held: {error}",)), inputs
    rows = _judged_rows(frame, common)
    scores, simpler = (aligned(given, challenger.target, common) for given in (scores, simpler))
    rivals = aligned(rivals, champion.target, common)
    return decide(rows, scores, rivals, margin=margin, baseline=simpler, same_kind=same_kind), inputs


def _judged_rows(frame: pl.DataFrame, target: Target) -> JudgedRows:
    """Return what a judgement needs of the test rows, with the parts that are looked at one by one; ``target`` is what is compared."""
    texts = [name for name, dtype in frame.schema.items() if dtype in (pl.String, pl.Categorical, pl.Enum) and not name.startswith("_")]
    sliced = [name for name in texts if 1 < frame[name].n_unique() <= MAX_SLICES]
    return JudgedRows(
        labels=target.codes(frame[LABEL]),
        days=frame[CUTOFF].dt.epoch("d").cast(pl.Int64).to_numpy(),
        task=target,
        slices={name: frame[name].cast(pl.String).to_numpy() for name in sliced},
    )


def _with_features(
    workspace: Workspace, problem: CompiledProblem, frame: pl.DataFrame, training: Version, champion: LoadedModel
) -> pl.DataFrame:
    """Return the rows with the champion's features: the training set's own where they are the same, else computed by its definitions."""
    declared = resolve_features(workspace.project, problem)
    known = {d.name: definition_hash([d]) for d in declared} if definition_hash(declared) == training.properties["definitions"] else {}
    if all(known.get(d.name) == definition_hash([d]) for d in champion.definitions):
        return frame
    spine = dict.fromkeys([*(column for d in champion.definitions for column in d.entity), CUTOFF])
    workspace.say(f"{problem.name}: computing the champion's own features of {frame.height:,} rows")
    return features_at(workspace, frame.select(name for name in spine if name in frame.columns), champion.definitions)[0]


def append_judgement(
    workspace: Workspace, problem_name: str, judgement: Judgement, inputs: list[Version]
) -> tuple[Commit, tuple[Judgement, ...]]:
    """Add a judgement to the history and pin what a promoted model was made from.

    A judgement that another process published in the same moment is kept.
    """
    table = workspace.table("champion", problem_name)
    history, head = read_history(workspace, problem_name)
    rows = (*history, judgement)
    while True:
        promoted = last_promotion(rows)
        staged = workspace.lake.writing.stage(
            table,
            None,
            to_arrow(rows),
            key=KEY,
            inputs=[*inputs, *([head] if head else [])],
            code_version=layer_code("champion"),
            properties={"champion_version": promoted.model_version if promoted else None},
        )
        commit = workspace.lake.writing.publish([staged], run_id=workspace.run_id, message=f"champion {problem_name}")
        published = commit.versions[0]
        before = next((version for version in workspace.lake.latest().history(table, None) if version.id < published.id), None)
        if before == head:
            pin_promoted(workspace, problem_name, rows)
            return commit, rows
        missed = from_rows(workspace.lake.versions.read([before]).arrow().to_pylist()) if before else ()
        rows, head = in_order({*missed, *rows}), published


def pin_promoted(workspace: Workspace, problem_name: str, history: tuple[Judgement, ...]) -> None:
    """Pin what every promoted model was made from, also where a process died between a promotion and its pin."""
    pinned = workspace.lake.retention.pins()
    for judgement in history:
        owner = f"{workspace.table('models', problem_name)}@{judgement.model_version}"
        if judgement.verdict == "promoted" and owner not in pinned:
            workspace.lake.retention.pin(owner, workspace.lake.lineage.closure([judgement.model_version]))


def champion_outcome(workspace: Workspace, commit: Commit | None, version: Version, history: tuple[Judgement, ...]) -> Outcome:
    """Return the outcome that tells of the newest judgement and of who serves."""
    return Outcome(commit, (PartitionOutcome(None, version, numbers=_numbers(workspace, history)),), metadata=_metadata(history))


def _numbers(workspace: Workspace, history: tuple[Judgement, ...]) -> dict[str, float | int | str]:
    newest, serving = history[-1], last_promotion(history)
    numbers: dict[str, float | int | str] = {"verdict": newest.verdict, "judgements": len(history), "serves": "nothing"}
    if serving is not None:
        name = name_of(workspace.lake.versions.get(serving.model_version), serving.role)
        numbers |= {"serves": name, "champion_version": serving.model_version, "champion_training_date": serving.training_date}
    if newest.difference is not None:
        numbers["difference"] = newest.difference
    return numbers


def _metadata(history: tuple[Judgement, ...]) -> dict[str, Any]:
    """Return the newest judgement in words, and the history as a table."""
    newest = history[-1]
    reasons = "\n".join(f"- {sentence}" for sentence in newest.words)
    shown = tuple(
        {
            "training date": judgement.training_date,
            "verdict": judgement.verdict,
            "better by": judgement.difference,
            "judged": judgement.role,
            "decided by": judgement.decided_by or "the rules",
            "decided at": f"{judgement.decided_at:%Y-%m-%d %H:%M}",
            "lower bound": judgement.lower,
            "model version": judgement.model_version,
            "champion after": judgement.champion_version,
        }
        for judgement in reversed(history[-SHOWN_JUDGEMENTS:])
    )
    by = f" by {newest.decided_by}" if newest.decided_by else ""
    title = f"The {newest.role} of {newest.training_date} (version {newest.model_version}) was **{newest.verdict}**{by}."
    return {"decision": Markdown(f"{title}\n\n{reasons}"), "history": Rows(shown)}
