"""The page of the checks: those of the flights example's graph, by the layer that they stand on."""

from __future__ import annotations

from ml_platform_docs.markdown import code, page, table


def checks_page() -> str:
    """Return the page of all asset checks."""
    rows = [[code(name), f"`{layer}`", text] for (layer, name), text in checks().items()]
    return page(
        "Checks",
        "Every asset that the platform builds carries checks. They run when the asset is made, and can be "
        "[run by themselves](../how_to/run_checks.md) at any time. In the Dagster UI they stand on the asset's tab *Checks*.",
        table(["check", "on the assets of", "what it asks for"], rows),
        "Those about time are explained in [checks of time](../explanation/time_checks.md). What `contract` looks at is yours to declare: "
        "[contract](contract.md).",
    )


def checks() -> dict[tuple[str, str], str]:
    """Return what each check says, by layer and name, in the order in which the assets are made."""
    from examples.flights.definitions import defs

    graph = defs().resolve_asset_graph()
    layers = list(dict.fromkeys(key.path[1] for key in graph.toposorted_asset_keys if key in graph.materializable_asset_keys))
    found = {(key.asset_key.path[1], key.name): graph.get_check_spec(key).description or "" for key in graph.asset_check_keys}
    return dict(sorted(found.items(), key=lambda item: (layers.index(item[0][0]), item[0][1])))
