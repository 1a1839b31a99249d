"""What a reader sees of where a version came from: the layers in place, and every table a click away."""

from __future__ import annotations

from ml_platform.lake.ledger.version import Version
from ml_platform.lineage.closure import day_lineage_of, lineage_of
from ml_platform.lineage.picture import draw, sketch
from ml_platform.pipeline.outcome import Markdown
from ml_platform.pipeline.workspace import Workspace


def lineage_metadata(workspace: Workspace, version: Version) -> dict[str, Markdown]:
    """Return the lineage of a version as two pictures; of a day of predictions its own rows and the model, not what that learnt from."""
    is_day = version.table.layer == "predictions"
    lineage = day_lineage_of(workspace.lake, version) if is_day else lineage_of(workspace.lake, [version])
    return {"lineage": Markdown(sketch(lineage).to_markdown("lineage")), "lineage_tables": Markdown(draw(lineage).to_markdown("lineage"))}
