"""``lake.branches``: all branches of a lake, and what the one that is open has published."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ml_platform.lake.branching.branch_size import OwnFiles, own_files
from ml_platform.lake.branching.branches import (
    Branch,
    Change,
    Merge,
    branch_changes,
    create_branch,
    drop_branch,
    list_branches,
    merge_branch,
)
from ml_platform.lake.files.belonging import keep_newest
from ml_platform.lake.ledger.scope import At
from ml_platform.lake.opened import Opened


@dataclass(frozen=True, repr=False)
class LakeBranches:
    """What ``lake.branches`` is: branches are created from the one that is open, merged into their parents, and dropped."""

    _opened: Opened

    def all(self) -> list[Branch]:
        """Return the living branches besides ``main``, oldest first."""
        return list_branches(self._opened.ledger)

    def create(self, name: str, at: At = None) -> Branch:
        """Create a branch of this one as of a commit; see :func:`ml_platform.lake.branching.branches.create_branch`."""
        return create_branch(self._opened.ledger, name, self._opened.scope, at)

    def drop(self, name: str) -> None:
        """Delete a branch; see :func:`ml_platform.lake.branching.branches.drop_branch`."""
        drop_branch(self._opened.ledger, name)

    def merge(self, name: str, *, wanted: Callable[[str], bool] | None = None, run_id: str = "", message: str = "") -> Merge:
        """Publish in its parent what branch ``name`` has published; see :func:`ml_platform.lake.branching.branches.merge_branch`."""
        self._opened.confirm()
        done = merge_branch(self._opened.ledger, name, wanted=wanted, run_id=run_id, message=message)
        keep_newest(self._opened.ledger, self._opened.store)
        return done

    def changes(self, wanted: Callable[[str], bool] | None = None) -> list[Change]:
        """Return what this branch has published and not merged yet; see :func:`ml_platform.lake.branching.branches.branch_changes`."""
        return branch_changes(self._opened.ledger, self._opened.scope.branch, wanted)

    def own_files(self) -> dict[str, OwnFiles]:
        """Return, by table, the files that only this branch holds; see :func:`ml_platform.lake.branching.branch_size.own_files`."""
        return own_files(self._opened.ledger, self._opened.scope.branch)
