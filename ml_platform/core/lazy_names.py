"""Public names of a module that are loaded when they are first used, so that importing it costs nothing."""

from __future__ import annotations

import importlib
import sys
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from ml_platform.core.deprecation import Deprecated


def lazy_names(
    module: str, homes: Mapping[str, str], deprecated: Mapping[str, Deprecated] | None = None
) -> tuple[Callable[[str], Any], Callable[[], list[str]]]:
    """Return what a module takes as its ``__getattr__`` and ``__dir__``.

    Parameters
    ----------
    module : str
        Its ``__name__``.
    homes : mapping of str to str
        The module in which each public name is defined.
    deprecated : mapping of str to Deprecated, optional
        Names of before. Each works as the one to ``use``, a name of the same module, and warns.

    Examples
    --------
    >>> load, names = lazy_names("ml_platform", {"content_hash": "ml_platform.core.hashing"})
    >>> load("content_hash").__name__
    'content_hash'
    """
    gone = deprecated or {}

    def load(name: str) -> Any:
        if name in gone:
            from ml_platform.core.deprecation import warn_deprecated

            warn_deprecated(f"{module}.{name}", gone[name])
            name = gone[name].use.rpartition(".")[2]
        if name not in homes:
            raise AttributeError(f"module {module!r} has no attribute {name!r}")
        return getattr(importlib.import_module(homes[name]), name)

    def names() -> list[str]:
        return sorted({*vars(sys.modules[module]), *homes})

    return load, names
