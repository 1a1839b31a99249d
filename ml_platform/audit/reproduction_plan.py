"""What it takes to make a model again: its closure, the definitions it carries, and what has changed since."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ml_platform.audit.reproduction_steps import Edges, Step, address_of, order_steps
from ml_platform.core.environment import compare_environments, environment_here
from ml_platform.core.errors import MlPlatformError, ReproductionError
from ml_platform.core.layers import REPEATABLE_LAYERS
from ml_platform.features.declared.definition import definition_hash
from ml_platform.lake.ledger.version import ARTIFACT, Version
from ml_platform.models.fit import SEED
from ml_platform.models.trainers.built_in.lightgbm import THREADS
from ml_platform.pipeline.declared_code import declared_code_version
from ml_platform.pipeline.models.candidates import CANDIDATES, Candidates, candidates_of, read_candidates
from ml_platform.pipeline.models.champion import current_champion
from ml_platform.pipeline.models.model import ENVIRONMENT
from ml_platform.pipeline.workspace import Workspace
from ml_platform.project.carried import with_carried
from ml_platform.project.project import Project

_SHOWN = 5


@dataclass(frozen=True)
class CodeRow:
    """The code and declarations of one asset: its versions then, with how many partitions each made, and the one of today (None: gone).

    ``is_carried`` tells that the model's own definitions are used instead of today's declaration.
    """

    asset: str
    then: Mapping[str, int]
    here: str | None
    is_carried: bool = False

    @property
    def is_same(self) -> bool:
        """Whether today's is the one that made everything."""
        return set(self.then) == {self.here}


@dataclass(frozen=True)
class ReproductionPlan:
    """Everything that is known before anything runs.

    ``project`` has today's tables and problem, and the features that the model carries. ``pinned`` are the versions that are read and not
    made. ``environment`` has the rows of :func:`ml_platform.core.environment.compare_environments`.
    """

    version: Version
    training: Version
    problem: str
    project: Project
    closure: Mapping[int, Version]
    edges: Edges
    steps: tuple[Step, ...]
    pinned: tuple[Version, ...]
    environment: tuple[Mapping[str, Any], ...]
    code: tuple[CodeRow, ...]

    @property
    def model(self) -> str:
        """The model as it is named on the command line."""
        return f"{self.problem}@{self.version.id}"


def plan_reproduction(
    workspace: Workspace, problem_name: str, version: int | Version | None = None, *, from_landing: bool = False
) -> ReproductionPlan:
    """Find out how a model version is made again.

    Parameters
    ----------
    workspace : Workspace
        Project and lake.
    problem_name : str
        The problem.
    version : int or Version, optional
        A version of ``models/<problem>``; by default the champion.
    from_landing : bool
        Read raw rows again where the delivered files are still there as they were.

    Returns
    -------
    ReproductionPlan

    Raises
    ------
    ReproductionError
        If it is no model of the problem, if something it was made from was redacted or collected, or if nothing says any more what its
        features were.
    """
    problem = workspace.project.problem(problem_name)
    model = _model(workspace, problem.name, version)
    closure = {v.id: v for v in workspace.lake.lineage.closure([model])}
    edges = workspace.lake.lineage.edges(closure)
    unknown = sorted({v.table for v in closure.values() if address_of(v)[0] not in REPEATABLE_LAYERS})
    if unknown:
        raise ReproductionError(f"Model {problem_name}@{model.id} was made from {', '.join(unknown)}, which no function makes again.")
    leaves = {i for i, made_from in edges.items() if not made_from}
    _check_readable(model, closure, leaves)
    made_from = [closure[i] for i in edges[model.id]]
    training = next((v for v in made_from if v.table == workspace.table("training", problem.name)), None)
    if training is None:
        raise ReproductionError(f"Model {problem_name}@{model.id} names no training set among its inputs, so it cannot be made again.")
    project = _carried(workspace, problem.name, model, training)
    wanted = set(closure) - leaves
    if from_landing:
        wanted |= {i for i in leaves if address_of(closure[i])[0] == "raw"}
    here = environment_here(workspace.project.root, seed=SEED, threads=THREADS)
    return ReproductionPlan(
        version=model,
        training=training,
        problem=problem.name,
        project=project,
        closure=closure,
        edges=edges,
        steps=order_steps(closure, edges, wanted),
        pinned=tuple(closure[i] for i in sorted(leaves)),
        environment=tuple(compare_environments(model.properties.get(ENVIRONMENT, {}), here)),
        code=_code_rows(workspace, project, closure),
    )


