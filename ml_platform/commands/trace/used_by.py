"""``ml-platform used-by``: which models, predictions and other versions were made from a partition."""

from __future__ import annotations

import dataclasses
from argparse import Namespace
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from ml_platform.commands.answer import Answer, Sheet
from ml_platform.commands.place import check_partition, find_table, open_lake
from ml_platform.core.errors import LakeError
from ml_platform.core.layers import TableName
from ml_platform.lineage.users import ModelUse, VersionUse, find_users

if TYPE_CHECKING:
    from ml_platform.lake.lake import Lake
    from ml_platform.lake.ledger.version import Version


def used_by(args: Namespace) -> Answer:
    """Tell everything that was made from a table, one of its partitions or one version, history included."""
    lake = open_lake(args.project)
    table = find_table(lake, args.table)
    asked = _asked(lake, table, args.partition, args.version)
    users = find_users(lake, asked)
    what = f"{table}{f', {args.partition}' if args.partition else ''}"
    data = {
        "table": table,
        "asked": [{"version": v.id, "partition": v.partition, "commit": v.commit, "kind": v.kind, "rows": v.rows} for v in asked],
        "models": [dataclasses.asdict(use) for use in users.models],
        "versions": [dataclasses.asdict(use) for use in users.versions],
    }
    if not users.models and not users.versions:
        return Answer(data, (f"Nothing was made from {_count(len(asked), 'version')} of {what}.",))
    serving = ", ".join(f"{use.table.name}@{use.version}" for use in users.models if use.serves)
    of_which = f"of which {serving} serves now" if serving else "none of which serves now"
    models = f"{_count(len(users.models), 'model')}, {of_which}" if users.models else "no model"
    line = f"{_count(len(asked), 'version')} of {what}: used by {models}, and by {_count(len(users.versions), 'other version')}."
    sheets = [
        Sheet("Models", [_model_row(use) for use in users.models]),
        Sheet(
            "Other versions",
            _grouped(users.versions),
            "readable: what a reader gets now, the others are history. through a model: holds only what a model had learnt from it. "
            "--json names each version.",
        ),
    ]
    return Answer(data, (line,), tuple(sheet for sheet in sheets if sheet.rows))


def _asked(lake: Lake, table: str, partition: str | None, version: int | None) -> list[Version]:
    """Return the versions that are meant: of a partition every one that ever was."""
    check_partition(lake, table, partition)
    found = lake.history(table, partition) if partition else lake.history(table)
    if version is None:
        return found
    chosen = [v for v in found if v.id == version]
    if not chosen:
        raise LakeError(f"{table!r} has no version {version} there. See its versions with: ml-platform history {TableName(table).short}")
    return chosen


def _model_row(use: ModelUse) -> dict[str, Any]:
    return {
        "model": f"{use.table.name}@{use.version}",
        "training date": use.training_date,
        "verdict": use.verdict or "not judged",
        "decided at": use.decided_at,
        "serves now": use.serves,
        "served": use.served,
        "rows scored": use.scored_rows,
        "commit": use.commit,
        "published": use.created,
    }


def _grouped(uses: Sequence[VersionUse]) -> list[dict[str, Any]]:
    tables: dict[str, list[VersionUse]] = {}
    for use in uses:
        tables.setdefault(use.table, []).append(use)
    return [_table_row(table, found) for table, found in tables.items()]


def _table_row(table: str, found: Sequence[VersionUse]) -> dict[str, Any]:
    keys = sorted({use.partition for use in found if use.partition is not None})
    return {
        "layer": TableName(table).layer,
        "table": table,
        "versions": len(found),
        "readable": sum(use.readable for use in found),
        "through a model": sum(use.through_model for use in found),
        "partitions": len(keys) or None,
        "first": keys[0] if keys else None,
        "last": keys[-1] if keys else None,
        "rows": sum(use.rows for use in found if use.readable),
    }


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'s' * (number != 1)}"
