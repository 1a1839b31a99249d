"""The page of the functions of features, as the registry has them."""

from __future__ import annotations

from ml_platform.features.declared.functions.registry import FUNCTIONS, ROW_FUNCTIONS, find_function
from ml_platform_docs.markdown import code, page, table

_RESULTS = {None: "as the column", "BIGINT": "whole number", "DOUBLE": "number"}


def functions_page() -> str:
    """Return the page of all functions."""
    rows = []
    for name in [*FUNCTIONS, "p1", "p99"]:
        found = find_function(name)
        if found is None:
            raise LookupError(name)
        takes = f"{found.takes_words}, or whole rows" if name in ROW_FUNCTIONS else found.takes_words
        empty = "nothing (NULL)" if found.empty is None else code(found.empty)
        meaning = found.words.replace("{value}", "the value").replace("rows (0 to 1) with", "rows (0 to 1) of")
        rows.append([code(name), f"{meaning}.", takes, _RESULTS.get(found.returns, str(found.returns)), empty])
    return page(
        "Functions",
        "What a feature view can compute over the rows in a window. Percentiles are there from `p1` to `p99`.",
        table(["function", "what it is", "takes", "gives", "of an empty window"], rows),
        "What each does with missing values, with ties and at the edges of a window: [features and windows](features.md#the-functions).",
    )
