"""``lake.retention``: what is kept and for whom, what is deleted, and entities that are forgotten."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from ml_platform.core.errors import LakeError
from ml_platform.lake.ledger.leases import leased_runs, release
from ml_platform.lake.ledger.version import MAIN, Version
from ml_platform.lake.opened import Opened
from ml_platform.lake.retention import pins

if TYPE_CHECKING:
    from ml_platform.lake.retention.collecting import RetentionReport
    from ml_platform.lake.retention.forgetting import Forgotten
    from ml_platform.lake.retention.rules import Rule


@dataclass(frozen=True, repr=False)
class LakeRetention:
    """What ``lake.retention`` is: it deletes what no rule, pin, tag, branch or run keeps, and forgets."""

    _opened: Opened

    def collect(
        self,
        rules: Sequence[Rule],
        *,
        dry_run: bool = False,
        now: datetime | None = None,
        grace: timedelta | None = None,
        accept_orphans: int | None = None,
    ) -> RetentionReport:
        """Delete what the rules do not keep and nothing holds; see :func:`ml_platform.lake.retention.collecting.collect`.

        Raises
        ------
        LakeError
            On a branch: retention is a matter of the whole lake.
        """
        from ml_platform.lake.retention import collecting

        if self._opened.scope.branch != MAIN:
            raise LakeError(f"Retention works on the whole lake, and this is its branch {self._opened.scope.branch!r}: run it on {MAIN!r}.")
        grace = grace or collecting.GRACE
        return collecting.collect(
            self._opened.ledger, self._opened.store, rules, dry_run=dry_run, now=now, grace=grace, accept_orphans=accept_orphans
        )

    def recover(self) -> list[str]:
        """Bring back everything that was put into the trash; return the paths."""
        from ml_platform.lake.files.trash import bring_back

        return bring_back(self._opened.store)

    def pins(self, owner: str | None = None) -> dict[str, tuple[int, ...]]:
        """Return the ids of the pinned versions by owner (of one owner)."""
        return pins.list_pins(self._opened, owner)

    def pin(self, owner: str, ids: Iterable[int | Version]) -> None:
        """Let ``owner`` hold versions (retention keeps them and all they were made from)."""
        pins.pin(self._opened, owner, ids)

    def unpin(self, owner: str) -> None:
        """Delete all pins of ``owner``."""
        pins.unpin(self._opened, owner)

    def leased_runs(self) -> list[str]:
        """Return the runs that retention keeps a commit for."""
        return leased_runs(self._opened.ledger)

    def end_run(self, run_id: str) -> None:
        """Release the commit that a run was reading."""
        release(self._opened.ledger, run_id)

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
        (check_own if dry_run else check_current)(self._opened.ledger, self._opened.store)

        wanted = Wanted.of(entity, table, where)
        done = forget(self._opened.ledger, self._opened.store, wanted, reason=reason, dry_run=dry_run, progress=progress)
        if done.rewritten and not dry_run:
            keep_newest(self._opened.ledger, self._opened.store)
        # What reads the lake as it is now is one thing; the folders that other engines read are another.
        there = forget_published(self._opened, wanted, done.tables, dry_run=dry_run)
        return replace(done, published=there)

    def redactions(self) -> list[dict[str, Any]]:
        """Return what was forgotten, oldest first; see :func:`ml_platform.lake.retention.forgetting.list_redactions`."""
        from ml_platform.lake.retention.forgetting import list_redactions

        return list_redactions(self._opened.ledger)
