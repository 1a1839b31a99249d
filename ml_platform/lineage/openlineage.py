"""A lineage as OpenLineage events (spec 2-0-2), for tools that read those: one COMPLETE event per commit of the closure.

A dataset is a table of the lake; its ``version`` facet names the commit, its ``subset`` facet every partition with its version id. A
landing file is a dataset of its own, its digest being its version. The facets' schemas are those of the published specification.

References
----------
.. [1] https://openlineage.io/spec/2-0-2/OpenLineage.json
"""

from __future__ import annotations

import uuid
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import Any

from ml_platform.core.layers import TableName
from ml_platform.lake.lake import Lake
from ml_platform.lake.ledger.version import ARTIFACT, Version
from ml_platform.lake.reading.tracing import CommitNote
from ml_platform.lineage.closure import LandedFile, Lineage, flow_order, landed_files
from ml_platform.lineage.columns import ColumnSource, column_sources, known_definitions

_SPEC = "https://openlineage.io/spec/2-0-2/OpenLineage.json#/$defs"
_FACETS = "https://openlineage.io/spec/facets"
# Run ids are derived from commits, so that the same lineage gives the same events, whoever writes them and when.
_RUNS = uuid.UUID("6f0f1c0e-6f5c-5a53-9d0c-0e6a3c2f7b11")
Event = dict[str, Any]


@dataclass(frozen=True)
class Names:
    """What jobs and datasets are called: the ``namespace`` of this lake, its folder, and the landing zone where that is known."""

    namespace: str
    lake: Path
    landing: Path | None = None


def run_events(lake: Lake, lineage: Lineage, names: Names) -> list[Event]:
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
    list of dict
        JSON values, one event per commit, oldest first. An event holds what the lineage holds of its commit, no more.
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


