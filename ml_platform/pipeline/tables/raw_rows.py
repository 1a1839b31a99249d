"""Raw rows as they are judged: partitions whose columns are of the same kinds together, with the deliveries that later files replaced."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from ml_platform.core.names import ORIGIN
from ml_platform.lake.lake import Lake
from ml_platform.lake.ledger.version import Version
from ml_platform.tables.declared.sources.files import NULL_VALUES
from ml_platform.tables.declared.table import Table
from ml_platform.tables.judged.structure import kind_of, structure_problems

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass
class RawGroup:
    """Raw versions that one pass can judge: every declared column is of one kind in all of them."""

    is_text: bool
    kinds: dict[str, str]
    versions: list[Version] = field(default_factory=list)

    def takes(self, is_text: bool, kinds: Mapping[str, str]) -> bool:
        """Whether a version with columns of these kinds can be read with the others (a column without values goes with any)."""
        return is_text == self.is_text and all(k == self.kinds[c] or "null" in (k, self.kinds[c]) for c, k in kinds.items())

    def add(self, version: Version, kinds: Mapping[str, str]) -> None:
        """Take the version in."""
        self.versions.append(version)
        self.kinds.update({c: k for c, k in kinds.items() if k != "null"})


def null_values_of(table: Table) -> tuple[str, ...]:
    """Return the text that means NULL in the table's files."""
    declared = table.source.null_values
    return NULL_VALUES if declared is None else declared


def is_text(version: Version) -> bool:
    """Whether the files of a raw version know nothing but text."""
    return version.properties["format"] == "csv"


def structure_stop(table: Table, version: Version) -> str | None:
    """Return why no row of the raw version can be judged: which file, which column, what is wrong; None if they can."""
    null_values = null_values_of(table)
    found = []
    for number, schema in enumerate(version.properties["schemas"]):
        delivered = _delivered_names(table, schema)
        now = {names[0]: column for column, names in delivered.items() if names}
        declared = _with_made({now.get(str(name), str(name)): str(kind) for name, kind in schema.items()}, table)
        problems = structure_problems(table.contract, declared, null_values, is_text=is_text(version))
        problems += [f"column {c!r} was delivered by {len(n)} names: {', '.join(n)}." for c, n in delivered.items() if len(n) > 1]
        if problems:
            files = [f["name"] for f in version.properties["files"] if f["schema"] == number]
            more = f" (and {len(files) - 1} more files)" if len(files) > 1 else ""
            found.append(f"{files[0]}{more}: {' '.join(problems)}")
    return " ".join(found) or None


def group_raw(table: Table, versions: Sequence[Version]) -> list[RawGroup]:
    """Return the raw versions in as few groups as can each be judged in one pass; their order is kept inside a group."""
    groups: list[RawGroup] = []
    known: dict[tuple[bytes, bool], tuple[RawGroup, dict[str, str]]] = {}
    for version in versions:
        address = (version.schema_ipc, is_text(version))
        if address not in known:
            kinds = _kinds(table, version)
            group = next((g for g in groups if g.takes(address[1], kinds)), None)
            if group is None:
                group = RawGroup(address[1], dict(kinds))
                groups.append(group)
            known[address] = (group, kinds)
        group, kinds = known[address]
        group.add(version, kinds)
    return groups


def read_group(lake: Lake, table: Table, group: RawGroup) -> tuple[pa.Table, dict[str | None, list[Version]]]:
    """Return the rows of a group with the columns that are judged, and by partition the versions that they come from.

    Rows of deliveries that a later file of the same name replaced come along with ``_current`` false.
    """
    import pyarrow as pa

    parts = [read_declared(lake, table, same) for same in _by_schema(group.versions)]
    sources: dict[str | None, list[Version]] = {v.partition: [v] for v in group.versions}
    if any(v.properties["replaced"] for v in group.versions):
        parts = [p.append_column("_current", pa.repeat(pa.scalar(True), p.num_rows)) for p in parts]
        for version in group.versions:
            for rows, source in _replaced_rows(lake, table, group, version):
                parts.append(rows)
                sources[version.partition].append(source)
    joined = pa.concat_tables(parts, promote_options="permissive")
    if "_current" not in joined.column_names:
        joined = joined.append_column("_current", pa.repeat(pa.scalar(True), joined.num_rows))
    return joined, sources


def _by_schema(versions: Sequence[Version]) -> list[list[Version]]:
    found: dict[bytes, list[Version]] = {}
    for version in versions:
        found.setdefault(version.schema_ipc, []).append(version)
    return list(found.values())


