"""Versions by the names that a person writes: ``late_arrival@812``, ``predictions/late_arrival@2013-12-03``, ``arrivals``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ml_platform.commands.place import UsageError, find_table
from ml_platform.core.errors import LakeError, UnknownTableError
from ml_platform.core.layers import TableName

if TYPE_CHECKING:
    from ml_platform.lake.lake import Lake
    from ml_platform.lake.ledger.version import Version
    from ml_platform.registry.pointer import Judgement


def find_version(lake: Lake, text: str) -> Version:
    """Return the version that ``TABLE[@VERSION|@PARTITION]`` names.

    A bare name is a problem's model if there is one, else a table. Without ``@`` it is the model that serves, or the readable version
    of the newest partition.

    Raises
    ------
    LakeError
        If there is no such version, or no model was promoted yet.
    UsageError
        If neither a version nor a partition is called so.
    """
    name, _, wanted = text.partition("@")
    table = _table(lake, name)
    if not wanted:
        return _champion(lake, table) if TableName(table).layer == "models" else _newest(lake, table)
    if wanted.isdecimal():
        known = lake.history(table)
        found = next((version for version in known if version.id == int(wanted)), None)
        if found is None:
            what = "model version" if TableName(table).layer == "models" else "version"
            raise LakeError(f"{table!r} has no {what} {wanted}. It has: {_some(known)}.")
        return found
    partition = lake.versions.heads(table).get(wanted)
    if partition is None:
        raise UsageError(
            f"{wanted!r} is no version and no readable partition of {table!r}. Versions are numbers; see them with: "
            f"ml-platform history {TableName(table).short}"
        )
    return partition


def _table(lake: Lake, name: str) -> str:
    if "/" not in name:
        models = [table for table in lake.tables() if table.layer == "models" and table.endswith(f"/{name}")]
        if len(models) == 1:
            return models[0]
    return find_table(lake, name)


def _newest(lake: Lake, table: str) -> Version:
    heads = lake.versions.resolve(table)
    if not heads:
        raise LakeError(f"{table!r} has nothing that can be read now. Name one of its versions: {_some(lake.history(table))}.")
    return heads[-1]


def judgements(lake: Lake, models: str) -> tuple[Judgement, ...]:
    """Return every judgement of the models of a table ``project/models/problem``, the oldest first."""
    from ml_platform.registry.pointer import from_rows

    try:
        return from_rows(lake.read(models.replace("/models/", "/champion/"), missing="raise").arrow().to_pylist())
    except UnknownTableError:
        return ()


def _champion(lake: Lake, table: str) -> Version:
    from ml_platform.registry.pointer import last_promotion

    champion = last_promotion(judgements(lake, table))
    if champion is None:
        raise LakeError(f"No model of {table!r} was promoted yet. Name one of its versions: {_some(lake.history(table))}.")
    return lake.versions.get(champion.model_version)


def _some(versions: list[Version]) -> str:
    shown = ", ".join(f"@{version.id}" for version in versions[:20])
    return shown + (f" and {len(versions) - 20} more" if len(versions) > 20 else "")
