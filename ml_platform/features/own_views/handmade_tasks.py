"""Views of the team's own as tasks: each runs some refreshes, over the rows of the tables that were available then and no others."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import polars as pl

from ml_platform.features.at_scale.job import Job
from ml_platform.features.at_scale.split import Part
from ml_platform.features.declared.definition import FeatureDefinition
from ml_platform.features.declared.kinds import definition_from
from ml_platform.features.own_views.handmade import compute_handmade, hand_over
from ml_platform.tables.declared.table import Table

# So many tasks for each that runs at a time: what one is late by, others make up for.
TASKS_PER_WORKER = 4


@dataclass(frozen=True)
class HandedTable:
    """One table of a view's ``reads``: its rows as files, in stored order, and their types as the lake returns them."""

    table: Table
    parts: tuple[Part, ...]
    schema: pl.Schema

    def rows(self) -> pl.DataFrame:
        """Read the rows."""
        chunks = [chunk.select(self.schema.names()).cast(self.schema) for part in self.parts for chunk in part.chunks(2**20)]
        return pl.concat([pl.DataFrame(schema=self.schema), *chunks])


@dataclass(frozen=True)
class RunRefreshes:
    """Task: compute a view at some refreshes, and write what it answers."""

    name: str
    definitions: tuple[Mapping[str, Any], ...]
    tables: tuple[HandedTable, ...]
    refreshes: tuple[datetime, ...]
    entity_types: pl.Schema
    path: str

    def run(self) -> int:
        """Write the rows and return how many there are."""
        definitions = [definition_from(d) for d in self.definitions]
        handed = {t.table.name: hand_over(t.table, t.rows()) for t in self.tables}
        found = compute_handmade(handed, definitions, self.refreshes, self.entity_types)
        part = f"{self.path}.{os.getpid()}.part"
        found.write_ipc(part, compression="lz4")
        os.replace(part, self.path)
        return found.height


def compute_handmade_by_job(
    tables: Sequence[Sequence[HandedTable]],
    definitions: Sequence[FeatureDefinition],
    runs: Sequence[Sequence[datetime]],
    entity_types: pl.Schema,
    job: Job,
) -> pl.DataFrame:
    """Run a view's SQL or Python at the refreshes of some runs, one task per run.

    Parameters
    ----------
    tables : sequence of sequence of HandedTable
        For each run the tables of the view's ``reads``, from the run's first refresh minus the longest reach on.
    definitions : sequence of FeatureDefinition
        Of one view; they share its code.
    runs : sequence of sequence of datetime
        Refreshes, in order.
    entity_types : polars.Schema
        Types of the entity's columns.
    job : Job
        How it runs.

    Returns
    -------
    DataFrame
        Equal to what :func:`ml_platform.features.own_views.handmade.compute_handmade` returns for all refreshes at once.
    """
    Path(job.folder).mkdir(parents=True, exist_ok=True)
    job.engine.check_folder(job.folder)
    tasks = [
        RunRefreshes(
            name=f"view {definitions[0].view!r} from the refresh of {run[0]:%Y-%m-%d %H:%M} UTC on",
            definitions=tuple(d.to_dict() for d in definitions),
            tables=tuple(handed),
            refreshes=tuple(run),
            entity_types=entity_types,
            path=f"{job.folder}/refreshes-{number}.arrow",
        )
        for number, (run, handed) in enumerate(zip(runs, tables, strict=True))
    ]
    job.say(f"{sum(map(len, runs)):,} refreshes of view {definitions[0].view!r} in {len(tasks)} tasks")
    job.engine.run(tasks)
    return pl.concat([compute_handmade({}, definitions, [], entity_types), *(pl.read_ipc(t.path) for t in tasks)])


def split_refreshes(
    refreshes: Sequence[datetime], takes: Callable[[Sequence[datetime]], float], task_bytes: float, parallel: int
) -> list[Sequence[datetime]]:
    """Cut sorted refreshes into runs, of which each takes at most ``task_bytes`` (or is a single one), and enough for all workers."""
    most = max(1, -(-len(refreshes) // (TASKS_PER_WORKER * parallel)))
    waiting = [refreshes[start : start + most] for start in range(0, len(refreshes), most)][::-1]
    runs: list[Sequence[datetime]] = []
    while waiting:
        run = waiting.pop()
        if len(run) > 1 and takes(run) > task_bytes:
            waiting += [run[len(run) // 2 :], run[: len(run) // 2]]
        else:
            runs.append(run)
    return runs
