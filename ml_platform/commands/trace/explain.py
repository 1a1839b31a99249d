"""``ml-platform explain``: what a model, a day of predictions or any other version was made from, down to the landing files."""

from __future__ import annotations

import dataclasses
import json
import sys
from argparse import Namespace
from collections.abc import Mapping
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

from ml_platform.commands.answer import Answer, Sheet, as_text
from ml_platform.commands.lake.versions import find_version, judgements
from ml_platform.commands.place import UsageError, open_lake, project_root
from ml_platform.components.settings import landing_root
from ml_platform.core.figures import figure
from ml_platform.lineage.closure import Lineage, TableUse, lineage_of, table_uses

if TYPE_CHECKING:
    from openlineage.client import event_v2

    from ml_platform.lake.lake import Lake
    from ml_platform.lake.ledger.version import Version

STANDARD_OUTPUT = "-"


def explain(args: Namespace) -> Answer:
    """Tell what a version is, and every version of every table and every landing file that it was made from."""
    lake = open_lake(args.project)
    version = find_version(lake, args.version)
    lineage = lineage_of(lake, [version])
    if args.openlineage == STANDARD_OUTPUT:
        return _events_on_standard_output(args, lake, lineage)
    written = [_write_events(args, lake, lineage)] if args.openlineage else []
    written += [_write_picture(Path(args.picture), lineage)] if args.picture else []
    about = _about(version) | _standing(lake, version)
    data = _data(version, lineage) | about
    features = data["features"]
    verdicts = about.pop("verdicts", [])
    sheets = [
        Sheet(data["model" if "model" in data else "version"], [{"what": k, "value": v} for k, v in about.items()]),
        Sheet("Metrics on rows that it had not seen", data["metrics"]),
        Sheet("Verdicts", [{**row, "reasons": "\n".join(row["reasons"])} for row in verdicts]),
        Sheet("Made from", [_use_row(use) for use in table_uses(lineage.sources)], _how_far(lineage, args)),
    ]
    if args.files:
        sheets.append(Sheet("Landing files", data["landed_files"]))
    lines = [f"{len(features)} features: {', '.join(features)}"] if features else []
    return Answer(data, sheets=tuple(s for s in sheets if s.rows), then=(*lines, *written))


def _data(version: Version, lineage: Lineage) -> dict[str, Any]:
    """Return everything that is known, as JSON has it."""
    return {
        **_about(version),
        "metrics": _metrics(version.properties),
        "features": [_name(feature) for feature in version.properties.get("features", ())],
        "files": [{"name": f.name, "path": f.path, "sha256": f.sha256, "bytes": f.bytes} for f in version.files],
        "tables": [dataclasses.asdict(use) for use in table_uses(lineage.sources)],
        "made_from": [
            {
                "table": v.table,
                "partition": v.partition,
                "version": v.id,
                "commit": v.commit,
                "rows": v.rows,
                "content": v.data_hash,
                "code": v.code_version,
                "run": v.run_id,
                "inputs": lineage.edges.get(v.id, ()),
            }
            for v in lineage.sources
        ],
        "landed_files": [dataclasses.asdict(file) for file in lineage.files],
    }


def _about(version: Version) -> dict[str, Any]:
    name = version.table.name
    is_model = version.table.layer == "models"
    about = {"model": f"{name}@{version.id}"} if is_model else {"version": f"{version.table}@{version.id}"}
    about |= {
        "table": version.table,
        "partition": version.partition,
        "kind": version.kind,
        "rows": version.rows,
        "commit": version.commit,
        "published": version.created,
        "content": version.data_hash,
        "code": version.code_version,
        "run": version.run_id,
    }
    plain = {k: v for k, v in version.properties.items() if isinstance(v, str | int | float) and not isinstance(v, bool) and k not in about}
    return about | plain


