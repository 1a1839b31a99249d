"""What monitoring looks at: scores with the features behind them, the training rows of the model that gave them, and matured outcomes."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import polars as pl

from ml_platform.core.errors import ModelError
from ml_platform.core.intervals import DAY, shift_day
from ml_platform.lake.ledger.version import Version
from ml_platform.models.contender import Role
from ml_platform.models.trainers.task import Task
from ml_platform.monitoring.performance import Performance, realized, realized_classes
from ml_platform.monitoring.profile import Layout, Profile, added, layout_of, profile_of, profiles_by
from ml_platform.pipeline.remembered import Remembered
from ml_platform.pipeline.scoring.hindsight import CARD, first_unseen_day
from ml_platform.pipeline.scoring.predictions import MODEL_VERSION, SCORE, SCORED_AT
from ml_platform.pipeline.scoring.reference_rows import reference_rows, roles_of
from ml_platform.pipeline.workspace import Workspace
from ml_platform.project.project import CompiledProblem
from ml_platform.sql.duck import session
from ml_platform.training.labels import LABEL
from ml_platform.training.target import CLASS, Target, class_column, is_score_column, quantile_column

if TYPE_CHECKING:
    import numpy as np

PARTITION = "_partition"


@dataclass(frozen=True)
class MonitoredChampion:
    """The model whose scores are watched, with a sample of the rows it was trained on.

    ``role`` says which of the version's two fitted models gave the scores; ``importance`` is by feature, in any unit; ``scale`` the
    standard deviation of the training labels (1 for classes); ``quantiles`` those that it gives.
    """

    version: Version
    role: Role
    training_date: str
    importance: Mapping[str, float]
    reference: pl.DataFrame
    layout: Layout
    profile: Profile
    task: Task
    scale: float
    quantiles: tuple[float, ...] = ()

    @property
    def target(self) -> Target:
        """What it answers."""
        return Target(self.task, tuple(self.version.properties.get("classes", ())), self.quantiles)

    @property
    def columns(self) -> list[str]:
        """The watched columns: the model's features and its score."""
        return [name for name in self.reference.columns if name != LABEL]


_CHAMPIONS: Remembered[MonitoredChampion] = Remembered(most=4)
_PROFILES: Remembered[Profile] = Remembered(most=500)


@dataclass(frozen=True)
class Watched:
    """Everything that the days of one run look at, read once.

    ``scored_by`` names the model that gave the newest scores of each day; ``profiles`` are by model and day.
    """

    workspace: Workspace
    window_days: int
    outcome_days: int
    maturity_days: int
    predictions: Mapping[str, Version]
    scored_by: Mapping[str, int]
    champions: Mapping[int, MonitoredChampion]
    profiles: Mapping[int, Mapping[str, Profile]]
    outcomes: Mapping[str, Version]
    outcome_rows: Mapping[str, pl.DataFrame] = field(repr=False)

    def champion(self, day: str) -> MonitoredChampion | None:
        """Return the model that gave the newest scores of the window that ends with ``day``; None where it holds no score."""
        scored = [d for d in self._window(day) if d in self.scored_by]
        return self.champions[self.scored_by[scored[-1]]] if scored else None

    def profile(self, day: str, champion: MonitoredChampion) -> Profile:
        """Return the profile of the window's rows that this model scored."""
        by_day = self.profiles[champion.version.id]
        return added(by_day[d] for d in self._window(day) if d in by_day)

    def is_half_full(self, day: str, champion: MonitoredChampion) -> bool:
        """Tell whether this model scored rows of at least half of the window's days: one day's weather is no drift."""
        by_day = self.profiles[champion.version.id]
        return 2 * sum(d in by_day for d in self._window(day)) >= self.window_days

    def rows(self, day: str, champion: MonitoredChampion, columns: Sequence[str] | None = None) -> pl.DataFrame:
        """Read the window's rows that this model scored."""
        versions = self.prediction_versions(day, champion)
        wanted = list(columns or champion.columns)
        rows = self.workspace.lake.versions.read(versions, columns=[*wanted, MODEL_VERSION]).pl()
        return rows.filter(pl.col(MODEL_VERSION) == champion.version.id).select(wanted)

    def prediction_versions(self, day: str, champion: MonitoredChampion) -> list[Version]:
        """Return the predictions of the window that hold rows of this model."""
        return [self.predictions[d] for d in self._window(day) if d in self.profiles[champion.version.id]]

    def matured_days(self, day: str) -> list[str]:
        """Return the days whose labels were all known at the end of ``day``, as many as performance is measured over."""
        return _matured_days(day, self.outcome_days, self.maturity_days)

    def outcome_versions(self, day: str) -> list[Version]:
        """Return the outcomes that the performance as of ``day`` is measured on."""
        return [self.outcomes[d] for d in self.matured_days(day) if d in self.outcomes]

    def performance(self, day: str, champion: MonitoredChampion) -> Performance | None:
        """Measure the scores that have matured by the end of ``day``, whichever model gave them; None where there are none.

        Rows that were scored in hindsight, by a model that had learnt from their days, prove nothing and are not counted.
        """
        found = [self.outcome_rows[d] for d in self.matured_days(day) if d in self.outcome_rows]
        rows = pl.concat(found) if found else pl.DataFrame()
        if rows.is_empty():
            return None
        scores, days = rows[SCORE].to_numpy(), rows[PARTITION].to_numpy()
        if champion.task == "multiclass":
            if CLASS not in rows.columns or rows[LABEL].dtype != pl.String:
                return None
            right = (rows[CLASS] == rows[LABEL]).fill_null(False).to_numpy()
            return realized_classes(right, scores, _given_to_label(rows), days)
        if rows[LABEL].dtype == pl.String:
            return None
        outer = [quantile_column(champion.quantiles[n]) for n in (0, -1)] if len(champion.quantiles) > 1 else []
        known = bool(outer) and all(name in rows.columns and not rows[name].null_count() for name in outer)
        interval = (rows[outer[0]].to_numpy(), rows[outer[1]].to_numpy()) if known else None
        return realized(rows[LABEL].to_numpy(), scores, days, task=champion.task, scale=champion.scale, interval=interval)

    def _window(self, day: str) -> list[str]:
        return [shift_day(day, back) for back in range(1 - self.window_days, 1)]


