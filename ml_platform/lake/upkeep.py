"""What is done to the lake as a whole: it is verified, retention collects in it, and entities are forgotten."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from ml_platform.core.errors import LakeError
from ml_platform.lake.ledger.version import MAIN
from ml_platform.lake.reading.reader import Reader

if TYPE_CHECKING:
    from ml_platform.lake.health.verify import Problem
    from ml_platform.lake.retention.collecting import RetentionReport
    from ml_platform.lake.retention.forgetting import Forgotten
    from ml_platform.lake.retention.rules import Rule


class Upkeep(Reader):
    """A lake that is read, with what looks after it."""

    def verify(
        self,
        progress: Callable[[int, int], None] | None = None,
        last: int | None = None,
        *,
        quick: bool = False,
        reading: Callable[[int, int], None] | None = None,
    ) -> list[Problem]:
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
            return verify_presence(self._ledger, self.store, progress=progress)
        return verify(self._ledger, self.store, last=last, progress=progress, reading=reading)

    @property
    def ledger_place(self) -> str:
        """Return where the ledger is, without a password."""
        return self._ledger.place

    def moved_to(self) -> str:
        """Return where the ledger was moved to, '' while it is in use: a ledger that was moved away can only be read."""
        return self._ledger.identity().moved_to

    def why_foreign(self) -> str:
        """Say why the ledger is not the one of the folder; '' if it is. See :mod:`ml_platform.lake.files.belonging`."""
        from ml_platform.lake.files.belonging import why_foreign

        return why_foreign(self._ledger, self.store)

    def adopt(self) -> None:
        """Let the folder belong to this ledger from now on, whatever it belonged to; any other ledger of it is refused then."""
        from ml_platform.lake.files.belonging import adopt

        adopt(self._ledger, self.store)

    def move_ledger(self, target: Upkeep) -> dict[str, int]:
        """Copy the ledger into the empty one of ``target``, which is the same folder, and seal this one; return the rows by table.

        Raises
        ------
        LakeError
            If the folder is another, the target has commits of its own, or this ledger is not the one of the folder.
        """
        from ml_platform.lake.files.belonging import check_current, claim
        from ml_platform.lake.ledger.transfer import copy_ledger

        if target.url != self.url:
            raise LakeError(f"The files stay where they are: open the target at {self.url}, not at {target.url}. Nothing was copied.")
        if not self._ledger.identity().moved_to:
            check_current(self._ledger, self.store)
        counts = copy_ledger(self._ledger, target._ledger)
        claim(target._ledger, self.store)
        return counts

    def recover(self) -> list[str]:
        """Bring back everything that was put into the trash; return the paths."""
        from ml_platform.lake.files.trash import bring_back

        return bring_back(self.store)

    def collect(
        self,
        rules: Sequence[Rule],
        *,
        dry_run: bool = False,
        now: datetime | None = None,
        grace: timedelta | None = None,
        accept_orphans: int | None = None,
    ) -> RetentionReport:
        """Let go of what the rules do not keep and nothing holds; see :func:`ml_platform.lake.retention.collecting.collect`.

        Raises
        ------
        LakeError
            On a branch: retention is a matter of the whole lake.
        """
        from ml_platform.lake.retention import collecting

        if self.branch != MAIN:
            raise LakeError(f"Retention works on the whole lake, and this is its branch {self.branch!r}: run it on {MAIN!r}.")
        grace = grace or collecting.GRACE
        return collecting.collect(self._ledger, self.store, rules, dry_run=dry_run, now=now, grace=grace, accept_orphans=accept_orphans)

    def forget(
        self,
        *,
        entity: Mapping[str, object] | None = None,
        table: str | None = None,
        where: str | None = None,
        reason: str = "",
        dry_run: bool = False,
        progress: Callable[[int, int], None] | None = None,
    ) -> Forgotten:
        """Rewrite everything that holds an entity's rows without them; see :func:`ml_platform.lake.retention.forgetting.forget`.

        Parameters
        ----------
        entity : mapping, optional
            Values by column: rows that hold all of them, in every table (or ``table``) that has these columns.
        table, where : str, optional
            Instead: one table, and an SQL condition on its rows.
        reason : str
            Kept in the ledger; it must not say whose rows they were.
        dry_run : bool
            Look, and change nothing.
        progress : callable, optional
            Called with the versions that were looked at and those that there are.
        """
        from ml_platform.lake.files.belonging import check_current, check_own, keep_newest
        from ml_platform.lake.retention.forgetting import forget
        from ml_platform.lake.retention.forgetting_published import forget_published
        from ml_platform.lake.retention.forgotten_rows import Wanted

        # An older ledger would leave rows behind and say that it has forgotten.
        (check_own if dry_run else check_current)(self._ledger, self.store)

        wanted = Wanted.of(entity, table, where)
        done = forget(self._ledger, self.store, wanted, reason=reason, dry_run=dry_run, progress=progress)
        if done.rewritten and not dry_run:
            keep_newest(self._ledger, self.store)
        # What reads the lake as it is now is one thing; the folders that other engines read are another.
        there = forget_published(self, wanted, done.tables, dry_run=dry_run)
        return replace(done, published=there)

    def redactions(self) -> list[dict[str, Any]]:
        """Return what was forgotten, oldest first; see :func:`ml_platform.lake.retention.forgetting.list_redactions`."""
        from ml_platform.lake.retention.forgetting import list_redactions

        return list_redactions(self._ledger)
