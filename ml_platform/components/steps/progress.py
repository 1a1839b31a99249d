"""What steps say while they work, for who runs them in the same process: the run's log has the same lines."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

Say = Callable[[str], None]
_LISTENERS: list[Say] = []


@contextmanager
def listening(listener: Say) -> Iterator[None]:
    """Hand every line that a step of this process says to ``listener``, until the block ends."""
    _LISTENERS.append(listener)
    try:
        yield
    finally:
        _LISTENERS.remove(listener)


def heard(say: Say) -> Say:
    """Return ``say`` for a step: what it is told is handed to those who listen as well."""

    def tell(text: str) -> None:
        say(text)
        for listener in tuple(_LISTENERS):
            listener(text)

    return tell
