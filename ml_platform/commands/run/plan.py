"""``ml-platform plan``: what changed declarations would recompute, how long and how large, and which models stay as they are."""

from __future__ import annotations

from argparse import Namespace
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ml_platform.commands.answer import Answer, Sheet
from ml_platform.commands.place import open_lake, project_root, short_name
from ml_platform.core.layers import TableName
from ml_platform.lake.ledger.version import MAIN

if TYPE_CHECKING:
    from ml_platform.audit.change_plan import KeptModel, NextTraining, Recomputed

Seconds = Callable[[str, int], float | None]

_KEPT_MODELS = (
    "They go on scoring by these, whatever is declared now. Where other code computes their features than those that they were trained "
    "with, the values may differ: train again, and promotion decides between the two."
)


def plan(args: Namespace) -> Answer:
    """Compare the declarations with what the lake holds; nothing is run and nothing is written."""
    from ml_platform.audit.change_plan import plan_changes
    from ml_platform.components.opened_projects import open_projects
    from ml_platform.components.resources.resource import Platform

    root, lake = project_root(args.project), open_lake(args.project)
    plans = {name: plan_changes(Platform(root=str(root)).workspace(project)) for name, project in open_projects(root).items()}
    with ExitStack() as opened:
        seconds = _past(root, lake.branch, opened)
        rows = [_row(one, seconds) for found in plans.values() for one in found.recomputed]
        trainings = [_training_row(one, seconds) for found in plans.values() for one in found.trainings]
    models = [_model_row(one) for found in plans.values() for one in found.models]
    undeclared = [short_name(table) for found in plans.values() for table in found.undeclared]
    data = {"branch": lake.branch, "recomputed": rows, "next_training": trainings, "models": models, "undeclared": undeclared}
    sheets = (
        Sheet("Would be recomputed", rows, _total(rows)),
        Sheet("The next training is made by the new declaration", trainings, "Training sets, selections and models of past dates stay."),
        Sheet(
            "Models that keep their own definitions",
            models,
            _KEPT_MODELS,
        ),
    )
    lines = (f"No longer declared, and kept as they are: {', '.join(undeclared)}.",) if undeclared else ()
    if not rows and not trainings and not models:
        nothing = "Everything that the lake holds was made by today's declarations: nothing would be recomputed."
        return Answer(data, (*lines, nothing))
    first = next((row for row in rows if row["partitions"]), None)
    then = _try(first) if first is not None and lake.branch == MAIN else ()
    return Answer(data, lines, tuple(sheet for sheet in sheets if sheet.rows), then=then)


def _past(root: Path, branch: str, opened: ExitStack) -> Seconds:
    """Return what tells the seconds of a table's partitions; of a branch that has run nothing, by the runs of ``main``."""
    import dagster as dg

    from ml_platform.components.instance.history import history_folder, history_home, open_history
    from ml_platform.components.runs.past_cost import past_seconds

    homes = {branch: history_folder(root, branch)} if branch != MAIN else {}
    homes[MAIN] = history_home(root, MAIN)
    instances = [opened.enter_context(open_history(root, name)) for name, home in homes.items() if (home / "dagster.yaml").is_file()]
    return lambda table, partitions: past_seconds(instances, dg.AssetKey(TableName(table).parts), partitions)


def _row(one: Recomputed, seconds: Seconds) -> dict[str, Any]:
    count = len(one.partitions)
    taken = seconds(one.table, count) if count else None
    return {
        "asset": short_name(one.table), "why": one.why, "what": one.what, "partitions": count,
        "first": one.partitions[0] if count else None, "last": one.partitions[-1] if count else None, "rows": one.rows,
        "MB": round(one.bytes / 1e6, 3), "seconds": None if taken is None else round(taken, 2),
    }  # fmt: skip


def _training_row(one: NextTraining, seconds: Seconds) -> dict[str, Any]:
    taken = seconds(one.table, 1)
    return {
        "asset": short_name(one.table), "newest": one.newest, "rows": one.rows, "MB": round(one.bytes / 1e6, 3),
        "seconds": None if taken is None else round(taken, 2),
    }  # fmt: skip


def _model_row(one: KeptModel) -> dict[str, Any]:
    return {
        "problem": one.problem, "version": one.version, "training date": one.training_date, "champion": one.is_champion,
        "declared otherwise": ", ".join(one.changed), "no longer declared": ", ".join(one.gone),
        "computed by other code": one.is_recoded,
    }  # fmt: skip


def _total(rows: Sequence[dict[str, Any]]) -> str:
    partitions, size = sum(row["partitions"] for row in rows), sum(row["MB"] for row in rows)
    known = [row["seconds"] for row in rows if row["seconds"] is not None]
    unknown = len([row for row in rows if row["seconds"] is None and row["partitions"]])
    time = f", about {sum(known):.1f} s of our own work by past runs" if known else ""
    more = f" ({unknown} assets have not run before)" if unknown else ""
    return f"At most {partitions} partitions and {size:.3f} MB{time}{more}; equal content is not written again."


def _try(row: dict[str, Any]) -> tuple[str, ...]:
    """Return how to try the change out before everything is recomputed."""
    days = f" --partition {row['last']}" if row["last"] else ""
    return (
        "Try it on a branch first:",
        "  ml-platform branch create dev/try",
        f"  ml-platform branch run dev/try --select {row['asset']}{days}",
        "  ml-platform branch diff dev/try",
    )
