"""What a reader sees of trained models: figures, plots, the card, and whether they beat what they must."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ml_platform.core.figures import figure
from ml_platform.models.card import class_rows, confusion_rows, metric_rows
from ml_platform.models.figures.evaluation import Evaluation
from ml_platform.models.figures.metric import title_of
from ml_platform.models.fit import Fitted
from ml_platform.pipeline.outcome import CheckOutcome, Markdown, Plot, Rows

# More bars than this are not read.
SHOWN_FEATURES = 30


def numbers_of(fitted: Fitted) -> dict[str, float | int | str]:
    """Return what is plotted over training dates: the test figures, and the first of them of the baseline."""
    figures: dict[str, float | int | str] = dict(fitted.evaluation.numbers)
    beside = fitted.against["baseline"].numbers
    return {
        **figures,
        **{f"baseline_{name}": beside[name] for name in list(figures)[:1] if name in beside},
        "features": len(fitted.trained.features),
        "test_rows": fitted.evaluation.rows,
        "contends": fitted.contender,
    }


def metadata_of(fitted: Fitted, card: str) -> dict[str, Any]:
    """Return what stands beside the newest model: metrics, plots and the card."""
    evaluations = {fitted.trained.kind: fitted.evaluation, **_others(fitted)}
    importance = sorted(fitted.trained.importance().items(), key=lambda item: (-item[1], item[0]))[:SHOWN_FEATURES]
    found: dict[str, Any] = {
        "metrics": Rows(tuple(_narrow(row) for row in metric_rows(evaluations, _shown))),
        "importance": Plot("importance", {"features": [name for name, _ in importance], "values": [value for _, value in importance]}),
        "card": Markdown(card),
    }
    if fitted.evaluation.task == "classification":
        found["calibration"] = Plot("calibration", _calibration_figure(fitted.evaluation))
        baseline = fitted.companions["baseline"].kind
        both = {fitted.trained.kind: fitted.evaluation, f"{baseline} (baseline)": fitted.against["baseline"]}
        found["roc"] = Plot("roc", {"curves": [_roc_curve(name, one) for name, one in both.items()]})
    if fitted.steps:
        found["by_step"] = Rows(tuple(_step_row(fitted, step) for step in sorted(fitted.steps)))
    if fitted.evaluation.classes:
        found["calibration"] = Plot("calibration", _calibration_figure(fitted.evaluation))
        found["classes"] = Rows(tuple(class_rows(fitted.evaluation)))
        found["confusion"] = Rows(tuple(confusion_rows(fitted.evaluation)))
        names = [one.name for one in fitted.evaluation.classes]
        counts = [list(row) for row in fitted.evaluation.confusion[: len(names)]]
        found["confusion_picture"] = Plot("confusion", {"classes": names, "counts": counts})
    return found


def _shown(value: float) -> str:
    """Write a figure shortly: three models with their intervals stand side by side on a page."""
    return f"{value:.3g}" if abs(value) < 1000 else figure(value)


def baseline_check(fitted: Mapping[str, Fitted]) -> CheckOutcome:
    """Judge the models of a run: an error if one does not beat the constant beyond chance, a warning if one does not beat the baseline.

    A model that does not beat its baseline is not lost: the baseline that was fitted beside it contends for the champion's place instead.
    """
    rows = tuple({"training_date": day, **_row(found)} for day, found in sorted(fitted.items()))
    worthless = [day for day, found in sorted(fitted.items()) if not found.beats_constant]
    weak = [day for day, found in sorted(fitted.items()) if not found.beats_baseline]
    numbers = {"not_above_constant": float(len(worthless)), "not_above_baseline": float(len(weak))}
    if not fitted:
        return CheckOutcome("beats_baseline", False, "error", "No model was trained.", rows, numbers)
    if worthless:
        summary = f"The model of {', '.join(worthless)} is not better than the constant beyond chance: it knows nothing yet."
        return CheckOutcome("beats_baseline", False, "error", summary, rows, numbers)
    baseline = next(iter(fitted.values())).companions["baseline"].kind
    if weak:
        summary = f"The model of {', '.join(weak)} is no better than the {baseline} baseline, which is simpler and contends in its place."
        return CheckOutcome("beats_baseline", False, "warn", summary, rows, numbers)
    summary = f"Better than the constant beyond chance, and than the {baseline} baseline, on rows that nobody had seen."
    return CheckOutcome("beats_baseline", True, "warn", summary, rows, numbers)


def _narrow(row: Mapping[str, Any]) -> dict[str, Any]:
    """Return a row of the metrics with the constant's interval left out: it is there to be beaten, and the card has it."""
    return {name: value.partition(" [")[0] if name == "constant" else value for name, value in row.items()}


def _step_row(fitted: Fitted, step: int) -> dict[str, Any]:
    """Return the figures of one step of a forecast: the first two of the model, the first of the baseline."""
    model, baseline = fitted.steps[step]
    shown = list(model.numbers)[:2]
    row = {"step": step, "rows": model.rows} | {title_of(name): model.numbers[name] for name in shown}
    return row | {f"{title_of(name)} of the baseline": baseline.numbers.get(name) for name in shown[:1]}


def _others(fitted: Fitted) -> dict[str, Evaluation]:
    """Return the companions' figures under names that differ from the model's own."""
    kind = fitted.companions["baseline"].kind
    return {kind if kind != fitted.trained.kind else "baseline": fitted.against["baseline"], "constant": fitted.against["constant"]}


def _roc_curve(name: str, evaluation: Evaluation) -> dict[str, Any]:
    false, found = evaluation.roc
    # Where the problem does not name it among its metrics: the area below the points that are drawn.
    steps = zip(false, false[1:], found, found[1:], strict=False)
    area = evaluation.numbers.get("auc", sum((right - left) * (low + high) / 2 for left, right, low, high in steps))
    return {"name": name, "false_positive_rate": list(false), "true_positive_rate": list(found), "auc": area}


def _calibration_figure(evaluation: Evaluation) -> dict[str, Any]:
    table = evaluation.calibration
    return {
        "predicted": [bin_.predicted for bin_ in table],
        "observed": [bin_.observed for bin_ in table],
        "rows": [bin_.rows for bin_ in table],
    }


def _row(fitted: Fitted) -> dict[str, Any]:
    row: dict[str, Any] = {}
    for role, compared in fitted.comparisons.items():
        if compared is None:
            row |= {f"better than {role} by": "not known: test rows of one day"}
            continue
        row |= {
            "measure": compared.measure,
            "model": compared.challenger,
            role: compared.champion,
            f"better than {role} by": compared.difference,
            f"lower bound, {role}": compared.lower,
        }
    return row | {"test rows": fitted.evaluation.rows, "test days": fitted.evaluation.days}
