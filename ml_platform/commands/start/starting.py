"""``ml-platform init``: from files to a project that loads, with the questions that the files can answer."""

from __future__ import annotations

import re
import sys
from argparse import Namespace
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ml_platform.commands.answer import Answer, Sheet
from ml_platform.commands.new_project import defs_folder, new_project, settle_in, write_new
from ml_platform.commands.place import UsageError, find_root
from ml_platform.components.settings import allow_link, landing_root
from ml_platform.core.errors import DeclarationError, SourceError
from ml_platform.core.names import check_name

if TYPE_CHECKING:
    from ml_platform.commands.start.draft.questions import Question
    from ml_platform.commands.start.draft.roles import Drafted
    from ml_platform.tables.inference.infer import Inferred

# So many bytes of files are looked at in a few seconds.
_LARGE = 16 << 20


def init(args: Namespace) -> Answer:
    """Look at a folder of files, or at one file, and write declarations that load and run; nothing that is there is written over."""
    from ml_platform.commands.start.draft.questions import questions_of
    from ml_platform.commands.start.draft.roles import draft_tables

    given = Path(args.folder).resolve()
    if not given.exists():
        raise UsageError(f"{args.folder!r} is no folder and no file. Name the folder that holds your files, or one of them.")
    found, left_out = look_at(given)
    if not found:
        raise UsageError(" ".join([f"{given} holds no CSV, Parquet or JSON lines files that can be read.", *left_out]))
    stem = given.name if given.is_dir() else given.name.split(".")[0]
    name = check_name(args.name or re.sub(r"[^a-z0-9]+", "_", stem.lower()).strip("_"), "project")
    around = find_root(args.project)
    root, new = around or Path.cwd(), around is None
    if root.is_relative_to(given):
        raise UsageError(
            f"{given} would hold the project among your files. Go to an empty folder and name this one: ml-platform init {given}"
        )
    tables = draft_tables(found)
    target = Path(args.into) if args.into else (root / f"{name}_platform" / "defs" if new else defs_folder(root)) / name
    declared = _declared_in(target)
    fresh = {n: t for n, t in tables.items() if n not in declared}
    if not fresh:
        raise UsageError(f"{target / 'defs.yaml'} is there already and was left as it is. Remove it, or choose another name with --name.")
    questions = [] if declared else questions_of(tables)
    written = new_project(root, f"{name}_platform") if new else []
    place, linked = in_landing(given, root, name)
    written += write_drafts(target, fresh, questions, place, name)
    written += [] if new else settle_in(root)
    return _told(tables, questions, left_out, _relative(written, root), _relative([target], root)[0], linked, name, new=new)


def look_at(given: Path) -> tuple[dict[str, Inferred], list[str]]:
    """Return what the files seem to hold, by table, and a sentence for each that is left out."""
    from ml_platform.tables.delivered.file_names import group_files, table_name, unread_files
    from ml_platform.tables.inference.infer import infer_table

    folder = given if given.is_dir() else given.parent
    groups = group_files(given) if given.is_dir() else {table_name(Path(given.name)): [given]}
    found: dict[str, Inferred] = {}
    left_out = unread_files(given) if given.is_dir() else []
    for name, paths in groups.items():
        size = sum(path.stat().st_size for path in paths)
        if size >= _LARGE:
            # Answers go to the standard output; that it takes a while is no part of one.
            sys.stderr.write(f"==> looking at {name}: {size / (1 << 20):,.0f} MiB, this takes a while\n")
            sys.stderr.flush()
        try:
            table = infer_table(paths, folder)
            found[table.name] = table
        except (SourceError, DeclarationError) as error:
            left_out.append(str(error))
    return found, left_out


def _declared_in(target: Path) -> set[str]:
    """Return the names that the declarations of a folder give, whoever wrote them."""
    return {
        match[1].strip("'\"")
        for file in (target.rglob("defs.yaml") if target.is_dir() else ())
        for match in re.finditer(r"^\s+name:\s*(\S+)", file.read_text(encoding="utf-8"), re.MULTILINE)
    }


