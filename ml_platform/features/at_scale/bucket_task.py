"""One bucket, or a slice of it: from its files of events and spine rows to a file of answers."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa
from numpy.typing import NDArray

from ml_platform.features.at_scale.shuffle import Sketch, read_batches
from ml_platform.features.at_scale.split import ROW, SLICED_AT, event_times
from ml_platform.features.at_scale.time_slices import Slice
from ml_platform.features.declared.definition import FeatureDefinition
from ml_platform.features.declared.kinds import definition_from
from ml_platform.features.engine.engine import compute


@dataclass(frozen=True)
class GroupedFile:
    """A grouped file, and which of its rounds may hold rows that are wanted (all if None)."""

    path: str
    rounds: tuple[bool, ...] | None = None

    @property
    def wanted(self) -> NDArray[np.bool_] | None:
        """The rounds, for :func:`ml_platform.features.at_scale.shuffle.read_batches`."""
        return None if self.rounds is None else np.array(self.rounds)


@dataclass(frozen=True)
class ComputeBucket:
    """Task: compute the features of one bucket's spine rows, of those of one slice.

    The file has one record batch per ``block_rows`` rows of the spine (of ``spine_rows`` in all), each with the answers to the bucket's
    rows among them, by row number, in the types of ``schema``.
    """

    name: str
    definitions: tuple[Mapping[str, Any], ...]
    events: tuple[GroupedFile, ...]
    events_schema: pl.Schema
    spine: tuple[GroupedFile, ...]
    spine_schema: pl.Schema
    bucket: int
    buckets: int
    cut: Slice
    schema: pl.Schema
    spine_rows: int
    block_rows: int
    stored: bool
    path: str

    def run(self) -> int:
        """Write the answers and return how many rows they have."""
        definitions = [definition_from(d) for d in self.definitions]
        is_asked = pl.col(SLICED_AT).is_between(self.cut.start, self.cut.end, closed="left")
        spine = _read(self.spine, self.spine_schema, self.bucket, self.buckets, lambda rows: rows.filter(is_asked))
        answers = self.answers(spine, definitions).cast(self.schema).with_columns(spine[ROW])
        write_blocks(self.path, answers, self.spine_rows, self.block_rows)
        return answers.height

    def answers(self, spine: pl.DataFrame, definitions: Sequence[FeatureDefinition]) -> pl.DataFrame:
        """Return the features of the spine's rows."""
        events = read_bucket(self.events, self.events_schema, self.bucket, self.buckets, self.cut, definitions)
        return compute(events, spine, definitions, stored=self.stored)


def read_bucket(
    files: Sequence[GroupedFile], schema: pl.Schema, bucket: int, buckets: int, cut: Slice, definitions: Sequence[FeatureDefinition]
) -> pl.DataFrame:
    """Return the events of a bucket that a slice can see, in stored order."""
    return _read(files, schema, bucket, buckets, lambda rows: rows.filter(reached(rows, definitions, cut.events_from, cut.events_to)))


def reached(events: pl.DataFrame, definitions: Sequence[FeatureDefinition], start: int | None, end: int) -> pl.Series:
    """Return which events can be available to the definitions at a time in ``[start, end]``, before which there is nothing if None."""
    earliest, latest, _ = event_times(events, definitions)
    found = earliest <= end
    return pl.Series(found if start is None else found & (latest >= start), dtype=pl.Boolean)


def _read(
    files: Sequence[GroupedFile], schema: pl.Schema, bucket: int, buckets: int, keep: Callable[[pl.DataFrame], pl.DataFrame]
) -> pl.DataFrame:
    found = [pl.DataFrame(schema=schema)]
    for file in files:
        found += [keep(rows) for rows in read_batches(file.path, bucket, buckets, file.wanted)]
    return pl.concat(found, rechunk=True)


def rounds_within(sketch: Sketch, bucket: int, start: int, end: int) -> tuple[bool, ...]:
    """Return which rounds of a file may hold rows of a bucket with times in ``[start, end]``."""
    times = sketch.times[:, bucket]
    return tuple(((sketch.rows[:, bucket] > 0) & (times[:, -1] >= start) & (times[:, 0] <= end)).tolist())


def write_blocks(path: str, answers: pl.DataFrame, spine_rows: int, block_rows: int) -> None:
    """Write answers by blocks of the spine; the file is there when it is whole."""
    answers = answers.sort(ROW)
    table = answers.rechunk().to_arrow().combine_chunks()
    batches = table.to_batches()
    whole = batches[0] if batches else pa.RecordBatch.from_pylist([], table.schema)
    bounds = np.searchsorted(answers[ROW].to_numpy(), np.arange(0, spine_rows + block_rows, block_rows))
    part = f"{path}.{os.getpid()}.part"
    try:
        with pa.ipc.new_file(part, table.schema, options=pa.ipc.IpcWriteOptions(compression="lz4")) as writer:
            for start, end in pairwise(bounds):
                writer.write_batch(whole.slice(int(start), int(end - start)))
        os.replace(part, path)
    finally:
        Path(part).unlink(missing_ok=True)


def read_block(path: str, block: int, columns: Sequence[str]) -> pl.DataFrame:
    """Return some columns of one block of a file of answers, with the row numbers."""
    with pa.OSFile(path) as file:
        with pa.ipc.open_file(file) as reader:
            names = reader.schema.names
        wanted = sorted(names.index(c) for c in (*columns, ROW))
        file.seek(0)
        with pa.ipc.open_file(file, options=pa.ipc.IpcReadOptions(included_fields=wanted)) as reader:
            return pl.DataFrame(reader.get_batch(block)).select(*columns, ROW)
