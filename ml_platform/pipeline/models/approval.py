"""A person's word on a model that the rules held: approved or rejected, with who and why, in the same history."""

from __future__ import annotations

from typing import Literal

from ml_platform.core.errors import ModelError
from ml_platform.models.contender import Role
from ml_platform.pipeline.models.champion import append_judgement, champion_outcome, read_history
from ml_platform.pipeline.models.model import load_model
from ml_platform.pipeline.outcome import Outcome
from ml_platform.pipeline.workspace import Workspace
from ml_platform.registry.pointer import Judgement, decided_by_hand


def decide_held(
    workspace: Workspace,
    problem_name: str,
    version_id: int,
    verdict: Literal["promoted", "refused"],
    *,
    by: str,
    reason: str,
    role: Role | None = None,
) -> Outcome:
    """Decide about a model that promotion held because the rules could not.

    Parameters
    ----------
    workspace : Workspace
        Project, lake, and the clock that dates the judgement.
    problem_name : str
        The problem.
    version_id : int
        The version of ``models/<problem>`` that was held; the newest that was judged.
    verdict : str
        ``promoted`` to let it score from now on, ``refused`` to put it aside.
    by, reason : str
        Who decides, and why; both stand in the history.
    role : str, optional
        Which of its two models scores, ``model`` or ``baseline``; by default the one that was judged.

    Returns
    -------
    Outcome
        Of ``champion/<problem>``: one judgement more.

    Raises
    ------
    ModelError
        If the model was not held, a newer one was judged since, it cannot be loaded, or who and why are missing. Nothing is written.
    """
    workspace.project.problem(problem_name)
    by, reason = by.strip(), reason.strip()
    if not by or not reason:
        raise ModelError("A decision about a model needs who takes it and why: name both.")
    history, _ = read_history(workspace, problem_name)
    held = _held(problem_name, version_id, history)
    chosen = role or held.role
    # Whoever approves a model that cannot be loaded would stop all scoring.
    model = load_model(workspace, version_id, chosen)
    judgement = decided_by_hand(held, verdict, by=by, reason=reason, role=chosen, decided_at=workspace.clock.now())
    commit, history = append_judgement(workspace, problem_name, judgement, [model.version])
    return champion_outcome(workspace, commit, commit.versions[0], history)


def _held(problem_name: str, version_id: int, history: tuple[Judgement, ...]) -> Judgement:
    """Return the newest judgement if it held this version."""
    own = [judgement for judgement in history if judgement.model_version == version_id]
    if not own:
        judged = ", ".join(str(j.model_version) for j in history[-10:]) or "none"
        raise ModelError(
            f"Version {version_id} of models/{problem_name} was not judged yet; judged were: {judged}. "
            f"Materialize champion/{problem_name} first: what the rules can decide, they do."
        )
    last = own[-1]
    if last.verdict != "held":
        who = f" by {last.decided_by}" if last.decided_by else ""
        raise ModelError(
            f"Version {version_id} of models/{problem_name} was {last.verdict}{who}, not held: {last.words[0]} "
            "Only a model that was held can be approved or rejected."
        )
    newest = history[-1]
    if newest.model_version != version_id:
        raise ModelError(
            f"Version {version_id} of models/{problem_name} (of {last.training_date}) was held, but a newer model was judged since: "
            f"version {newest.model_version} of {newest.training_date}, {newest.verdict}. Decide about that one."
        )
    return last
