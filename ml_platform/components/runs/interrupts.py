"""Whether somebody pressed Ctrl-C while Dagster ran something in this process: it takes the signal, and at times forgets it."""

import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress


@contextmanager
def noticing_interrupts() -> Iterator[Callable[[], bool]]:
    """Yield what tells whether an interrupt has come since the block began, whoever handles signals meanwhile.

    Dagster puts its own handler in place while it runs steps, and what comes between two steps is lost with it. The system writes each
    signal to a pipe as well. In another thread than the main one, where no signal arrives, nothing is noticed.
    """
    if threading.current_thread() is not threading.main_thread():
        yield lambda: False
        return
    reader, writer = os.pipe()
    os.set_blocking(reader, False)
    os.set_blocking(writer, False)
    before = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    seen = bytearray()

    def has_come() -> bool:
        with suppress(BlockingIOError):
            seen.extend(os.read(reader, 4096))
        return signal.SIGINT in seen

    try:
        yield has_come
    finally:
        signal.set_wakeup_fd(before)
        os.close(reader)
        os.close(writer)
