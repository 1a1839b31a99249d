"""Make a model again from exactly what it was made from, on a branch that is thrown away, and say how alike the two are."""

from __future__ import annotations

import uuid
from collections.abc import Sequence
from dataclasses import dataclass

from ml_platform.audit.reproduced_model import ModelLikeness, compare_models
from ml_platform.audit.reproduction_plan import ReproductionPlan
from ml_platform.audit.rerun import Rerun
from ml_platform.audit.verdict import DIFFERS, IDENTICAL, WITHIN, Verdict, worst
from ml_platform.core.errors import IntegrityError, MlPlatformError
from ml_platform.core.layers import REPEATABLE_LAYERS
from ml_platform.core.names import ORIGIN
from ml_platform.core.partitions import partition_text
from ml_platform.lake.ledger.version import Version
from ml_platform.lake.reading.likeness import TOLERANCE, Likeness, compare_rows
from ml_platform.pipeline.row_key import row_key
from ml_platform.pipeline.workspace import Workspace


@dataclass(frozen=True)
class PartitionLikeness:
    """One version and the one that was made again; ``why`` says in words why there is no other or why rows could not be compared."""

    then: Version
    made: Version | None
    verdict: Verdict
    likeness: Likeness | None = None
    why: str = ""


@dataclass(frozen=True)
class AssetLikeness:
    """All partitions of one asset; ``read_otherwise`` of them were made from other versions than then."""

    asset: str
    partitions: tuple[PartitionLikeness, ...]
    read_otherwise: int = 0

    @property
    def verdict(self) -> Verdict:
        """The worst of its partitions."""
        return worst(partition.verdict for partition in self.partitions)

    def count(self, verdict: Verdict) -> int:
        """Return how many partitions have this verdict."""
        return sum(partition.verdict == verdict for partition in self.partitions)

    @property
    def rows_differing(self) -> int:
        """Rows that were changed, added or removed."""
        found = [p.likeness for p in self.partitions if p.likeness is not None]
        return sum(one.rows_changed + one.rows_added + one.rows_removed for one in found)

    @property
    def columns(self) -> tuple[str, ...]:
        """Columns that differ in any partition, were added (+), removed (-) or are of another type (~)."""
        found: dict[str, None] = {}
        for one in (p.likeness for p in self.partitions if p.likeness is not None):
            found |= dict.fromkeys(column.name for column in one.columns)
            for sign, names in (("+", one.columns_added), ("-", one.columns_removed), ("~", one.columns_retyped)):
                found |= dict.fromkeys(f"{sign}{name}" for name in names)
        return tuple(found)

    @property
    def largest(self) -> float:
        """The largest relative difference of a value."""
        return max((p.likeness.largest for p in self.partitions if p.likeness is not None), default=0.0)

    @property
    def reasons(self) -> tuple[str, ...]:
        """Why partitions could not be made or compared, each reason once."""
        return tuple(dict.fromkeys(f"{p.then.partition or 'it'}: {p.why}" for p in self.partitions if p.why))


@dataclass(frozen=True)
class Reproduction:
    """What came of it; ``branch`` still exists if it was kept."""

    plan: ReproductionPlan
    branch: str
    assets: tuple[AssetLikeness, ...]
    model: ModelLikeness | None
    made: Version | None

    @property
    def verdict(self) -> Verdict:
        """The worst of all assets, the model and its figures."""
        return worst([*(asset.verdict for asset in self.assets), self.model.verdict if self.model else DIFFERS])

    @property
    def first_difference(self) -> AssetLikeness | None:
        """The asset in which the first difference is, from raw to the model: what the others may come from."""
        return next((asset for asset in self.assets if asset.verdict != IDENTICAL), None)

    @property
    def summary(self) -> str:
        """The verdict in a sentence, with what differs, and what has changed in code and declarations."""
        return " ".join([f"{self.plan.model} is {self._told()}", *self._changes()])

    def _told(self) -> str:
        versions = sum(len(asset.partitions) for asset in self.assets)
        if self.verdict == IDENTICAL:
            return f"bit-identical: {versions:,} versions of {len(self.assets)} assets, the model's files and its figures."
        first = self.first_difference
        where = (
            "the model" if first is None else f"{first.asset} ({len(first.partitions) - first.count(IDENTICAL)} of {len(first.partitions)})"
        )
        if self.verdict == WITHIN:
            return f"equal within tolerance ({TOLERANCE:g} relative, floats only); not bit for bit from {where} on."
        others = ", ".join(asset.asset for asset in self.assets if asset.verdict == DIFFERS and asset is not first)
        return f"not the same: it differs from {where} on{f', then in {others}' if others else ''}."

    def _changes(self) -> list[str]:
        told = []
        changed = [row.asset for row in self.plan.code if not row.is_same and not row.is_carried]
        carried = [row.asset for row in self.plan.code if row.is_carried]
        other = [str(row["what"]) for row in self.plan.environment if row["same"] is False]
        if changed:
            told.append(f"Code or declaration is not that of then: {', '.join(changed)}.")
        if carried:
            told.append(f"Declared anew since, so the model's own definitions were used: {', '.join(carried)}.")
        if other:
            told.append(f"Not what it was made with: {', '.join(other)}.")
        return told


