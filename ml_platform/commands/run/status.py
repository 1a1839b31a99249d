"""``ml-platform status``: one screen on what a problem stands on and what became of it, read from the ledger."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ml_platform.commands.answer import Answer, Sheet
from ml_platform.commands.place import project_root
from ml_platform.components.settings import project_clock
from ml_platform.core.partitions import partition_text

if TYPE_CHECKING:
    from ml_platform.pipeline.standing.tables import Standing
    from ml_platform.pipeline.standing.training_date import TrainingPlan
    from ml_platform.pipeline.workspace import Workspace

_SAID = 160


def status(args: Namespace) -> Answer:
    """Tell per asset what is there, what is to be made, what was stopped and what waits, and why; nothing is run and no row is read."""
    from ml_platform.commands.run.running import problems_of
    from ml_platform.components.opened_projects import open_projects
    from ml_platform.components.resources.resource import Platform
    from ml_platform.pipeline.standing.problem import problem_standings

    root = project_root(args.project)
    projects = open_projects(root)
    sheets, data = [], []
    for project, problem in problems_of(projects, args.problem, root.name):
        workspace: Workspace = Platform(root=str(root)).workspace(projects[project])
        standings, plan = problem_standings(workspace, projects[project].problem(problem), now=datetime.now(UTC))
        rows = [_row(one) for one in standings]
        lines = [*_set_time(root), *_lines(workspace, problem, standings, plan)]
        sheets.append(Sheet(f"{project}/{problem}", rows, "\n".join(lines)))
        data.append({"project": project, "problem": problem, "assets": [_plain(one) for one in standings], "summary": lines})
    return Answer(data[0] if len(data) == 1 else data, sheets=tuple(sheets))


def _row(one: Standing) -> dict[str, Any]:
    state, why = _state(one)
    return {
        "asset": f"{one.layer}/{one.name}",
        "days": len(one.heads) if None not in one.heads else None,
        "rows": one.rows or None,
        "newest": one.newest,
        "state": state,
        "why": why if len(why) <= _SAID else f"{why[:_SAID]} ...",
    }


def _state(one: Standing) -> tuple[str, str]:
    """Return the word for how an asset stands, and why in a sentence."""
    if one.problem:
        return "stopped", one.problem
    if one.stopped:
        return _counted("stopped", one.stopped), _newest(one.stopped)
    if one.due:
        return _counted("to be made", one.due), "; ".join(dict.fromkeys([*one.due.values(), *filter(None, [one.left_out])]))
    if one.heads:
        return "fresh", _newest(one.waiting) if one.waiting else one.left_out
    return ("waiting", _newest(one.waiting)) if one.waiting else ("nothing yet", "")


def _counted(word: str, partitions: Mapping[str | None, str]) -> str:
    return word if set(partitions) == {None} else f"{word}: {len(partitions)} day{'s' * (len(partitions) != 1)}"


def _newest(reasons: Mapping[str | None, str]) -> str:
    """Return the reason that holds for the newest partition, with its day if others have other ones."""
    key = max(reasons, key=partition_text)
    return reasons[key] if key is None or key in reasons[key] else f"{key}: {reasons[key]}"


def _set_time(root: Path) -> list[str]:
    """Return what time it is, if that is not the machine's."""
    found = project_clock(root).set_time()
    return [f"Time: {found.time:%Y-%m-%d %H:%M} UTC, set by {found.by.removeprefix(f'{root}/')}."] if found is not None else []


def _lines(workspace: Workspace, problem: str, standings: list[Standing], plan: TrainingPlan) -> list[str]:
    """Return what was decided, what waits for a person, and what comes next."""
    from ml_platform.pipeline.models.champion import champion_history, current_champion

    history, champion = champion_history(workspace, problem), current_champion(workspace, problem)
    lines = []
    if champion is not None:
        lines.append(f"Champion: {champion.name}, trained for {champion.training_date}, since {champion.since:%Y-%m-%d %H:%M} UTC.")
    if history:
        newest = history[-1]
        lines.append(f"Newest decision: the model of {newest.training_date} was {newest.verdict}. {newest.words[0]}")
        if newest.verdict == "held":
            lines.append(f"A person may decide: ml-platform approve {problem}@{newest.model_version} --by NAME --reason TEXT")
    lines.append(f"Training: {f'due for {plan.chosen.date}' if plan.is_due else 'not due'}: {plan.why.rstrip('.')}.")
    due = [one for one in standings if one.due]
    stopped = [one for one in standings if one.stopped or one.problem]
    if stopped:
        lines.append(
            f"Stopped: {', '.join(f'{one.layer}/{one.name}' for one in stopped)}. Correct what is named above and deliver it again."
        )
        # A row has no room for all of it.
        lines += [f"{one.layer}/{one.name}: {why}" for one in stopped if len(why := _state(one)[1]) > _SAID]
    until = "what was stopped is delivered again, " if stopped else ""
    lines.append(
        f"Next: ml-platform run {problem}" if due else f"Next: nothing is to be made until {until}new files land or a label ripens."
    )
    return lines


def _plain(one: Standing) -> dict[str, Any]:
    state, why = _state(one)
    return {
        "asset": f"{one.layer}/{one.name}",
        "partitions": len(one.heads),
        "rows": one.rows,
        "newest": one.newest,
        "state": state,
        "why": why,
        "due": {partition_text(key): told for key, told in one.due.items()},
        "stopped": {partition_text(key): told for key, told in one.stopped.items()},
        "waiting": {partition_text(key): told for key, told in one.waiting.items()},
    }
