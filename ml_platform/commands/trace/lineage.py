"""``ml-platform why``: where a single value comes from."""

from __future__ import annotations

import dataclasses
from argparse import Namespace
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ml_platform.commands.answer import Answer, Sheet, as_text

if TYPE_CHECKING:
    from ml_platform.audit.explained_value import Why, WhyRow


def why(args: Namespace) -> Answer:
    """Tell which rows a feature's value was counted from, and which were not available yet."""
    from ml_platform.audit.why import why as explain_row
    from ml_platform.components.opening import open_project
    from ml_platform.features.declared.explain import sentence

    found = explain_row(open_project(args.project).workspace, args.problem, args.row, args.feature)
    name = found.definition.name
    value = "no value" if found.value is None else as_text(found.value)
    lines = (
        f"{name} = {value} for {_words(found.entity)} at the cutoff {as_text(found.cutoff)} UTC",
        sentence(found.definition),
        _window_words(found),
    )
    # The newest of those that count, and the first of those to come; --json has them all.
    counted = [_row(r) for r in found.counted[-args.limit :]]
    waiting = [_row(r) for r in found.waiting[: args.limit]]
    skipped = f" {found.skipped} more in the window have no value." if found.skipped else ""
    sheets = [
        Sheet("Counted", counted, f"{_shown('last', len(counted), len(found.counted))}{skipped}"),
        Sheet("Not available yet at that time", waiting, _shown("first", len(waiting), len(found.waiting))),
    ]
    data = dataclasses.asdict(found) | {"definition": found.definition.name, "sentence": lines[1]}
    return Answer(data, lines, tuple(sheets))


def _shown(which: str, shown: int, of: int) -> str:
    if shown == of:
        return f"{of:,} row{'s' if of != 1 else ''}."
    return f"The {which} {shown:,} of {of:,} rows; --limit shows more."


def _words(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {as_text(value)}" for name, value in values.items())


def _window_words(found: Why) -> str:
    if found.window_start is None:
        return f"It is what was known before {as_text(found.refreshed)} UTC."
    return f"It counts what became available from {as_text(found.window_start)} until before {as_text(found.refreshed)} UTC."


def _row(row: WhyRow) -> dict[str, Any]:
    place = {"file": row.file, "row": row.row, "version": row.version, "commit": row.commit}
    return {"table": row.table, **row.values, "available at": row.available_at, "counts from": row.counts_from, **place}
