"""Events and spine rows cut into buckets by a hash of their entity's key: what belongs together lands in one bucket, at any size."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

import numpy as np
import polars as pl
from numpy.typing import NDArray

from ml_platform.features.at_scale.shuffle import GroupedWriter, Sketch
from ml_platform.features.declared.definition import CUTOFF, FeatureDefinition
from ml_platform.features.declared.kinds import definition_from
from ml_platform.features.timeline.entities import plain_type
from ml_platform.features.timeline.event_columns import to_micros
from ml_platform.features.timeline.event_rows import to_events
from ml_platform.sql.duck import quote_text, session

# Columns that a spine's bucket files have besides the key and the cutoff: the row's number, and when it is computed.
ROW, SLICED_AT = "_row", "_sliced_at"
# Rows of a frame in one file: as many tasks can split it.
PART_ROWS = 2**21


@dataclass(frozen=True)
class Part:
    """Some neighbouring rows of a table: a SELECT for DuckDB over files, how many rows it has, and the number of the first.

    ``attach`` is a store that lets a connection read those files, None for plain paths.
    """

    sql: str
    rows: int
    first_row: int = 0
    attach: Any = None

    def chunks(self, size: int) -> Iterator[pl.DataFrame]:
        """Yield the rows in order, at most about ``size`` at a time."""
        # One thread: the tasks beside this one have the other cores, and DuckDB buffers less.
        with session(threads=1) as con:
            if self.attach is not None:
                self.attach.attach(con)
            for batch in con.sql(self.sql).to_arrow_reader(size):
                if batch.num_rows:
                    yield from pl.DataFrame(batch).iter_slices(size)


def write_parts(rows: pl.DataFrame, folder: str, name: str, part_rows: int = PART_ROWS) -> tuple[Part, ...]:
    """Write a frame to Parquet files, so that tasks anywhere can read it, and return them in order."""
    parts = []
    for number, piece in enumerate(rows.iter_slices(part_rows)):
        if piece.height:
            path = f"{folder}/{name}-{number}.parquet"
            piece.write_parquet(path, compression="lz4")
            parts.append(Part(select_file(path), piece.height, number * part_rows))
    return tuple(parts)


def select_file(path: str) -> str:
    """Return the SELECT of all rows of one Parquet file."""
    return f"SELECT * FROM read_parquet([{quote_text(path)}], hive_partitioning = false)"


@dataclass(frozen=True)
class EventSource:
    """The rows of a table that window features aggregate, in stored order: see :func:`ml_platform.features.timeline.event_rows.to_events`.

    ``types`` are the DuckDB types of the table's columns; ``schema`` is that of the events.
    """

    parts: tuple[Part, ...]
    types: Mapping[str, str]
    schema: pl.Schema

    @property
    def rows(self) -> int:
        """How many there are."""
        return sum(part.rows for part in self.parts)


@dataclass(frozen=True)
class SpineSource:
    """The spine's rows in their order: entity columns, ``_cutoff``, and whatever else is to stand in the output."""

    parts: tuple[Part, ...]
    schema: pl.Schema

    @property
    def rows(self) -> int:
        """How many there are."""
        return sum(part.rows for part in self.parts)


@dataclass(frozen=True)
class EntityFile:
    """Where one part's rows of one entity go: the key, the columns that its definitions need, and the file."""

    entity: tuple[str, ...]
    columns: tuple[str, ...]
    path: str


@dataclass(frozen=True)
class SplitEvents:
    """Task: split a part of the events, once for each entity."""

    part: Part
    types: Mapping[str, str]
    schema: pl.Schema
    definitions: tuple[Mapping[str, Any], ...]
    files: tuple[EntityFile, ...]
    buckets: int
    chunk_rows: int

    @property
    def name(self) -> str:
        """What it does."""
        return f"splitting {self.part.rows:,} events from row {self.part.first_row:,} on"

    def run(self) -> list[Sketch]:
        """Write one grouped file per entity and return what each holds."""
        definitions = [definition_from(d) for d in self.definitions]
        writers = [GroupedWriter(f.path, pl.Schema({c: self.schema[c] for c in f.columns}), self.buckets) for f in self.files]
        with ExitStack() as open_files:
            for writer in writers:
                open_files.enter_context(writer)
            for chunk in self.part.chunks(self.chunk_rows):
                events = to_events(chunk, self.types, definitions).select(self.schema.names()).cast(self.schema)
                earliest, latest, usable = event_times(events, definitions)
                for file, writer in zip(self.files, writers, strict=True):
                    group, known = buckets_of(events.select(file.entity), self.buckets)
                    # An event without key or time is on no axis.
                    group = np.where(known & usable, group, -1)
                    writer.write(events.select(file.columns), group, earliest, latest)
        return [writer.sketch() for writer in writers]


