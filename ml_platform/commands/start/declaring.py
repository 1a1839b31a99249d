"""``ml-platform contract infer | features explain``: from files to declarations, and declarations in words."""

from __future__ import annotations

import difflib
from argparse import Namespace
from pathlib import Path

from ml_platform.commands.answer import Answer, Sheet
from ml_platform.commands.place import UsageError, project_root
from ml_platform.core.errors import UnknownNameError


def check(args: Namespace) -> Answer:
    """Check all declarations of a dg project; what is wrong with any of them is told, each with its file and line."""
    from ml_platform.components.opened_projects import open_projects

    found = open_projects(project_root(args.project))
    rows = [
        {"project": name, "tables": len(one.tables), "feature views": len(one.views), "problems": len(one.problems)}
        for name, one in sorted(found.items())
    ]
    return Answer(rows, (), (Sheet("All declarations are right", rows),))


def infer(args: Namespace) -> Answer:
    """Write the contract of one table, guessed from its files."""
    from ml_platform.commands.start.draft.text import contract_text, flow
    from ml_platform.tables.inference.infer import infer_table

    missing = [f for f in args.files if not Path(f).is_file()]
    if missing:
        raise UsageError(f"There is no file {', '.join(missing)}.")
    table = infer_table([Path(f).resolve() for f in args.files])
    guessed = f"key: {', '.join(table.key) or '?'}; event time: {table.event_time or '?'}"
    head = [f"# Guessed from {len(args.files)} files with {table.rows} rows; {guessed}."]
    head += [f"# In the table's source: {flow(dict(table.reading))}"] if table.reading else []
    head += [f"# ? {question}" for question in table.questions]
    data = {
        "name": table.name,
        "key": table.key,
        "event_time": table.event_time,
        "partitions": table.partitions,
        "source": dict(table.reading),
        "contract": table.contract,
    }
    return Answer(data, (*head, *contract_text(table.contract, table.comments).splitlines()))


def explain_feature(args: Namespace) -> Answer:
    """Say in a sentence what a feature is, from which columns, over which window and with which delay; or every feature of a view."""
    from ml_platform.components.opening import open_project
    from ml_platform.features.declared.explain import sentence
    from ml_platform.features.own_views.explain_code import read_columns, whole_statement
    from ml_platform.project.asked_features import resolve_features

    project = open_project(args.project).project
    columns = [f"{c.table}.{c.column}" for problem in project.problems.values() for c in problem.table_columns]
    known = resolve_features(project, [*project.views, *dict.fromkeys(columns)])
    owner, _, name = args.name.rpartition(".")
    named = [d for d in known if name in (d.name, d.declared_name) or d.view == args.name]
    found = [d.as_declared for d in named if (d.view or d.table) == owner] or [d.as_declared for d in named]
    if not found:
        # A project has hundreds of features: the nearest of them, or else its views.
        near = difflib.get_close_matches(name, [d.declared_name for d in known], n=5) or list(project.views)
        raise UnknownNameError(f"Project {project.name!r} has no feature or view {args.name!r}. Near to it: {', '.join(near)}.")
    if len(found) == 1:
        only = found[0]
        data = {
            "name": only.name, "view": only.view, "sentence": sentence(only), "reads": read_columns(only, project.tables),
            "sql": whole_statement(only, project.tables),
        }  # fmt: skip
        how = "its source and what it is handed" if only.is_python else "one statement, to be read and checked (not how it is computed)"
        return Answer(
            data,
            (only.name, data["sentence"]),
            (Sheet("Made from", data["reads"], "known: from when a row counts, strictly before the refresh."),),
            then=("", f"The same as {how}:", data["sql"]),
        )
    rows = [{"feature": d.name, "what it is": sentence(d)} for d in found]
    return Answer(rows, sheets=(Sheet(f"Features of {args.name}", rows),))
