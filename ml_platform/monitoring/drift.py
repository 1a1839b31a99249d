"""The two-part rule: a column has drifted when the change is significant *and* of a size that matters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from ml_platform.core.errors import MlPlatformError
from ml_platform.monitoring import distances
from ml_platform.monitoring.drift_measure import Sides, measures_of
from ml_platform.monitoring.profile import Profile
from ml_platform.monitoring.significance import chi_square, ks_p_value, two_shares_p_value
from ml_platform.training.problem import Drift

DRIFT_RULE = Drift()


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
    reference: Profile, current: Profile, *, importance: Mapping[str, float] | None = None, rule: Drift = DRIFT_RULE
) -> tuple[ColumnDrift, ...]:
    """Judge every column of a window against the reference.

    Parameters
    ----------
    reference, current : Profile
        Over the same layout, which is the reference's.
    importance : mapping of str to float, optional
        The model's importance of its features, in any unit, 0 or more; becomes a share of their sum.
    rule : Drift
        What counts as drift, as the problem declares it.

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


def _judge(name: str, reference: Profile, current: Profile, rule: Drift, level: float, importance: float | None) -> ColumnDrift:
    before, now = reference.columns[name], current.columns[name]
    numeric = name in reference.layout.edges
    sides = Sides(before, now, reference.layout.edges.get(name, ()), reference.mean(name) if numeric and before.present else 0.0)
    statistic, p_value, effects, stability = 0.0, 1.0, _effects(sides, numeric, rule), 0.0
    if before.present and now.present:
        if numeric:
            statistic = distances.ks_statistic(before.counts, now.counts)
            p_value = ks_p_value(statistic, before.present, now.present)
        else:
            statistic, p_value = chi_square(before.counts, now.counts)
        stability = distances.population_stability(before.counts, now.counts)
    missing_p = two_shares_p_value(before.missing, before.rows, now.missing, now.rows)
    missing_gap = abs(now.missing_share - before.missing_share)
    missing = missing_p < level and missing_gap >= rule.missing
    moved = p_value < level and any(e.value >= e.limit for e in effects)
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


def _effects(sides: Sides, numeric: bool, rule: Drift) -> list[Effect]:
    """Measure a change; where one side has no value there is none, of the size that matters to the last measure."""
    judges = measures_of("numeric" if numeric else "category", rule)
    if not (sides.reference.present and sides.current.present):
        measure, limit = judges[-1]
        return [Effect(measure.title, 0.0, limit, 0.0)]
    sizes = [(measure.title, measure.measure(sides), limit) for measure, limit in judges]
    return [Effect(title, size.value, limit, size.chance) for title, size, limit in sizes]


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
