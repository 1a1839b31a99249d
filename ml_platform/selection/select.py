"""The selection of a problem's features: filters, selectors whose rankings are fused, a size that validation
chooses, and how stable that is.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ml_platform.models.trainers.encoding import learn_features
from ml_platform.models.trainers.task import task_of
from ml_platform.selection.clusters import Membership, cluster_features
from ml_platform.selection.filters import null_shares, unusable
from ml_platform.selection.fusion import to_ranks
from ml_platform.selection.probes import features_before_noise, is_probe, plant_probes
from ml_platform.selection.ranking import Ranking, rank_features
from ml_platform.selection.sample import Sample, draw_sample
from ml_platform.selection.selected import FeatureRow, SelectionResult
from ml_platform.selection.selector import SELECTORS, Selector
from ml_platform.selection.size import SizePoint, choose_size, size_curve
from ml_platform.selection.stability import BOOTSTRAPS, Stability, measure_stability
from ml_platform.training.target import learn_target

if TYPE_CHECKING:
    import numpy as np
    import polars as pl

    from ml_platform.training.labels import Task
    from ml_platform.training.problem import Selection


@dataclass(frozen=True)
class Budget:
    """How much a selection may look at: rows of the training and validation samples and of each bootstrap, and how many bootstraps."""

    train_rows: int = 30_000
    validate_rows: int = 20_000
    bootstrap_rows: int = 8_000
    bootstraps: int = BOOTSTRAPS


def select_features(
    frame: pl.DataFrame,
    features: Sequence[str],
    selection: Selection,
    *,
    label: str = "_label",
    seed: int = 0,
    task: Task | None = None,
    budget: Budget | None = None,
) -> SelectionResult:
    """Choose the features that a model is to be trained on.

    Parameters
    ----------
    frame : polars.DataFrame
        A training set: ``_cutoff``, ``_split``, the label and the features. Features are ranked on ``train`` rows, their number is chosen
        on ``validate`` rows; ``test`` rows are not looked at.
    features : sequence of str
        The candidates.
    selection : Selection
        Method, selectors, sizes to try and tolerance.
    label : str
        The label's column; rows without one are left out.
    seed : int
        Of everything that is drawn.
    task : str, optional
        What is predicted; told from the training labels if not given. For quantiles features are chosen as for the number itself.
    budget : Budget, optional
        Rows and bootstraps.

    Returns
    -------
    SelectionResult
        With one row per candidate.

    Raises
    ------
    EmptySampleError
        If the train or validate rows are empty or of one class.
    """
    import polars as pl

    budget = budget or Budget()
    known = frame.filter(pl.col(label).is_not_null())
    train, validate = known.filter(pl.col("_split") == "train"), known.filter(pl.col("_split") == "validate")
    task = task or task_of(train[label].to_numpy())
    target = learn_target("regression" if task == "quantiles" else task, pl.concat([train[label], validate[label]]))
    shares, reasons = null_shares(train, features), unusable(train, features)
    usable = [name for name in features if name not in reasons]
    left_out = tuple(_left_out(name, shares[name], reasons[name]) for name in features if name in reasons)
    if selection.method == "all" or not usable:
        kept = tuple(_kept(name, shares[name]) for name in usable)
        return SelectionResult((*kept, *left_out), selectors=selection.selectors, train_rows=train.height)

    columns = learn_features(train, usable)
    rows = draw_sample(train, columns, target, label=label, rows=budget.train_rows, seed=seed)
    judged = draw_sample(validate, columns, target, label=label, rows=budget.validate_rows, seed=seed)
    selectors = [SELECTORS.get(name) for name in selection.selectors]
    ranking = rank_features(plant_probes(rows, seed), selectors, seed)
    order = [position for position in ranking.order if not is_probe(ranking.names[position])]
    curve = size_curve(rows, judged, order, (*selection.sizes, len(order)), seed=seed)
    size = choose_size(curve, selection.tolerance)
    stability = _stability(rows, selectors, size, seed, budget)
    clusters = cluster_features(rows, order, seed=seed)
    before_noise = features_before_noise(ranking.ordered_names)
    found = _Found(selectors, ranking, order, size, curve, stability, clusters, before_noise)
    ranked = tuple(found.row(place, position, shares) for place, position in enumerate(order, start=1))
    return SelectionResult((*ranked, *left_out), selection.selectors, tuple(curve), stability, before_noise, rows.rows, judged.rows)


def _stability(sample: Sample, selectors: Sequence[Selector], size: int, seed: int, budget: Budget) -> Stability:
    """Measure the stability of the ``size`` best features, with selectors for smaller questions."""
    quick = [selector.quick() for selector in selectors]

    def choose(rows: Sample, seed: int) -> set[str]:
        return set(rank_features(rows, quick, seed).ordered_names[:size])

    return measure_stability(sample, choose, seed=seed, rows=budget.bootstrap_rows, bootstraps=budget.bootstraps)


@dataclass(frozen=True, eq=False)
class _Found:
    """All that is known when the rows are written."""

    selectors: Sequence[Selector]
    ranking: Ranking
    order: list[int]
    size: int
    curve: list[SizePoint]
    stability: Stability
    clusters: dict[str, Membership]
    before_noise: int | None

    def row(self, place: int, position: int, shares: dict[str, float]) -> FeatureRow:
        """Return the row of the feature at ``position``, which has rank ``place``."""
        name = self.ranking.names[position]
        return FeatureRow(
            feature=name,
            chosen=place <= self.size,
            rank=place,
            scores={one.name: float(self.ranking.scores[one.name][position]) for one in self.selectors},
            fused=float(self.ranking.fused[position]),
            cluster=self.clusters[name].leader,
            frequency=self.stability.frequency[name],
            null_share=shares[name],
            reason=self._reason(place, position),
        )

    def _reason(self, place: int, position: int) -> str:
        name, bootstraps = self.ranking.names[position], self.stability.bootstraps
        by = " and ".join(f"{_place(to_ranks(scores)[position])} by {title}" for title, scores in self._titled())
        words = [f"rank {place} of {len(self.order)}: {by}"]
        if place > self.size:
            words.append(f"the {self.size} better ones are enough on the validation rows")
        words.append(f"chosen in {round(self.stability.frequency[name] * bootstraps)} of {bootstraps} bootstraps")
        copy = self.clusters[name]
        if copy.leader != name:
            words.append(f"a near-copy of {copy.leader} (rank correlation {copy.correlation:.2f})")
        if self.before_noise is not None and place > self.before_noise:
            words.append("behind the first noise probe")
        return "; ".join(words)

    def _titled(self) -> list[tuple[str, np.ndarray]]:
        return [(one.title, self.ranking.scores[one.name]) for one in self.selectors]


def _place(rank: float) -> str:
    return "unused" if rank == float("inf") else f"place {rank:g}"


def _left_out(name: str, null_share: float, reason: str) -> FeatureRow:
    return FeatureRow(name, False, None, {}, None, None, None, null_share, reason)


def _kept(name: str, null_share: float) -> FeatureRow:
    return FeatureRow(name, True, None, {}, None, None, None, null_share, "kept: the problem keeps every feature (selection: all)")
