"""``ml-platform branch create | list | diff | merge | drop``: branches of the lake as environments."""

from __future__ import annotations

import shutil
from argparse import Namespace
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ml_platform.commands.answer import Answer, Sheet
from ml_platform.commands.place import open_lake, parse_at, project_root, short_name, table_filter
from ml_platform.components.instance.history import history_folder
from ml_platform.core.errors import ConflictError, LakeError
from ml_platform.core.figures import figure
from ml_platform.core.layers import TableName
from ml_platform.core.partitions import partition_text
from ml_platform.lake.ledger.version import MAIN

if TYPE_CHECKING:
    from ml_platform.audit.branch_diff import BranchDiff, ChangedTable, ModelBeside
    from ml_platform.lake.branching.branches import Change
    from ml_platform.lake.lake import Lake
    from ml_platform.project.project import Project


def create(args: Namespace) -> Answer:
    """Create a branch of the one that the settings name, as of a commit; nothing is copied."""
    lake = open_lake(args.project)
    made = lake.on(args.of or lake.branch).branches.create(args.name, parse_at(args.at))
    # What a dropped branch of this name had materialized is not there any more.
    _forget_history(args)
    data = {"branch": made.name, "parent": made.parent, "base": made.base}
    line = f"Branch {made.name} reads {made.parent} as of commit {made.base} and writes to itself."
    then = (
        f"Run assets on it: ml-platform branch run {made.name} --select features/NAME --partition DAY",
        f"Open it in the Dagster UI, with a history of its own: ml-platform branch dev {made.name}",
    )
    return Answer(data, (line,), then=then)


def list_all(args: Namespace) -> Answer:
    """Tell all branches, what each has changed, and what it takes on the disk."""
    lake = open_lake(args.project)
    rows = []
    for branch in lake.branches.all():
        here = lake.on(branch.name)
        changes, own = here.branches.changes(), here.branches.own_files().values()
        rows.append({
            "branch": branch.name, "parent": branch.parent, "since commit": branch.base, "created": branch.created,
            "partitions": len(changes), "conflicts": sum(change.is_conflict for change in changes),
            "files": sum(one.files for one in own), "bytes": sum(one.bytes for one in own),
        })  # fmt: skip
    line = "" if rows else f"There is only {MAIN}. Make a branch with: ml-platform branch create NAME"
    return Answer(rows, (line,) if line else (), (Sheet("Branches", rows),) if rows else ())


def diff(args: Namespace) -> Answer:
    """Tell what a branch would change in its parent, and what it costs."""
    from ml_platform.audit.branch_diff import diff_branch

    lake = open_lake(args.project)
    name = _named(args, lake)
    found = diff_branch(lake, name, _projects(args), table_filter(args.tables))
    tables = [_table_row(table) for table in found.tables]
    features = [{"table": short_name(f.table), "feature": f.feature, "what": f.change} for f in found.features]
    models = [_model_row(one) for one in found.models]
    verdicts = [_verdict_row(table, judged) for table, judged in found.verdicts]
    parts = [
        {"table": short_name(t.table), "partition": part.partition, **vars_of(part)} for t in found.tables for part in t.diff.partitions
    ]
    data = {
        "branch": name, "parent": found.branch.parent, "base": found.branch.base, "bytes": found.bytes, "tables": tables,
        "partitions": parts, "features": features, "models": models, "verdicts": verdicts,
    }  # fmt: skip
    if not found.tables:
        return Answer(data, (f"Branch {name} has changed nothing in {found.branch.parent}.",))
    sheets = (
        Sheet(f"{name} beside {found.branch.parent} now", tables, _note(found)),
        Sheet("Features", features),
        Sheet(f"Models beside the champion of {found.branch.parent}", models, "Each on its own untouched rows."),
        Sheet("Judged on the branch, both on the same untouched rows", verdicts),
    )
    lines = (f"Branch {name} stands on commit {found.branch.base} of {found.branch.parent}.",)
    return Answer(data, lines, tuple(sheet for sheet in sheets if sheet.rows))


def merge(args: Namespace) -> Answer:
    """Publish in the parent what a branch has made; conflicts are listed and nothing is merged."""
    from ml_platform.core.layers import is_mergeable

    lake = open_lake(args.project)
    name, matches = _named(args, lake), table_filter(args.tables)
    here, parent = lake.on(name), next((b.parent for b in lake.branches.all() if b.name == args.name), MAIN)

    def wanted(table: str) -> bool:
        return is_mergeable(table) and (matches is None or matches(table))

    try:
        merged = lake.branches.merge(name, wanted=wanted, message=args.message or "")
    except ConflictError as error:
        changes = [change for change in here.branches.changes(wanted) if change.is_conflict]
        if not changes:
            raise
        rows = [_conflict_row(change) for change in changes]
        data = {"branch": name, "parent": parent, "merged": 0, "conflicts": rows, "error": str(error)}
        sheet = Sheet(f"{parent} has published these itself since {name} began; nothing was merged", rows)
        return Answer(
            data, sheets=(sheet,), code=1, then=(f"Merge the rest with --tables PATTERN, or build these on a new branch of {parent}.",)
        )
    rows = _by_table(merged.merged)
    left = _by_table(here.branches.changes())
    data = {
        "branch": name, "parent": parent, "commit": merged.commit.number if merged.commit else None, "merged": len(merged.merged),
        "same": len(merged.same), "tables": rows, "left": left,
    }  # fmt: skip
    if merged.commit is None:
        line = f"There is nothing of {name} that {parent} does not have already."
        return Answer(data, (line,), tuple(Sheet(f"Stays on {name}", left) for _ in left[:1]))
    line = f"Commit {merged.commit.number} of {parent} takes over {len(merged.merged)} partitions of {name}; no file was copied."
    sheets = (
        Sheet("Merged", rows),
        Sheet(f"Stays on {name}", left, "What was decided or scored on a branch did not happen in its parent."),
    )
    then = (f"Let the Dagster history of {parent} know: ml-platform lake resync",)
    return Answer(data, (line,), tuple(sheet for sheet in sheets if sheet.rows), then=then)


