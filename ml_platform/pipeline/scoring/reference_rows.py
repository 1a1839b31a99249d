"""The sample of its training rows that a model version keeps, with the scores of the one of its two models that serves."""

from __future__ import annotations

import io

import polars as pl

from ml_platform.core.errors import ModelError
from ml_platform.lake.ledger.version import Version
from ml_platform.models.contender import Role
from ml_platform.models.model_file import BASELINE, BASELINE_SCORE, REFERENCE
from ml_platform.pipeline.models.champion import champion_history
from ml_platform.pipeline.workspace import Workspace
from ml_platform.training.target import CLASS


def roles_of(workspace: Workspace, problem_name: str) -> dict[int, Role]:
    """Return by model version which of its two models was promoted; one that never was is missing."""
    return {j.model_version: j.role for j in champion_history(workspace, problem_name) if j.verdict == "promoted"}


def reference_rows(workspace: Workspace, version: Version, role: Role) -> pl.DataFrame:
    """Return the reference rows of a model version: its features, the label, and the scores of one of its two models as their only score.

    Raises
    ------
    ModelError
        If the version has no such rows, or no scores of that model on them.
    """
    if REFERENCE not in {file.name for file in version.files}:
        raise ModelError(
            f"Model version {version.id} of {version.table!r} has no {REFERENCE}: its scores cannot be compared with anything. Materialize "
            "the model's partition again, and promote that version."
        )
    reference = pl.read_parquet(io.BytesIO(workspace.lake.versions.artifact(version, REFERENCE)))
    of_baseline = [name for name in reference.columns if name.startswith(BASELINE_SCORE) or name == f"{BASELINE}{CLASS}"]
    if role == "model":
        return reference.drop(of_baseline)
    if BASELINE_SCORE not in reference.columns:
        raise ModelError(
            f"Model version {version.id} of {version.table!r} was made before its baseline could serve, and has no scores of it to compare "
            "with. Materialize the model's partition again, and promote that version."
        )
    own = [name.removeprefix(BASELINE) for name in of_baseline]
    return reference.drop(own).rename(dict(zip(of_baseline, own, strict=True)))
