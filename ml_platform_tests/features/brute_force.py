"""The rule of time and the rules of the functions as one slow loop, written from their text and sharing nothing with the engine."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from typing import Any

import polars as pl

from ml_platform.features.definition import FeatureDefinition

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
# How a row is a member of a window: the rule, and what a planted mistake replaces.
Membership = Callable[[datetime, datetime, datetime], bool]


def is_member(available: datetime, start: datetime, refreshed: datetime) -> bool:
    return start <= available < refreshed


def brute_force(
    events: pl.DataFrame, spine: pl.DataFrame, definitions: Sequence[FeatureDefinition], member: Membership = is_member
) -> dict[str, list[Any]]:
    """Return the values of every definition, one per spine row."""
    rows = events.to_dicts()
    return {d.name: [_value(d, rows, row, member) for row in spine.to_dicts()] for d in definitions}


def refreshed(cutoff: datetime, refresh: timedelta | None) -> datetime:
    return cutoff if refresh is None else EPOCH + (cutoff - EPOCH) // refresh * refresh


def _value(definition: FeatureDefinition, rows: list[dict], asked: dict, member: Membership) -> Any:
    cutoff = asked["_cutoff"]
    if cutoff is None or any(asked[k] is None for k in definition.entity):
        return None
    until = refreshed(cutoff, definition.refresh)
    found = []
    for position, row in enumerate(rows):
        if any(row[k] is None or row[k] != asked[k] for k in definition.entity):
            continue
        known = [row[a] for a in definition.available_at]
        if any(k is None for k in known) or not member(max(known), until - definition.window, until):
            continue
        value = True if definition.value is None else row[definition.value]
        if isinstance(value, float) and math.isnan(value):
            value = None
        happened = max(known) if definition.event_time is None else row[definition.event_time]
        found.append((value, happened, max(known), position))
    return _aggregate(definition.function, found, cutoff)


def _aggregate(function: str, found: list[tuple], cutoff: datetime) -> Any:
    values = [f[0] for f in found if f[0] is not None]
    if function == "count":
        return len(found)
    if function == "sum":
        return _finite_or(values, lambda: math.fsum(values) if any(isinstance(v, float) for v in values) else sum(values))
    if function in {"mean", "share"}:
        return _finite_or(values, lambda: math.fsum(values) / len(values)) if values else None
    if function == "std":
        if len(values) < 2 or any(math.isinf(v) for v in values):
            return None
        mean = math.fsum(values) / len(values)
        return math.sqrt(math.fsum((v - mean) ** 2 for v in values) / (len(values) - 1))
    if function in {"min", "max"}:
        return (min if function == "min" else max)(values) if values else None
    ordered = [f for f in found if f[0] is not None and f[1] is not None]
    if not ordered:
        return None
    last = max(ordered, key=lambda f: f[1:])
    return (cutoff - last[1]).total_seconds() if function == "time_since" else last[0]


def _finite_or(values: list, compute: Callable[[], Any]) -> Any:
    signs = {v > 0 for v in values if isinstance(v, float) and math.isinf(v)}
    if not signs:
        return compute()
    return None if len(signs) == 2 else (math.inf if signs.pop() else -math.inf)
