"""Answers of all buckets brought back to the spine's order, block by block, and written as they come."""

from __future__ import annotations

import os
from collections import deque
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
import pyarrow.parquet as pq

from ml_platform.core.errors import FeatureError
from ml_platform.features.at_scale.bucket_task import read_block
from ml_platform.features.at_scale.split import ROW, SpineSource


@dataclass(frozen=True)
class Answers:
    """Files that together hold ``columns`` for every row of the spine, each once."""

    columns: tuple[str, ...]
    paths: tuple[str, ...]


def merge(answers: Sequence[Answers], spine: SpineSource, carried: Sequence[str], schema: pl.Schema, block_rows: int, path: str) -> None:
    """Write one Parquet file with a row per spine row, in the spine's order.

    Parameters
    ----------
    answers : sequence of Answers
        Of all features.
    spine : SpineSource
        Where the columns ``carried`` come from, which stand before the features.
    schema : polars.Schema
        The features' columns, in their order.
    block_rows : int
        Rows per block of the answers, and per row group of the file.

    Raises
    ------
    FeatureError
        If a row has no answer, or several: a defect of the engine, never written down as a value.
    """
    blocks = -(-spine.rows // block_rows)
    kept = _blocks(spine, carried, block_rows) if carried else iter([None] * blocks)
    empty = pl.DataFrame(schema={c: spine.schema[c] for c in carried} | dict(schema)).to_arrow()
    part = f"{path}.part"
    try:
        with (
            pq.ParquetWriter(part, empty.schema, compression="zstd", compression_level=1, use_dictionary=False) as writer,
            ThreadPoolExecutor(2, thread_name_prefix="merge") as pool,
        ):
            # Two blocks are put together while the one before is written: never more are in memory.
            ahead = deque(pool.submit(_block, answers, schema, n, block_rows, spine.rows) for n in range(min(2, blocks)))
            for block in range(blocks):
                rows, beside = ahead.popleft().result(), next(kept)
                if block + 2 < blocks:
                    ahead.append(pool.submit(_block, answers, schema, block + 2, block_rows, spine.rows))
                whole = rows if beside is None else pl.concat([beside, rows], how="horizontal")
                writer.write_table(whole.to_arrow().cast(empty.schema), row_group_size=block_rows)
        os.replace(part, path)
    finally:
        Path(part).unlink(missing_ok=True)


def _block(answers: Sequence[Answers], schema: pl.Schema, block: int, block_rows: int, spine_rows: int) -> pl.DataFrame:
    first_row = block * block_rows
    rows = min(block_rows, spine_rows - first_row)
    columns: dict[str, pl.Series] = {}
    for group in answers:
        found = pl.concat([read_block(path, block, group.columns) for path in group.paths]).sort(ROW)
        numbers = found[ROW].to_numpy()
        if not np.array_equal(numbers, np.arange(first_row, first_row + rows)):
            raise FeatureError(
                f"The buckets answered {numbers.size:,} of {rows:,} spine rows from row {first_row:,} on, not each once. "
                "Nothing was written; this is a defect of the engine, please report it."
            )
        columns |= {name: found[name] for name in group.columns}
    return pl.DataFrame([columns[name] for name in schema.names()])


def _blocks(spine: SpineSource, columns: Sequence[str], block_rows: int) -> Iterator[pl.DataFrame]:
    """Yield columns of the spine by blocks."""
    waiting: list[pl.DataFrame] = []
    held = 0
    for part in spine.parts:
        for chunk in part.chunks(block_rows):
            waiting.append(chunk.select(columns))
            held += chunk.height
            while held >= block_rows:
                rows = pl.concat(waiting)
                yield rows.head(block_rows)
                waiting, held = [rows.slice(block_rows)], held - block_rows
    if held:
        yield pl.concat(waiting)
