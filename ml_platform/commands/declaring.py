"""``ml-platform init | contract infer | features explain``: from files to declarations, and declarations in words."""

from __future__ import annotations

import difflib
from argparse import Namespace

from ml_platform.commands.answer import Answer, Sheet
from ml_platform.core.errors import UnknownNameError


def explain_feature(args: Namespace) -> Answer:
    """Say in a sentence what a feature is, or every feature of a view."""
    from ml_platform.components.opening import open_project
    from ml_platform.features.explain import sentence, statement
    from ml_platform.pipeline.feature_values import resolve_features

    project = open_project(args.project).project
    columns = [f"{c.table}.{c.column}" for problem in project.problems.values() for c in problem.table_columns]
    known = resolve_features(project, [*project.views, *dict.fromkeys(columns)])
    name = args.name.rpartition(".")[2]
    found = [d for d in known if d.name == name or d.view == args.name]
    if not found:
        # A project has hundreds of features: the nearest of them, or else its views.
        near = difflib.get_close_matches(name, [d.name for d in known], n=5) or list(project.views)
        raise UnknownNameError(f"Project {project.name!r} has no feature or view {args.name!r}. Near to it: {', '.join(near)}.")
    if len(found) == 1:
        only = found[0]
        data = {"name": only.name, "sentence": sentence(only), "sql": statement(only)}
        return Answer(
            data,
            (only.name, data["sentence"], "", "The same as one statement, to be read and checked (not how it is computed):", data["sql"]),
        )
    rows = [{"feature": d.name, "what it is": sentence(d)} for d in found]
    return Answer(rows, sheets=(Sheet(f"Features of {args.name}", rows),))
