"""``lake.health``: whether all that was published is there and unchanged, what it takes, and which ledger it belongs to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from ml_platform.core.errors import LakeError
from ml_platform.lake.opened import Opened

if TYPE_CHECKING:
    from ml_platform.lake.files.belonging import Owner
    from ml_platform.lake.health.backup import Backup
    from ml_platform.lake.health.usage import Usage
    from ml_platform.lake.health.verify import Damage


@dataclass(frozen=True, repr=False)
class LakeHealth:
    """What ``lake.health`` is: it looks after a lake as a whole, whichever branch is open."""

    _opened: Opened

    def verify(
        self,
        progress: Callable[[int, int], None] | None = None,
        last: int | None = None,
        *,
        quick: bool = False,
        reading: Callable[[int, int], None] | None = None,
    ) -> list[Damage]:
        """Recompute the chain, every file and every content hash (of the ``last`` commits); return what is wrong.

        ``progress`` gets the commits that are done and those that there are, ``reading`` the bytes of their files. ``quick`` opens no
        file: whether each is there and has its size, of all commits; see :func:`ml_platform.lake.health.present_files.verify_presence`.
        ``progress`` then gets files.
        """
        from ml_platform.lake.health.present_files import verify_presence
        from ml_platform.lake.health.verify import verify

        if quick and last is not None:
            raise LakeError("Without opening files all commits are looked at: leave out either quick or the number of last commits.")
        if quick:
            return verify_presence(self._opened.ledger, self._opened.store, progress=progress)
        return verify(self._opened.ledger, self._opened.store, last=last, progress=progress, reading=reading)

    def usage(self, now: float | None = None) -> Usage:
        """Measure what the lake takes up, without opening a file; see :func:`ml_platform.lake.health.usage.usage`."""
        from ml_platform.lake.health.usage import usage

        return usage(self._opened, now)

    def back_up(self, to: str | Path, *, link: bool = False) -> Backup:
        """Copy the lake into a folder, or bring an earlier copy up to date; see :func:`ml_platform.lake.health.backup.back_up`."""
        from ml_platform.lake.health.backup import back_up

        return back_up(self._opened, to, link=link)

    @property
    def ledger_place(self) -> str:
        """Return where the ledger is, without a password."""
        return self._opened.ledger.place

    def moved_to(self) -> str:
        """Return where the ledger was moved to, '' while it is in use: a ledger that was moved away can only be read."""
        return self._opened.ledger.identity().moved_to

    def find_owner(self) -> Owner | None:
        """Return whom the folder belongs to; None if it has no note of that, or is a bucket."""
        from ml_platform.lake.files.belonging import find_owner

        # A bucket is not asked: it may be out of reach, and what uses the lake asks it anyway.
        return None if self._opened.store.folder is None else find_owner(self._opened.store)

    def why_foreign(self) -> str:
        """Say why the ledger is not the one of the folder; '' if it is. See :mod:`ml_platform.lake.files.belonging`."""
        from ml_platform.lake.files.belonging import why_foreign

        return why_foreign(self._opened.ledger, self._opened.store)

    def adopt(self) -> None:
        """Let the folder belong to this ledger from now on, whatever it belonged to; any other ledger of it is refused then."""
        from ml_platform.lake.files.belonging import adopt

        adopt(self._opened.ledger, self._opened.store)

    def move_ledger(self, target: LakeHealth) -> dict[str, int]:
        """Copy the ledger into the empty one of ``target`` (the same folder), and seal this one; return the rows by table.

        Raises
        ------
        LakeError
            If the folder is another, the target has commits of its own, or this ledger is not the one of the folder.
        """
        from ml_platform.lake.files.belonging import check_current, claim
        from ml_platform.lake.ledger.transfer import copy_ledger

        if target._opened.url != self._opened.url:
            raise LakeError(
                f"The files stay where they are: open the target at {self._opened.url}, not at {target._opened.url}. Nothing was copied."
            )
        if not self._opened.ledger.identity().moved_to:
            check_current(self._opened.ledger, self._opened.store)
        counts = copy_ledger(self._opened.ledger, target._opened.ledger)
        claim(target._opened.ledger, self._opened.store)
        return counts
