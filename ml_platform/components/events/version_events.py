"""What Dagster is told of one version of the lake: metadata for a reader, tags for staleness."""

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

import dagster as dg

from ml_platform.components.events.shown_table import ON_AN_ASSET, table_value
from ml_platform.core.layers import TableName
from ml_platform.lake.ledger.version import MAIN, Version

if TYPE_CHECKING:
    from ml_platform.lake.ledger.provenance import InputTable

# Scoring reads the champion by pointer: a promotion must not make a year of predictions stale.
POINTER_VERSION = "pointer"
# Metadata of the assets that are read by pointer: their data version stays the same whatever they hold.
POINTER_METADATA = "lake/pointer"
# Metadata of assets and materializations, and a tag of runs: nothing of it on `main`.
BRANCH_METADATA = "lake/branch"
# Which version of the lake an event tells of.
VERSION_METADATA = "lake/version"


def version_metadata(version: Version, made_from: Sequence["InputTable"] = ()) -> dict[str, Any]:
    """Return what every materialization says of the version that it published.

    Parameters
    ----------
    version : Version
        The version; it may stand on a branch.
    made_from : sequence of InputTable
        What it was made from, as `LakeLineage.inputs_by_table` counts it.
    """
    row_count = "dagster/partition_row_count" if version.partition else "dagster/row_count"
    place = f"{version.table}/{version.partition}" if version.partition else version.table
    return {
        row_count: version.rows,
        "lake/commit": version.commit,
        VERSION_METADATA: version.id,
        "lake/content": version.data_hash[:16],
        "dagster/uri": f"lake://{place}@{version.commit}",
        **({} if version.branch == MAIN else {BRANCH_METADATA: version.branch}),
        **(
            {"lake/input_versions": sum(one.versions for one in made_from), "lake/inputs": _inputs(version, made_from)} if made_from else {}
        ),
    }


def version_tags(data_version: str, code_version: str | None, inputs: Mapping[dg.AssetKey, tuple[str, int | None]]) -> dict[str, str]:
    """Return the tags from which Dagster tells whether a materialization is stale.

    Parameters
    ----------
    data_version : str
        The content hash.
    code_version : str or None
        The asset's; without one Dagster compares times only.
    inputs : mapping of AssetKey to (str, int or None)
        Per upstream asset the data version that was read, and the storage id of its newest event then. Dagster looks at the first where the
        upstream asset has no partitions and at the second where it has; an upstream asset that is missing here counts as a new dependency.
    """
    tags = {"dagster/data_version": data_version, "dagster/data_version_is_user_provided": "true"}
    if code_version is None:
        return tags
    tags["dagster/code_version"] = code_version
    for key, (version, pointer) in inputs.items():
        tags[f"dagster/input_data_version/{key.to_user_string()}"] = version
        tags[f"dagster/input_event_pointer/{key.to_user_string()}"] = "NULL" if pointer is None else str(pointer)
    return tags


def _inputs(version: Version, made_from: Iterable["InputTable"]) -> Any:
    """Return what a version was made from as a table; the name of its own project is left out: the page is narrow."""

    def name_of(table: TableName) -> str:
        return table.short if table.project == version.table.project else table

    rows = [{"table": name_of(one.table), "versions": one.versions, "partitions": _span(one), "commit": one.commit} for one in made_from]
    return table_value(rows, ON_AN_ASSET)


def _span(one: "InputTable") -> str:
    if one.first is None:
        return ""
    return one.first if one.first == one.last else f"{one.first} to {one.last}"
