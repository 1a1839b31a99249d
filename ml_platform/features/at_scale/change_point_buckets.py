"""Histories of change points of any number of events: by buckets of keys, and slices of time where a bucket is too large."""

from __future__ import annotations

import os
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import accumulate
from pathlib import Path
from typing import Any

import polars as pl

from ml_platform.core.errors import FeatureError
from ml_platform.core.intervals import Interval, from_micros, to_micros
from ml_platform.core.sizes import format_bytes
from ml_platform.features.at_scale import memory
from ml_platform.features.at_scale.bucket_plan import SplitFiles
from ml_platform.features.at_scale.bucket_task import GroupedFile, read_bucket
from ml_platform.features.at_scale.buckets import bucket_count, compute_in_buckets, kept_columns
from ml_platform.features.at_scale.job import Job
from ml_platform.features.at_scale.long_history import is_endless, wait
from ml_platform.features.at_scale.split import EntityFile, EventSource, Part, SpineSource, SplitEvents, select_file
from ml_platform.features.at_scale.time_slices import ALWAYS, Slice, Weights, cut_by_time
from ml_platform.features.declared.definition import CUTOFF, VALID_FROM, FeatureDefinition
from ml_platform.features.declared.edges import MICROSECOND
from ml_platform.features.declared.kinds import definition_from
from ml_platform.features.engine.answers import TIMES
from ml_platform.features.engine.change_points import candidates, change_points, longest_reach


def change_points_in_buckets(events: EventSource, definitions: Sequence[FeatureDefinition], interval: Interval, job: Job) -> pl.DataFrame:
    """Compute the history of one entity's feature vectors by a job.

    Parameters
    ----------
    events : EventSource
        As for :func:`ml_platform.features.engine.change_points.change_points`.
    definitions : sequence of FeatureDefinition
        Window features of one entity of one view.
    interval : Interval
        Which ``valid_from`` are wanted.
    job : Job
        How it runs. Its folder is emptied.

    Returns
    -------
    DataFrame
        Equal to what ``change_points`` returns for all events at once; it is in memory as a whole.
    """
    entity = definitions[0].entity
    empty = change_points(pl.DataFrame(schema=events.schema), definitions, interval)
    folder = Path(job.folder)
    folder.mkdir(parents=True, exist_ok=True)
    job.engine.check_folder(job.folder)
    try:
        buckets = bucket_count(events.rows, estimated_points_bytes(events.rows, events.schema, definitions), job)
        files = _split(events, definitions, buckets, job)
        small: list[ChangePoints] = []
        alone: list[ChangePoints] = []
        for bucket in range(buckets):
            slices, target = _slices(files, bucket, definitions, small, alone, job)
            if slices is None:
                return _values_at_candidates(events, files, buckets, definitions, interval, job).select(empty.columns).cast(empty.schema)
            target += [
                _task(files, bucket, buckets, definitions, cut, interval, f"{job.folder}/points-{bucket}-{n}.arrow")
                for n, cut in enumerate(slices)
                if _within(cut, interval) is not None
            ]
        job.say(f"{events.rows:,} events in {buckets} buckets, {len(small) + len(alone)} tasks, of which {len(alone)} run alone")
        job.engine.run(small)
        job.engine.run(alone, at_once=1)
        parts = [pl.read_ipc(task.path) for task in (*small, *alone)]
        return pl.concat([empty, *parts]).sort(*entity, VALID_FROM)
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def estimated_points_bytes(events: int, schema: pl.Schema, definitions: Sequence[FeatureDefinition]) -> float:
    """Return about how many bytes ``change_points`` takes at most: each event can be a point when it comes and when it leaves a window."""
    return events * _bytes_per_event(memory.row_bytes(schema), definitions)


@dataclass(frozen=True)
class ChangePoints:
    """Task: the change points of one bucket, of those in one slice."""

    name: str
    definitions: tuple[Mapping[str, Any], ...]
    events: tuple[GroupedFile, ...]
    schema: pl.Schema
    bucket: int
    buckets: int
    cut: Slice
    interval: tuple[int, int]
    path: str

    def run(self) -> int:
        """Write them and return how many there are."""
        definitions = [definition_from(d) for d in self.definitions]
        events = read_bucket(self.events, self.schema, self.bucket, self.buckets, self.cut, definitions)
        found = change_points(events, definitions, Interval(*map(from_micros, self.interval)))
        part = f"{self.path}.{os.getpid()}.part"
        found.write_ipc(part, compression="lz4")
        os.replace(part, self.path)
        return found.height


@dataclass(frozen=True)
class FindCandidates(ChangePoints):
    """Task: when the vectors of one slice can change, as a spine."""

    def run(self) -> int:
        """Write entities and cutoffs and return how many there are."""
        definitions = [definition_from(d) for d in self.definitions]
        events = read_bucket(self.events, self.schema, self.bucket, self.buckets, self.cut, definitions)
        found = candidates(events, definitions, Interval(*map(from_micros, self.interval))).rename({VALID_FROM: CUTOFF})
        part = f"{self.path}.{os.getpid()}.part"
        found.write_parquet(part, compression="lz4")
        os.replace(part, self.path)
        return found.height