@dataclass(frozen=True)
class SplitSpine:
    """Task: split a part of the spine, once for each entity."""

    part: Part
    schema: pl.Schema
    files: tuple[EntityFile, ...]
    buckets: int
    chunk_rows: int

    @property
    def name(self) -> str:
        """What it does."""
        return f"splitting {self.part.rows:,} spine rows from row {self.part.first_row:,} on"

    def run(self) -> list[Sketch]:
        """Write one grouped file per entity and return what each holds."""
        writers = [GroupedWriter(f.path, spine_schema(self.schema, f.entity), self.buckets) for f in self.files]
        first = self.part.first_row
        with ExitStack() as open_files:
            for writer in writers:
                open_files.enter_context(writer)
            for rows in self.part.chunks(self.chunk_rows):
                micros, has_cutoff = to_micros(rows[CUTOFF])
                # A row without a cutoff is computed with any others, and gets NULLs.
                times = np.where(has_cutoff, micros, micros[has_cutoff].min(initial=np.iinfo(np.int64).max))
                times = np.where(has_cutoff.any(), times, 0)
                numbers = np.arange(first, first + rows.height, dtype=np.int64)
                for file, writer in zip(self.files, writers, strict=True):
                    group, known = buckets_of(rows.select(file.entity), self.buckets)
                    # Rows without an entity could all be in one bucket; spread, they are in nobody's way.
                    group = np.where(known & has_cutoff, group, numbers % self.buckets)
                    kept = rows.select(*file.entity, CUTOFF).with_columns(pl.Series(ROW, numbers), pl.Series(SLICED_AT, times))
                    writer.write(kept, group, times, times)
                first += rows.height
        return [writer.sketch() for writer in writers]


def spine_schema(schema: pl.Schema, entity: Sequence[str]) -> pl.Schema:
    """Return the columns of a spine's bucket files."""
    return pl.Schema({c: schema[c] for c in (*entity, CUTOFF)} | {ROW: pl.Int64(), SLICED_AT: pl.Int64()})


def event_times(
    events: pl.DataFrame, definitions: Sequence[FeatureDefinition]
) -> tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.bool_]]:
    """Return from when and until when each event becomes available to the definitions (microseconds), and where it ever does."""
    earliest = np.full(events.height, np.iinfo(np.int64).max)
    latest = np.full(events.height, np.iinfo(np.int64).min)
    for column in dict.fromkeys(c for d in definitions for c in d.available_at):
        micros, known = to_micros(events[column])
        earliest = np.where(known, np.minimum(earliest, micros), earliest)
        latest = np.where(known, np.maximum(latest, micros), latest)
    return earliest, latest, earliest <= latest


def buckets_of(keys: pl.DataFrame, buckets: int) -> tuple[NDArray[np.int64], NDArray[np.bool_]]:
    """Return the bucket of each key, the same on every machine and for every width of integers, and where no column of it is NULL."""
    known = keys.select(pl.all_horizontal(pl.all().is_not_null())).to_series().to_numpy()
    if buckets == 1 or not keys.height:
        return np.zeros(keys.height, dtype=np.int64), known
    plain = keys.select(pl.col(c).cast(plain_type(kind)) for c, kind in keys.schema.items())
    # DuckDB's hash: that of Polars depends on the processor, and the workers of a cluster may differ.
    with session(threads=1) as con:
        con.register("keys", plain.rename({c: f"k{n}" for n, c in enumerate(keys.columns)}).to_arrow())
        columns = ", ".join(f"k{n}" for n in range(keys.width))
        found = con.sql(f"SELECT CAST(hash({columns}) % {buckets} AS BIGINT) AS bucket FROM keys").fetchnumpy()["bucket"]
    return np.asarray(found, dtype=np.int64), known
