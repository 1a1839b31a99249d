"""``ml-platform lake gc | forget``: what is deleted by rule, and the one exception to "never changed"."""

from __future__ import annotations

import dataclasses
from argparse import Namespace
from collections import Counter
from collections.abc import Iterator, Sequence
from datetime import timedelta
from typing import TYPE_CHECKING, Any

from ml_platform.commands.answer import Answer, Sheet
from ml_platform.commands.place import UsageError, find_table, open_lake, project_root
from ml_platform.core.durations import format_duration, parse_duration

if TYPE_CHECKING:
    from ml_platform.lake.retention.collecting import Line, RetentionReport
    from ml_platform.lake.retention.forgetting import Forgotten
    from ml_platform.lake.retention.forgetting_published import ForgottenThere
    from ml_platform.lake.retention.rules import Rule
    from ml_platform.lake.retention.sweeping import Swept

_SHOWN = 20


def collect(args: Namespace) -> Answer:
    """Delete versions that a rule does not keep and nothing holds; in two phases, with a grace between them."""
    from ml_platform.lake.retention.collecting import GRACE

    rules = _rules(args)
    grace = _length(args.grace, "--grace") or GRACE
    report = open_lake(args.project).retention.collect(rules, dry_run=args.dry_run, grace=grace, accept_orphans=args.accept_orphans)
    would = "would be " if args.dry_run else ""
    swept = report.swept
    sheets = (
        Sheet(f"{would}deleted for good".capitalize(), _lines(report.collected)),
        Sheet(f"{would}marked: goes once it has been due for {format_duration(grace)}".capitalize(), _lines(report.marked)),
        Sheet("Due by its rule, but held", _lines(report.held)),
        Sheet(f"Files of no version, {would}put into the trash", _orphans(swept), _more(len(swept.orphan_paths))),
    )
    words = [rule.words for rule in rules]
    is_due = any(sheet.rows for sheet in sheets[:3])
    lines = () if is_due else ("Nothing is due by any of these rules:", *(f"  {text}" for text in words))
    data = {
        "dry_run": report.dry_run,
        "rules": words,
        **{name: _lines(getattr(report, name)) for name in ("collected", "marked", "held")},
        "next_sweep": report.next_sweep,
        "swept": dataclasses.asdict(swept),
    }
    return Answer(data, lines, tuple(sheet for sheet in sheets if sheet.rows), code=1 if swept.refusal else 0, then=tuple(_then(report)))


def _then(report: RetentionReport) -> Iterator[str]:
    """Yield what else is to be said of a run."""
    swept, would = report.swept, "would be " if report.dry_run else ""
    if report.next_sweep:
        yield f"Marked versions can go from {report.next_sweep:%Y-%m-%d %H:%M} UTC on: call this again then."
    if swept.orphans:
        yield "What lies in the trash is deleted after a week; `ml-platform lake recover` brings it back."
    if swept.waiting:
        yield f"{swept.waiting} more files of no version are too young to be touched, or lay here before the lake had this ledger."
    if swept.recovered:
        yield f"{swept.recovered} files {would}brought back from the trash: versions are read from them."
    if swept.emptied:
        yield f"{swept.emptied} files {would}deleted from the trash."
    if swept.failed:
        yield f"{swept.failed} files could not be moved or deleted, and are tried again next time: {swept.reason}"
    if swept.refusal:
        yield f"Without --dry-run this is refused: {swept.refusal}"


def _orphans(swept: Swept) -> list[dict[str, Any]]:
    return [{"file": path} for path in swept.orphan_paths[:_SHOWN]]


def _more(count: int) -> str:
    return f"{count} in all; --json names them." if count > _SHOWN else ""


def _rules(args: Namespace) -> Sequence[Rule]:
    """Return the rule of the command line, or else those that the projects declare."""
    from ml_platform.lake.retention.rules import Rule

    if args.superseded_for or args.versions:
        return [Rule(args.tables, _length(args.superseded_for, "--superseded-for"), args.versions)]
    from ml_platform.components.opened_projects import open_rules

    rules = open_rules(project_root(args.project))
    if not rules:
        raise UsageError(
            "Nothing here declares a retention, and without a rule everything is kept for ever. Declare one (type: ml_platform.Retention), "
            "or say what may be deleted: --superseded-for 30d, --versions 2, or both."
        )
    if args.tables != "*":
        raise UsageError(
            "--tables narrows a rule that is given here: add --superseded-for or --versions. The declared ones name their own."
        )
    return rules


