"""``ml-platform reproduce``: a model made again from exactly what it was made from, and how alike the two are."""

from __future__ import annotations

import dataclasses
import math
import sys
from argparse import Namespace
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ml_platform.commands.answer import Answer, Sheet, write
from ml_platform.commands.place import UsageError

if TYPE_CHECKING:
    from ml_platform.audit.reproduce import AssetLikeness, PartitionLikeness, Reproduction
    from ml_platform.audit.reproduction_plan import CodeRow, ReproductionPlan

_SHOWN = 5


def reproduce(args: Namespace) -> Answer:
    """Make a model again on a throw-away branch; the exit code is 0 if it is the same (within tolerance), 1 if it differs."""
    from ml_platform.audit.reproduce import reproduce as run
    from ml_platform.audit.reproduction_plan import plan_reproduction
    from ml_platform.audit.verdict import DIFFERS
    from ml_platform.components.opening import open_project

    name, _, wanted = args.model.partition("@")
    if wanted and not wanted.isdecimal():
        raise UsageError(f"{wanted!r} is no version. Versions are numbers; see them with: ml-platform history models/{name}")
    workspace = dataclasses.replace(open_project(args.project).workspace, say=_say)
    plan = plan_reproduction(workspace, name, int(wanted) if wanted else None, from_landing=args.origin == "landing")
    if not args.json:
        write(Answer(None, sheets=_prospect(plan)), as_json=False)
    found = run(workspace, plan, keep_branch=args.keep_branch)
    kept = f"The branch {found.branch} was kept; let it go with: ml-platform branch drop {found.branch}"
    return Answer(
        _finite(_data(found, kept=args.keep_branch)),
        sheets=_findings(found),
        then=(found.summary, *((kept,) if args.keep_branch else ())),
        code=int(found.verdict == DIFFERS),
    )


def _say(text: str) -> None:
    sys.stderr.write(f"==> {text}\n")
    sys.stderr.flush()


def _prospect(plan: ReproductionPlan) -> tuple[Sheet, ...]:
    """Return what it was made with beside what is here."""
    unknown = "Its environment was not recorded: it was made by an older version." if plan.environment[0]["then"] is None else ""
    code = [_code_row(row) for row in plan.code]
    return (
        Sheet(f"{plan.model} was made with", [dict(row) for row in plan.environment], unknown),
        Sheet("Code and declarations", code, f"{len(plan.closure):,} versions, of which {len(plan.pinned):,} are read as they were kept."),
    )


def _code_row(row: CodeRow) -> dict[str, Any]:
    then = ", ".join(f"{code} ({count})" if len(row.then) > 1 else code for code, count in row.then.items())
    note = "the model's own definitions are used" if row.is_carried else "" if row.is_same else "not what it was"
    return {
        "asset": row.asset,
        "versions": sum(row.then.values()),
        "then": then,
        "here": row.here or "not declared",
        "same": row.is_same,
    } | ({"note": note} if note else {})


def _findings(found: Reproduction) -> tuple[Sheet, ...]:
    sheets = [Sheet("Made again, layer by layer", [_asset_row(asset) for asset in found.assets], "\n".join(_reasons(found)))]
    if found.model is not None:
        sheets.append(Sheet("The model's files", [dict(row) for row in found.model.files], "\n".join(found.model.parts)))
        figures = [{k: v for k, v in row.items() if k != "verdict"} | {"is": row["verdict"]} for row in found.model.figures]
        sheets.append(Sheet("Figures on rows that it had not seen", figures))
    return tuple(sheets)


def _asset_row(asset: AssetLikeness) -> dict[str, Any]:
    from ml_platform.audit.verdict import DIFFERS, IDENTICAL, WITHIN

    row = {
        "asset": asset.asset,
        "versions": len(asset.partitions),
        "identical": asset.count(IDENTICAL),
        "within tolerance": asset.count(WITHIN),
        "different": asset.count(DIFFERS),
        "is": asset.verdict,
    }
    if asset.rows_differing or asset.columns:
        row |= {"rows that differ": asset.rows_differing, "columns": ", ".join(asset.columns), "largest relative difference": asset.largest}
    return row


def _reasons(found: Reproduction) -> list[str]:
    lines = []
    for asset in found.assets:
        reasons = asset.reasons
        lines += [f"{asset.asset}, {reason}" for reason in reasons[:_SHOWN]]
        if len(reasons) > _SHOWN:
            lines.append(f"{asset.asset}: {len(reasons) - _SHOWN} more partitions; --json names them all.")
        if asset.read_otherwise:
            lines.append(f"{asset.asset}: {asset.read_otherwise} were made from other versions than are recorded.")
    return lines


def _data(found: Reproduction, *, kept: bool) -> dict[str, Any]:
    plan, model = found.plan, found.model
    return {
        "model": plan.model,
        "verdict": found.verdict,
        "summary": found.summary,
        "first_difference": found.first_difference.asset if found.first_difference else None,
        "made_again": found.made.id if found.made else None,
        "branch": found.branch if kept else None,
        "environment": plan.environment,
        "code": [{**dataclasses.asdict(row), "same": row.is_same} for row in plan.code],
        "assets": [
            {
                **_asset_row(asset),
                "read_otherwise": asset.read_otherwise,
                "partitions": [_partition_row(part) for part in asset.partitions if part.verdict != "bit-identical" or part.why],
            }
            for asset in found.assets
        ],
        "model_files": model.files if model else [],
        "model_parts": model.parts if model else [],
        "figures": model.figures if model else [],
    }


def _partition_row(part: PartitionLikeness) -> dict[str, Any]:
    return {
        "partition": part.then.partition,
        "version": part.then.id,
        "made_again": part.made.id if part.made else None,
        "verdict": part.verdict,
        "why": part.why,
        "differences": dataclasses.asdict(part.likeness) if part.likeness else None,
    }


def _finite(value: Any) -> Any:
    """Return plain values in which an infinite difference (one side is missing) is None: JSON has no infinity."""
    if isinstance(value, Mapping):
        return {name: _finite(one) for name, one in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(one) for one in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value
