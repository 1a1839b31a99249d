"""Window features of any number of events and spine rows in bounded memory: split by key, computed bucket by bucket, merged by row.

The tasks are functions from files to files, so that the same job runs in threads or on a cluster; see
:mod:`ml_platform.features.at_scale.task_engine`. The values are those of :func:`ml_platform.features.engine.engine.compute`.
"""

from __future__ import annotations

import math
import shutil
from collections.abc import Mapping, Sequence
from pathlib import Path

import polars as pl

from ml_platform.features.at_scale import memory
from ml_platform.features.at_scale.bucket_plan import BucketPlan, SplitFiles
from ml_platform.features.at_scale.bucket_task import ComputeBucket
from ml_platform.features.at_scale.job import Job
from ml_platform.features.at_scale.merge import Answers, merge
from ml_platform.features.at_scale.shuffle import Sketch
from ml_platform.features.at_scale.split import EntityFile, EventSource, SpineSource, SplitEvents, SplitSpine, spine_schema
from ml_platform.features.declared.definition import FeatureDefinition
from ml_platform.features.engine.engine import compute

MOST_BUCKETS = 512
# Hashes do not fill buckets evenly.
UNEVEN = 1.25


def compute_in_buckets(
    events: EventSource, spine: SpineSource, definitions: Sequence[FeatureDefinition], job: Job, path: str, carried: Sequence[str] = (),
    *, stored: bool = False,
) -> None:  # fmt: skip
    """Compute window features for every row of a spine, and write them as they come.

    Parameters
    ----------
    events : EventSource
        Rows of the definitions' table.
    spine : SpineSource
        Entity columns and ``_cutoff``; keys may repeat, may be NULL, may be unknown.
    definitions : sequence of FeatureDefinition
        Of kind ``window``, all over this table.
    job : Job
        How it runs. Its folder is emptied.
    path : str
        The Parquet file to write: row i belongs to row i of the spine, with one column per definition in their order. It is there
        only if all of it is.
    carried : sequence of str
        Columns of the spine to write before the features.
    stored : bool
        As of ``compute``.

    Raises
    ------
    FeatureError
        As ``compute``; if a bucket cannot be cut small enough for the memory; if a task fails. Nothing is written then.
    """
    empty = pl.DataFrame(schema=spine.schema)
    schema = compute(pl.DataFrame(schema=events.schema), empty, definitions, stored=stored).schema
    entities: dict[tuple[str, ...], list[FeatureDefinition]] = {}
    for definition in definitions:
        entities.setdefault(definition.entity, []).append(definition)
    folder = Path(job.folder)
    folder.mkdir(parents=True, exist_ok=True)
    job.engine.check_folder(job.folder)
    try:
        most = max(
            estimated_bytes(events.rows, kept_columns(events.schema, group), spine.rows, spine_schema(spine.schema, entity), group)
            for entity, group in entities.items()
        )
        buckets = bucket_count(events.rows + spine.rows, most, job)
        job.say(f"{events.rows:,} events and {spine.rows:,} spine rows go into {buckets} buckets for each of {len(entities)} entities")
        found = _split(events, spine, entities, buckets, job)
        answers: list[Answers] = []
        small: list[ComputeBucket] = []
        alone: list[ComputeBucket] = []
        for number, (entity, group) in enumerate(entities.items()):
            plan = BucketPlan(entity, group, *found[number], buckets, schema, spine.rows, job, number, stored)
            answers += plan.make(small, alone)
        job.say(f"{len(small) + len(alone)} tasks, of which {len(alone)} run alone")
        job.engine.run(small)
        job.engine.run(alone, at_once=1)
        for name in folder.glob("split-*"):
            name.unlink()
        merge(answers, spine, carried, schema, job.block_rows, path)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


_Entities = Mapping[tuple[str, ...], Sequence[FeatureDefinition]]


def estimated_bytes(
    events: int, events_schema: pl.Schema, spine: int, spine_schema: pl.Schema, definitions: Sequence[FeatureDefinition]
) -> float:
    """Return about how many bytes ``compute`` takes at its peak for so many events and spine rows."""
    event_bytes = memory.bytes_per_event(memory.row_bytes(events_schema), definitions)
    return events * event_bytes + spine * memory.bytes_per_spine_row(memory.row_bytes(spine_schema), definitions)


def bucket_count(rows: int, estimated: float, job: Job) -> int:
    """Return into how many buckets rows go that take so many bytes in one pass, so that an even one fits into a task."""
    return min(max(1, math.ceil(UNEVEN * estimated / job.task_bytes), math.ceil(rows / job.bucket_rows)), MOST_BUCKETS)


def _split(events: EventSource, spine: SpineSource, entities: _Entities, buckets: int, job: Job) -> list[tuple[SplitFiles, SplitFiles]]:
    """Write the bucket files of events and spine; return those of each entity."""
    plain = tuple(d.to_dict() for group in entities.values() for d in group)

    def files(what: str, part: int) -> tuple[EntityFile, ...]:
        return tuple(
            EntityFile(entity, tuple(kept_columns(events.schema, group)), f"{job.folder}/split-{what}-{number}-{part}.arrow")
            for number, (entity, group) in enumerate(entities.items())
        )

    tasks: list[SplitEvents | SplitSpine] = [
        SplitEvents(part, events.types, events.schema, plain, files("events", n), buckets, job.chunk_rows)
        for n, part in enumerate(events.parts)
    ]
    tasks += [SplitSpine(part, spine.schema, files("spine", n), buckets, job.chunk_rows) for n, part in enumerate(spine.parts)]
    sketches = job.engine.run(tasks)
    of_events, of_spine = (list(zip(tasks, sketches, strict=True))[s] for s in (slice(len(events.parts)), slice(len(events.parts), None)))
    return [
        (
            _files(of_events, number, kept_columns(events.schema, group)),
            _files(of_spine, number, spine_schema(spine.schema, entity)),
        )
        for number, (entity, group) in enumerate(entities.items())
    ]


def _files(done: Sequence[tuple[SplitEvents | SplitSpine, list[Sketch]]], number: int, schema: pl.Schema) -> SplitFiles:
    return SplitFiles([task.files[number].path for task, _ in done], [sketches[number] for _, sketches in done], schema)


def kept_columns(schema: pl.Schema, definitions: Sequence[FeatureDefinition]) -> pl.Schema:
    """Return the columns of the events that these definitions need: those of their entity, values, filters and times."""
    wanted = {c for d in definitions for c in (*d.entity, *d.available_at)}
    wanted |= {str(c) for d in definitions for c in (d.value, d.event_time, None if d.where is None else d.where_column)}
    return pl.Schema({c: kind for c, kind in schema.items() if c in wanted})