def forget(args: Namespace) -> Answer:
    """Rewrite every version that holds an entity's rows without them."""
    lake = open_lake(args.project)
    if bool(args.entity) == bool(args.where):
        raise UsageError(
            "Say whom: --entity COLUMN=VALUE [COLUMN=VALUE ...] in every table that has the columns, or --table T --where SQL."
        )
    if args.where and not args.table:
        raise UsageError("A condition (--where) is about one table: name it with --table.")
    if not args.dry_run and not args.reason:
        raise UsageError("Say why with --reason (it is kept, so it must not say whose rows they were), or look first with --dry-run.")
    found = lake.retention.forget(
        entity=dict(_pair(text) for text in args.entity) if args.entity else None,
        table=find_table(lake, args.table) if args.table else None,
        where=args.where,
        reason=args.reason or "",
        dry_run=args.dry_run,
    )
    return _forgotten(found)


def _forgotten(found: Forgotten) -> Answer:
    versions: Counter[str] = Counter()
    rows: Counter[str] = Counter()
    for version, count in found.rewritten:
        versions[version.table] += 1
        rows[version.table] += count
    tables = [{"table": table, "versions": versions[table], "rows": rows[table]} for table in sorted(versions)]
    artifacts = [{"version": f"{v.table}@{v.id}", "partition": v.partition, "commit": v.commit} for v in found.artifacts]
    near = [{"table": n.table, "column": n.column, "value": "the same" if n.value is None else n.value, "rows": n.rows} for n in found.near]
    alike = [{"table": table, "column": column} for table, column in found.alike] if not tables else []
    published = [
        {"table": p.table, "folder": p.folder, "files": p.files, "published again as of commit": p.commit}
        for p in found.published
        if not p.left
    ]
    would = "would be " if found.dry_run else ""
    sheets = (
        Sheet(f"{would}rewritten without the rows".capitalize(), tables),
        Sheet(
            "Close to it, and not touched",
            near,
            "If these rows are meant too, forget them by this column and value, or with --table and --where.",
        ),
        Sheet("Columns with a name close to it", alike),
        Sheet("Made from them, and not to be rewritten", artifacts),
        Sheet(f"Published for other engines: files with the rows {would or 'were '}deleted", published),
    )
    data = {
        "dry_run": found.dry_run,
        "rows": found.rows,
        "tables": tables,
        "near": near,
        "alike": [{"table": table, "column": column} for table, column in found.alike],
        "artifacts": artifacts,
        "published": [dataclasses.asdict(p) for p in found.published],
        "digest": found.digest,
        "salt": found.salt,
    }
    is_done = bool(tables or published)
    lines = () if is_done else ("NOTHING WAS FORGOTTEN: no version holds such rows. Look at the column's name and the value.",)
    # As `verify` does: what was to be done was not.
    return Answer(data, lines, tuple(sheet for sheet in sheets if sheet.rows), code=0 if is_done else 1, then=_left_to_do(found))


def _left_to_do(found: Forgotten) -> tuple[str, ...]:
    """Say what stays of them, and where."""
    then = [f"{len(found.derived)} versions were made from them and have no column to find anybody by."] if found.derived else []
    then += [f"Runs that may still publish such rows: {', '.join(found.running)}. Call this again when they have ended."] * bool(
        found.running
    )
    then += ["The rows stay in backups until `ml-platform lake backup` is run again: it deletes them there too."]
    then += ["Landed files keep the rows, and so do copies of published tables: they are not the lake's to change."]
    then += [_not_reached(one) for one in found.published if one.left]
    if not found.dry_run and found.salt and found.rewritten:
        then += [f"Keep this salt if you must be able to prove whose rows they were: {found.salt}"]
    return tuple(then)


def _not_reached(there: ForgottenThere) -> str:
    return f"NOT REACHED: {there.table}, published in {there.folder}. {there.left}" if there.table else f"NOT REACHED: {there.left}"


def _lines(lines: tuple[Line, ...]) -> list[dict[str, Any]]:
    return [dataclasses.asdict(line) for line in lines]


def _length(text: str | None, what: str) -> timedelta | None:
    return parse_duration(text, what=what) if text else None


def _pair(text: str) -> tuple[str, str]:
    name, sign, value = text.partition("=")
    if not sign or not name:
        raise UsageError(f"{text!r} is no COLUMN=VALUE, such as tailnum=N14228.")
    return name, value
