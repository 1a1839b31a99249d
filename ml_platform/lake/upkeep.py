"""What is done to the lake as a whole: it is verified, retention collects in it, and entities are forgotten."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from ml_platform.core.errors import LakeError
from ml_platform.lake.history import History
from ml_platform.lake.version import MAIN

if TYPE_CHECKING:
    from ml_platform.lake.collecting import RetentionReport
    from ml_platform.lake.forgetting import Forgotten
    from ml_platform.lake.retention import Rule
    from ml_platform.lake.verify import Problem


class Upkeep(History):
    """The history of a lake, with what looks after it."""

    def verify(self, progress: Callable[[int, int], None] | None = None) -> list[Problem]:
        """Recompute the chain, every file and every content hash; return what is wrong. ``progress`` gets commits done and in all."""
        from ml_platform.lake.verify import verify

        return verify(self._ledger, self.store, progress=progress)

    def collect(
        self, rules: Sequence[Rule], *, dry_run: bool = False, now: datetime | None = None, grace: timedelta | None = None
    ) -> RetentionReport:
        """Let go of what the rules do not keep and nothing holds; see :func:`ml_platform.lake.collecting.collect`.

        Raises
        ------
        LakeError
            On a branch: retention is a matter of the whole lake.
        """
        from ml_platform.lake import collecting

        if self.branch != MAIN:
            raise LakeError(f"Retention works on the whole lake, and this is its branch {self.branch!r}: run it on {MAIN!r}.")
        return collecting.collect(self._ledger, self.store, rules, dry_run=dry_run, now=now, grace=grace or collecting.GRACE)

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
        """Rewrite everything that holds an entity's rows without them; see :func:`ml_platform.lake.forgetting.forget`.

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
        from ml_platform.lake.forgetting import forget
        from ml_platform.lake.forgotten_rows import Wanted

        wanted = Wanted.of(entity, table, where)
        return forget(self._ledger, self.store, wanted, reason=reason, dry_run=dry_run, progress=progress)

    def redactions(self) -> list[dict[str, Any]]:
        """Return what was forgotten, oldest first; see :func:`ml_platform.lake.forgetting.list_redactions`."""
        from ml_platform.lake.forgetting import list_redactions

        return list_redactions(self._ledger)
