"""What those who extend the platform test with: the contract that everything of a kind must keep, and registries that forget.

The contracts are classes for pytest: a subclass in your tests that names your thing runs all of it. Only they need pytest.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ml_platform.core.registry import Registry

if TYPE_CHECKING:
    from ml_platform.core.registry import Thing

__all__ = ["isolated_registries", "registered"]

isolated_registries = Registry.isolated


@contextmanager
def registered(registry: Registry[Thing], thing: Thing) -> Iterator[Thing]:
    """Register something for as long as a test needs it.

    Parameters
    ----------
    registry : Registry
        Such as ``TRAINERS``.
    thing : object
        What is to be found there under its name; it is forgotten at the end.
    """
    with Registry.isolated():
        yield registry.register(thing)
