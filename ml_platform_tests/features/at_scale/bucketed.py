"""A job of the point-in-time engine over frames, for tests: as small as it has to be to need many buckets."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import polars as pl

from ml_platform.features.at_scale.buckets import compute_in_buckets
from ml_platform.features.at_scale.job import Job
from ml_platform.features.at_scale.split import EventSource, SpineSource, write_parts
from ml_platform.features.at_scale.task_engine import LocalEngine, TaskEngine
from ml_platform.features.declared.definition import FeatureDefinition
from ml_platform.features.timeline.event_rows import to_events
from ml_platform.tables.declared.types import contract_columns
from ml_platform_tests.features.declared_views import ARRIVALS

TYPES = contract_columns(ARRIVALS.contract)
PLENTY = 1e12


def a_job(folder: Path, *, task_bytes: float = PLENTY, alone_bytes: float = PLENTY, engine: TaskEngine | None = None, rows: int = 7) -> Job:
    return Job(
        engine or LocalEngine(1),
        str(folder / "job"),
        task_bytes,
        alone_bytes,
        chunk_rows=rows,
        block_rows=max(3, rows // 4),
        bucket_rows=rows,
    )


def sources(
    folder: Path, events: pl.DataFrame, spine: pl.DataFrame, definitions: Sequence[FeatureDefinition], part_rows: int = 9
) -> tuple[EventSource, SpineSource]:
    schema = to_events(events.clear(), TYPES, definitions).schema
    return (
        EventSource(write_parts(events, str(folder), "events", part_rows), TYPES, schema),
        SpineSource(write_parts(spine, str(folder), "spine", part_rows), spine.schema),
    )


def bucketed(
    folder: Path, events: pl.DataFrame, spine: pl.DataFrame, definitions: Sequence[FeatureDefinition], job: Job | None = None,
    part_rows: int = 9, carried: Sequence[str] = (),
) -> pl.DataFrame:  # fmt: skip
    """Return what the bucketed computation writes for frames that are read from files."""
    path = folder / "features.parquet"
    compute_in_buckets(*sources(folder, events, spine, definitions, part_rows), definitions, job or a_job(folder), str(path), carried)
    return pl.read_parquet(path)