def _with_made(delivered: dict[str, str], table: Table) -> dict[str, str]:
    """Return delivered columns with those that are made of several, in the place of what only these are made of."""
    made = {c.name: c.made_of for c in table.contract.columns if c.made_of}
    if not made:
        return delivered
    own = {c.name for c in table.contract.columns if not c.made_of}
    parts = {part for parts in made.values() for part in parts}
    there = {name: kind for name, kind in delivered.items() if name in own or name not in parts}
    return there | {name: "string" for name, parts in made.items() if set(parts) <= delivered.keys()}


def _delivered_names(table: Table, delivered: Iterable[str]) -> dict[str, list[str]]:
    """Return by what names each declared column was delivered: its own, and those that it had before."""
    there = set(delivered)
    return {
        c.name: [c.name] * (set(c.made_of) <= there) if c.made_of else [name for name in (c.name, *c.was) if name in there]
        for c in table.contract.columns
    }


def _kinds(table: Table, version: Version) -> dict[str, str]:
    """Return the kind of each declared column in a raw version; text for one that files deliver by several names in several kinds."""
    found = {}
    types = {field.name: str(field.type) for field in version.schema}
    for name, names in _delivered_names(table, types).items():
        if names and table.contract.column(name).made_of:  # pyright: ignore[reportOptionalMemberAccess]
            found[name] = "string"
            continue
        kinds = {kind_of(types[n]) for n in names} - {"null"}
        found[name] = "null" if not kinds else kinds.pop() if len(kinds) == 1 else "string"
    return found


def read_declared(lake: Lake, table: Table, versions: Sequence[Version], extra: Sequence[str] = ()) -> pa.Table:
    """Return the rows of versions of one schema with the declared columns, by whatever names they were delivered, and ``extra`` ones."""
    import pyarrow as pa
    import pyarrow.compute as pc

    delivered = _delivered_names(table, versions[0].schema.names)
    made = {c.name: c.made_of for c in table.contract.columns if c.made_of}
    every = list(dict.fromkeys(n for name, names in delivered.items() for n in made.get(name, names)))
    rows = lake.versions.read(versions, columns=[*every, *ORIGIN, *extra], partition_column="_partition").arrow()
    columns = {}
    for name, names in delivered.items():
        if not names:
            columns[name] = pa.nulls(rows.num_rows)
            continue
        if name in made:
            columns[name] = _joined_text([rows.column(n) for n in made[name]], null_values_of(table))
            continue
        parts = [rows.column(n) for n in names]
        if len({part.type for part in parts}) > 1:
            parts = [part.cast(pa.string()) for part in parts]
        # A file has one of the names: where the one is null, the other may have the value.
        columns[name] = parts[0] if len(parts) == 1 else pc.coalesce(*parts)  # pyright: ignore[reportAttributeAccessIssue]
    rows = pa.table({**columns, **{n: rows.column(n) for n in (*ORIGIN, *extra, "_partition")}})
    at = rows.schema.get_field_index("_partition")
    return rows.set_column(at, "_partition", pc.fill_null(rows.column(at), ""))  # pyright: ignore[reportAttributeAccessIssue]


def _joined_text(parts: Sequence[pa.ChunkedArray], null_values: Sequence[str]) -> pa.ChunkedArray:
    """Return the text of several columns, joined by a blank; null where one of them has no value."""
    import pyarrow as pa
    import pyarrow.compute as pc

    texts = [part.cast(pa.string()) for part in parts]
    nulls = pa.array(list(null_values), pa.string())
    said = [pc.if_else(pc.is_in(text, value_set=nulls), pa.scalar(None, pa.string()), text) for text in texts]  # pyright: ignore[reportAttributeAccessIssue]
    return pc.binary_join_element_wise(*said, " ")  # pyright: ignore[reportAttributeAccessIssue]


def _replaced_rows(lake: Lake, table: Table, group: RawGroup, version: Version) -> list[tuple[pa.Table, Version]]:
    """Return the rows of replaced deliveries that could have been judged beside those that are there now, and where they stand."""
    import pyarrow as pa
    import pyarrow.compute as pc

    found = []
    for replaced in version.properties["replaced"]:
        source = lake.versions.get(replaced["version"])
        if structure_stop(table, source) is not None:
            continue
        if not group.takes(is_text(source), _kinds(table, source)):
            continue
        rows = read_declared(lake, table, [source])
        time = pa.scalar(datetime.fromisoformat(replaced["delivered_at"]), pa.timestamp("us", tz="UTC"))
        mine = pc.and_(pc.equal(rows["_file"], replaced["name"]), pc.equal(rows["_delivered_at"], time))  # pyright: ignore[reportAttributeAccessIssue]
        rows = rows.filter(mine)
        found.append((rows.append_column("_current", pa.repeat(pa.scalar(False), rows.num_rows)), source))
    return found
