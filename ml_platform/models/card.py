"""The model card: what a person must know before they trust a model, as one page of Markdown."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from ml_platform.core.environment import flatten_environment
from ml_platform.core.figures import figure
from ml_platform.models.contender import Role
from ml_platform.models.figures.evaluation import Evaluation
from ml_platform.models.figures.metric import title_of

# Of more classes a table is not read.
SHOWN_CLASSES = 12


@dataclass(frozen=True)
class CardSplit:
    """The rows of one part of the training set: how many, first and last cutoff as text, and their mean label or shares of classes."""

    name: str
    rows: int
    first: str
    last: str
    mean_label: float | None
    shares: Mapping[str, float] = field(default_factory=dict)


@dataclass(frozen=True)
class CardSource:
    """A table that the model was made from, in one or more steps: how many versions of it, of which partitions, with how many rows."""

    table: str
    versions: int
    first: str | None
    last: str | None
    rows: int


@dataclass(frozen=True)
class CardFeature:
    """A feature that the model uses: what it is in words, and its share of the importance in the model and in the baseline."""

    name: str
    sentence: str
    importance: float
    baseline_importance: float = 0.0


@dataclass(frozen=True)
class Card:
    """Everything that stands on the card."""

    problem: str
    description: str
    label: str
    training_date: str
    trainer: str
    baseline: str
    splits: tuple[CardSplit, ...]
    features: tuple[CardFeature, ...]
    candidates: int
    model: Evaluation
    against: Mapping[str, Evaluation]
    timeless: tuple[str, ...]
    made_from: tuple[CardSource, ...]
    limits: tuple[str, ...]
    contender: Role = "model"
    environment: Mapping[str, Any] = field(default_factory=dict)
    coverage: tuple[Mapping[str, Any], ...] = ()

    def to_mapping(self) -> dict[str, Any]:
        """Return plain values for JSON."""
        plain = {
            name: getattr(self, name)
            for name in ("problem", "description", "label", "training_date", "trainer", "baseline", "candidates", "contender")
        }  # fmt: skip
        return plain | {
            "splits": [asdict(split) for split in self.splits],
            "features": [asdict(feature) for feature in self.features],
            "made_from": [asdict(source) for source in self.made_from],
            "model": self.model.to_mapping(),
            "against": {role: evaluation.to_mapping() for role, evaluation in self.against.items()},
            "timeless": list(self.timeless),
            "limits": list(self.limits),
            "environment": dict(self.environment),
            "coverage": [dict(row) for row in self.coverage],
        }


def write_card(card: Card) -> str:
    """Return the card as Markdown."""
    return "\n\n".join(
        part
        for part in (
            f"# {card.problem}: {card.trainer} of {card.training_date}",
            card.description,
            f"**Predicts** {card.label}.",
            _data(card),
            _metrics(card),
            _classes(card.model),
            _calibration(card.model),
            _features(card),
            _origin(card),
            _coverage(card),
            _environment(card.environment),
            _list("Limits", card.limits),
        )
        if part
    ) + "\n"  # fmt: skip


def metric_rows(evaluations: Mapping[str, Evaluation], write: Callable[[float], str] = figure) -> list[dict[str, Any]]:
    """Return one row per metric with each model's figure and interval, for a table; ``write`` says how a number is written."""
    first = next(iter(evaluations.values()))
    rows = []
    for metric in first.metrics:
        row: dict[str, Any] = {"metric": title_of(metric)}
        for role, evaluation in evaluations.items():
            found = evaluation.metrics.get(metric)
            row[role] = "" if found is None else write(found.value)
            if found is not None and found.lower is not None and found.upper is not None:
                row[role] += f" [{write(found.lower)}, {write(found.upper)}]"
        rows.append(row)
    return rows


def to_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """Return rows of the same keys as a Markdown table."""
    names = list(rows[0])
    lines = [f"| {' | '.join(names)} |", f"|{'---|' * len(names)}"]
    return "\n".join([*lines, *(f"| {' | '.join(str(row[name]).replace('|', '/') for name in names)} |" for row in rows)])


def _data(card: Card) -> str:
    rows = [{"rows of": s.name, "count": f"{s.rows:,}", "first cutoff": s.first, "last cutoff": s.last} | _labels(s) for s in card.splits]
    note = "The model was fitted on the train and validate rows; the test rows were looked at once, for the figures below."
    return f"## Data\n\n{to_table(rows)}\n\n{note}"


