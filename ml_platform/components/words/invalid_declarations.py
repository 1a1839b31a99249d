"""How Dagster shows that declarations cannot be right: our message, and nothing around it."""

import logging
import os
from functools import cache

from dagster.components.core.component_tree import ComponentTreeException

from ml_platform.components.dagster_internals import DagsterUserCodeProcessError, told_error
from ml_platform.core.errors import DeclarationError

TRACEBACK = "ML_PLATFORM_TRACEBACK"


class InvalidDeclarationsError(DeclarationError, ComponentTreeException, DagsterUserCodeProcessError):
    """What is wrong with the declarations of a code location, in one message.

    To an error that is not of its own kind Dagster adds a drawing of all components, which marks the one that happened to be built, and
    the steps that led there. With ``ML_PLATFORM_TRACEBACK=1`` these are shown.
    """

    def __init__(self, message: str) -> None:
        told = told_error(message, type(self).__name__)
        if told is None:
            super().__init__(message)
            return
        if wants_traceback():
            told = {key: [] for key in told}
        else:
            _only_the_message()
        super().__init__(message, **told)


@cache
def _only_the_message() -> None:
    """Let the code server, whose log is the terminal of ``dg dev``, write the message without the steps that led there."""
    logging.getLogger("dagster.code_server").addFilter(_without_steps)


def _without_steps(record: logging.LogRecord) -> bool:
    error = record.exc_info[1] if record.exc_info else None
    if isinstance(error, InvalidDeclarationsError) and not wants_traceback():
        record.msg, record.args, record.exc_info = f"{record.getMessage()}:\n{error}", (), None
    return True


def wants_traceback() -> bool:
    """Whether the steps that led to an error are asked for."""
    return os.environ.get(TRACEBACK, "").lower() in ("1", "true", "yes")
