"""What a demo has built, in plain values: tables for the terminal, one mapping for ``--json``."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from ml_platform.core.layers import LAYERS

if TYPE_CHECKING:
    from ml_platform.components.opening import Session

NEXT_STEPS = (
    "source .venv/bin/activate                         so that ml-platform is found",
    "make dev                                          the same data, checks and runs in the Dagster UI: http://127.0.0.1:3000",
    "make land                                         deliver the next day; with `make dev` running, watch it flow down the graph",
    "ml-platform explain late_arrival                  what the champion was made from, down to the landed files",
    "ml-platform history predictions/late_arrival      every version of every day",
    "ml-platform why late_arrival --row KEY --feature F    the rows that one value was counted from",
)


def built(session: Session) -> list[dict[str, Any]]:
    """Return one row per asset: partitions, rows, bytes on disk and the newest commit."""
    project, lake = session.project, session.lake
    order = {layer: number for number, layer in enumerate(LAYERS)}
    rows = []
    for table in lake.tables():
        if table.project != project.name:
            continue
        heads = lake.versions.heads(table).values()
        if heads:
            rows.append(
                {
                    "layer": table.layer,
                    "asset": table.name,
                    "partitions": len(heads),
                    "rows": sum(v.rows for v in heads),
                    "MB": round(sum(v.bytes for v in heads) / 1e6, 1),
                    "newest commit": max(v.commit for v in heads),
                }
            )
    return sorted(rows, key=lambda r: (order.get(r["layer"], len(order)), r["asset"]))


def champion_metrics(session: Session, problem: str) -> list[dict[str, Any]]:
    """Return the champion's metrics on rows that neither selection nor training had seen, beside those of the one it left behind."""
    from ml_platform.pipeline.models import worth

    return worth.champion_metrics(session.workspace, problem)


def decisions(session: Session, problem: str) -> list[dict[str, Any]]:
    """Return every verdict on a model: promoted, refused or held, newest last."""
    from ml_platform.pipeline.models import worth

    return [{name: value for name, value in row.items() if name != "reasons"} for row in worth.verdicts(session.workspace, problem)]
