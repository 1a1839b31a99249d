"""The plot of a day's scores beside those of the rows that the model was trained on."""

from __future__ import annotations

import polars as pl

from ml_platform.core.errors import ModelError
from ml_platform.lake.ledger.version import Version
from ml_platform.models.contender import Role
from ml_platform.monitoring.score_figures import plotted_columns, scores_by_question
from ml_platform.pipeline.outcome import Markdown, Plot
from ml_platform.pipeline.remembered import Remembered
from ml_platform.pipeline.scoring.due_rows import MODEL_VERSION
from ml_platform.pipeline.scoring.reference_rows import reference_rows, roles_of
from ml_platform.pipeline.workspace import Workspace
from ml_platform.training.steps import has_steps
from ml_platform.training.target import Target

_REFERENCES: Remembered[pl.DataFrame] = Remembered(most=4)


def score_plot(target: Target, reference: pl.DataFrame, rows: pl.DataFrame, shown: str) -> Plot:
    """Return the plot of scores that a model gave, of the kind that fits its question.

    Parameters
    ----------
    target : Target
        What the model answers.
    reference, rows : DataFrame
        Scores of its training rows, and of the rows that are looked at.
    shown : str
        What these are, in a word or two: a day, a window.
    """
    kind, data = scores_by_question(target, reference, rows)
    return Plot(kind, {**data, "shown": shown})


def plot_of_day(workspace: Workspace, problem_name: str, day: Version) -> Plot | Markdown:
    """Return the plot of the scores of one day of ``predictions/<problem>``: those of the model that gave most of them.

    The rows are published by now: where a model keeps nothing to compare with, a sentence says so.
    """
    steps = has_steps(workspace.project.problem(problem_name).problem)
    rows = workspace.lake.versions.read([day], columns=[*plotted_columns(day.schema.names, steps=steps), MODEL_VERSION]).pl()
    model = workspace.lake.versions.get(max(rows[MODEL_VERSION].mode().to_list()))
    role = roles_of(workspace, problem_name).get(model.id, "model")
    try:
        reference = _REFERENCES.get((model, role, steps), lambda: _scores_of(workspace, model, role, steps=steps))
    except ModelError as error:
        return Markdown(f"The scores are not plotted. {error}")
    found = model.properties
    target = Target(found["task"], tuple(found.get("classes", ())), tuple(found.get("quantiles", ())))
    return score_plot(target, reference, rows.filter(pl.col(MODEL_VERSION) == model.id), str(day.partition))


def _scores_of(workspace: Workspace, model: Version, role: Role, *, steps: bool) -> pl.DataFrame:
    rows = reference_rows(workspace, model, role)
    return rows.select(plotted_columns(rows.columns, steps=steps))