def matured_days(problem: CompiledProblem, day: str) -> list[str]:
    """Return the days whose outcomes the performance as of ``day`` is measured on, as far as they are there."""
    _, outcome_days, maturity_days = _lengths(problem)
    return _matured_days(day, outcome_days, maturity_days)


def _matured_days(day: str, outcome_days: int, maturity_days: int) -> list[str]:
    last = shift_day(day, -maturity_days)
    return [shift_day(last, back) for back in range(1 - outcome_days, 1)]


def _lengths(problem: CompiledProblem) -> tuple[int, int, int]:
    """Return the days of a window, those that performance is measured over, and those until a label is known."""
    monitor = problem.problem.monitor
    window_days = max(math.ceil(monitor.window / DAY), 1)
    return window_days, window_days * monitor.persistence, math.ceil(problem.maturity / DAY)


def read_watched(workspace: Workspace, problem: CompiledProblem, days: Sequence[str], *, at: int) -> Watched:
    """Read what the monitoring of some days needs: one scan of the predictions per model that gave them.

    Parameters
    ----------
    workspace : Workspace
        Project and lake.
    problem : CompiledProblem
        The problem.
    days : sequence of str
        Days to monitor.
    at : int
        Commit of the lake.

    Returns
    -------
    Watched
        Also the days before the first that its windows reach.
    """
    window_days, outcome_days, maturity_days = _lengths(problem)
    predictions = _heads(workspace, "predictions", problem, shift_day(min(days), 1 - window_days), max(days), at)
    outcomes = _heads(workspace, "outcomes", problem, shift_day(min(days), 1 - outcome_days - maturity_days), max(days), at)
    holds, scored_by = _scored_by(workspace, predictions)
    roles = roles_of(workspace, problem.name)
    champions = {model: read_champion(workspace, model, roles.get(model, "model")) for model in holds}
    return Watched(
        workspace, window_days, outcome_days, maturity_days, predictions, scored_by, champions,
        {model: _profiles(workspace, champions[model], [predictions[day] for day in found]) for model, found in holds.items()},
        outcomes, _outcome_rows(workspace, outcomes),
    )  # fmt: skip


def read_champion(workspace: Workspace, version_id: int, role: Role = "model") -> MonitoredChampion:
    """Read of a model version what monitoring compares with: the training rows, with the scores of the one that serves.

    Raises
    ------
    ModelError
        If the model has no sample of its training rows, or no training date.
    """
    version = workspace.lake.versions.get(version_id)
    return _CHAMPIONS.get((version, role), lambda: _read_champion(workspace, version, role))


