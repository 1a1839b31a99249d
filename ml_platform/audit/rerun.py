"""Make versions again on a branch of their own: the assets' own functions, each reading exactly the versions that were read then."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta

from ml_platform.audit.reproduction_plan import ReproductionPlan, feature_table_of
from ml_platform.audit.reproduction_steps import Step, address_of
from ml_platform.core.clock import FixedClock
from ml_platform.core.errors import MlPlatformError, SourceError, UnknownBranchError
from ml_platform.core.intervals import day_start
from ml_platform.lake.lake import Lake
from ml_platform.lake.ledger.version import Staged, Version
from ml_platform.pipeline.declared_code import raw_code_version
from ml_platform.pipeline.delivery.deliveries import deliveries_of, recorded_files, with_times
from ml_platform.pipeline.delivery.raw import joined_rows
from ml_platform.pipeline.feature_tables.feature_table import materialize_features
from ml_platform.pipeline.layer_code import materializer
from ml_platform.pipeline.outcome import Outcome
from ml_platform.pipeline.tables.table import materialize_table
from ml_platform.pipeline.training.training_set import ANSWERS_UNTIL
from ml_platform.pipeline.workspace import Workspace
from ml_platform.project.project import Project

Made = Mapping[str | None, Version | str]


@dataclass
class Rerun:
    """What was made so far.

    ``lake`` is the branch that is written to, ``run_id`` what its commits are written with. ``made`` maps the id of a version to the one
    that stands for it now (itself where it came out the same, or is read and not made), ``failed`` to why there is none,
    ``read_otherwise`` to one that was made from others than then. ``kept`` are raw versions that could not be read again.
    """

    workspace: Workspace
    plan: ReproductionPlan
    lake: Lake
    run_id: str
    made: dict[int, Version] = field(default_factory=dict)
    failed: dict[int, str] = field(default_factory=dict)
    read_otherwise: dict[int, Version] = field(default_factory=dict)
    kept: set[int] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.made |= {version.id: version for version in self.plan.pinned}

    def run(self, step: Step) -> None:
        """Make the versions of one step again."""
        closure, edges = self.plan.closure, self.plan.edges
        ready = []
        for version in step.versions:
            lost = next((i for i in edges[version.id] if i not in self.made), None)
            if lost is None:
                ready.append(version)
            else:
                self.failed[version.id] = f"{'/'.join(address_of(closure[lost]))} of {closure[lost].partition} could not be made"
        if not ready:
            return
        ready_step = replace(step, versions=tuple(ready))
        try:
            made = self._landed(ready_step) if step.layer == "raw" else _outcomes(self._materialize(ready_step))
        except MlPlatformError as error:
            made = dict.fromkeys((version.partition for version in ready), str(error))
        for version in ready:
            found = made.get(version.partition, "nothing was published")
            if isinstance(found, Version):
                self.made[version.id] = found
            elif step.layer == "raw":
                self.kept.add(version.id)
            else:
                self.failed[version.id] = found
        self._check_inputs([version for version in ready if version.id in self.made])

    def _materialize(self, step: Step) -> Outcome:
        workspace = Workspace(
            project=_choosing_as_then(self.plan.project, step) if step.layer == "selected" else self.plan.project,
            lake=self.lake.pinned(self._scope(step)),
            # The earliest moment at which the model could be made; later ones show nothing else to a training date.
            clock=FixedClock(day_start(str(self.plan.version.partition))),
            landing=self.workspace.landing,
            landing_links=self.workspace.landing_links,
            run_id=self.run_id,
            engine=self.workspace.engine,
            answers_until=_answers_then(step),
        )
        days = [str(version.partition) for version in step.versions]
        if step.layer == "tables":
            return materialize_table(workspace, step.name, [version.partition for version in step.versions])
        if step.layer == "features":
            view, entity = feature_table_of(self.plan.project, step.name)
            return materialize_features(workspace, view, entity, days)
        return materializer(step.layer)(workspace, step.name, days)

    def _scope(self, step: Step) -> list[Version]:
        """Return the versions that the step can see: what its versions were made from, as it was made again, and what they looked at."""
        edges = self.plan.edges
        ids = {i for version in step.versions for i in edges[version.id]}
        # A feature table is read only where it is made from what the tables hold, so these are looked at too.
        ids |= {j for i in ids if address_of(self.plan.closure[i])[0] == "features" for j in edges[i]}
        seen = [self.made[i] for i in sorted(ids)]
        return [*seen, *self._looked_at(step, {version.table for version in seen})]

    def _looked_at(self, step: Step, seen: set[str]) -> Iterator[Version]:
        """Yield versions that a step looked at without being made from them, as the branch had them then."""
        if step.layer == "training":
            # Answers are complete up to the newest day of the label's table, whether it was read or not.
            label = self.plan.project.problem(step.name).label_table
            yield from self._heads_then(step.versions[0], self.workspace.table("tables", label.name), newest=True)
        elif step.layer == "tables":
            table = self.plan.project.table(step.name)
            for name in sorted({reference.table for reference in table.contract.references}):
                # Those that only warn leave a count beside the rows; those that reject are recorded as inputs, by newer versions.
                if self.workspace.table("tables", name) not in seen:
                    yield from self._heads_then(step.versions[0], self.workspace.table("tables", name))

    def _heads_then(self, version: Version, table: str, *, newest: bool = False) -> list[Version]:
        """Return the heads of a table right before a version was published on its branch."""
        try:
            heads = self.workspace.lake.on(version.branch).versions.resolve(table, at=version.commit - 1)
        except UnknownBranchError:  # dropped since
            return []
        return heads[-1:] if newest else heads

    def _landed(self, step: Step) -> Made:
        """Read raw partitions again whose files all lie in the landing zone as they were; of the others the kept rows are read."""
        table = self.plan.project.table(step.name)
        if not table.source.is_watched or table.splits:
            # Of a source that is delivered whole, earlier deliveries are not there any more.
            return {}
        workspace = replace(self.workspace, project=self.plan.project)
        opened = deliveries_of(workspace, table, [version.partition for version in step.versions])
        code_version = raw_code_version(table, self.plan.project.root)
        staged: list[Staged] = []
        for version in step.versions:
            recorded = recorded_files(version)
            try:
                there = [one for one in opened(version.partition) if one.name in recorded]
                if {one.name: one.sha256 for one in there} != {name: file["sha256"] for name, file in recorded.items()}:
                    continue
                timed = with_times(there, version)
                rows = joined_rows(timed, [one.rows() for one, _ in timed])
            except SourceError:
                continue
            kept = version.properties
            staged.append(self.lake.writing.stage(version.table, version.partition, rows, code_version=code_version, properties=kept))
        commit = self.lake.writing.publish(staged, run_id=self.run_id, message=f"raw {step.name}") if staged else None
        return {version.partition: version for version in (commit.versions if commit else ())}

    def _check_inputs(self, versions: Iterable[Version]) -> None:
        """Note which versions were made from others than those that stand for the recorded ones."""
        versions = list(versions)
        made_from = self.lake.lineage.edges(self.made[version.id] for version in versions)
        for version in versions:
            made = self.made[version.id]
            expected = {self.made[i].id for i in self.plan.edges[version.id]}
            if made.id != version.id and set(made_from[made.id]) != expected:
                self.read_otherwise[version.id] = made


def _choosing_as_then(project: Project, step: Step) -> Project:
    """Return the project with the age at which features are chosen anew set so that what was kept is kept, and the rest is chosen."""
    kept = any("kept_from" in version.properties for version in step.versions)
    compiled = project.problem(step.name)
    selection = replace(compiled.problem.selection, every=timedelta.max if kept else None)
    return replace(
        project, problems={**project.problems, step.name: replace(compiled, problem=replace(compiled.problem, selection=selection))}
    )


def _answers_then(step: Step) -> datetime | None:
    """Return up to when labels were known to a training set when it was made; older ones do not say."""
    told = step.versions[0].properties.get(ANSWERS_UNTIL) if step.layer == "training" else None
    return None if told is None else datetime.fromisoformat(str(told))


def _outcomes(outcome: Outcome) -> Made:
    return {
        one.partition: one.version if one.version is not None else one.stopped or one.waiting or "nothing was published"
        for one in outcome.partitions
    }
