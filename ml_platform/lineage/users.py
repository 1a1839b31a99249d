"""The reverse question: which models, predictions and other versions were made from some versions; for audits and deletion requests."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from ml_platform.core.errors import UnknownTableError
from ml_platform.core.layers import TableName
from ml_platform.core.partitions import partition_text
from ml_platform.lake.lake import Lake
from ml_platform.lake.ledger.version import ARTIFACT, Version
from ml_platform.lineage.closure import flow_order
from ml_platform.registry.pointer import Judgement, from_rows, last_promotion


@dataclass(frozen=True)
class ModelUse:
    """A model that was made from what was asked about.

    ``verdict`` is the newest judgement of it (None: it was never judged), ``decided_at`` when that was, by the platform's clock.
    ``serves`` is True for the champion of now; ``served`` for one that ever was. ``scored_rows`` counts the rows of the versions of
    predictions that were made with it and can be read now.
    """

    table: TableName
    version: int
    training_date: str
    commit: int
    created: datetime
    verdict: str | None
    decided_at: datetime | None
    serves: bool
    served: bool
    scored_rows: int


@dataclass(frozen=True)
class VersionUse:
    """Another version that was made from it.

    ``readable`` is True if it is what a reader gets now; ``through_model`` if it holds nothing of it but what a model had learnt.
    """

    table: TableName
    version: int
    partition: str | None
    commit: int
    rows: int
    readable: bool
    through_model: bool


@dataclass(frozen=True)
class Users:
    """All users of ``asked``: models, those that serve first, then everything else in the order in which data flows."""

    asked: tuple[Version, ...]
    models: tuple[ModelUse, ...]
    versions: tuple[VersionUse, ...]


def find_users(lake: Lake, asked: Iterable[Version]) -> Users:
    """Find everything that was made from some versions, in any number of steps.

    Parameters
    ----------
    lake : Lake
        Where they are.
    asked : iterable of Version
        Such as all versions of a partition that must be forgotten.

    Returns
    -------
    Users
        Complete, history included: a version that nobody reads any more still holds what it holds.
    """
    asked = tuple(asked)
    found = lake.lineage.users_of(version.id for version in asked)
    edges = lake.lineage.edges(version.id for version in found)
    readable = _readable(lake, found)
    models = [version for version in found if _is_model(version)]
    through_data = _through_data(asked, found, edges)
    others = [
        VersionUse(v.table, v.id, v.partition, v.commit, v.rows, v.id in readable, v.id not in through_data)
        for v in sorted(found, key=lambda v: (flow_order(v.table), partition_text(v.partition), v.id))
        if not _is_model(v)
    ]
    scored = _scored_rows(found, edges, readable)
    uses = [use for table in sorted({m.table for m in models}) for use in _model_uses(lake, table, models, scored)]
    uses.sort(key=lambda use: (not use.serves, not use.served, use.table, use.training_date, use.version))
    return Users(asked, tuple(uses), tuple(others))


def _is_model(version: Version) -> bool:
    return version.kind == ARTIFACT and version.table.layer == "models"


def _readable(lake: Lake, versions: Sequence[Version]) -> set[int]:
    """Return the ids of those that a reader gets now."""
    keys: dict[str, set[str | None]] = {}
    for version in versions:
        keys.setdefault(version.table, set()).add(version.partition)
    return {head.id for table, partitions in keys.items() for head in lake.versions.resolve(table, partitions)}


def _through_data(asked: Sequence[Version], found: Sequence[Version], edges: Mapping[int, Sequence[int]]) -> set[int]:
    """Return the ids that are reached without a model on the way; ids grow along every edge, so one pass in their order is enough."""
    models = {version.id for version in found if _is_model(version)}
    reached = {version.id for version in asked}
    for version in found:
        if any(i in reached and i not in models for i in edges.get(version.id, ())):
            reached.add(version.id)
    return reached


def _scored_rows(found: Sequence[Version], edges: Mapping[int, Sequence[int]], readable: set[int]) -> dict[int, int]:
    """Return, by id of anything that went into them, the rows of the readable versions of predictions."""
    rows: dict[int, int] = {}
    for version in found:
        if version.table.layer == "predictions" and version.id in readable:
            for i in edges.get(version.id, ()):
                rows[i] = rows.get(i, 0) + version.rows
    return rows


def _model_uses(lake: Lake, table: TableName, models: Sequence[Version], scored: Mapping[int, int]) -> list[ModelUse]:
    judgements = _judgements(lake, table)
    serving = last_promotion(judgements)
    newest = {judgement.model_version: judgement for judgement in judgements}
    promoted = {judgement.model_version for judgement in judgements if judgement.verdict == "promoted"}
    uses = []
    for model in (m for m in models if m.table == table):
        judged = newest.get(model.id)
        uses.append(
            ModelUse(
                table=table,
                version=model.id,
                training_date=str(model.properties.get("training_date", model.partition)),
                commit=model.commit,
                created=model.created,
                verdict=judged.verdict if judged else None,
                decided_at=judged.decided_at if judged else None,
                serves=serving is not None and serving.model_version == model.id,
                served=model.id in promoted,
                scored_rows=scored.get(model.id, 0),
            )
        )
    return uses


def _judgements(lake: Lake, models_table: str) -> tuple[Judgement, ...]:
    """Return every judgement of a problem's models, the oldest first."""
    try:
        return from_rows(lake.read(models_table.replace("/models/", "/champion/"), missing="raise").arrow().to_pylist())
    except UnknownTableError:
        return ()
