"""The parameters that a trainer takes: a misspelt one must not be ignored in silence."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ml_platform.core.errors import ModelError, did_you_mean


def check_params(kind: str, params: Mapping[str, object], known: Iterable[str], *, fixed: Iterable[str] = ()) -> None:
    """Refuse parameters that the trainer does not know, and those that the platform sets itself.

    Raises
    ------
    ModelError
        Naming the parameter and what exists.
    """
    fixed = frozenset(fixed)
    for name in params:
        if name in fixed:
            raise ModelError(f"The trainer {kind!r} sets {name!r} itself, so that a run can be repeated. Remove it from params.")
    known = sorted(set(known) - fixed)
    for name in params:
        if name not in known:
            raise ModelError(f"The trainer {kind!r} has no parameter {name!r}. {did_you_mean(name, known)}")
