"""``lake.tags``: the names that commits have; ``Lake.tag`` gives one."""

from __future__ import annotations

from dataclasses import dataclass

from ml_platform.lake.branching.tags import Tag, drop_tag, list_tags
from ml_platform.lake.opened import Opened


@dataclass(frozen=True, repr=False)
class LakeTags:
    """What ``lake.tags`` is: all tags of a lake, of whatever branch."""

    _opened: Opened

    def all(self) -> list[Tag]:
        """Return all tags, by commit and name."""
        return list_tags(self._opened.ledger)

    def drop(self, name: str) -> None:
        """Delete a tag; the commit stays."""
        drop_tag(self._opened.ledger, name)
