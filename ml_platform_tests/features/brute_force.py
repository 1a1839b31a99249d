"""The rule of time and the rules of the functions as one slow loop, written from their text and sharing nothing with the engine."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from datetime import UTC, datetime, timedelta
from fractions import Fraction
from typing import Any

import polars as pl

from ml_platform.features.declared.definition import FeatureDefinition

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
    until = refreshed(cutoff - definition.lag, definition.refresh) - definition.offset
    found = []
    for position, row in enumerate(rows):
        if any(row[k] is None or row[k] != asked[k] for k in definition.entity):
            continue
        if definition.where is not None and row[definition.where_column] is not True:
            continue
        known = [row[a] for a in definition.available_at]
        if any(k is None for k in known) or not _is_within(definition, max(known), until, member):
            continue
        value = True if definition.value is None else row[definition.value]
        if isinstance(value, float) and math.isnan(value):
            value = None
        happened = max(known) if definition.event_time is None else row[definition.event_time]
        found.append((value, happened, max(known), position))
    if definition.rows is not None:
        found = sorted(found, key=lambda f: f[2:])[-definition.rows :]
    return _aggregate(definition.function, found, cutoff)


def _is_within(definition: FeatureDefinition, available: datetime, until: datetime, member: Membership) -> bool:
    if definition.window is None:
        return available <= until if definition.closed in {"right", "both"} else available < until
    start = until - definition.window
    if definition.tail is not None:
        start = EPOCH + (start - EPOCH) // definition.tail * definition.tail
    if definition.closed == "left":
        return member(available, start, until)
    return (available > start or (available == start and definition.closed == "both")) and (
        available < until or (available == until and definition.closed in {"right", "both"})
    )


class Near(float):
    """A number that others may differ from by ``slack``: what rounding alone can do to a sum that cancels."""

    slack: float = 0.0


def near(value: float, slack: float) -> Near:
    made = Near(value)
    made.slack = slack
    return made


def _aggregate(function: str, found: list[tuple], cutoff: datetime) -> Any:
    values = [f[0] for f in found if f[0] is not None]
    if function in {"count", "distinct"}:
        # Of whole rows every row has a value.
        return len(values) if function == "count" else len(set(values))
    if function == "sum":
        return _finite_or(values, lambda: math.fsum(values) if any(isinstance(v, float) for v in values) else sum(values))
    if function in _OF_VALUES:
        return _OF_VALUES[function](values) if values else None
    if function[0] == "p" or function == "median":
        return _quantile(values, Fraction(1, 2) if function == "median" else Fraction(int(function[1:]), 100)) if values else None
    if function in {"first_row", "last_row"}:
        found = [f for f in found if f[1] is not None]
    else:
        found = [f for f in found if f[0] is not None and f[1] is not None]
    if function == "trend":
        return _trend(found, values)
    if function == "avg_time_between":
        times = [f[1] for f in found]
        return (max(times) - min(times)).total_seconds() / (len(times) - 1) if len(times) > 1 else None
    if not found:
        return None
    end = (min if "first" in function else max)(found, key=lambda f: f[1:])
    return (cutoff - end[1]).total_seconds() if function.startswith("time_since") else end[0]


def _deviation(values: list) -> float | None:
    variance = _variance(values)
    return None if variance is None else math.sqrt(variance)


def _variance(values: list) -> float | None:
    if len(values) < 2 or any(math.isinf(v) for v in values):
        return None
    mean = sum(map(Fraction, values)) / len(values)
    return float(sum((Fraction(v) - mean) ** 2 for v in values) / (len(values) - 1))


def _skewness(values: list) -> float | None:
    n = len(values)
    if n < 3 or any(math.isinf(v) for v in values):
        return None
    mean = sum(map(Fraction, values)) / n
    squares = sum((Fraction(v) - mean) ** 2 for v in values) / n
    cubes = sum((Fraction(v) - mean) ** 3 for v in values) / n
    if squares == 0:
        return 0.0
    return near(math.sqrt(n * (n - 1)) / (n - 2) * float(cubes) / float(squares) ** 1.5, 1e-9)


def _quantile(values: list, share: Fraction) -> float | None:
    ordered = sorted(values)
    place = (len(ordered) - 1) * share
    low = ordered[math.floor(place)]
    high = ordered[math.ceil(place)]
    if low == high:
        return float(low)
    part = float(place - math.floor(place))
    between = low * (1 - part) + high * part
    return None if math.isnan(between) else between


def _trend(found: list[tuple], values: list) -> float | None:
    if len(found) < 3 or any(math.isinf(v) for v in values):
        return None
    days = [Fraction((f[1] - EPOCH) // timedelta(microseconds=1), 86_400_000_000) for f in found]
    heights = [Fraction(f[0]) for f in found]
    day, height = sum(days) / len(days), sum(heights) / len(heights)
    below = sum((d - day) ** 2 for d in days)
    if below == 0:
        return 0.0
    slope = sum((d - day) * (h - height) for d, h in zip(days, heights, strict=True)) / below
    return near(float(slope), 1e-11 * float(sum(abs((d - day) * (h - height)) for d, h in zip(days, heights, strict=True)) / below))


_OF_VALUES: dict[str, Callable[[list], Any]] = {
    "mean": lambda values: _finite_or(values, lambda: math.fsum(values) / len(values)),
    "share": lambda values: math.fsum(values) / len(values),
    "std": _deviation,
    "var": _variance,
    "skew": _skewness,
    "min": min,
    "max": max,
    "range": lambda values: float(max(values) - min(values)),
    "mode": lambda values: min(values, key=lambda v: (-values.count(v), v)),
}


def knows(function: str) -> bool:
    """Whether the loop has a rule for a function."""
    ordered = {"count", "distinct", "sum", "median", "trend", "avg_time_between", "latest"}
    return function in _OF_VALUES or function in ordered or function.startswith(("p", "first", "last", "time_since"))


def _finite_or(values: list, compute: Callable[[], Any]) -> Any:
    signs = {v > 0 for v in values if isinstance(v, float) and math.isinf(v)}
    if not signs:
        return compute()
    return None if len(signs) == 2 else (math.inf if signs.pop() else -math.inf)
