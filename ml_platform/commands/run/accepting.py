"""``ml-platform accept-delivery``: a person's word on a delivery that was stopped because rows would go."""

from __future__ import annotations

from argparse import Namespace

from ml_platform.commands.answer import Answer
from ml_platform.commands.place import project_root


def accept_delivery(args: Namespace) -> Answer:
    """Accept the loss of rows of a stopped partition, and publish it."""
    from ml_platform.components.assets.table_assets import table_plan
    from ml_platform.components.opening import open_project
    from ml_platform.components.runs.runless import report_outcome
    from ml_platform.pipeline.tables import acceptance

    session = open_project(args.project)
    decision, outcome = acceptance.accept_delivery(session.workspace, args.table, args.partition, by=args.by, reason=args.reason)
    is_shown = report_outcome(project_root(args.project), table_plan(session.project, args.table), outcome, session.lake)
    where = " ".join(filter(None, [args.table, args.partition]))
    (made,) = outcome.partitions
    lost = f"{decision['lost']:,} {decision['unit']} of version {decision['readable_version']} are not in it"
    if made.version is None:
        return Answer(decision | {"stopped": made.stopped}, (f"{where} is accepted ({lost}), but stopped: {made.stopped}",), code=1)
    lines = [f"{where} is accepted and readable as version {made.version.id}: {made.version.rows:,} rows; {lost}."]
    if not is_shown:
        lines.append(f"Dagster keeps no history here: materialize tables/{args.table} to see it in the UI.")
    return Answer(decision | {"version": made.version.id}, tuple(lines))
