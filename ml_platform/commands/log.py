"""What the platform logs, shown on the terminal: what it decided, tried again, waited for or fell back on."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TextIO

from ml_platform.core.masking import mask


class _Masked(logging.Formatter):
    """One line per record, without secrets."""

    def format(self, record: logging.LogRecord) -> str:
        return mask(super().format(record))


@contextmanager
def shown_log(*, verbose: bool) -> Iterator[None]:
    """Write what the platform logs to standard error while a command works, if it was asked for: ``--verbose``."""
    if not verbose:
        yield
        return
    logger = logging.getLogger("ml_platform")
    level = logger.level
    with kept_stderr() as stream:
        handler = logging.StreamHandler(stream)
        handler.setFormatter(_Masked("%(asctime)s %(levelname)s %(name)s: %(message)s"))
        logger.addHandler(handler)
        logger.setLevel(logging.INFO)
        try:
            yield
        finally:
            logger.removeHandler(handler)
            logger.setLevel(level)


@contextmanager
def kept_stderr() -> Iterator[TextIO]:
    """Yield standard error as it is now: Dagster keeps what a step writes there in a file until the step has ended."""
    try:
        own = os.dup(sys.stderr.fileno())
    except (AttributeError, OSError, ValueError):
        # A notebook, or a test, puts something else in the place of standard error, which no file takes the place of.
        yield sys.stderr
        return
    sys.stderr.flush()
    with open(own, "w", encoding=sys.stderr.encoding, errors="replace", buffering=1) as stream:
        yield stream
