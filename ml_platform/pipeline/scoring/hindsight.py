"""What a model has learnt from: a score that it gives for such a day is in-sample, and proves nothing of what it can do."""

from __future__ import annotations

import json

from ml_platform.core.intervals import shift_day
from ml_platform.lake.ledger.version import Version
from ml_platform.pipeline.remembered import Remembered
from ml_platform.pipeline.workspace import Workspace

_FIRST_UNSEEN: Remembered[str] = Remembered(most=256)
CARD = "card.json"


def first_unseen_day(workspace: Workspace, model: Version | int) -> str:
    """Return the first day of which a model has not learnt.

    Parameters
    ----------
    workspace : Workspace
        Its lake holds the model.
    model : Version or int
        A model version, or its id.

    Returns
    -------
    str
        The second day of the model's test rows, whose first may have begun within a day; its training date, if it has no test rows.
    """
    version = workspace.lake.versions.get(model) if isinstance(model, int) else model
    return _FIRST_UNSEEN.get(version, lambda: _first_unseen_day(workspace, version))


def has_unseen(workspace: Workspace, predictions: Version) -> bool:
    """Tell whether any row of a day's predictions was scored by a model that had not learnt from that day."""
    models = predictions.properties.get("model_versions", ())
    return not models or any(str(predictions.partition) >= first_unseen_day(workspace, model) for model in models)


def _first_unseen_day(workspace: Workspace, version: Version) -> str:
    card = json.loads(workspace.lake.versions.artifact(version, CARD)) if CARD in {file.name for file in version.files} else {"splits": ()}
    tested = [split["first"] for split in card.get("splits", ()) if split["name"] == "test"]
    return shift_day(str(tested[0])[:10], 1) if tested else str(version.properties.get("training_date", version.partition))
