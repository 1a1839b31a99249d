"""The functions that there are: those of every module of this package."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import cache
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import TYPE_CHECKING

from ml_platform.core.errors import FeatureError
from ml_platform.core.registry import Registry
from ml_platform.features.declared.functions.function import Function

if TYPE_CHECKING:
    from ml_platform.features.declared.definition import FeatureDefinition

# By its name, so that all of its modules are code of what is stored: see core/source_code.py.
_PACKAGE = "ml_platform.features.declared.functions"
_MODULES = [import_module(f"{_PACKAGE}.{m.name}") for m in iter_modules([str(Path(__file__).parent)]) if m.name != "registry"]

FUNCTIONS: dict[str, Function] = {f.name: f for module in _MODULES for f in getattr(module, "FUNCTIONS", ())}
# Families of functions that are too many to list: from a name to the function.
_FAMILIES: list[Callable[[str], Function | None]] = [module.find for module in _MODULES if hasattr(module, "find")]

# Functions of whole rows, that need no column.
ROW_FUNCTIONS = frozenset(f.name for f in FUNCTIONS.values() if f.of_rows)

# With those that a project registers, and those of installed packages.
WINDOW_FUNCTIONS: Registry[Function] = Registry("function of windows", "ml_platform.functions", Function, built_in=FUNCTIONS)


def find_function(name: str) -> Function | None:
    """Return the function of that name, percentiles ``p1`` to ``p99`` included; None if there is none."""
    return _find_own(name) or WINDOW_FUNCTIONS.find(name)


@cache
def _find_own(name: str) -> Function | None:
    if name in FUNCTIONS:
        return FUNCTIONS[name]
    return next((found for find in _FAMILIES if (found := find(name)) is not None), None)


def code_of_functions(definitions: Iterable[FeatureDefinition]) -> list[str]:
    """Return hashes of the code of functions that are not the platform's own, for the code version of what they make."""
    asked = {definition.function for definition in definitions if definition.function and not definition.code}
    return [WINDOW_FUNCTIONS.code(name) for name in sorted(asked) if _find_own(name) is None and name in WINDOW_FUNCTIONS]


def function_of(definition: FeatureDefinition) -> Function:
    """Return the function of a window feature.

    Raises
    ------
    FeatureError
        If there is none of that name any more.
    """
    found = find_function(definition.function)
    if found is None:
        raise FeatureError(f"Feature {definition.name!r} is made by {definition.function!r}, which is no function of windows here.")
    return found


def function_names() -> Iterable[str]:
    """Return the names of all functions, for a reader."""
    return [*WINDOW_FUNCTIONS.names(), "p90"]
