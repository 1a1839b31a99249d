"""In which steps a model is made again: everything it was made from, in the groups in which it was computed then."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from ml_platform.core.layers import REPEATABLE_LAYERS, TableName
from ml_platform.lake.ledger.version import Version

Edges = Mapping[int, tuple[int, ...]]


@dataclass(frozen=True)
class Step:
    """Versions of one asset that are made again by one call of its function; at most one per partition."""

    layer: str
    name: str
    versions: tuple[Version, ...]

    @property
    def asset(self) -> str:
        """The asset as ``layer/name``."""
        return f"{self.layer}/{self.name}"


def address_of(version: Version) -> tuple[str, str]:
    """Return the layer and the name of a version's table."""
    return version.table.layer, version.table.name


def order_steps(closure: Mapping[int, Version], edges: Edges, wanted: Collection[int]) -> tuple[Step, ...]:
    """Order the versions of a closure into steps.

    What one commit published of one table was computed by one call that read one state of the lake, so it is computed together again: then
    the inputs of all of its partitions fit together, and sums of floats begin where they began. What was published together but made from
    different versions of one partition (by a merge of a branch) is made in several steps.

    Parameters
    ----------
    closure : mapping of int to Version
        Everything that a version was made from, by id.
    edges : mapping of int to tuple of int
        Per id the ids that it was made from.
    wanted : collection of int
        What is to be made; the rest is there already.

    Returns
    -------
    tuple of Step
        Each after all that it needs.
    """
    groups: dict[tuple[int, str, int], list[Version]] = {}
    for version in (closure[i] for i in sorted(wanted)):
        groups.setdefault((REPEATABLE_LAYERS.index(address_of(version)[0]), version.table, version.commit), []).append(version)
    waiting = [groups[key] for key in sorted(groups)]
    todo = set(wanted)
    steps: list[Step] = []
    while waiting:
        later: list[list[Version]] = []
        for group in waiting:
            if any(i in todo for version in group for i in edges[version.id]):
                later.append(group)
            else:
                steps += _split(group, closure, edges)
                todo -= {version.id for version in group}
        if len(later) == len(waiting):
            # Groups that wait for each other: what is ready of the first goes ahead.
            later = _go_ahead(later, edges, todo)
        waiting = later
    return tuple(steps)


def _go_ahead(groups: list[list[Version]], edges: Edges, todo: set[int]) -> list[list[Version]]:
    """Cut the first group of which a part is ready in two, the ready part first."""
    for place, group in enumerate(groups):
        ready = [version for version in group if not any(i in todo for i in edges[version.id])]
        if ready:
            rest = [version for version in group if version not in ready]
            return [ready, *groups[:place], rest, *groups[place + 1 :]]
    raise ValueError("Versions that were made from each other cannot be ordered.")


def _split(group: Sequence[Version], closure: Mapping[int, Version], edges: Edges) -> list[Step]:
    """Return the group as steps in which no partition of an input is meant in two versions, and none of the output twice."""
    parts: list[tuple[dict[tuple[TableName, str | None], int], list[Version]]] = []
    for version in group:
        newest = {(version.table, version.partition): version.id}
        for i in edges[version.id]:
            place = (closure[i].table, closure[i].partition)
            newest[place] = max(newest.get(place, i), i)
        for taken, part in parts:
            if all(taken.get(place, i) == i for place, i in newest.items()):
                taken.update(newest)
                part.append(version)
                break
        else:
            parts.append((newest, [version]))
    layer, name = address_of(group[0])
    return [Step(layer, name, tuple(part)) for _, part in parts]
