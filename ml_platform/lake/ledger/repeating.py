"""Questions to the ledger that are asked once more when its server cut the connection in their middle: reading twice does no harm."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from functools import wraps
from typing import ParamSpec, TypeVar

from ml_platform.core.errors import LedgerUnavailableError

_LOG = logging.getLogger(__name__)

_P = ParamSpec("_P")
_T = TypeVar("_T")


class CutWhileReadingError(LedgerUnavailableError):
    """The server ended the connection after a reading transaction had begun."""


def repeatable(question: Callable[_P, _T]) -> Callable[_P, _T]:
    """Ask again, on a new connection and from the beginning, if the first one was cut; the second time the error is the answer.

    Only for what reads: of a transaction that writes nobody knows whether its end was heard.
    """

    @wraps(question)
    def asked(*args: _P.args, **options: _P.kwargs) -> _T:
        # What can be gone through only once would be empty the second time.
        held = [list(value) if isinstance(value, Iterator) else value for value in args]
        named = {name: list(value) if isinstance(value, Iterator) else value for name, value in options.items()}
        try:
            return question(*held, **named)  # pyright: ignore[reportCallIssue]
        except CutWhileReadingError as cut:
            _LOG.warning("The question %r is asked once more, from the beginning. %s", question.__name__, cut)
            return question(*held, **named)  # pyright: ignore[reportCallIssue]

    return asked