def write_drafts(target: Path, tables: Mapping[str, Drafted], questions: Sequence[Question], place: str, name: str) -> list[Path]:
    """Write contracts and declarations; to declarations that are there those of new tables are added, and nothing of them is changed."""
    from ml_platform.commands.start.draft.declarations import declarations_text
    from ml_platform.commands.start.draft.text import contract_text

    contracts = {target / f"{n}.contract.yaml": t for n, t in tables.items()}
    there = next((path for path in contracts if path.exists()), None)
    if there is not None:
        raise DeclarationError(f"{there} is there already and was left as it is. Remove it, or choose another name with --name.")
    today, team, defs = datetime.now(UTC).date(), name.replace("_", "-"), target / "defs.yaml"
    text = declarations_text(tables, questions, place, team, today, added=defs.exists())
    written = [
        write_new(path, contract_text(t.found.contract, t.found.comments, [r.to_mapping() for r in t.references]))
        for path, t in contracts.items()
    ]
    if not defs.exists():
        return [*written, write_new(defs, text)]
    with defs.open("a", encoding="utf-8") as file:
        file.write(f"\n---\n{text}")
    return [*written, defs]


def in_landing(given: Path, root: Path, name: str) -> tuple[str, Path | None]:
    """Return where files lie below the landing zone, and the link that was made to them, if they lie elsewhere: no data is copied."""
    landing = landing_root(root).resolve()
    folder = given if given.is_dir() else given.parent
    if folder.is_relative_to(landing):
        place = folder.relative_to(landing).as_posix()
        return "" if place == "." else place, None
    link = landing / name if given.is_dir() else landing / name / given.name
    allow_link(root, given)
    if link.is_symlink() and link.resolve() == given:
        return name, link
    link.parent.mkdir(parents=True, exist_ok=True)
    try:
        link.symlink_to(given, target_is_directory=given.is_dir())
    except FileExistsError:
        raise UsageError(f"{link} is there already and is another folder. Choose another name with --name.") from None
    except OSError as error:
        raise UsageError(
            f"{given} cannot be linked into the landing zone {landing} ({error}). Copy your files there and name that."
        ) from None
    return name, link


def _told(
    tables: Mapping[str, Drafted], questions: Sequence[Question], left_out: Sequence[str], written: Sequence[Path], target: Path,
    linked: Path | None, name: str, *, new: bool,
) -> Answer:  # fmt: skip
    """Tell what was found, table by table, what can be asked of it, and what to do next."""
    from ml_platform.commands.start.draft.questions import why_none

    rows = [_row(table) for table in tables.values()]
    asked = [{"problem": q.name, "asks": q.asks} for q in questions]
    data = {"project": name, "written": list(written), "tables": rows, "questions": asked, "left_out": list(left_out)}
    where = (
        [f"Your files are read where they are: {linked} is a link to {linked.resolve()}. What lands there is taken in."] if linked else []
    )
    first = questions[0].name if questions else "PROBLEM"
    steps = [
        *(["pip install -e .              # once, so that Dagster finds the project"] if new else []),
        "dg check defs                 # loads everything",
        f"ml-platform run {first:<13} # takes the files in, trains, chooses a champion and scores",
        "dg dev                        # the same as a graph, with sensors that take in what lands",
    ]
    then = (
        *(f"left out: {reason}" for reason in left_out),
        *(f"wrote {p}" for p in written),
        *where,
        "",
        *([] if questions else [f"No question was drafted. {why_none(tables)}", ""]),
        f"Read {target / 'defs.yaml'}: it loads as it stands; each line with # ? asks for what no file can say. Then:",
        *(f"  {step}" for step in steps),
    )
    sheets = [Sheet("What the files seem to hold", rows, "to answer: lines with # ? in the draft, for what no file can say.")]
    sheets += [Sheet("What can be asked of them", asked)] if asked else []
    return Answer(data, sheets=tuple(sheets), then=then)


def _row(table: Drafted) -> dict[str, Any]:
    found, time = table.found, table.found.time
    kind = "looked up by its key" if not table.is_log else "files by day" if time and time.spread else "rows find their day by their time"
    return {
        "table": found.name,
        "files": found.pattern,
        "rows seen": found.rows,
        "key": ", ".join(found.key),
        "event time": found.event_time,
        "is": kind,
        "days": f"{time.first} to {time.last}" if time and table.is_log else "",
        "about": "; ".join(" + ".join(e) for e in table.entities) if table.is_log else "",
        "refers to": ", ".join(f"{r.table} by {' + '.join(r.columns)}" for r in table.references),
        "to answer": len(found.questions) + 1,
    }


def _relative(paths: Sequence[Path], root: Path) -> list[Path]:
    return [p.relative_to(root) if p.is_relative_to(root) else p for p in paths]