def drop(args: Namespace) -> Answer:
    """Delete a branch and its Dagster history; its versions stay in the lake's history until retention collects them."""
    lake = open_lake(args.project)
    size = sum(one.bytes for one in lake.on(_named(args, lake)).branches.own_files().values())
    lake.branches.drop(args.name)
    _release_pins(lake, args.name)
    forgotten = _forget_history(args)
    history = " Its Dagster history is gone." if forgotten else ""
    line = f"Branch {args.name} is dropped.{history} {size:,} bytes are its alone; retention frees them: ml-platform lake gc"
    return Answer({"dropped": args.name, "bytes": size, "history_removed": forgotten}, (line,))


def vars_of(part: Any) -> dict[str, Any]:
    """Return the counts of one partition's difference."""
    return {
        "status": part.status, "rows before": part.rows_before, "rows after": part.rows_after, "added": part.rows_added,
        "removed": part.rows_removed, "changed": part.rows_changed,
    }  # fmt: skip


def _named(args: Namespace, lake: Lake) -> str:
    if args.name == MAIN:
        raise LakeError(f"{MAIN!r} is where everything starts: it has no parent to compare with, to merge into or to be dropped from.")
    lake.on(args.name).tables()  # says if there is no such branch
    return args.name


def _projects(args: Namespace) -> Mapping[str, Project]:
    from ml_platform.components.opened_projects import open_projects

    return open_projects(project_root(args.project))


def _note(found: BranchDiff) -> str:
    unknown = [short_name(t.table) for t in found.tables if not t.diff.key and t.rows("removed")]
    told = f" No key is declared for {', '.join(unknown)}: a changed row counts as one removed and one added." if unknown else ""
    return f"The branch has added {found.bytes:,} bytes to the disk.{told}"


def _table_row(table: ChangedTable) -> dict[str, Any]:
    columns = [*(f"+{c}" for c in table.diff.columns_added), *(f"-{c}" for c in table.diff.columns_removed)]
    return {
        "table": short_name(table.table), "new partitions": table.partitions("added"), "changed": table.partitions("changed"),
        "same": table.partitions("same"), "conflicts": table.conflicts, "rows added": table.rows("added"),
        "rows removed": table.rows("removed"), "rows changed": table.rows("changed"), "columns": ", ".join(columns),
        "files": table.own.files, "bytes": table.own.bytes,
    }  # fmt: skip


def _model_row(one: ModelBeside) -> dict[str, Any]:
    return {
        "problem": one.problem, "training date": one.training_date, "version": one.version, "metric": one.metric,
        "branch": _figure(one.value), "champion": _figure(one.champion_value), "champion version": one.champion_version,
    }  # fmt: skip


def _figure(value: Mapping[str, Any] | None) -> str | None:
    if value is None:
        return None
    low, high = value.get("lower"), value.get("upper")
    return figure(value["value"]) + ("" if low is None or high is None else f" [{figure(low)}, {figure(high)}]")


def _verdict_row(table: str, judged: Any) -> dict[str, Any]:
    return {
        "problem": TableName(table).name, "training date": judged.training_date, "version": judged.model_version,
        "verdict": judged.verdict, "better by": judged.difference, "lower bound": judged.lower, "why": judged.words[0],
    }  # fmt: skip


def _conflict_row(change: Change) -> dict[str, Any]:
    now = change.parent
    return {
        "table": short_name(change.table), "partition": change.partition, "branch version": change.head.id,
        "parent version": now.id if now else None, "commit": now.commit if now else None, "published": now.created if now else None,
        "run": (now.run_id or "(unnamed)")[:8] if now else None,
    }  # fmt: skip


def _by_table(changes: Sequence[Change]) -> list[dict[str, Any]]:
    tables: dict[str, list[str]] = {}
    for change in changes:
        tables.setdefault(short_name(change.table), []).append(partition_text(change.partition))
    return [{"table": t, "partitions": len(keys), "first": min(keys), "last": max(keys)} for t, keys in tables.items()]


def _forget_history(args: Namespace) -> bool:
    folder: Path = history_folder(project_root(args.project), args.name)
    if not folder.is_dir():
        return False
    shutil.rmtree(folder)
    return True


def _release_pins(lake: Lake, branch: str) -> None:
    """Release what models were made from that were promoted on the branch only: nobody can score by them any more."""
    for owner, held in lake.retention.pins().items():
        version = owner.rpartition("@")[2]
        # Owners of other pins may end in a number as well: only a model's own pin holds the model.
        if version.isdecimal() and int(version) in held and lake.versions.get(int(version)).branch == branch:
            lake.retention.unpin(owner)
