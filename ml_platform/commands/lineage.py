"""``ml-platform explain`` and ``ml-platform why``: where a model and a single value come from."""

from __future__ import annotations

import dataclasses
from argparse import Namespace
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ml_platform.commands.answer import Answer, Sheet, as_text
from ml_platform.commands.place import UsageError, find_table, open_lake
from ml_platform.core.errors import LakeError, UnknownTableError

if TYPE_CHECKING:
    from ml_platform.lake.lake import Lake
    from ml_platform.lake.version import Version
    from ml_platform.pipeline.why import Why, WhyRow
    from ml_platform.registry.pointer import Judgement


def explain(args: Namespace) -> Answer:
    """Tell what a model is, and every version of every table and every landed file that it was made from."""
    lake = open_lake(args.project)
    name, _, wanted = args.model.partition("@")
    table = find_table(lake, f"models/{name}")
    judged = judgements(lake, table)
    model = _model(lake, table, wanted, judged)
    sources = [v for v in lake.closure([model]) if v.id != model.id]
    files = [dict(file, table=v.table) for v in sources for file in v.properties.get("files", ())]
    about = {
        "model": f"{name}@{model.id}",
        "commit": model.commit,
        "published": model.created,
        "code": model.code_version,
        "run": model.run_id,
    }
    about |= {k: v for k, v in model.properties.items() if isinstance(v, str | int | float) and not isinstance(v, bool)}
    about["serves"] = _serves(model, judged)
    verdicts = _verdicts(model, judged)
    metrics = _metrics(model.properties)
    features = list(model.properties.get("features", ()))
    grouped = _by_table(sources)
    data = {
        **about,
        "metrics": metrics,
        "verdicts": verdicts,
        "features": features,
        "files_of_the_model": [{"name": f.name, "sha256": f.sha256, "bytes": f.bytes} for f in model.files],
        "made_from": [
            {"table": v.table, "partition": v.partition, "version": v.id, "commit": v.commit, "content": v.data_hash} for v in sources
        ],
        "landed_files": [{"table": f["table"], "name": f["name"], "sha256": f["sha256"], "delivered_at": f["delivered_at"]} for f in files],
    }
    sheets = [
        Sheet(f"{name}@{model.id}", [{"what": k, "value": v} for k, v in about.items()]),
        Sheet("Metrics on rows that it had not seen", metrics),
        Sheet("Verdicts", [{**row, "reasons": "\n".join(row["reasons"])} for row in verdicts]),
        Sheet("Made from", grouped, f"{len(sources)} versions, down to {len(files)} landed files; --json names each with its digest."),
    ]
    lines = (f"{len(features)} features: {', '.join(_name(f) for f in features)}",) if features else ()
    return Answer(data, sheets=tuple(s for s in sheets if s.rows), then=lines)


def why(args: Namespace) -> Answer:
    """Tell which rows a feature's value was counted from, and which were not available yet."""
    from ml_platform.components.opening import open_project
    from ml_platform.features.explain import sentence
    from ml_platform.pipeline.why import why as explain_row

    found = explain_row(open_project(args.project).workspace, args.problem, args.row, args.feature)
    name = found.definition.name
    value = "no value" if found.value is None else as_text(found.value)
    lines = (
        f"{name} = {value} for {_words(found.entity)} at the cutoff {as_text(found.cutoff)} UTC",
        sentence(found.definition),
        _window_words(found),
    )
    # The newest of those that count, and the first of those to come; --json has them all.
    counted = [_row(r) for r in found.counted[-args.limit :]]
    waiting = [_row(r) for r in found.waiting[: args.limit]]
    skipped = f" {found.skipped} more in the window have no value." if found.skipped else ""
    sheets = [
        Sheet("Counted", counted, f"The last {len(counted)} of {len(found.counted)} rows.{skipped}"),
        Sheet("Not available yet at that time", waiting, f"The first {len(waiting)} of {len(found.waiting)} rows."),
    ]
    data = dataclasses.asdict(found) | {"definition": found.definition.name, "sentence": lines[1]}
    return Answer(data, lines, tuple(sheets))