@dataclass(frozen=True)
class _Writer:
    """Writes events of one lake; ``columns(made, inputs)`` says what the columns of a version were made from."""

    names: Names
    producer: str
    columns: Any

    def event(self, note: CommitNote, made: Sequence[Version], inputs: Mapping[int, Sequence[Version]]) -> Event:
        """Write the event of one commit."""
        outputs = _by_table(made)
        main = next(iter(outputs))
        used = _by_table(v for v in {v.id: v for found in inputs.values() for v in found}.values())
        files = [file for v in made for file in landed_files(v)]
        return {
            "eventType": "COMPLETE",
            "eventTime": made[0].created.isoformat(),
            "producer": self.producer,
            "schemaURL": f"{_SPEC}/RunEvent",
            "run": {"runId": str(uuid.uuid5(_RUNS, note.hash)), "facets": self._run_facets(note, made)},
            "job": {"namespace": self.names.namespace, "name": main, "facets": self._job_facets(main, made)},
            "inputs": [*(self._landed(file) for file in files), *(self._read(table, found) for table, found in used.items())],
            "outputs": [self._written(table, found, inputs) for table, found in outputs.items()],
        }

    def _run_facets(self, note: CommitNote, made: Sequence[Version]) -> dict[str, Any]:
        facets = {
            "processing_engine": self._facet("1-1-1/ProcessingEngineRunFacet", version=_program_version(), name="ml_platform"),
            "mlPlatform_commit": self._own("RunFacet", number=note.number, hash=note.hash, message=note.message),
        }
        if (parent := _run_uuid(made[0].run_id)) is not None:
            project = made[0].table.project
            job = {"namespace": "dagster", "name": project}
            facets["parent"] = self._facet("1-2-0/ParentRunFacet", run={"runId": parent}, job=job)
        return facets

    def _job_facets(self, main: str, made: Sequence[Version]) -> dict[str, Any]:
        codes = sorted({v.code_version for v in made if v.table == main and v.code_version})
        kind = TableName(main).layer.upper() or "TABLE"
        return {
            "jobType": self._facet("2-0-4/JobTypeJobFacet", processingType="BATCH", integration="DAGSTER", jobType=kind),
            "mlPlatform_code": self._own("JobFacet", codeVersions=codes),
        }

    def _landed(self, file: LandedFile) -> dict[str, Any]:
        statistics = self._facet("1-0-0/InputStatisticsInputDatasetFacet", rowCount=file.rows, size=file.size, fileCount=1)
        facets = {"version": self._facet("1-0-1/DatasetVersionDatasetFacet", datasetVersion=f"sha256:{file.sha256}")}
        landing = self.names.landing
        if landing is None or file.fetched:
            return {
                "namespace": f"{self.names.namespace}.landing",
                "name": file.name,
                "facets": facets,
                "inputFacets": {"inputStatistics": statistics},
            }
        facets["dataSource"] = self._facet("1-0-1/DatasourceDatasetFacet", name="landing", uri=landing.as_uri())
        name = (landing / file.name).as_posix()
        return {"namespace": "file", "name": name, "facets": facets, "inputFacets": {"inputStatistics": statistics}}

    def _read(self, table: str, found: Sequence[Version]) -> dict[str, Any]:
        facets = {"inputStatistics": self._facet("1-0-0/InputStatisticsInputDatasetFacet", **_statistics(found))}
        if partitions := _partitions(found):
            facets["subset"] = self._facet(
                "1-0-0/BaseSubsetDatasetFacet",
                "InputSubsetInputDatasetFacet",
                inputCondition={"type": "partition", "partitions": partitions},
            )
        return {**self._dataset(table, found), "inputFacets": facets}

    def _written(self, table: str, found: Sequence[Version], inputs: Mapping[int, Sequence[Version]]) -> dict[str, Any]:
        facets = {"outputStatistics": self._facet("1-0-2/OutputStatisticsOutputDatasetFacet", **_statistics(found))}
        if partitions := _partitions(found):
            facets["subset"] = self._facet(
                "1-0-0/BaseSubsetDatasetFacet",
                "OutputSubsetOutputDatasetFacet",
                outputCondition={"type": "partition", "partitions": partitions},
            )
        dataset = self._dataset(table, found)
        newest = found[-1]
        by_table = {v.table: v for made in found for v in inputs[made.id]}
        if newest.kind == ARTIFACT:
            lineage = {"fields": {}, "dataset": self._learnt(newest, by_table)}
        else:
            lineage = {"fields": {name: {"inputFields": self._fields(sources)} for name, sources in self.columns(newest, by_table).items()}}
        if any(lineage.values()):
            dataset["facets"]["columnLineage"] = self._facet("1-2-0/ColumnLineageDatasetFacet", **lineage)
        return {**dataset, "outputFacets": facets}

    def _dataset(self, table: str, found: Sequence[Version]) -> dict[str, Any]:
        folder = (self.names.lake / "data" / table).as_posix()
        facets = {
            "dataSource": self._facet("1-0-1/DatasourceDatasetFacet", name="lake", uri=self.names.lake.as_uri()),
            "version": self._facet("1-0-1/DatasetVersionDatasetFacet", datasetVersion=str(max(v.commit for v in found))),
            "symlinks": self._facet("1-0-1/SymlinksDatasetFacet", identifiers=[{"namespace": "file", "name": folder, "type": "LOCATION"}]),
        }
        fields = [{"name": field.name, "type": str(field.type)} for field in found[-1].schema]
        if fields:
            facets["schema"] = self._facet("1-2-0/SchemaDatasetFacet", fields=fields)
        return {"namespace": self.names.namespace, "name": table, "facets": facets}

    def _learnt(self, model: Version, inputs: Mapping[TableName, Version]) -> list[dict[str, Any]]:
        """Return the columns of the training set that a model learnt from."""
        training = next((table for table in inputs if table.layer == "training"), None)
        names = model.properties.get("features", ()) if training is not None else ()
        return self._fields([ColumnSource(str(training), name, True, "learnt from") for name in names])

    def _fields(self, sources: Iterable[ColumnSource]) -> list[dict[str, Any]]:
        return [
            {
                "namespace": self.names.namespace,
                "name": source.table,
                "field": source.column,
                "transformations": [
                    {
                        "type": "DIRECT" if source.direct else "INDIRECT",
                        "subtype": "TRANSFORMATION" if source.direct else "FILTER",
                        "description": source.how,
                        "masking": False,
                    }
                ],
            }
            for source in sources
        ]

    def _facet(self, schema: str, definition: str = "", /, **values: Any) -> dict[str, Any]:
        """Return a facet of the specification; its schema's file holds a definition of the same name unless another is given."""
        name = definition or schema.rpartition("/")[2]
        return {"_producer": self.producer, "_schemaURL": f"{_FACETS}/{schema}.json#/$defs/{name}", **values}

    def _own(self, base: str, /, **values: Any) -> dict[str, Any]:
        """Return a facet of our own: by the specification a prefixed name and the schema of the base."""
        return {"_producer": self.producer, "_schemaURL": f"{_SPEC}/{base}", **values}


def _by_table(versions: Iterable[Version]) -> dict[str, list[Version]]:
    """Return versions by table, the tables in the order of the flow, the versions by id."""
    found: dict[str, list[Version]] = {}
    for v in sorted(versions, key=lambda v: (flow_order(v.table), v.id)):
        found.setdefault(v.table, []).append(v)
    return found


def _statistics(found: Sequence[Version]) -> dict[str, int]:
    return {"rowCount": sum(v.rows for v in found), "size": sum(v.bytes for v in found), "fileCount": sum(len(v.files) for v in found)}


def _partitions(found: Sequence[Version]) -> list[dict[str, Any]]:
    return [{"dimensions": {"partition": v.partition}, "identifier": str(v.id)} for v in found if v.partition is not None]


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
