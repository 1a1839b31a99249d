"""A lineage as OpenLineage events, for tools that read those: one COMPLETE event per commit of the closure.

A dataset is a table of the lake; its ``version`` facet names the commit, its ``subset`` facet every partition with its version id. A
landing file is a dataset of its own, its digest being its version. Events and facets are those of OpenLineage's own client, which
names the schema of each: this module is imported where they are written, and nowhere else.
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from openlineage.client import OpenLineageClient, event_v2, facet_v2
from openlineage.client.facet_v2 import (
    base_subset_dataset,
    column_lineage_dataset,
    dataset_version_dataset,
    datasource_dataset,
    input_statistics_input_dataset,
    job_type_job,
    output_statistics_output_dataset,
    parent_run,
    processing_engine_run,
    schema_dataset,
    symlinks_dataset,
)
from openlineage.client.serde import Serde
from openlineage.client.transport.noop import NoopTransport
from requests import RequestException

from ml_platform.core.errors import MlPlatformError
from ml_platform.core.layers import TableName
from ml_platform.lake.lake import Lake
from ml_platform.lake.ledger.version import ARTIFACT, Version
from ml_platform.lake.reading.tracing import CommitNote
from ml_platform.lineage.closure import LandedFile, Lineage, flow_order, landed_files
from ml_platform.lineage.columns import ColumnSource, column_sources, known_definitions

# Run ids are derived from commits, so that the same lineage gives the same events, whoever writes them and when.
_RUNS = uuid.UUID("6f0f1c0e-6f5c-5a53-9d0c-0e6a3c2f7b11")
_TRIES = 3


@dataclass(frozen=True)
class Names:
    """What jobs and datasets are called: the ``namespace`` of this lake, its folder, and the landing zone where that is known."""

    namespace: str
    lake: Path
    landing: Path | None = None


def run_events(lake: Lake, lineage: Lineage, names: Names) -> list[event_v2.RunEvent]:
    """Write a lineage as events.

    Parameters
    ----------
    lake : Lake
        Where it is.
    lineage : Lineage
        The closure of some versions.
    names : Names
        Of jobs and datasets.

    Returns
    -------
    list of openlineage.client.event_v2.RunEvent
        One event per commit, oldest first. An event holds what the lineage holds of its commit, no more.
    """
    known = {v.id: v for v in lineage.versions}
    definitions = known_definitions(lake, lineage.versions)
    notes = lake.versions.commit_notes(v.commit for v in lineage.versions)
    by_commit: dict[int, list[Version]] = {}
    for v in lineage.versions:
        by_commit.setdefault(v.commit, []).append(v)
    write = _Writer(names, f"urn:ml-platform:{_program_version()}", partial(column_sources, definitions=definitions))
    events = []
    for number in sorted(by_commit):
        made = by_commit[number]
        inputs = {v.id: [known[i] for i in lineage.edges.get(v.id, ()) if i in known] for v in made}
        events.append(write.event(notes[number], made, inputs))
    return events


def as_values(events: Iterable[event_v2.RunEvent]) -> list[dict[str, Any]]:
    """Return events as the JSON values that OpenLineage's client writes."""
    return [Serde.to_dict(event) for event in events]


def send(events: Sequence[event_v2.RunEvent], url: str) -> None:
    """Send events to a service that collects them, oldest first.

    Parameters
    ----------
    events : sequence of openlineage.client.event_v2.RunEvent
        As of :func:`run_events`; they are sent as they are, nothing of this machine is added.
    url : str
        Where the service is. What it needs besides (a key, a proxy) is read as OpenLineage's client reads it: from ``openlineage.yml`` or
        environment variables such as ``OPENLINEAGE__TRANSPORT__AUTH``.

    Raises
    ------
    MlPlatformError
        If this is no address, sending is switched off (``OPENLINEAGE_DISABLED``), or the service cannot be reached or refuses an event;
        those before it were sent, and sending all again changes nothing.
    """
    try:
        client = OpenLineageClient(config={"transport": {"type": "http", "url": url, "retry": {"total": _TRIES}}})
    except ValueError as error:
        raise MlPlatformError(f"Nothing can be sent to {url!r}: {error}.") from error
    if client.transport.kind == NoopTransport.kind:
        raise MlPlatformError("OPENLINEAGE_DISABLED is set, so nothing was sent. Unset it, or name a file.")
    for number, event in enumerate(events):
        try:
            client.transport.emit(event)
        except RequestException as error:
            raise MlPlatformError(
                f"{url} took {number} of {len(events)} OpenLineage events, then failed: {error}. Look whether it is the address of a "
                "service that collects them, and send them again."
            ) from error


