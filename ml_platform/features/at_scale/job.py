"""How a job of the point-in-time engine runs: where, in which folder, and with how much memory."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from ml_platform.features.at_scale.task_engine import TaskEngine

# A bucket of about so many rows is computed fastest: its arrays stay near the processor.
BUCKET_ROWS = 2**20
# What Python and the libraries take before anything is computed.
PROCESS_BYTES = 300 * 2**20


@dataclass(frozen=True)
class Job:
    """How a job runs: by which engine, in which folder (seen by all workers), and with how much memory.

    ``task_bytes`` is for each of the tasks that run side by side, ``alone_bytes`` for one that has the machine to itself.
    ``chunk_rows`` are read at a time, ``block_rows`` stand in one row group of the output.
    """

    engine: TaskEngine
    folder: str
    task_bytes: float
    alone_bytes: float
    chunk_rows: int = 2**20
    block_rows: int = 2**17
    bucket_rows: int = BUCKET_ROWS
    say: Callable[[str], None] = field(default=lambda _: None)

    @classmethod
    def within(cls, memory_limit: int, engine: TaskEngine, folder: str, row_bytes: float, **more: Any) -> Job:
        """Return a job that stays within ``memory_limit`` bytes; ``row_bytes`` is what one row of input and output takes at most."""
        alone = max(memory_limit - PROCESS_BYTES, memory_limit / 2)
        task = alone / engine.parallel
        rows = int(task / 8 / row_bytes)
        return cls(engine, folder, task, alone, chunk_rows=min(max(rows, 1024), 2**20), block_rows=min(max(rows, 1024), 2**17), **more)
