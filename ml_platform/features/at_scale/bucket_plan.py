"""Which tasks compute the features of one entity: a task per bucket, or several per bucket that is too large for memory."""

from __future__ import annotations

from dataclasses import dataclass

import polars as pl

from ml_platform.core.errors import FeatureError
from ml_platform.core.sizes import format_bytes
from ml_platform.features.at_scale import memory
from ml_platform.features.at_scale.bucket_task import ComputeBucket, GroupedFile, rounds_within
from ml_platform.features.at_scale.job import Job
from ml_platform.features.at_scale.long_history import is_endless, is_thinned, is_totalled, wait
from ml_platform.features.at_scale.long_history_task import ComputeLongHistory
from ml_platform.features.at_scale.merge import Answers
from ml_platform.features.at_scale.shuffle import Sketch
from ml_platform.features.at_scale.time_slices import ALWAYS, Slice, Weights, cut_by_time, whole_bucket
from ml_platform.features.declared.definition import FeatureDefinition
from ml_platform.features.declared.edges import MICROSECOND
from ml_platform.features.declared.functions.registry import function_of
from ml_platform.features.engine.answers import grouped
from ml_platform.features.engine.change_points import longest_reach

# Windows that differ by more than this factor are cut by time apart: a short one need not read what a long one reaches.
REACH_FACTOR = 4
# Of the memory of a slice whose windows have no beginning; the rest is for what stays of the events before it.
SLICE_SHARE = 0.5


@dataclass
class SplitFiles:
    """The files of one entity, with what each holds."""

    paths: list[str]
    sketches: list[Sketch]
    schema: pl.Schema

    @property
    def bytes_per_row(self) -> float:
        """What a row takes in memory."""
        return sum(s.bytes for s in self.sketches) / max(1, sum(int(s.rows.sum()) for s in self.sketches))

    def within(self, bucket: int, start: int, end: int) -> tuple[GroupedFile, ...]:
        """Return the files, with the rounds that may hold rows of a bucket with times in ``[start, end]``."""
        return tuple(GroupedFile(p, rounds_within(s, bucket, start, end)) for p, s in zip(self.paths, self.sketches, strict=True))


@dataclass
class BucketPlan:
    """Which tasks compute the features of one entity."""

    entity: tuple[str, ...]
    definitions: list[FeatureDefinition]
    events: SplitFiles
    spine: SplitFiles
    buckets: int
    schema: pl.Schema
    spine_rows: int
    job: Job
    number: int
    stored: bool

    def make(self, small: list[ComputeBucket], alone: list[ComputeBucket]) -> list[Answers]:
        """Add the tasks to those that run side by side, or alone, and return where the answers will be."""
        event_bytes, spine_bytes = (files.bytes_per_row for files in (self.events, self.spine))
        classes = [group for kind in self._by_history() for group in _by_reach(kind)]
        paths: dict[int, list[str]] = {n: [] for n in range(len(classes))}
        for bucket in range(self.buckets):
            events, spine = (Weights(f.sketches, bucket) for f in (self.events, self.spine))
            if not spine.rows:
                continue
            needs = [
                (memory.bytes_per_event(event_bytes, d), memory.bytes_per_spine_row(spine_bytes, d)) for d in (self.definitions, *classes)
            ]
            whole = whole_bucket(events, spine, *needs[0])
            if whole.bytes <= self.job.task_bytes:
                task = self._task(bucket, whole, self.definitions, 0)
                small.append(task)
                for found in paths.values():
                    found.append(task.path)
                continue
            for number, group in enumerate(classes):
                tasks, is_small = self._slices(bucket, events, spine, group, needs[number + 1], number)
                (small if is_small else alone).extend(tasks)
                paths[number] += [task.path for task in tasks]
        return [Answers(tuple(d.name for d in group), tuple(paths[n])) for n, group in enumerate(classes)]

    def _slices(
        self, bucket: int, events: Weights, spine: Weights, group: list[FeatureDefinition], needs: tuple[float, float], number: int
    ) -> tuple[list[ComputeBucket], bool]:
        """Cut a bucket so that its slices run side by side (True), or, where that cannot be, one at a time."""
        most = 0.0
        for budget in (self.job.task_bytes, self.job.alone_bytes):
            slices = cut_by_time(events, spine, longest_reach(group) // MICROSECOND, *needs, budget)
            most = max(s.bytes for s in slices)
            if most <= budget:
                return [self._task(bucket, cut, group, n, number) for n, cut in enumerate(slices)], budget == self.job.task_bytes
        if is_totalled(group[0]) or is_thinned(group[0]):
            budget = SLICE_SHARE * self.job.alone_bytes
            slices = cut_by_time(events, spine, wait(group) // MICROSECOND, *needs, budget)
            most = max(s.bytes for s in slices)
            if most <= budget:
                return [self._long_task(bucket, cut, group, n, number) for n, cut in enumerate(slices)], False
        raise FeatureError(
            f"The features {', '.join(d.name for d in group[:3])} of {' and '.join(self.entity)} reach so many events of one key at "
            f"once that they take about {format_bytes(most)}, more than the {format_bytes(self.job.alone_bytes)} of the "
            "memory limit that are left for them. Raise the memory limit, or shorten the windows."
        )

    def _by_history(self) -> list[list[FeatureDefinition]]:
        """Return the definitions whose windows begin somewhere, and apart from them those that need all rows before, or little of them."""
        # Different values can be as many as the rows: whether they fit must not decide for the others.
        kinds = grouped(self.definitions, lambda d: is_endless(d) and (is_totalled(d), is_thinned(d), function_of(d).keeps_many))
        return list(kinds.values())

    def _long_task(self, bucket: int, cut: Slice, definitions: list[FeatureDefinition], number: int, reach: int) -> ComputeLongHistory:
        """Return the task of a slice that reads all events before it, too, a piece at a time."""
        task = self._task(bucket, cut, definitions, number, reach)
        events = self.events.within(bucket, ALWAYS[0], cut.events_to)
        return ComputeLongHistory(**{**vars(task), "events": events}, budget=self.job.alone_bytes)

    def _task(self, bucket: int, cut: Slice, definitions: list[FeatureDefinition], number: int, reach: int = 0) -> ComputeBucket:
        return ComputeBucket(
            name=f"bucket {bucket + 1} of {self.buckets} of {' and '.join(self.entity)}, slice {number + 1}",
            definitions=tuple(d.to_dict() for d in definitions),
            events=self.events.within(bucket, cut.events_from, cut.events_to),
            events_schema=self.events.schema,
            spine=self.spine.within(bucket, cut.start, cut.end),
            spine_schema=self.spine.schema,
            bucket=bucket,
            buckets=self.buckets,
            cut=cut,
            schema=pl.Schema({d.name: self.schema[d.name] for d in definitions}),
            spine_rows=self.spine_rows,
            block_rows=self.job.block_rows,
            stored=self.stored,
            path=f"{self.job.folder}/answers-{self.number}-{bucket}-{reach}-{number}.arrow",
        )


def _by_reach(definitions: list[FeatureDefinition]) -> list[list[FeatureDefinition]]:
    classes: list[list[FeatureDefinition]] = []
    for definition in sorted(definitions, key=lambda d: longest_reach([d])):
        if classes and longest_reach([definition]) <= REACH_FACTOR * longest_reach(classes[-1][:1]):
            classes[-1].append(definition)
        else:
            classes.append([definition])
    return classes