def _standing(lake: Lake, version: Version) -> dict[str, Any]:
    """Return whether a model scores now, by which of its two fitted models, and what was decided about it; nothing for other versions."""
    if version.table.layer != "models":
        return {}
    from ml_platform.pipeline.models.champion import name_of
    from ml_platform.registry.pointer import last_promotion

    judged = judgements(lake, version.table)
    champion = last_promotion(judged)
    if champion is None:
        serves = "no"
    elif champion.model_version != version.id:
        serves = f"no: version {champion.model_version} of {champion.training_date} does"
    else:
        serves = f"yes: {name_of(version, champion.role)}, since {as_text(champion.decided_at)}"
    verdicts = [
        {"decided at": j.decided_at, "judged": j.role, "verdict": j.verdict, "by": j.decided_by or "the rules", "reasons": list(j.words)}
        for j in judged
        if j.model_version == version.id
    ]
    return {"serves": serves, "verdicts": verdicts}


def _metrics(properties: Mapping[str, Any]) -> list[dict[str, Any]]:
    ours, baseline = properties.get("metrics", {}), properties.get("baseline_metrics", {})
    return [{"metric": name, "model": _figure(ours[name]), "baseline": _figure(baseline.get(name))} for name in ours]


def _figure(value: Any) -> Any:
    if not isinstance(value, Mapping):
        return value
    low, high = value.get("lower"), value.get("upper")
    interval = "" if low is None or high is None else f" [{figure(low)}, {figure(high)}]"
    return f"{figure(value['value'])}{interval}"


def _name(feature: Any) -> str:
    return str(feature.get("name")) if isinstance(feature, Mapping) else str(feature)


def _use_row(use: TableUse) -> dict[str, Any]:
    return {
        "table": use.table,
        "partitions": use.partitions or None,
        "first": use.first,
        "last": use.last,
        "versions": use.versions,
        "version ids": _span(use.first_version, use.last_version),
        "commits": _span(use.first_commit, use.last_commit),
        "rows": use.rows,
        "bytes": use.bytes,
    }


def _span(first: int, last: int) -> str:
    return str(first) if first == last else f"{first} to {last}"


def _how_far(lineage: Lineage, args: Namespace) -> str:
    size = sum(file.size for file in lineage.files)
    more = "" if args.files else "; --files names each with its digest, --json everything"
    files = f"{len(lineage.files)} landing file{'s' * (len(lineage.files) != 1)} of {size:,} bytes"
    return f"{len(lineage.sources)} versions, down to {files}{more}."


def _events_on_standard_output(args: Namespace, lake: Lake, lineage: Lineage) -> Answer:
    events = _openlineage().as_values(_events(args, lake, lineage))
    if not args.json:
        # Not through the console: it would read meaning into the text.
        sys.stdout.write(_lines(events))
    return Answer(events)


def _write_events(args: Namespace, lake: Lake, lineage: Lineage) -> str:
    place, events = args.openlineage, _events(args, lake, lineage)
    if place.startswith(("http://", "https://")):
        _openlineage().send(events, place)
        return f"sent {len(events)} OpenLineage events to {place}"
    _write(Path(place), _lines(_openlineage().as_values(events)), "Name another file, or - for standard output.")
    return f"wrote {place}: {len(events)} OpenLineage events, one JSON value per line"


def _write_picture(path: Path, lineage: Lineage) -> str:
    from ml_platform.lineage.picture import draw

    _write(path, draw(lineage).to_svg(), "Name another file.")
    return f"wrote {path}"


def _write(path: Path, text: str, otherwise: str) -> None:
    try:
        path.write_text(text, encoding="utf-8")
    except OSError as error:
        raise UsageError(f"{path} cannot be written: {error.strerror}. {otherwise}") from None


def _events(args: Namespace, lake: Lake, lineage: Lineage) -> list[event_v2.RunEvent]:
    names = _openlineage().Names(args.namespace, lake.exports.root, landing_root(project_root(args.project)).resolve())
    return _openlineage().run_events(lake, lineage, names)


def _openlineage() -> ModuleType:
    try:
        from ml_platform.lineage import openlineage
    except ModuleNotFoundError as missing:
        if (missing.name or "").partition(".")[0] != "openlineage":
            raise
        raise UsageError("OpenLineage events need the package openlineage-python: pip install 'ml-platform[openlineage]'") from None
    return openlineage


def _lines(events: list[dict[str, Any]]) -> str:
    return "".join(json.dumps(event, ensure_ascii=False, separators=(",", ":")) + "\n" for event in events)
