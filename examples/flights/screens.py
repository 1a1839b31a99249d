"""The two screens of the demo: its first champion, and at the end what was built, how good it is, what was decided and what to do next."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from examples.flights.summary import NEXT_STEPS, built, champion_metrics

if TYPE_CHECKING:
    from examples.flights.demo import Demo
    from ml_platform.components.opening import Session
    from ml_platform.registry.pointer import Judgement

SHOWN_METRICS = ("auc", "log_loss", "brier")
MOST_VERDICTS = 5


def first_screen(demo: Demo, problem: str) -> list[str]:
    """Return what there is to see of the first champion, while the rest of the year is still to be built."""
    training = _training_set(demo.session, problem)
    learnt, unseen = training.properties["numbers"]["rows_train"], training.properties["numbers"]["rows_test"]
    return [
        f"A first champion after {_duration(demo.so_far)}, from a part of the year: flights until {training.partition}",
        f"  question    {demo.session.project.problem(problem).problem.description}",
        f"  learnt from {learnt:,} flights; judged on {unseen:,} later ones that it had not seen",
        *_quality(demo.session, problem),
        *_verdicts(demo.session, problem),
        "  It scores from now on. The rest of the year follows, and with it a model that has learnt from all of it.",
    ]


def last_screen(demo: Demo, problem: str) -> list[str]:
    """Return one screen on all that the demo has built."""
    session = demo.session
    layers: dict[str, list[dict[str, Any]]] = {}
    for row in built(session):
        layers.setdefault(row["layer"], []).append(row)
    days = [key for key in session.lake.partitions(session.workspace.table("tables", "arrivals")) if key is not None]
    took = f", in {_duration(demo.so_far)}" if demo.runs else "; everything was there already"
    return [
        f"Flights from New York, {min(days)} to {max(days)}{took} (peak memory {demo.peak_gib:.1f} GiB)",
        "",
        "What was built",
        f"  tables      {_counted(layers, 'tables')} that kept their contracts, {_rows(layers, 'quarantine')} in quarantine",
        f"  features    {_counted(layers, 'features')}, each from the moment on from which it held",
        f"  models      {_partitions(layers, 'models')}, each with the training set and the choice of features that it was made from",
        f"  predictions {_rows(layers, 'predictions')} scores, {_rows(layers, 'outcomes')} of them with what happened then",
        f"How good the champion is: {session.project.problem(problem).problem.description}",
        *_quality(session, problem),
        "What was decided",
        *_verdicts(session, problem),
        *_time(demo),
        "What to do next",
        *(f"  {step}" for step in NEXT_STEPS),
    ]


def _training_set(session: Session, problem: str) -> Any:
    heads = session.lake.versions.heads(session.workspace.table("training", problem))
    return heads[max(key for key in heads if key is not None)]


def _quality(session: Session, problem: str) -> list[str]:
    from ml_platform.pipeline.models.champion import current_champion

    champion = current_champion(session.workspace, problem)
    if champion is None:
        return ["  champion    none yet"]
    offered = session.lake.versions.heads(session.workspace.table("training", problem))[champion.training_date].properties["features"]
    chosen = champion.version.properties["features"]
    rows = {row["metric"]: row for row in champion_metrics(session, problem)}
    other = "baseline" if champion.role == "model" else "model"
    name = champion.version.properties.get("baseline" if other == "baseline" else "trainer", other)
    return [
        f"  champion    {champion.name} of {champion.training_date}, with {len(chosen)} of {len(offered)} features",
        *(f"  {m:<11} {rows[m]['champion']}; {name}: {rows[m][other]}" for m in SHOWN_METRICS if m in rows),
    ]


def _verdicts(session: Session, problem: str) -> list[str]:
    from ml_platform.pipeline.models.champion import champion_history

    history = champion_history(session.workspace, problem)
    more = [f"  and {len(history) - MOST_VERDICTS} earlier ones"] if len(history) > MOST_VERDICTS else []
    return [*more, *(_verdict(judgement) for judgement in history[-MOST_VERDICTS:])]


def _verdict(judgement: Judgement) -> str:
    compared = "" if judgement.difference is None else f" {judgement.difference:+.4f} [{judgement.lower:+.4f}, {judgement.upper:+.4f}]"
    return f"  {judgement.training_date}  {judgement.verdict:<9}{compared} against {_against(judgement)}"


def _against(judgement: Judgement) -> str:
    import json

    told = json.loads(judgement.reasons)
    against = str(told["against"])
    measure = told.get("comparisons", {}).get(against, {}).get("measure")
    known = {"constant": "a constant guess", "champion": "the champion"}
    return known.get(against, against) + (f" by {measure}" if measure else "")


def _time(demo: Demo) -> list[str]:
    if not demo.runs:
        return []
    own = {row["what"]: row["seconds"] for row in demo.cost}
    return [
        f"  {len(demo.runs)} runs: {own['all of our own work']:.0f} s of own work, {own['Dagster: events, steps, conditions']:.0f} s of "
        "landing, events and conditions"
    ]


def _counted(layers: Mapping[str, Sequence[Mapping[str, Any]]], layer: str) -> str:
    kind = "tables" if layer == "tables" else "feature tables"
    return f"{len(layers.get(layer, ()))} {kind} with {_rows(layers, layer)} rows"


def _rows(layers: Mapping[str, Sequence[Mapping[str, Any]]], layer: str) -> str:
    return f"{sum(row['rows'] for row in layers.get(layer, ())):,}"


def _partitions(layers: Mapping[str, Sequence[Mapping[str, Any]]], layer: str) -> str:
    count = sum(row["partitions"] for row in layers.get(layer, ()))
    return f"{count} model{'s' * (count != 1)}"


def _duration(seconds: float) -> str:
    return f"{seconds:.0f} s" if seconds < 120 else f"{int(seconds // 60)} min {int(seconds % 60)} s"
