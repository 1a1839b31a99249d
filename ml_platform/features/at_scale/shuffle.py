"""Files whose rows are grouped: rows are written as they come, and read back group by group in the order in which they came.

An Arrow file of ``n`` groups holds rounds of ``n`` record batches, one per group; group ``g`` is every ``n``-th batch from ``g`` on.
So one pass over rows of any number needs one open file, whatever the number of groups.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

import numpy as np
import polars as pl
import pyarrow as pa
from numpy.typing import NDArray

# A sketch keeps, for each batch, its smallest and largest time and this many steps between them.
STEPS = 16
# So many times of a batch are sorted for the steps in between.
SAMPLE = 512


@dataclass(frozen=True)
class Sketch:
    """What the rounds of a file hold, without looking into it.

    ``rows`` has shape (rounds, groups); ``times`` (rounds, groups, STEPS + 1) the quantiles of a batch's times in microseconds, of which
    the first is a lower bound of all its rows' times and the last an upper one. ``bytes`` is the size of all rows in memory.
    """

    rows: NDArray[np.int64]
    times: NDArray[np.int64]
    bytes: int


class GroupedWriter:
    """Writes a grouped file; it is there, whole, when the ``with`` block ends without an error."""

    def __init__(self, path: str, schema: pl.Schema, groups: int) -> None:
        self._path, self._part = path, f"{path}.{os.getpid()}.part"
        self._groups = groups
        self._schema = pl.DataFrame(schema=schema).to_arrow().schema
        # The files are read once: what counts is that they are written and read fast.
        options = pa.ipc.IpcWriteOptions(compression="lz4")
        self._writer = pa.ipc.new_file(self._part, self._schema, options=options)
        self._rows: list[NDArray[np.int64]] = []
        self._times: list[NDArray[np.int64]] = []
        self._bytes = 0

    def __enter__(self) -> Self:
        """Return the writer."""
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        """Give the file its name, or remove it."""
        self._writer.close()
        if kind is None:
            os.replace(self._part, self._path)
        else:
            Path(self._part).unlink(missing_ok=True)

    def write(self, rows: pl.DataFrame, group: NDArray[np.int64], earliest: NDArray[np.int64], latest: NDArray[np.int64]) -> None:
        """Write one round.

        Parameters
        ----------
        rows : DataFrame of n rows
            Of the file's schema.
        group : ndarray of int64, shape (n,)
            From 0; rows of a negative group are left out.
        earliest, latest : ndarray of int64, shape (n,)
            When a row matters, in microseconds.
        """
        order = np.argsort(group, kind="stable")
        order = order[np.searchsorted(group[order], 0) :]
        counts = np.bincount(group[order], minlength=self._groups)
        ordered = rows[order]
        self._bytes += int(ordered.estimated_size())
        ends = np.cumsum(counts)
        table = ordered.rechunk().to_arrow().cast(self._schema).combine_chunks()
        batches = table.to_batches()
        whole = batches[0] if batches else pa.RecordBatch.from_pylist([], self._schema)
        for start, count in zip(ends - counts, counts, strict=True):
            self._writer.write_batch(whole.slice(int(start), int(count)))
        self._rows.append(counts)
        self._times.append(_quantiles(earliest[order], latest[order], counts))

    def sketch(self) -> Sketch:
        """Return what was written."""
        shape = (len(self._rows), self._groups)
        return Sketch(
            np.array(self._rows, dtype=np.int64).reshape(shape),
            np.array(self._times, dtype=np.int64).reshape(*shape, STEPS + 1),
            self._bytes,
        )


def read_batches(path: str, group: int, groups: int, rounds: NDArray[np.bool_] | None = None) -> Iterator[pl.DataFrame]:
    """Yield the rows of one group of a file in the order in which they came; of the ``rounds`` that are True only."""
    with pa.OSFile(path) as file, pa.ipc.open_file(file) as reader:
        for number in range(reader.num_record_batches // groups):
            if rounds is None or rounds[number]:
                yield pl.DataFrame(reader.get_batch(number * groups + group))


def _quantiles(earliest: NDArray[np.int64], latest: NDArray[np.int64], counts: NDArray[np.int64]) -> NDArray[np.int64]:
    found = np.zeros((counts.size, STEPS + 1), dtype=np.int64)
    start = 0
    for group, count in enumerate(counts):
        if count:
            times = latest[start : start + count]
            sample = np.sort(times[:: max(1, int(count) // SAMPLE)])
            found[group] = sample[np.linspace(0, sample.size - 1, STEPS + 1).astype(np.int64)]
            found[group, 0] = earliest[start : start + count].min()
            found[group, -1] = times.max()
        start += count
    return found
