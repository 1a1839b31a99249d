"""What ``ml-platform run`` tells at its end: what was taken in or stopped, what the model is worth, what was decided, where to look."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING, Any

from ml_platform.core.intervals import DAY, day_start
from ml_platform.core.layers import OBSERVED_LAYERS, TableName

if TYPE_CHECKING:
    from ml_platform.components.runs.problem_run import Done, ProblemRun, Step
    from ml_platform.registry.pointer import Judgement

_REASONS = 6
_LINE = 110


def story(run: ProblemRun) -> list[str]:
    """Return the lines for a reader, of a run that has ended."""
    lines = [f"{run.workspace.project.name}/{run.problem}"]
    if not run.done:
        lines.append("  Nothing has changed since the last time: no new files, and everything stands on what its inputs hold now.")
    lines += _section("Taken in", _made(run, "tables"))
    lines += _section("Stopped, or found wrong", run.failed)
    lines += _section("Features", _made(run, "features"))
    lines += _section("Model", _model(run))
    lines += _section("Scores", _scores(run))
    return lines


def next_steps(run: ProblemRun) -> tuple[str, ...]:
    """Return where to look, and how to do the same with Dagster's own command."""
    project, problem = run.workspace.project.name, run.problem
    steps = {
        "dg dev": f"everything in the Dagster UI: http://127.0.0.1:3000/assets/{project}/champion/{problem}",
        f"ml-platform status {problem}": "what is there, what waits and what was stopped, on one screen",
        f"ml-platform show predictions/{problem}": "the scores",
        f"ml-platform explain {problem}": "what the champion was made from, down to the landed files",
        f"ml-platform run {problem}": "again, when new files have landed: only what they change is made",
    }
    width = max(map(len, steps))
    found = ["", "Where to look next:", *(f"  {command:<{width}}   {what}" for command, what in steps.items())]
    if run.done:
        found += ["", "The same with Dagster's own command:", *(f"  {line}" for one in run.done for line in dg_launch(one.step))]
    return tuple(found)


def dg_launch(step: Step) -> list[str]:
    """Return the ``dg launch`` that makes what a step makes; the champion, which has no partitions, has one of its own.

    Examples
    --------
    >>> from types import SimpleNamespace as Made
    >>> keys = [Made(path=["shop", layer, "churn"]) for layer in ("models", "champion")]
    >>> dg_launch(Made(keys=keys, days=("2024-01-01",)))
    ['dg launch --assets shop/models/churn --partition 2024-01-01', 'dg launch --assets shop/champion/churn']
    >>> dg_launch(Made(keys=keys[:1], days=("2024-01-01", "2024-01-02")))
    ['dg launch --assets shop/models/churn --partition-range 2024-01-01...2024-01-02']
    """
    days = (
        f" --partition {step.days[0]}"
        if len(step.days) == 1
        else f" --partition-range {step.days[0]}...{step.days[-1]}"
        if step.days
        else ""
    )
    plain = [key for key in step.keys if TableName.of_parts(key.path).layer == "champion"]
    daily = [key for key in step.keys if key not in plain]
    found = [f"dg launch --assets {_names(daily)}{days}"] if daily else []
    return [*found, f"dg launch --assets {_names(plain)}"] if plain else found


def _names(keys: Sequence[Any]) -> str:
    return ",".join(TableName.of_parts(key.path) for key in keys)


def _section(title: str, lines: Sequence[str]) -> list[str]:
    return [title, *(f"  {line}" for line in lines)] if lines else []


def _rows_of(done: Sequence[Done], layer: str) -> dict[str, dict[str, Any]]:
    """Return per asset of a layer what all runs have written: partitions, rows, the first and the last day."""
    found: dict[str, dict[str, Any]] = {}
    for one in done:
        for row in one.rows:
            table = TableName.given("", row["asset"])
            if table.layer == layer:
                seen = found.setdefault(table.name, {"written": 0, "unchanged": 0, "rows": 0, "days": []})
                seen["written"] += row["written"]
                seen["unchanged"] += row["unchanged"]
                seen["rows"] += row["rows"]
                seen["days"] += one.step.days
    return found


