"""Every error of the platform: one root, one branch per room, no knowledge of any transport."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator
from contextlib import contextmanager


class MlPlatformError(Exception):
    """Root of all errors that the platform raises on purpose.

    A message says what happened, where, and what to do; it never carries a secret.
    """


class DeclarationError(MlPlatformError):
    """A declaration (table, view, problem, contract) cannot be right; raised at load, never at run."""


class UnknownNameError(DeclarationError):
    """A declaration names something that does not exist."""


class DurationError(DeclarationError):
    """A length of time that cannot be read, most often one without a unit."""


class LakeError(MlPlatformError):
    """The lake cannot do what was asked; nothing was written."""


class LedgerUnavailableError(LakeError):
    """The database of the ledger could not be reached, or cut the connection off: the same may go through a moment later."""


class UnknownTableError(LakeError):
    """No version of that table was ever published."""


class UnknownPartitionError(LakeError):
    """The table has no readable version of that partition at that commit."""


class UnknownCommitError(LakeError):
    """No such commit, or a time before the first one."""


class UnknownBranchError(LakeError):
    """No such branch, or one that was dropped."""


class ConflictError(LakeError):
    """Somebody else published the same partition in the meantime; nothing was changed."""


class CollectedError(LakeError):
    """The version is in the history, but retention has deleted its files."""


class IntegrityError(LakeError):
    """A file of a published version is missing or is not what was published."""


class WrongLedgerError(LakeError):
    """The ledger is not the one that the folder's files belong to: it was moved away, is of another lake, or is an older copy."""


class ImplausibleSweepError(LakeError):
    """So many files belong to no version that the ledger may be the wrong one; nothing was deleted."""


class SourceError(MlPlatformError):
    """A source could not be read at all: nothing of that delivery can be judged."""


class ContractBrokenError(MlPlatformError):
    """A partition breaks its contract so far that it was stopped; what was readable before stays so."""


class FeatureError(MlPlatformError):
    """Features cannot be computed as declared."""


class MissingDaysError(FeatureError):
    """What is asked for reaches days of a table that are not there: not delivered, stopped or not made, which is not "nothing happened"."""


class EmptySampleError(MlPlatformError):
    """A statistic, a training or a test was asked for rows that are not there."""


class ModelError(MlPlatformError):
    """A model cannot be trained, stored or loaded as asked."""


class ReproductionError(MlPlatformError):
    """A model cannot be made again: what it was made from, or what says how, is not there any more."""


class Faults:
    """What is wrong in several places, found one after the other and told together."""

    def __init__(self) -> None:
        self.found: list[MlPlatformError] = []

    @contextmanager
    def collected(self) -> Iterator[None]:
        """Keep an error that is raised inside."""
        try:
            yield
        except MlPlatformError as error:
            self.found.append(error)

    def raise_found(self) -> None:
        """Raise what was found, if anything was.

        Raises
        ------
        MlPlatformError
            The only one; of several a ``DeclarationError`` with all messages.
        """
        if len(self.found) == 1:
            raise self.found[0]
        if self.found:
            raise DeclarationError("\n".join(dict.fromkeys(str(error) for error in self.found)))


def did_you_mean(name: str, options: Iterable[str]) -> str:
    """Say what exists, and which of it was probably meant.

    Parameters
    ----------
    name : str
        The name that was not found.
    options : iterable of str
        All names that exist there.

    Returns
    -------
    str
        One or two sentences, ready to stand at the end of an error message.
    """
    known = sorted(set(options))
    if not known:
        return "Nothing is declared there yet."
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    hint = f" Did you mean {close[0]!r}?" if close else ""
    return f"What exists: {', '.join(known)}.{hint}"
