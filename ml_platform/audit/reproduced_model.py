"""Whether a model that was made again is the model: its bytes, else its structure and its scores, and its figures."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import polars as pl

from ml_platform.audit.verdict import DIFFERS, IDENTICAL, WITHIN, Verdict, verdict_of, worst
from ml_platform.core.errors import MlPlatformError
from ml_platform.lake.ledger.version import FileRef, Version
from ml_platform.lake.reading.likeness import relative_differences
from ml_platform.models.model_file import CARD_FILES
from ml_platform.models.trainers.trained import Trained
from ml_platform.pipeline.models.model import load_model
from ml_platform.pipeline.workspace import Workspace
from ml_platform.training.splits import SPLIT

_FIGURES = ("metrics", "baseline_metrics", "constant_metrics")


@dataclass(frozen=True)
class ModelLikeness:
    """What became of the model.

    ``files`` has a row per file of the version but its card (which names where and when it was made): bytes then and here, and whether
    they are the same. ``parts`` says in words what differs, ``scores`` how far the scores of the test rows are apart (None where equal
    bytes leave nothing to score, or one of the models cannot be loaded). ``figures`` has a row per metric.
    """

    verdict: Verdict
    files: tuple[Mapping[str, Any], ...]
    parts: tuple[str, ...] = ()
    scores: float | None = None
    figures: tuple[Mapping[str, Any], ...] = ()


def compare_models(workspace: Workspace, then: Version, made: Version, training: Version) -> ModelLikeness:
    """Compare a model version with the one that was made again.

    Parameters
    ----------
    workspace : Workspace
        Its lake holds both.
    then, made : Version
        Of ``models/<problem>``.
    training : Version
        The training set that the first was made from; its test rows are scored by both where their bytes differ.

    Returns
    -------
    ModelLikeness
    """
    files = tuple(_file_rows(then, made))
    figures = tuple(_figure_rows(then.properties, made.properties))
    verdicts: list[Verdict] = [row["verdict"] for row in figures]
    if all(row["same"] for row in files):
        return ModelLikeness(worst([IDENTICAL, *verdicts]), files, figures=figures)
    parts = tuple(_parts(workspace, then, made, [str(row["file"]) for row in files if not row["same"]]))
    try:
        scores = _scores_apart(workspace, then, made, training)
    except MlPlatformError as error:
        return ModelLikeness(DIFFERS, files, (*parts, f"The test rows cannot be scored by both. {error}"), figures=figures)
    return ModelLikeness(worst([WITHIN, verdict_of(scores), *verdicts]), files, parts, scores, figures)


def _file_rows(then: Version, made: Version) -> list[dict[str, Any]]:
    """Compare the files that the version had then; what newer versions keep besides is none of its parts."""
    now = {file.name: file for file in made.files}
    return [_file_row(file, now.get(file.name)) for file in then.files if file.name not in CARD_FILES]


def _file_row(then: FileRef, made: FileRef | None) -> dict[str, Any]:
    same = made is not None and made.sha256 == then.sha256
    return {"file": then.name, "bytes then": then.bytes, "bytes here": made.bytes if made else None, "same": same}


def _figure_rows(then: Mapping[str, Any], made: Mapping[str, Any]) -> list[dict[str, Any]]:
    rows = []
    for group in _FIGURES:
        before, now = then.get(group, {}), made.get(group, {})
        for metric in dict.fromkeys([*before, *now]):
            pairs = [(before.get(metric, {}).get(part), now.get(metric, {}).get(part)) for part in ("value", "error", "lower", "upper")]
            apart = max(_apart(a, b) for a, b in pairs)
            of = group.removesuffix("_metrics").replace("metrics", "model")
            rows.append(
                {"of": of, "metric": metric, "then": pairs[0][0], "here": pairs[0][1], "apart": apart, "verdict": verdict_of(apart)}
            )
    return rows


def _apart(then: float | None, here: float | None) -> float:
    """Return the relative difference of two figures; 0 for the same bits, infinite where one is missing."""
    import numpy as np

    if then is None or here is None:
        return 0.0 if then is here else float("inf")
    return float(relative_differences(np.array([float(then)]), np.array([float(here)]))[0])


def _parts(workspace: Workspace, then: Version, made: Version, names: list[str]) -> list[str]:
    """Say what differs inside of files."""
    said = []
    present = {file.name for file in made.files}
    for name in names:
        if name not in present:
            said.append(f"{name} is missing")
            continue
        before, now = (workspace.lake.versions.artifact(version, name) for version in (then, made))
        if name.endswith("model.txt"):
            said.append(f"{name}: {_trees(before.decode(), now.decode())}")
        elif name.endswith(".json"):
            said.append(f"{name}: {_keys(json.loads(before), json.loads(now))}")
        else:
            said.append(f"{name}: other bytes")
    return said


def _trees(then: str, here: str) -> str:
    """Compare two of LightGBM's texts: parameters and trees."""
    before, now = (text.partition("\nend of trees")[0].split("\nTree=")[1:] for text in (then, here))
    parameters = [text.partition("\nparameters:")[2] for text in (then, here)]
    different = sum(a != b for a, b in zip(before, now, strict=False)) + abs(len(before) - len(now))
    same = "the same parameters" if parameters[0] == parameters[1] else "other parameters"
    return f"{same}, {len(before)} trees then and {len(now)} here, {different} of them differ"


def _keys(then: Any, here: Any) -> str:
    if not isinstance(then, dict) or not isinstance(here, dict):
        return "other values"
    return f"{', '.join(key for key in dict.fromkeys([*then, *here]) if then.get(key) != here.get(key)) or 'other bytes'} differ"


def _scores_apart(workspace: Workspace, then: Version, made: Version, training: Version) -> float:
    """Return the largest relative difference of the scores of the test rows, by the model or by a companion; infinite for another kind."""
    first, second = load_model(workspace, then), load_model(workspace, made)
    rows = workspace.lake.versions.read([training]).pl().filter(pl.col(SPLIT) == "test")
    pairs = [(first.file.trained, second.file.trained)]
    pairs += [
        (companion, second.file.companions[role]) for role, companion in first.file.companions.items() if role in second.file.companions
    ]
    return max(_pair_apart(a, b, rows) for a, b in pairs)


def _pair_apart(then: Trained, here: Trained, rows: pl.DataFrame) -> float:
    if (then.kind, [f.name for f in then.features]) != (here.kind, [f.name for f in here.features]):
        return float("inf")
    return float(relative_differences(then.predict(rows), here.predict(rows)).max(initial=0.0))