def _made(run: ProblemRun, layer: str) -> list[str]:
    """Return a line per asset of a layer that was run."""
    lines = []
    for name, made in _rows_of(run.done, layer).items():
        heads = run.workspace.lake.versions.heads(run.workspace.table(layer, name))
        days = [str(day) for day in made["days"] if day in heads]
        if made["written"]:
            when = f" in {counted(made['written'], 'day')}, the newest {max(days)}" if days else ""
            same = f"; {counted(made['unchanged'], 'day')} found to be as before" if made["unchanged"] and days else ""
            lines.append(f"{name}: {made['rows']:,} rows{when}{same}")
        elif made["unchanged"]:
            lines.append(f"{name}: looked at again, and found to be as before")
    return lines


def counted(number: int, what: str) -> str:
    """Return a number with its noun.

    Examples
    --------
    >>> counted(1, "day"), counted(1200, "row")
    ('1 day', '1,200 rows')
    """
    return f"{number:,} {what}{'s' * (number != 1)}"


def _model(run: ProblemRun) -> list[str]:
    from ml_platform.pipeline.models.champion import champion_history, current_champion
    from ml_platform.pipeline.models.worth import model_metrics

    history, plan = champion_history(run.workspace, run.problem), run.training
    lines: list[str] = []
    if plan is not None:
        trained = any("models" in {TableName.of_parts(key.path).layer for key in one.step.keys} for one in run.done)
        what = "Trained" if trained else "Not trained again" if history else "Not trained"
        what += f" for {plan.chosen.date}" if plan.chosen.date else ""
        lines.append(f"{what}: {plan.why.rstrip('.')}.")
        if plan.chosen.date and (trained or not history):
            lines.append(f"{plan.chosen.date} is {plan.chosen.why}.")
    if not history:
        return [*lines, "There is no champion yet: no model was judged."]
    newest = history[-1]
    judged = any("champion" in {TableName.of_parts(key.path).layer for key in one.step.keys} for one in run.done)
    if judged:
        lines.append(f"Decision on the model of {newest.training_date}: {newest.verdict}.")
        lines += [f"  {reason}" for reason in newest.words[:_REASONS]]
        lines += _way_out(run, newest)
    champion = current_champion(run.workspace, run.problem)
    if champion is None:
        return lines
    lines.append(f"Champion: {champion.name}, trained for {champion.training_date}. On rows that it had not seen:")
    for row in model_metrics(champion.version, champion.role):
        others = ", ".join(f"{name} {value}" for name, value in row.items() if name not in ("metric", "champion") and value is not None)
        lines.append(f"  {row['metric']} {row['champion']}{f'   ({others})' if others else ''}")
    return lines


def _way_out(run: ProblemRun, newest: Judgement) -> Iterator[str]:
    if newest.verdict == "held":
        model = f"{run.problem}@{newest.model_version}"
        yield f"  A person may let it score all the same: ml-platform approve {model} --by NAME --reason TEXT"


def _scores(run: ProblemRun) -> list[str]:
    from ml_platform.pipeline.standing.problem import prediction_standing

    made = _rows_of(run.done, "predictions").get(run.problem)
    heads = run.workspace.lake.versions.heads(run.workspace.table("predictions", run.problem))
    lines = []
    if made and made["written"]:
        for one in run.done:
            if any(TableName.of_parts(key.path).layer == "predictions" for key in one.step.keys):
                for day in one.step.days:
                    if day in heads:
                        lines.append(f"{day}: {counted(heads[day].rows, 'row')} with a score")
    elif heads:
        lines.append(f"No new rows; the newest scored day is {max(day for day in heads if day)}.")
    else:
        standing = prediction_standing(run.workspace, run.workspace.project.problem(run.problem), last=run.last_day)
        lines += list(standing.waiting.values())[-1:]
    for layer in OBSERVED_LAYERS:
        made = _rows_of(run.done, layer).get(run.problem)
        if made and made["written"]:
            lines.append(f"{layer}: {counted(made['written'], 'day')}")
    return [*lines, *_answers(run, [str(day) for day in heads])]


def _answers(run: ProblemRun, scored: Sequence[str]) -> list[str]:
    """Say when the first answers to the scores are known that have none yet."""
    answered = run.workspace.lake.versions.heads(run.workspace.table("outcomes", run.problem))
    open_days = sorted(day for day in scored if day not in answered)
    if not open_days:
        return []
    ripe = day_start(open_days[0]) + DAY + run.workspace.project.problem(run.problem).maturity
    return [f"What came of {open_days[0]} is known when everything up to {ripe:%Y-%m-%d %H:%M} UTC has landed."]