def _read_champion(workspace: Workspace, version: Version, role: Role) -> MonitoredChampion:
    training_date = version.properties.get("training_date", version.partition)
    if not training_date:
        raise ModelError(
            f"Model version {version.id} of {version.table!r} has no training date. Materialize the model again, and promote that version."
        )
    reference = reference_rows(workspace, version, role)
    card = _card(workspace, version)
    task: Task = card["model"]["task"]
    with session() as con:
        rows = con.from_arrow(reference.drop(LABEL).to_arrow())
        layout = layout_of(rows)
        profile = profile_of(rows, layout)
    weight = "importance" if role == "model" else "baseline_importance"
    spread = reference[LABEL].cast(pl.Float64).std() if task in ("regression", "quantiles") else 1.0
    return MonitoredChampion(
        version=version,
        role=role,
        training_date=training_date,
        importance={feature["name"]: max(feature[weight], 0.0) for feature in card["features"]},
        reference=reference,
        layout=layout,
        profile=profile,
        task=task,
        scale=float(spread) if isinstance(spread, float) and spread > 0 else 1.0,
        quantiles=tuple(version.properties.get("quantiles", ())),
    )


def _card(workspace: Workspace, model: Version | int) -> dict[str, Any]:
    return json.loads(workspace.lake.versions.artifact(model, CARD))


def _heads(workspace: Workspace, layer: str, problem: CompiledProblem, first: str, last: str, at: int) -> dict[str, Version]:
    heads = workspace.lake.versions.heads(workspace.table(layer, problem.name), at=at)
    return {day: version for day, version in heads.items() if day is not None and first <= day <= last and version.rows}


def _scored_by(workspace: Workspace, predictions: Mapping[str, Version]) -> tuple[dict[int, list[str]], dict[str, int]]:
    """Return the days that hold rows of each model, and the model behind the newest scores of each day; in-sample scores do not count."""
    if not predictions:
        return {}, {}
    reading = workspace.lake.versions.read(predictions.values(), columns=[MODEL_VERSION, SCORED_AT], partition_column=PARTITION)
    found = reading.pl().group_by(PARTITION, MODEL_VERSION).agg(pl.col(SCORED_AT).max()).sort(PARTITION, SCORED_AT, MODEL_VERSION)
    holds: dict[int, list[str]] = {}
    newest: dict[str, int] = {}
    for day, model, _ in found.iter_rows():
        if day < first_unseen_day(workspace, model):
            continue
        holds.setdefault(model, []).append(day)
        newest[day] = model
    return holds, newest


def _profiles(workspace: Workspace, champion: MonitoredChampion, versions: Sequence[Version]) -> dict[str, Profile]:
    """Return the profile of each day's rows that this model scored; the days of a window come again the day after."""
    new = [version for version in versions if (champion.version, version) not in _PROFILES]
    counted: dict[str, Profile] = {}
    if new:
        with session() as con:
            reading = workspace.lake.versions.read(new, columns=[*champion.columns, MODEL_VERSION], partition_column=PARTITION)
            rows = reading.relation(con).filter(f"{MODEL_VERSION} = {champion.version.id}")
            counted = profiles_by(rows, champion.layout, PARTITION)
    return {day: _PROFILES.get((champion.version, v), lambda day=day: counted[day]) for v in versions if (day := str(v.partition))}


def _outcome_rows(workspace: Workspace, outcomes: Mapping[str, Version]) -> dict[str, pl.DataFrame]:
    """Return the matured rows by day, without those that were scored in hindsight and those whose label is no answer."""
    if not outcomes:
        return {}
    alike: dict[tuple[str, ...], list[Version]] = {}
    for version in outcomes.values():
        alike.setdefault(tuple(sorted(name for name in version.schema.names if is_score_column(name))), []).append(version)
    parts = [
        workspace.lake.versions.read(versions, columns=[LABEL, *scores, MODEL_VERSION], partition_column=PARTITION).pl()
        for scores, versions in alike.items()
    ]
    rows = pl.concat(parts, how="diagonal_relaxed")
    first = {model: first_unseen_day(workspace, model) for model in rows[MODEL_VERSION].unique()}
    unseen = pl.col(PARTITION) >= rows[MODEL_VERSION].replace_strict(first, return_dtype=pl.String)
    honest = rows.filter(unseen, pl.col(LABEL).is_not_null(), pl.col(SCORE).is_not_null())
    return {str(day): part for (day,), part in honest.group_by(PARTITION, maintain_order=True)}


def _given_to_label(rows: pl.DataFrame) -> np.ndarray:
    """Return the probability that each row's score gave to the class that came; 0 for one that the model had not learnt."""
    found = pl.lit(0.0)
    for name in rows[LABEL].unique():
        if class_column(name) in rows.columns:
            found = pl.when(pl.col(LABEL) == name).then(pl.col(class_column(name)).fill_null(0.0)).otherwise(found)
    return rows.select(found.alias("given")).to_series().to_numpy()
