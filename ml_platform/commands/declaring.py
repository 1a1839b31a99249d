"""``ml-platform init | contract infer | features explain``: from files to declarations, and declarations in words."""

from __future__ import annotations

import difflib
import re
from argparse import Namespace
from pathlib import Path

from ml_platform.commands.answer import Answer, Sheet
from ml_platform.commands.place import UsageError, find_root, project_root
from ml_platform.components.settings import allow_link, landing_root
from ml_platform.core.errors import SourceError, UnknownNameError
from ml_platform.core.names import check_name


def init(args: Namespace) -> Answer:
    """Look at a folder of files and write declarations that load and run; nothing that is there is written over."""
    from ml_platform.commands.drafts import contract_text, declarations_text, references_of
    from ml_platform.commands.new_project import defs_folder, new_project, settle_in, write_new
    from ml_platform.tables.file_names import group_files
    from ml_platform.tables.infer import infer_table

    folder = Path(args.folder).resolve()
    if not folder.is_dir():
        raise UsageError(f"{args.folder!r} is no folder. Name the folder that holds your files.")
    tables, left_out = {}, []
    for paths in group_files(folder).values():
        try:
            table = infer_table(paths, folder)
            tables[table.name] = table
        except SourceError as error:
            left_out.append(str(error))
    if not tables:
        raise UsageError(" ".join([f"{folder} holds no CSV, Parquet or JSON lines files that can be read.", *left_out]))
    name = check_name(args.name or re.sub(r"[^a-z0-9]+", "_", folder.name.lower()).strip("_"), "project")
    found = find_root(args.project)
    root, new = found or Path.cwd(), found is None
    written = new_project(root, f"{name}_platform") if new else []
    place = _in_landing(folder, root, name)
    target = Path(args.into) if args.into else defs_folder(root) / name
    written += [write_new(target / f"{t.name}.contract.yaml", contract_text(t, references_of(t, tables))) for t in tables.values()]
    written.append(write_new(target / "defs.yaml", declarations_text(tables, place)))
    written += [] if new else settle_in(root)
    rows = [
        {
            "table": t.name,
            "files": t.pattern,
            "rows seen": t.rows,
            "key": ", ".join(t.key),
            "event time": t.event_time,
            "by day": bool(t.partitions),
            "questions": len(t.questions) + 1,
        }
        for t in tables.values()
    ]
    paths = [p.relative_to(root) if p.is_relative_to(root) else p for p in written]
    data = {"project": name, "written": paths, "tables": rows, "left_out": left_out}
    install = "pip install -e .; " if new else ""
    then = (
        *(f"left out: {reason}" for reason in left_out),
        *(f"wrote {p}" for p in paths),
        "",
        f"Answer the lines with # ? in {target / 'defs.yaml'}, then: {install}dg check defs; dagster dev",
    )
    return Answer(data, sheets=(Sheet(f"What {folder.name}/ seems to hold", rows),), then=then)


def check(args: Namespace) -> Answer:
    """Check all declarations of a dg project; what is wrong with any of them is told, each with its file and line."""
    from ml_platform.components.opening import open_projects

    found = open_projects(project_root(args.project))
    rows = [
        {"project": name, "tables": len(one.tables), "feature views": len(one.views), "problems": len(one.problems)}
        for name, one in sorted(found.items())
    ]
    return Answer(rows, (), (Sheet("All declarations are right", rows),))


def infer(args: Namespace) -> Answer:
    """Write the contract of one table, guessed from its files."""
    from ml_platform.commands.drafts import contract_text
    from ml_platform.tables.infer import infer_table

    missing = [f for f in args.files if not Path(f).is_file()]
    if missing:
        raise UsageError(f"There is no file {', '.join(missing)}.")
    table = infer_table([Path(f).resolve() for f in args.files])
    guessed = f"key: {', '.join(table.key) or '?'}; event time: {table.event_time or '?'}"
    head = [f"# Guessed from {len(args.files)} files with {table.rows} rows; {guessed}."]
    head += [f"# ? {question}" for question in table.questions]
    data = {
        "name": table.name,
        "key": table.key,
        "event_time": table.event_time,
        "partitions": table.partitions,
        "contract": table.contract,
    }
    return Answer(data, (*head, *contract_text(table).splitlines()))


def _in_landing(folder: Path, root: Path, name: str) -> str:
    """Return where a folder lies below the landing zone; one from elsewhere becomes part of it by a link, so no data is copied."""
    landing = landing_root(root).resolve()
    if folder.is_relative_to(landing):
        place = folder.relative_to(landing).as_posix()
        return "" if place == "." else place
    allow_link(root, folder)
    link = landing / name
    if link.is_symlink() and link.resolve() == folder:
        return name
    landing.mkdir(parents=True, exist_ok=True)
    try:
        link.symlink_to(folder, target_is_directory=True)
    except FileExistsError:
        raise UsageError(f"{link} is there already and is another folder. Choose another name with --name.") from None
    except OSError as error:
        raise UsageError(
            f"{folder} cannot be linked into the landing zone {landing} ({error}). Copy your files there and name that."
        ) from None
    return name


def explain_feature(args: Namespace) -> Answer:
    """Say in a sentence what a feature is, from which columns, over which window and with which delay; or every feature of a view."""
    from ml_platform.components.opening import open_project
    from ml_platform.features.explain import sentence
    from ml_platform.features.explain_code import read_columns, whole_statement
    from ml_platform.pipeline.feature_values import resolve_features

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
