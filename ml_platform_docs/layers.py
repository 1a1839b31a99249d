"""The page of the layers, as their records have them."""

from __future__ import annotations

from ml_platform.core.layers import LAYERS, Layer
from ml_platform_docs.markdown import code, page, table

_DECLARED = {"table": "a table", "view": "a feature view", "problem": "a problem"}
_MADE = {
    "again": "when what it is made from changes",
    "trained": "by a training",
    "decided": "once, when it is decided; never again",
    "scored": "once; a score never changes",
    "observed": "once, when it is known; never again",
}


def layers_page() -> str:
    """Return the page of all layers."""
    return page(
        "Layers",
        "Every table has a name of three parts: `project/layer/name`. The layer says what it holds and how that comes about. Each layer "
        "is a group of assets in the Dagster UI, and the word before the slash in commands: `ml-platform show features/VIEW__ENTITY`.",
        table(["layer", "what it holds", "declared by", "made", "retention"], [_row(layer) for layer in LAYERS.values()]),
        "What a branch made in a layer that is made once stays on that branch when it is [merged](../how_to/branches.md). For which layers "
        "old versions may be deleted is declared with a [retention](retention.md).",
    )


def _row(layer: Layer) -> list[str]:
    made = f"with {code(layer.beside)}" if layer.beside else _MADE[layer.making]
    return [
        code(layer.name),
        layer.words,
        _DECLARED[layer.declared_by],
        made,
        "can be declared" if layer.has_retention else "stays for ever",
    ]