def _split(events: EventSource, definitions: Sequence[FeatureDefinition], buckets: int, job: Job) -> SplitFiles:
    entity, schema = definitions[0].entity, kept_columns(events.schema, definitions)
    tasks = [
        SplitEvents(
            part=part,
            types=events.types,
            schema=events.schema,
            definitions=tuple(d.to_dict() for d in definitions),
            files=(EntityFile(entity, tuple(schema), f"{job.folder}/split-{number}.arrow"),),
            buckets=buckets,
            chunk_rows=job.chunk_rows,
        )
        for number, part in enumerate(events.parts)
    ]
    return SplitFiles([task.files[0].path for task in tasks], [sketches[0] for sketches in job.engine.run(tasks)], schema)


def _slices(
    files: SplitFiles, bucket: int, definitions: Sequence[FeatureDefinition], small: list, alone: list, job: Job
) -> tuple[list[Slice] | None, list]:
    """Cut a bucket so that its slices run side by side, or, where that cannot be, one at a time.

    None if windows without a beginning keep it from fitting.
    """
    events, each = Weights(files.sketches, bucket), _bytes_per_event(files.bytes_per_row, definitions)
    if not events.rows:
        return [], small
    if events.rows * each <= job.task_bytes:
        return [Slice(*ALWAYS, *ALWAYS, events.rows * each)], small
    reach = longest_reach(definitions) // MICROSECOND
    for budget, target in ((job.task_bytes, small), (job.alone_bytes, alone)):
        slices = cut_by_time(events, events, reach, each, 0.0, budget)
        if max(s.bytes for s in slices) <= budget:
            return slices, target
    if any(is_endless(d) for d in definitions):
        return None, alone
    raise _too_large(definitions, max(s.bytes for s in slices), job)


def _too_large(definitions: Sequence[FeatureDefinition], takes: float, job: Job) -> FeatureError:
    return FeatureError(
        f"The change points of {' and '.join(definitions[0].entity)} in view {definitions[0].view!r} reach so many events of one key at "
        f"once that they take about {format_bytes(takes)}, more than the {format_bytes(job.alone_bytes)} of the memory limit "
        "that are left for them. Raise the memory limit, or shorten the windows."
    )


def _values_at_candidates(
    events: EventSource, files: SplitFiles, buckets: int, definitions: Sequence[FeatureDefinition], interval: Interval, job: Job
) -> pl.DataFrame:
    """Find first when the vectors can change, which takes no events from before, and then compute their values like those of any spine."""
    found: list[FindCandidates] = []
    bounded = [d for d in definitions if not is_endless(d)]
    reach = max(longest_reach(bounded), wait(definitions)) // MICROSECOND
    each = _bytes_per_event(files.bytes_per_row, definitions)
    for bucket in range(buckets):
        weights = Weights(files.sketches, bucket)
        slices = cut_by_time(weights, weights, reach, each, 0.0, job.alone_bytes)
        for number, cut in enumerate(slices):
            if _within(cut, interval) is None:
                continue
            if cut.bytes > job.alone_bytes:
                raise _too_large(definitions, cut.bytes, job)
            path = f"{job.folder}/candidates-{bucket}-{number}.parquet"
            found.append(FindCandidates(**vars(_task(files, bucket, buckets, definitions, cut, interval, path))))
    rows = job.engine.run(found, at_once=1)
    parts = [Part(select_file(t.path), count, first) for t, count, first in zip(found, rows, accumulate(rows, initial=0), strict=False)]
    schema = pl.Schema({c: events.schema[c] for c in definitions[0].entity} | {CUTOFF: TIMES})
    path = f"{job.folder}/history.parquet"
    values = replace(job, folder=f"{job.folder}/values")
    compute_in_buckets(events, SpineSource(tuple(parts), schema), definitions, values, path, list(schema), stored=True)
    names = {CUTOFF: VALID_FROM} | {d.name: d.stored_name for d in definitions}
    return pl.read_parquet(path).rename(names).sort(*definitions[0].entity, VALID_FROM)


def _task(
    files: SplitFiles, bucket: int, buckets: int, definitions: Sequence[FeatureDefinition], cut: Slice, interval: Interval, path: str
) -> ChangePoints:
    return ChangePoints(
        name=f"change points of bucket {bucket + 1} of {buckets} of {' and '.join(definitions[0].entity)}",
        definitions=tuple(d.to_dict() for d in definitions),
        events=files.within(bucket, cut.events_from, cut.events_to),
        schema=files.schema,
        bucket=bucket,
        buckets=buckets,
        cut=cut,
        interval=_within(cut, interval) or (0, 0),
        path=path,
    )


def _within(cut: Slice, interval: Interval) -> tuple[int, int] | None:
    """Return which ``valid_from`` of the interval lie in a slice, if any can."""
    start, end = max(cut.start, to_micros(interval.start)), min(cut.end, to_micros(interval.end))
    return (start, end) if start < end else None


def _bytes_per_event(input_bytes: float, definitions: Sequence[FeatureDefinition]) -> float:
    points = 1 + len({d.span for d in definitions})
    return memory.bytes_per_event(input_bytes, definitions) + points * memory.bytes_per_spine_row(0, definitions)
