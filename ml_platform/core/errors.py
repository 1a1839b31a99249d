"""Every error of the platform: one root, one branch per room, no knowledge of any transport."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager

# How alike words must be that are taken for each other's typing errors, from 0 to 1.
_NEAR = 0.65
# Of more names than this only the nearest are told.
_MOST_NAMES, _NEAR_NAMES = 40, 10
# What other tools call a thing, and what it is called here.
_ELSEWHERE = {
    "avg": ("mean",), "average": ("mean",), "stddev": ("std",), "stdev": ("std",), "variance": ("var",), "minimum": ("min",),
    "maximum": ("max",), "nunique": ("distinct",), "n_unique": ("distinct",), "count_distinct": ("distinct",), "size": ("count",),
    "total": ("sum",), "rate": ("share",), "ratio": ("share",), "most_common": ("mode",), "int": ("int64",), "integer": ("int64",),
    "bigint": ("int64",), "long": ("int64",), "number": ("float64",), "float": ("float64",), "double": ("float64",), "real": ("float64",),
    "numeric": ("decimal(18,4)", "float64"), "text": ("string",), "str": ("string",), "varchar": ("string",), "object": ("string",),
    "datetime": ("timestamp",), "timestamptz": ("timestamp",), "datetime64": ("timestamp",), "boolean": ("bool",),
    "classification": ("binary", "multiclass"), "classifier": ("binary", "multiclass"), "regressor": ("regression",),
    "lgbm": ("lightgbm",), "logistic_regression": ("logistic",), "dummy": ("constant",), "pk": ("key",), "primary_key": ("key",),
    "timestamp_field": ("event_time",), "timestamp_column": ("event_time",), "timestamp": ("event_time",), "target": ("label",),
}  # fmt: skip


class MlPlatformError(Exception):
    """Root of all errors that the platform raises on purpose.

    A message says what happened, where, and what to do; it never carries a secret.
    """


class DeclarationError(MlPlatformError):
    """A declaration (table, view, problem, contract) cannot be right; raised at load, never at run."""

    # Of several that are told together, each.
    parts: tuple[str, ...] = ()

    @classmethod
    def of(cls, messages: Sequence[str]) -> DeclarationError:
        """Return one error of one or several messages, each told in lines of its own."""
        error = cls("\n".join(messages))
        error.parts = tuple(messages)
        return error


class UnknownNameError(DeclarationError):
    """A declaration names something that does not exist."""


class ExtensionError(MlPlatformError):
    """What extends the platform, in an installed package or in a project, cannot be used."""


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

    @property
    def messages(self) -> tuple[str, ...]:
        """What was found, each once."""
        told = (part for error in self.found for part in ((isinstance(error, DeclarationError) and error.parts) or (str(error),)))
        return tuple(dict.fromkeys(told))

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
            raise DeclarationError.of(self.messages)


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
        return "There is none yet."
    close = nearest(name, known)
    hint = f" Did you mean {close!r}?" if close else ""
    if len(known) <= _MOST_NAMES:
        return f"What exists: {', '.join(known)}.{hint}"
    near = sorted(difflib.get_close_matches(name, known, n=_NEAR_NAMES, cutoff=0.0))
    return f"What exists: {', '.join(near)} and {len(known) - len(near)} more.{hint}"


def nearest(name: str, options: Iterable[str]) -> str | None:
    """Return which of the options was probably meant by a name that is none of them; None if nothing is near.

    Names of several words share some of them by their nature, such as ``customer_id`` and ``store_id``: what is left must be near.

    Examples
    --------
    >>> nearest("custmer_id", ["store_id", "customer_id"]), nearest("customer_id", ["store_id"]), nearest("avg", ["mean", "max"])
    ('customer_id', None, 'mean')
    """
    known = list(options)
    same = {_letters(one): one for one in reversed(known)}
    if _letters(name) in same:
        return same[_letters(name)]
    elsewhere = next((one for one in _ELSEWHERE.get(name.lower(), ()) if one in known), None)
    if elsewhere is not None:
        return elsewhere
    close = next((one for one in difflib.get_close_matches(name, known, n=3, cutoff=0.6) if _is_near(name, one)), None)
    # Of `models/late_arrival` the last part is what people write.
    ends = {one.rpartition("/")[2]: one for one in reversed(known) if "/" in one} if close is None and "/" not in name else {}
    return ends[end] if ends and (end := nearest(name, ends)) is not None else close


def _letters(name: str) -> str:
    return "".join(letter for letter in name.lower() if letter.isalnum())


def _is_near(name: str, other: str) -> bool:
    mine, its = name.split("_"), other.split("_")
    rest, left = ("_".join(word for word in words if word not in both) for words, both in ((mine, its), (its, mine)))
    if not rest or not left:
        return abs(len(mine) - len(its)) <= 1
    return difflib.SequenceMatcher(None, rest, left).ratio() >= _NEAR
