"""Registries that forget what a test has put into them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from ml_platform.core.registry import Registry

if TYPE_CHECKING:
    from ml_platform.core.registry import Thing


@contextmanager
def isolated_registries() -> Iterator[None]:
    """Forget at the end whatever is registered inside, in any registry; packages that are installed inside are found."""
    with Registry.isolated():
        yield


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