def _model(workspace: Workspace, problem_name: str, version: int | Version | None) -> Version:
    if version is None:
        champion = current_champion(workspace, problem_name)
        if champion is None:
            raise ReproductionError(f"No model of {problem_name!r} was promoted yet. Name the version that is to be made again.")
        return champion.version
    found = version if isinstance(version, Version) else workspace.lake.versions.get(version)
    table = workspace.table("models", problem_name)
    if found.table != table or found.kind != ARTIFACT:
        raise ReproductionError(f"No model of {problem_name!r}: {found.where}. Name a version of {table!r}.")
    return found


def _check_readable(model: Version, closure: Mapping[int, Version], leaves: set[int]) -> None:
    """Refuse what is not what it was, and what cannot be read any more; what is made again need not be there."""
    redacted = [v for v in closure.values() if v.redacted is not None]
    if redacted:
        told = "; ".join(
            f"{v.where} ({v.redacted.rows_removed} rows on {v.redacted.time:%Y-%m-%d}: {v.redacted.reason})"
            for v in redacted[:_SHOWN]
            if v.redacted
        )
        raise ReproductionError(
            f"Model version {model.id} cannot be made again: rows of {len(redacted)} of the {len(closure)} versions that it was made from "
            f"were redacted since: {told}{'...' if len(redacted) > _SHOWN else ''}. The model itself and its figures stay readable."
        )
    gone = [v for v in closure.values() if v.gone is not None and (v.id in leaves or v.id == model.id)]
    if gone:
        told = "; ".join(f"{v.where} (on {v.gone.time:%Y-%m-%d} by the rule: {v.gone.rule})" for v in gone[:_SHOWN] if v.gone)
        raise ReproductionError(
            f"Model version {model.id} cannot be made again: retention has deleted {len(gone)} of the versions that it would be made from: "
            f"{told}{'...' if len(gone) > _SHOWN else ''}. A pin or a tag would have kept them."
        )


def _carried(workspace: Workspace, problem_name: str, model: Version, training: Version) -> Project:
    """Return the project with the features that the training set was made of."""
    project = workspace.project
    names = training.properties["features"]
    if any(file.name == CANDIDATES for file in model.files):
        kept = read_candidates(workspace.lake.versions.artifact(model, CANDIDATES))
    else:
        # Made before models kept their candidates: today's declarations will do if they mean the same.
        today = candidates_of(project, project.problem(problem_name))
        by_name = {d.name: d for d in today.candidates}
        if definition_hash(today.candidates) != training.properties["definitions"] or set(by_name) != set(names):
            raise ReproductionError(
                f"Model version {model.id} was made before models kept the definitions of all features that they were chosen from, and "
                f"{problem_name!r} declares other features today. Check out the declarations of then, and reproduce it with those."
            )
        kept = Candidates(today.features, tuple(by_name[name] for name in names))
    return with_carried(project, problem_name, kept.features, kept.candidates)


def _code_rows(workspace: Workspace, carried: Project, closure: Mapping[int, Version]) -> tuple[CodeRow, ...]:
    """Compare, asset by asset, the code version that made each partition with the one of today."""
    by_asset: dict[tuple[str, str], Counter[str]] = {}
    for version in closure.values():
        by_asset.setdefault(address_of(version), Counter())[version.code_version] += 1
    rows = []
    for layer, name in sorted(by_asset, key=lambda address: (REPEATABLE_LAYERS.index(address[0]), address[1])):
        then = dict(by_asset[layer, name].most_common())
        here = _code_version(workspace.project, layer, name)
        own = _code_version(carried, layer, name)
        rows.append(CodeRow(f"{layer}/{name}", then, here, is_carried=own != here and own is not None))
    return tuple(rows)


def _code_version(project: Project, layer: str, name: str) -> str | None:
    """Return what a project's code and declarations of an asset are called today; None if they are gone."""
    try:
        return declared_code_version(project, layer, name)
    except MlPlatformError:
        return None


def feature_table_of(project: Project, name: str) -> tuple[str, tuple[str, ...]]:
    """Return the view and the entity of a feature table.

    Raises
    ------
    ReproductionError
        If no view has it.
    """
    for view in project.views.values():
        for entity, table in view.asset_names.items():
            if table == name:
                return view.name, entity
    raise ReproductionError(f"No view of project {project.name!r} has the feature table {name!r} any more.")