def reproduce(workspace: Workspace, plan: ReproductionPlan, *, keep_branch: bool = False) -> Reproduction:
    """Make a model again, and compare it layer by layer with what it was.

    Everything is written to a branch that is dropped at the end, whatever happens; the branch that ``workspace`` reads is not written to.
    What is read are the pinned versions and nothing else. The branch begins where the model was published, so that what comes out as it was
    repeats its head and adds nothing, and only what differs is written at all.

    Parameters
    ----------
    workspace : Workspace
        Project, lake and landing zone.
    plan : ReproductionPlan
        From :func:`ml_platform.audit.reproduction_plan.plan_reproduction`.
    keep_branch : bool
        Leave the branch to be looked at.

    Returns
    -------
    Reproduction
    """
    run = uuid.uuid4().hex[:8]
    branch = f"reproduce/{plan.problem}-{plan.version.id}-{run}"
    workspace.lake.branches.create(branch, at=plan.version.commit)
    try:
        rerun = Rerun(workspace, plan, workspace.lake.on(branch), f"reproduce-{run}")
        said = ""
        for step in plan.steps:
            if step.asset != said:
                count = sum(len(other.versions) for other in plan.steps if other.asset == step.asset)
                workspace.say(f"{step.asset}: making {count} version{'s' * (count != 1)} again")
                said = step.asset
            rerun.run(step)
        return _compared(workspace, rerun, branch)
    finally:
        if not keep_branch:
            workspace.lake.branches.drop(branch)


def _compared(workspace: Workspace, rerun: Rerun, branch: str) -> Reproduction:
    plan = rerun.plan
    by_asset: dict[tuple[int, str], list[Version]] = {}
    for step in plan.steps:
        by_asset.setdefault((REPEATABLE_LAYERS.index(step.layer), step.asset), []).extend(step.versions)
    model, made = None, rerun.made.get(plan.version.id)
    if made is not None:
        model = compare_models(workspace, plan.version, made, plan.training)
    assets = []
    for (_, asset), versions in sorted(by_asset.items(), key=lambda item: item[0]):
        ordered = sorted(versions, key=lambda version: (partition_text(version.partition), version.id))
        parts = tuple(_partition(workspace, rerun, version, model) for version in ordered)
        assets.append(AssetLikeness(asset, parts, sum(version.id in rerun.read_otherwise for version in versions)))
    return Reproduction(plan, branch, tuple(assets), model, made)


def _partition(workspace: Workspace, rerun: Rerun, then: Version, model: ModelLikeness | None) -> PartitionLikeness:
    made = rerun.made.get(then.id)
    if made is None:
        return PartitionLikeness(then, None, DIFFERS, why=rerun.failed.get(then.id, "it was not made"))
    if then.id in rerun.kept:
        return PartitionLikeness(then, made, IDENTICAL, why="its files are not in the landing zone as they were; the kept rows were read")
    if then.id == rerun.plan.version.id and model is not None:
        return PartitionLikeness(then, made, model.verdict, why="; ".join(model.parts))
    if made.data_hash == then.data_hash:
        return PartitionLikeness(then, made, IDENTICAL)
    try:
        before, after = (workspace.lake.versions.read([version]).arrow() for version in (then, made))
    except IntegrityError:
        raise
    except MlPlatformError as error:
        return PartitionLikeness(then, made, DIFFERS, why=f"another content, of which the rows cannot be compared: {error}")
    likeness = compare_rows(before, after, _key(rerun.plan, then))
    return PartitionLikeness(then, made, WITHIN if likeness.is_within() else DIFFERS, likeness)


def _key(plan: ReproductionPlan, version: Version) -> Sequence[str]:
    """Return the columns that identify a row of an asset."""
    return ORIGIN[:2] if version.table.layer == "raw" else row_key(plan.project, version.table)