@dataclass(frozen=True)
class _Writer:
    """Writes events of one lake; ``columns(made, inputs)`` says what the columns of a version were made from."""

    names: Names
    producer: str
    columns: Any

    def event(self, note: CommitNote, made: Sequence[Version], inputs: Mapping[int, Sequence[Version]]) -> event_v2.RunEvent:
        """Write the event of one commit."""
        outputs = _by_table(made)
        main = next(iter(outputs))
        used = _by_table(v for v in {v.id: v for found in inputs.values() for v in found}.values())
        files = [file for v in made for file in landed_files(v)]
        return event_v2.RunEvent(
            eventType=event_v2.RunState.COMPLETE,
            eventTime=made[0].created.isoformat(),
            producer=self.producer,
            run=event_v2.Run(str(uuid.uuid5(_RUNS, note.hash)), self._run_facets(note, made)),
            job=event_v2.Job(self.names.namespace, main, self._job_facets(main, made)),
            inputs=[*(self._landed(file) for file in files), *(self._read(table, found) for table, found in used.items())],
            outputs=[self._written(table, found, inputs) for table, found in outputs.items()],
        )

    def _run_facets(self, note: CommitNote, made: Sequence[Version]) -> dict[str, Any]:
        about = {"number": note.number, "hash": note.hash, "message": note.message}
        facets: dict[str, Any] = {
            "processing_engine": self._made(processing_engine_run.ProcessingEngineRunFacet, version=_program_version(), name="ml_platform"),
            "mlPlatform_commit": self._made(facet_v2.RunFacet).with_additional_properties(**about),
        }
        if (parent := _run_uuid(made[0].run_id)) is not None:
            job = parent_run.Job("dagster", made[0].table.project)
            facets["parent"] = self._made(parent_run.ParentRunFacet, run=parent_run.Run(parent), job=job)
        return facets

    def _job_facets(self, main: str, made: Sequence[Version]) -> dict[str, Any]:
        codes = sorted({v.code_version for v in made if v.table == main and v.code_version})
        kind = TableName(main).layer.upper() or "TABLE"
        return {
            "jobType": self._made(job_type_job.JobTypeJobFacet, processingType="BATCH", integration="DAGSTER", jobType=kind),
            "mlPlatform_code": self._made(facet_v2.JobFacet).with_additional_properties(codeVersions=codes),
        }

    def _landed(self, file: LandedFile) -> event_v2.InputDataset:
        counts = {"rowCount": file.rows, "size": file.size, "fileCount": 1}
        statistics = self._made(input_statistics_input_dataset.InputStatisticsInputDatasetFacet, **counts)
        facets: dict[str, Any] = {
            "version": self._made(dataset_version_dataset.DatasetVersionDatasetFacet, datasetVersion=f"sha256:{file.sha256}")
        }
        namespace, name, landing = f"{self.names.namespace}.landing", file.name, self.names.landing
        if landing is not None and not file.fetched:
            facets["dataSource"] = self._made(datasource_dataset.DatasourceDatasetFacet, name="landing", uri=landing.as_uri())
            namespace, name = "file", (landing / file.name).as_posix()
        return event_v2.InputDataset(namespace, name, {"inputStatistics": statistics}, facets=facets)

    def _read(self, table: str, found: Sequence[Version]) -> event_v2.InputDataset:
        facets: dict[str, Any] = {
            "inputStatistics": self._made(input_statistics_input_dataset.InputStatisticsInputDatasetFacet, **_statistics(found))
        }
        if subset := _partitions(found):
            facets["subset"] = self._made(base_subset_dataset.InputSubsetInputDatasetFacet, inputCondition=subset)
        return event_v2.InputDataset(self.names.namespace, table, facets, facets=self._dataset_facets(table, found))

    def _written(self, table: str, found: Sequence[Version], inputs: Mapping[int, Sequence[Version]]) -> event_v2.OutputDataset:
        own: dict[str, Any] = {
            "outputStatistics": self._made(output_statistics_output_dataset.OutputStatisticsOutputDatasetFacet, **_statistics(found))
        }
        if subset := _partitions(found):
            own["subset"] = self._made(base_subset_dataset.OutputSubsetOutputDatasetFacet, outputCondition=subset)
        facets = self._dataset_facets(table, found)
        newest = found[-1]
        by_table = {v.table: v for made in found for v in inputs[made.id]}
        fields, learnt = {}, []
        if newest.kind == ARTIFACT:
            learnt = self._learnt(newest, by_table)
        else:
            fields = {n: column_lineage_dataset.Fields(self._fields(s)) for n, s in self.columns(newest, by_table).items()}
        if fields or learnt:
            facets["columnLineage"] = self._made(column_lineage_dataset.ColumnLineageDatasetFacet, fields=fields, dataset=learnt)
        return event_v2.OutputDataset(self.names.namespace, table, own, facets=facets)

    def _dataset_facets(self, table: str, found: Sequence[Version]) -> dict[str, Any]:
        place = symlinks_dataset.Identifier("file", (self.names.lake / "data" / table).as_posix(), "LOCATION")
        newest = str(max(v.commit for v in found))
        facets = {
            "dataSource": self._made(datasource_dataset.DatasourceDatasetFacet, name="lake", uri=self.names.lake.as_uri()),
            "version": self._made(dataset_version_dataset.DatasetVersionDatasetFacet, datasetVersion=newest),
            "symlinks": self._made(symlinks_dataset.SymlinksDatasetFacet, identifiers=[place]),
        }
        fields = [schema_dataset.SchemaDatasetFacetFields(field.name, str(field.type)) for field in found[-1].schema]
        if fields:
            facets["schema"] = self._made(schema_dataset.SchemaDatasetFacet, fields=fields)
        return facets

    def _learnt(self, model: Version, inputs: Mapping[TableName, Version]) -> list[column_lineage_dataset.InputField]:
        """Return the columns of the training set that a model learnt from."""
        training = next((table for table in inputs if table.layer == "training"), None)
        names = model.properties.get("features", ()) if training is not None else ()
        return self._fields([ColumnSource(str(training), name, True, "learnt from") for name in names])

    def _fields(self, sources: Iterable[ColumnSource]) -> list[column_lineage_dataset.InputField]:
        found = []
        for source in sources:
            kind, subtype = ("DIRECT", "TRANSFORMATION") if source.direct else ("INDIRECT", "FILTER")
            how = column_lineage_dataset.Transformation(kind, subtype, source.how, masking=False)
            found.append(column_lineage_dataset.InputField(self.names.namespace, source.table, source.column, [how]))
        return found

    def _made(self, facet: Any, **values: Any) -> Any:
        """Return a facet of this program."""
        return facet(producer=self.producer, **values)


def _by_table(versions: Iterable[Version]) -> dict[str, list[Version]]:
    """Return versions by table, the tables in the order of the flow, the versions by id."""
    found: dict[str, list[Version]] = {}
    for v in sorted(versions, key=lambda v: (flow_order(v.table), v.id)):
        found.setdefault(v.table, []).append(v)
    return found


def _statistics(found: Sequence[Version]) -> dict[str, int]:
    return {"rowCount": sum(v.rows for v in found), "size": sum(v.bytes for v in found), "fileCount": sum(len(v.files) for v in found)}


def _partitions(found: Sequence[Version]) -> base_subset_dataset.PartitionSubsetCondition | None:
    found = [v for v in found if v.partition is not None]
    parts = [base_subset_dataset.Partition({"partition": v.partition}, str(v.id)) for v in found]
    return base_subset_dataset.PartitionSubsetCondition(parts) if parts else None


def _run_uuid(run_id: str) -> str | None:
    """Return the id of Dagster's run if it is one: what notebooks and tests publish has none."""
    try:
        return str(uuid.UUID(run_id))
    except ValueError:
        return None


def _program_version() -> str:
    try:
        return version("ml-platform")
    except PackageNotFoundError:
        return "unknown"
