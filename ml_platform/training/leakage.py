"""Guards against what a model could only know afterwards: in who is a row, in what is missing, and in the values."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import Any

import polars as pl

from ml_platform.training.labels import LABEL, LABEL_ROWS, Task
from ml_platform.training.separation import frequent_classes, separation

# Rows of one day share their weather and their strikes: they say about a fifth of what as many independent rows would.
DESIGN_EFFECT = 5.0
# A group determines an outcome when knowing the group leaves at most this share of the uncertainty that there was.
LEFT_UNCERTAIN = 0.05
MAX_AUC = 0.98
MAX_RANK_CORRELATION = 0.99
_MIN_ROWS = 30
# Natural logarithm of one in a million, as an evidence threshold: chance does not reach it among hundreds of features.
_EVIDENCE = math.log(1e6)


@dataclass(frozen=True)
class Suspicion:
    """One thing that looks like knowledge from afterwards.

    ``rule`` is ``population``, ``missing`` or ``separates``; ``feature`` is empty for the population; ``rows`` are the rows
    behind it, ``measure`` the number that was too high (a share, an AUC or a rank correlation).
    """

    rule: str
    feature: str
    rows: int
    measure: float
    says: str


@dataclass(frozen=True)
class LeakageReport:
    """What the guards found among ``features`` features on ``rows`` rows."""

    features: int
    rows: int
    suspicions: tuple[Suspicion, ...] = ()

    @property
    def passed(self) -> bool:
        """Whether nothing is suspicious."""
        return not self.suspicions

    @property
    def summary(self) -> str:
        """One or two sentences for a reader."""
        if self.passed:
            return f"Nothing suspicious in {self.features} features of {self.rows} rows."
        first = self.suspicions[0]
        more = len(self.suspicions) - 1
        return first.says + (f" And {more} more." if more else "")

    def table(self) -> tuple[Mapping[str, Any], ...]:
        """Return the suspicions as rows for a reader."""
        return tuple({"rule": s.rule, "feature": s.feature, "rows": s.rows, "measure": s.measure, "says": s.says} for s in self.suspicions)


def check_features(rows: pl.DataFrame, features: Sequence[str], task: Task, past: Mapping[str, str] | None = None) -> LeakageReport:
    """Look for features whose absence, or whose value alone, gives the answer away.

    That a value of the row itself is missing can be a trace of how the row ended. That a window over earlier rows holds none is knowledge:
    a shop without a sale in a week will sell little tomorrow. So of such features only two absences count: that of the row's own key, and
    one that alone separates the answers as a value would.

    Parameters
    ----------
    rows : DataFrame
        Spine rows with their features, ``_label`` (NULL where there is none) and ``_label_rows``; rows without label rows belong in it,
        because a status that comes later (a flight is cancelled) often shows as a label that never comes.
    features : sequence of str
        Columns to look at.
    task : str
        What is predicted.
    past : mapping of str to str, optional
        Features over earlier rows, each with the Boolean column of ``rows`` that says where the row lacks the key to look them up by.

    Returns
    -------
    LeakageReport
        Rules ``missing`` and ``separates``.
    """
    kinds = rows.schema
    plain = rows.with_columns(pl.col(f).fill_nan(None) for f in features if kinds[f].is_float())
    past = past or {}
    absent = plain.select(
        pl.col(LABEL), pl.col(LABEL_ROWS), *((pl.col(past[f]) if f in past else pl.col(f).is_null()).alias(f) for f in features)
    )
    found = [*_missing(absent, features, task), *_separating(plain, features, task, past)]
    return LeakageReport(len(features), rows.height, tuple(found))


def accepted(report: LeakageReport, allow: Mapping[str, str]) -> tuple[LeakageReport, tuple[str, ...]]:
    """Split a report by what a problem's declaration accepts.

    Parameters
    ----------
    report : LeakageReport
        From `check_features`.
    allow : mapping of str to str
        Names of features, or patterns with ``*``, each with the reason why it may give the answer away.

    Returns
    -------
    report : LeakageReport
        With the suspicions that nothing accepts.
    accepted : tuple of str
        The others in words, each with the reason.
    """
    kept: list[Suspicion] = []
    words: list[str] = []
    for suspicion in report.suspicions:
        reason = next((why for name, why in allow.items() if suspicion.feature and fnmatchcase(suspicion.feature, name)), None)
        if reason is None:
            kept.append(suspicion)
        else:
            words.append(f"{suspicion.says} It is declared to be right: {reason.rstrip('.')}.")
    return LeakageReport(report.features, report.rows, tuple(kept)), tuple(words)


def check_population(known: pl.DataFrame, unknown: pl.DataFrame, task: Task) -> LeakageReport:
    """Look for rows that exist only because of what came later, and say whether that decides their answer.

    Rows that were not known at their cutoff are never part of a spine. Where they are many and end differently from the others, the
    population itself was selected by the answer, and a score would be asked for rows that no model was trained on.

    Parameters
    ----------
    known, unknown : DataFrame
        The mature rows of a spine, and those that were left out of it, with ``_label`` and ``_label_rows``.
    task : str
        What is predicted.

    Returns
    -------
    LeakageReport
        Rule ``population``.
    """
    total = known.height + unknown.height
    if unknown.is_empty():
        return LeakageReport(0, total)
    share = unknown.height / total
    text = f"{unknown.height} of {total} rows ({share:.1%}) were first known at or after their own cutoff and are left out"
    if share >= 0.5:
        says = f"{text}: most rows of this table exist because of what came later. Predict for a table that is known before the cutoff."
        return LeakageReport(0, total, (Suspicion("population", "", unknown.height, share, says),))
    found = []
    for what, inside, outside in _endings(known, unknown, task):
        if _differ(inside, outside):
            shares = f"{what}: {outside.mean():.0%} of them against {inside.mean():.0%} of the others"
            says = f"{text}; {shares}. Being known late tells the answer."
            found.append(Suspicion("population", "", unknown.height, share, says))
    return LeakageReport(0, total, tuple(found))


def _missing(rows: pl.DataFrame, features: Sequence[str], task: Task) -> list[Suspicion]:
    """Find features whose being there, or not (``rows`` says where each is absent), (nearly) determines how a row ends."""
    if rows.is_empty() or not features:
        return []
    best: dict[str, Suspicion] = {}
    for what, outcome in _outcomes(rows, task):
        universe = rows.select(features).with_columns(_outcome=outcome).drop_nulls("_outcome")
        base = universe["_outcome"].mean()
        if base is None or not 0 < base <= 0.9:  # type: ignore[operator]
            continue
        hits = universe.filter("_outcome").select(pl.col(features).sum()).row(0)
        sizes = universe.select(pl.col(features).sum()).row(0)
        total, positive = universe.height, int(universe["_outcome"].sum())
        for feature, hit, size in zip(features, hits, sizes, strict=True):
            for state, k, n in (("missing", hit, size), ("present", positive - hit, total - size)):
                if determines(k, n, float(base)):  # type: ignore[arg-type]
                    says = f"Where {feature} is {state} ({n} rows), {what} in {k / n:.1%} of the rows, against {base:.1%} of all."
                    if feature not in best or n > best[feature].rows:
                        best[feature] = Suspicion("missing", feature, n, k / n, says)
    return list(best.values())


def determines(hits: int, size: int, base: float) -> bool:
    """Return whether belonging to a group of rows (nearly) determines an outcome.

    Parameters
    ----------
    hits, size : int
        Rows of the group with the outcome, and all rows of the group.
    base : float
        Share of the outcome among all rows, in (0, 1).

    Returns
    -------
    bool
        True when at most 5 % of the uncertainty about the outcome is left within the group, and the group is large enough
        that chance, with rows clustered by day, does not explain it.
    """
    if size < _MIN_ROWS:
        return False
    share = hits / size
    if 1 - share > LEFT_UNCERTAIN * (1 - base):
        return False
    # Chernoff: a group of n independent rows shows such a share by chance with at most exp(-n * KL(share || base)).
    divergence = share * math.log(share / base) + ((1 - share) * math.log((1 - share) / (1 - base)) if share < 1 else 0.0)
    return size / DESIGN_EFFECT * divergence > _EVIDENCE


def _outcomes(rows: pl.DataFrame, task: Task) -> list[tuple[str, pl.Series]]:
    """Return how a row can end, in words and as a Boolean per row (NULL where it does not apply)."""
    label = rows[LABEL]
    ends = [("there is no label row", rows[LABEL_ROWS] == 0)]
    if task == "classification":
        return [*ends, ("the label is 1", label == 1), ("the label is 0", label == 0)]
    if task == "multiclass":
        return [*ends, *((f"the label is {name}", label == name) for name in frequent_classes(label))]
    middle = label.median()
    if middle is None:
        return ends
    return [*ends, ("the label is above its median", label > middle), ("the label is at most its median", label <= middle)]  # type: ignore[operator]


def _separating(rows: pl.DataFrame, features: Sequence[str], task: Task, past: Mapping[str, str]) -> list[Suspicion]:
    """Find features that give the answer on their own, by their value or, over earlier rows, by having one."""
    labelled = rows.filter(pl.col(LABEL).is_not_null())
    limit, what = (MAX_AUC, "an AUC") if task in ("classification", "multiclass") else (MAX_RANK_CORRELATION, "a rank correlation")
    found = []
    for feature, (count, measure) in separation(labelled.select(features), labelled[LABEL], task).items():
        if measure > limit:
            says = f"{feature} alone predicts the label with {what} of {measure:.3f} on {count} rows: it probably knows the answer."
            found.append(Suspicion("separates", feature, count, measure, says))
    told = {suspicion.feature for suspicion in found}
    there = labelled.select(pl.col(f).is_not_null() for f in past if f in features and f not in told)
    for feature, (count, measure) in separation(there, labelled[LABEL], task).items():
        if measure > limit:
            says = f"Whether {feature} has a value predicts the label with {what} of {measure:.3f} on {count} rows: it probably knows it."
            found.append(Suspicion("separates", feature, count, measure, says))
    return found


def _endings(known: pl.DataFrame, unknown: pl.DataFrame, task: Task) -> list[tuple[str, pl.Series, pl.Series]]:
    """Return how rows end: in words, among the known, among the unknown."""
    ends = [("no label row", known[LABEL_ROWS] == 0, unknown[LABEL_ROWS] == 0)]
    if task == "classification":
        ends.append(("label 1", known[LABEL].drop_nulls() == 1, unknown[LABEL].drop_nulls() == 1))
    if task == "multiclass":
        ends += [(f"label {n}", known[LABEL].drop_nulls() == n, unknown[LABEL].drop_nulls() == n) for n in frequent_classes(known[LABEL])]
    return ends


def _differ(inside: pl.Series, outside: pl.Series) -> bool:
    """Return whether two shares differ by 10 points and by 4 standard errors of day-clustered rows."""
    if min(inside.len(), outside.len()) < _MIN_ROWS:
        return False
    p, q = float(inside.mean()), float(outside.mean())  # type: ignore[arg-type]
    pooled = (p * inside.len() + q * outside.len()) / (inside.len() + outside.len())
    error = math.sqrt(DESIGN_EFFECT * pooled * (1 - pooled) * (1 / inside.len() + 1 / outside.len()))
    return abs(p - q) > max(0.1, 4 * error)
