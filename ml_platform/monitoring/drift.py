"""The two-part rule: a column has drifted when the change is significant *and* of a size that matters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

import numpy as np

from ml_platform.core.errors import MlPlatformError
from ml_platform.monitoring import distances
from ml_platform.monitoring.profile import ColumnProfile, Profile
from ml_platform.monitoring.significance import chi_square, ks_p_value, two_shares_p_value

SMALLEST_DISTANCE_SCALE = 1e-3


@dataclass(frozen=True)
class DriftRule:
    """What counts as drift.

    ``alpha`` is shared by all tests of all columns (Bonferroni). The effects: W1 over the reference's standard deviation for numbers;
    Jensen-Shannon distance less its null expectation, or total variation, for categories; the change of the missing share.
    ``less_chance`` subtracts from W1 and from total variation, too, what chance alone gives for so many rows: the strict form,
    which is what a decision stands on.
    """

    alpha: float = 0.01
    numeric_effect: float = 0.1
    jensen_shannon_effect: float = 0.1
    total_variation_effect: float = 0.05
    missing_effect: float = 0.02
    less_chance: bool = False


RULE = DriftRule()


class Effect(NamedTuple):
    """One measure of a change, the size from which it matters, and what chance alone gives."""

    measure: str
    value: float
    limit: float
    chance: float


@dataclass(frozen=True)
class ColumnDrift:
    """The verdict on one column.

    ``test`` names the test behind ``statistic`` and ``p_value``; ``measure`` the effect, of which ``limit`` matters.
    ``drifted`` is the two-part rule, ``strict`` the same with chance subtracted. ``importance`` is the model's, as a share
    of all watched columns; None where the model does not use the column. ``words`` say it for a reader.
    """

    column: str
    kind: Literal["numeric", "category"]
    rows_reference: int
    rows_current: int
    missing_reference: float
    missing_current: float
    test: Literal["KS", "chi2"]
    statistic: float
    p_value: float
    measure: str
    effect: float
    limit: float
    stability: float
    missing_p_value: float
    drifted: bool
    strict: bool
    importance: float | None
    words: str


def compare(
    reference: Profile, current: Profile, *, importance: Mapping[str, float] | None = None, rule: DriftRule = RULE
) -> tuple[ColumnDrift, ...]:
    """Judge every column of a window against the reference.

    Parameters
    ----------
    reference, current : Profile
        Over the same layout, which is the reference's.
    importance : mapping of str to float, optional
        The model's importance of its features, in any unit, 0 or more; becomes a share of their sum.
    rule : DriftRule
        What counts as drift.

    Returns
    -------
    tuple of ColumnDrift
        One per column: the drifted first, within that the most important, within that the largest effect.

    Raises
    ------
    MlPlatformError
        If the profiles were counted over different bins.
    """
    if reference.layout != current.layout:
        raise MlPlatformError("Two profiles with different bins cannot be compared: count the window over the layout of the reference.")
    weights = shares_of(importance or {})
    # Two tests per column: its values, and how many are missing.
    level = rule.alpha / max(2 * len(reference.columns), 1)
    verdicts = [_judge(name, reference, current, rule, level, weights.get(name)) for name in reference.columns]
    return tuple(sorted(verdicts, key=lambda v: (not v.drifted, -(v.importance or 0.0), -v.effect / v.limit, v.column)))


def shares_of(importance: Mapping[str, float]) -> dict[str, float]:
    """Return importances as shares of their sum; equal shares where all are zero."""
    total = sum(importance.values())
    return {name: value / total if total > 0 else 1 / len(importance) for name, value in importance.items()}


def strictly_drifted(verdicts: Sequence[ColumnDrift]) -> dict[str, float]:
    """Return the importance (share) of each model feature that has drifted by the strict rule."""
    return {v.column: v.importance for v in verdicts if v.strict and v.importance is not None}


def _judge(name: str, reference: Profile, current: Profile, rule: DriftRule, level: float, importance: float | None) -> ColumnDrift:
    before, now = reference.columns[name], current.columns[name]
    numeric = name in reference.layout.edges
    statistic, p_value, effects, stability = 0.0, 1.0, _no_effects(numeric, rule), 0.0
    if before.present and now.present:
        if numeric:
            statistic = distances.ks_statistic(before.counts, now.counts)
            p_value = ks_p_value(statistic, before.present, now.present)
            effects = _numeric_effects(before, now, reference, name, rule)
        else:
            statistic, p_value = chi_square(before.counts, now.counts)
            effects = _category_effects(before, now, rule)
        stability = distances.population_stability(before.counts, now.counts)
    missing_p = two_shares_p_value(before.missing, before.rows, now.missing, now.rows)
    missing_gap = abs(now.missing_share - before.missing_share)
    missing = missing_p < level and missing_gap >= rule.missing_effect
    moved = p_value < level and any(e.value - (e.chance if rule.less_chance else 0.0) >= e.limit for e in effects)
    strict = p_value < level and any(e.value - e.chance >= e.limit for e in effects)
    shown = max(effects, key=lambda e: e.value / e.limit)
    return ColumnDrift(
        column=name,
        kind="numeric" if numeric else "category",
        rows_reference=before.rows,
        rows_current=now.rows,
        missing_reference=before.missing_share,
        missing_current=now.missing_share,
        test="KS" if numeric else "chi2",
        statistic=statistic,
        p_value=p_value,
        measure=shown.measure,
        effect=shown.value,
        limit=shown.limit,
        stability=stability,
        missing_p_value=missing_p,
        drifted=moved or missing,
        strict=strict or missing,
        importance=importance,
        words=_words(name, reference, current, shown, p_value, level, moved, missing),
    )


def _no_effects(numeric: bool, rule: DriftRule) -> list[Effect]:
    return [Effect("W1/sd", 0.0, rule.numeric_effect, 0.0)] if numeric else [Effect("TV", 0.0, rule.total_variation_effect, 0.0)]


def _numeric_effects(before: ColumnProfile, now: ColumnProfile, reference: Profile, name: str, rule: DriftRule) -> list[Effect]:
    edges = reference.layout.edges[name]
    moved = distances.wasserstein(
        before.counts, now.counts, edges,
        below=(before.below / before.present, now.below / now.present),
        above=(before.above / before.present, now.above / now.present),
    )  # fmt: skip
    # A column that was constant has no spread to measure by: a thousandth of its size stands in.
    scale = before.deviation or max(abs(reference.mean(name)), 1.0) * SMALLEST_DISTANCE_SCALE
    chance = distances.wasserstein_by_chance(before.counts + now.counts, edges, before.present, now.present)
    return [Effect("W1/sd", moved / scale, rule.numeric_effect, chance / scale)]


def _category_effects(before: ColumnProfile, now: ColumnProfile, rule: DriftRule) -> list[Effect]:
    held = int(np.count_nonzero(before.counts + now.counts))
    apart = distances.jensen_shannon_distance(before.counts, now.counts)
    apart_by_chance = distances.jensen_shannon_by_chance(held, before.present, now.present)
    variation = distances.total_variation(before.counts, now.counts)
    variation_by_chance = distances.total_variation_by_chance(before.counts, now.counts)
    return [
        Effect("JS", max(apart - apart_by_chance, 0.0), rule.jensen_shannon_effect, 0.0),
        Effect("TV", variation, rule.total_variation_effect, variation_by_chance),
    ]


def _words(name: str, reference: Profile, current: Profile, shown: Effect, p_value: float, level: float, moved: bool, missing: bool) -> str:
    """Say in one line what has changed, or why it does not count."""
    before, now = reference.columns[name], current.columns[name]
    parts = []
    if missing:
        parts.append(f"missing {before.missing_share:.1%} -> {now.missing_share:.1%}")
    if moved:
        parts.append(_what_moved(name, reference, current, shown))
    if parts:
        return "; ".join(parts)
    if not now.present:
        return "no value in this window" if before.present else "no value in either"
    if not before.present:
        return "the reference has no value to compare with"
    if p_value < level:
        return f"significant, but small: {shown.measure} {shown.value:.2g} of {shown.limit:g}"
    return f"no change beyond chance ({shown.measure} {shown.value:.2g} of {shown.limit:g})"


def _what_moved(name: str, reference: Profile, current: Profile, shown: Effect) -> str:
    before, now = reference.columns[name], current.columns[name]
    if name in reference.layout.edges:
        return f"mean {reference.mean(name):.4g} -> {current.mean(name):.4g} ({shown.measure} {shown.value:.2g}, {shown.limit:g} matters)"
    shift = now.counts / now.present - before.counts / before.present
    labels = (*reference.layout.values[name], "values that the reference does not list")
    largest = sorted(range(len(labels)), key=lambda i: -abs(shift[i]))[:2]
    changes = [f"{labels[i]} {before.counts[i] / before.present:.1%} -> {now.counts[i] / now.present:.1%}" for i in largest if shift[i]]
    return f"shares of {', '.join(changes)} ({shown.measure} {shown.value:.2g}, {shown.limit:g} matters)"
