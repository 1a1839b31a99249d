"""Names that will go: they still work, and say what to use instead."""

from __future__ import annotations

import warnings
from dataclasses import dataclass


@dataclass(frozen=True)
class Deprecated:
    """What stands in the place of a deprecated name, the version that announced it, and the first version without it."""

    use: str
    since: str
    removed_in: str


def warn_deprecated(name: str, deprecated: Deprecated, *, stacklevel: int = 2) -> None:
    """Warn with ``DeprecationWarning`` that a name is deprecated.

    Parameters
    ----------
    name : str
        What was used, as a user writes it: ``ml_platform.old_name``, ``Table.old_field``.
    deprecated : Deprecated
        What to use instead, and the versions.
    stacklevel : int
        How many calls above this one the user's own line stands; 2 is the caller's caller.

    Examples
    --------
    >>> with warnings.catch_warnings(record=True) as seen:
    ...     warnings.simplefilter("always")
    ...     warn_deprecated("ml_platform.load", Deprecated("ml_platform.open_project", since="0.2", removed_in="0.4"))
    >>> str(seen[0].message)
    'ml_platform.load is deprecated since 0.2 and goes in 0.4. Use ml_platform.open_project.'
    """
    message = f"{name} is deprecated since {deprecated.since} and goes in {deprecated.removed_in}. Use {deprecated.use}."
    warnings.warn(message, DeprecationWarning, stacklevel=stacklevel + 1)
