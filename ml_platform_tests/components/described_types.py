"""What Dagster adds to all definitions that it loads, the schemas of every installed type of declaration, is worked out once per process.

A process of a user loads its definitions once; tests load some hundred projects in one, and this would be most of what small ones cost.
"""

from __future__ import annotations

from typing import Any

from dagster.components.core import load_defs, snapshot

_SNAPS: dict[tuple[Any, int], Any] = {}
_JSON: dict[tuple[int, ...], Any] = {}


def keep_what_is_described() -> None:
    """Let Dagster describe each type once; what is described is kept, so that nothing else takes its place in memory."""
    describe, write = snapshot.get_package_entry_snap, load_defs.json_for_all_components

    def described(key: Any, kind: Any) -> Any:
        if (key, id(kind)) not in _SNAPS:
            _SNAPS[key, id(kind)] = kind, describe(key, kind)
        return _SNAPS[key, id(kind)][1]

    def written(snaps: Any) -> Any:
        wanted = tuple(map(id, snaps))
        if wanted not in _JSON:
            _JSON[wanted] = write(snaps)
        return _JSON[wanted]

    snapshot.get_package_entry_snap, load_defs.json_for_all_components = described, written