def judgements(lake: Lake, models: str) -> tuple[Judgement, ...]:
    """Return every judgement of the models of a table ``project/models/problem``, the oldest first."""
    from ml_platform.registry.pointer import from_rows

    try:
        return from_rows(lake.read(models.replace("/models/", "/champion/"), missing="raise").arrow().to_pylist())
    except UnknownTableError:
        return ()


def _serves(model: Version, judged: Sequence[Judgement]) -> str:
    """Say which of the version's two models scores now, if one does."""
    from ml_platform.pipeline.champion import name_of
    from ml_platform.registry.pointer import last_promotion

    champion = last_promotion(judged)
    if champion is None or champion.model_version != model.id:
        return "no" if champion is None else f"no: version {champion.model_version} of {champion.training_date} does"
    return f"yes: {name_of(model, champion.role)}, since {as_text(champion.decided_at)}"


def _verdicts(model: Version, judged: Sequence[Judgement]) -> list[dict[str, Any]]:
    return [
        {"decided at": j.decided_at, "judged": j.role, "verdict": j.verdict, "by": j.decided_by or "the rules", "reasons": list(j.words)}
        for j in judged
        if j.model_version == model.id
    ]


def _model(lake: Lake, table: str, wanted: str, judged: Sequence[Judgement]) -> Version:
    """Return the model version that is wanted by its id, or the champion."""
    known = [v for v in lake.history(table) if v.kind == "artifact"]
    if wanted:
        if not wanted.isdecimal():
            raise UsageError(f"{wanted!r} is no version. Versions are numbers; see them with: ml-platform history {table.split('/', 1)[1]}")
        found = next((v for v in known if v.id == int(wanted)), None)
        if found is None:
            raise LakeError(f"{table!r} has no model version {wanted}. It has: {', '.join(str(v.id) for v in known[:20])}.")
        return found
    from ml_platform.registry.pointer import last_promotion

    champion = last_promotion(judged)
    if champion is None:
        raise LakeError(f"No model of {table!r} was promoted yet. Name one of its versions: {', '.join(f'@{v.id}' for v in known[:20])}.")
    return lake.version(champion.model_version)


def _metrics(properties: Mapping[str, Any]) -> list[dict[str, Any]]:
    ours, baseline = properties.get("metrics", {}), properties.get("baseline_metrics", {})
    return [{"metric": name, "model": _figure(ours[name]), "baseline": _figure(baseline.get(name))} for name in ours]


def _figure(value: Any) -> Any:
    if not isinstance(value, Mapping):
        return value
    low, high = value.get("lower"), value.get("upper")
    interval = "" if low is None or high is None else f" [{low:.4f}, {high:.4f}]"
    return f"{value['value']:.4f}{interval}"


def _by_table(versions: Sequence[Version]) -> list[dict[str, Any]]:
    tables: dict[str, list[Version]] = {}
    for version in versions:
        tables.setdefault(version.table, []).append(version)
    return [
        {
            "table": table,
            "versions": len(found),
            "partitions": _span([v.partition for v in found]),
            "rows": sum(v.rows for v in found),
            "commits": _span([v.commit for v in found]),
        }
        for table, found in tables.items()
    ]


def _span(values: Sequence[Any]) -> str:
    present = sorted(v for v in values if v is not None)
    if not present:
        return ""
    return str(present[0]) if present[0] == present[-1] else f"{present[0]} to {present[-1]}"


def _name(feature: Any) -> str:
    return str(feature.get("name")) if isinstance(feature, Mapping) else str(feature)


def _words(values: Mapping[str, Any]) -> str:
    return ", ".join(f"{name} {as_text(value)}" for name, value in values.items())


def _window_words(found: Why) -> str:
    if found.window_start is None:
        return f"It is what was known before {as_text(found.refreshed)} UTC."
    return f"It counts what became available from {as_text(found.window_start)} until before {as_text(found.refreshed)} UTC."


def _row(row: WhyRow) -> dict[str, Any]:
    place = {"file": row.file, "row": row.row, "version": row.version, "commit": row.commit}
    return {"table": row.table, **row.values, "available at": row.available_at, "counts from": row.counts_from, **place}