def _labels(split: CardSplit) -> dict[str, str]:
    if split.mean_label is not None:
        return {"mean label": figure(split.mean_label)}
    shown = list(split.shares.items())[:SHOWN_CLASSES]
    more = ", ..." if len(split.shares) > len(shown) else ""
    return {"classes": ", ".join(f"{name} {share:.1%}" for name, share in shown) + more}


def class_rows(evaluation: Evaluation) -> list[dict[str, Any]]:
    """Return one row per class: how many rows are of it and were taken for it, and how well it is told from the rest."""
    return [
        {
            "class": c.name, "rows": c.rows, "taken for it": c.predicted, "precision": f"{c.precision:.3f}", "recall": f"{c.recall:.3f}",
            "F1": f"{c.f1:.3f}", "AUC against the rest": "" if c.auc is None else f"{c.auc:.4f}",
        }
        for c in evaluation.classes
    ]  # fmt: skip


def confusion_rows(evaluation: Evaluation) -> list[dict[str, Any]]:
    """Return one row per class that was: how many of its rows were taken for each class."""
    names = [one.name for one in evaluation.classes]
    titles = [*names, "a class not learnt"][: len(evaluation.confusion)]
    return [
        {"was": title} | {f"taken for {n}": count for n, count in zip(names, row, strict=True)}
        for title, row in zip(titles, evaluation.confusion, strict=True)
    ]


def _classes(evaluation: Evaluation) -> str:
    if not evaluation.classes:
        return ""
    found = f"## Classes\n\n{to_table(class_rows(evaluation))}"
    return found if len(evaluation.classes) > SHOWN_CLASSES else f"{found}\n\n{to_table(confusion_rows(evaluation))}"


def _metrics(card: Card) -> str:
    roles = {"model": card.model, **{name: card.against[name] for name in card.against}}
    heads = {"model": card.trainer, "baseline": f"{card.baseline} (baseline)"}
    rows = [{heads.get(name, name): value for name, value in row.items()} for row in metric_rows(roles)]
    note = f"Intervals: 95 %, clustered by the {card.model.days} days of the {card.model.rows:,} test rows."
    contends = (
        f"The {card.trainer} model contends for the champion's place."
        if card.contender == "model"
        else f"The {card.baseline} baseline is no worse on these rows, and simpler: it contends for the champion's place."
    )
    return f"## On untouched rows\n\n{to_table(rows)}\n\n{note} {contends}"


def _calibration(evaluation: Evaluation) -> str:
    rows = [{"rows": f"{b.rows:,}", "predicted": figure(b.predicted), "observed": figure(b.observed)} for b in evaluation.calibration]
    note = "Of each row: the probability of the likeliest class, and whether it was the right one.\n\n" if evaluation.classes else ""
    return f"## Calibration\n\n{note}{to_table(rows)}"


def _features(card: Card) -> str:
    ordered = sorted(card.features, key=lambda feature: -feature.importance)
    rows = [
        {"feature": f"`{f.name}`", "importance": f"{f.importance:.1%}", f"in {card.baseline}": f"{f.baseline_importance:.1%}"}
        | {"what it is": f.sentence}
        for f in ordered
    ]
    title = f"## Features: {len(rows)} of {card.candidates}"
    return f"{title}\n\n{to_table(rows)}" if rows else f"{title}\n\nNone."


def _origin(card: Card) -> str:
    rows = [
        {"table": s.table, "versions": s.versions, "partitions": _span(s.first, s.last), "rows": f"{s.rows:,}"} for s in card.made_from
    ]  # fmt: skip
    timeless = (
        f"Read as they are now, whatever the cutoff (declared timeless): {', '.join(card.timeless)}."
        if card.timeless
        else "No table was read as of now: every value was available before its row's cutoff."
    )
    return f"## Made from\n\n{to_table(rows)}\n\n{timeless}" if rows else f"## Made from\n\n{timeless}"


def _coverage(card: Card) -> str:
    note = "Of the days that labels and features reach, so many were there; what lies before a table's start is history that there is not."
    return f"## Coverage\n\n{to_table(card.coverage)}\n\n{note}" if card.coverage else ""


def _environment(environment: Mapping[str, Any]) -> str:
    rows = [{"what": what, "was": told} for what, told in flatten_environment(environment).items() if told is not None]
    return f"## Made with\n\n{to_table(rows)}" if rows else ""


def _span(first: str | None, last: str | None) -> str:
    return "" if first is None else str(first) if first == last else f"{first} to {last}"


def _list(title: str, lines: Sequence[str]) -> str:
    return f"## {title}\n\n" + "\n".join(f"- {line}" for line in lines) if lines else ""
