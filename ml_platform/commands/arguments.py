"""The parser of the command line, whose errors are of the same kind as all others: what is wrong, what exists, what to write."""

from __future__ import annotations

import argparse
import re
from typing import Any, NoReturn

from ml_platform.core.errors import did_you_mean, nearest

_EVERYWHERE = "[--json] [-v] [--project NAME|DIR] "
# How every command names a state of the lake.
STATE = "a commit number, a tag, or a time of publishing (UTC, by the machine's clock; not a day of the data)"


class Parser(argparse.ArgumentParser):
    """A parser that says in one sentence what cannot be read, and how to see what can."""

    # What was read last: options that nobody knows are told by the first parser, though they stand behind a command.
    _newest: list[Parser] = []  # noqa: RUF012 - shared by the parsers of one command line on purpose

    def __init__(self, *args: Any, **options: Any) -> None:
        # Half of an option's name would be read as whichever has it, and as another one when a new option comes.
        super().__init__(*args, allow_abbrev=False, **options)

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:  # pyright: ignore[reportIncompatibleMethodOverride]
        """Read what is known, as ``argparse`` does."""
        self._newest[:] = [self]
        return super().parse_known_args(args, namespace)

    def error(self, message: str) -> NoReturn:
        """End the process with 2 and one message."""
        reader = self._newest[0] if message.startswith("unrecognized arguments") and self._newest else self
        self.exit(2, f"ml-platform: {_sentence(reader, message)} See: {reader.prog} --help\n")

    def options(self) -> list[str]:
        """Return the long names of the options."""
        return [name for action in self._actions for name in action.option_strings if name.startswith("--")]

    def shown_usage(self) -> str:
        """Return how the command is written, without the options that every command has."""
        return " ".join(self.format_usage().split()).removeprefix("usage: ").replace("[-h] ", "").replace(_EVERYWHERE, "")


def add_command(commands: argparse._SubParsersAction, name: str, does: str, summary: str) -> argparse.ArgumentParser:
    """Add a command that the function ``does`` (``module:function`` below ``commands/``) carries out, and return it for its arguments."""
    command = commands.add_parser(name, help=summary, description=summary)
    command.set_defaults(command=does)
    command.add_argument("--json", action="store_true", help="write one JSON value instead of text")
    command.add_argument("-v", "--verbose", action="store_true", help="say on standard error what is decided, tried again and waited for")
    command.add_argument("--project", metavar="NAME|DIR", help="the project, or a folder in it (default: where you stand)")
    return command


def add_group(commands: argparse._SubParsersAction, name: str, summary: str) -> argparse._SubParsersAction:
    """Add a command of commands, and return what takes them."""
    return commands.add_parser(name, help=summary, description=summary).add_subparsers(metavar="COMMAND", required=True)


def count(text: str) -> int:
    """Read a number of things: a whole number above zero."""
    number = int(text)
    if number < 1:
        raise ValueError(text)
    return number


def _sentence(parser: Parser, message: str) -> str:
    chosen = re.match(r"argument (\S+): invalid choice: '(.*?)' \(choose from (.*)\)", message)
    if chosen is not None:
        options = re.findall(r"[\w-]+", chosen[3])
        if chosen[1] != "COMMAND":
            return f"{chosen[1]} is {chosen[2]!r}, which does not exist. {did_you_mean(chosen[2], options)}"
        return f"there is no command {chosen[2]!r}. {did_you_mean(chosen[2], options)}"
    if message.startswith("unrecognized arguments: "):
        unknown = message.removeprefix("unrecognized arguments: ").split()[0]
        if not unknown.startswith("-"):
            return f"{unknown!r} is one word too many. Write {parser.shown_usage()}."
        near = nearest(unknown, parser.options())
        return (
            f"there is no option {unknown}. What exists: {', '.join(sorted(parser.options()))}.{f' Did you mean {near}?' if near else ''}"
        )
    number = re.match(r"argument (\S+): invalid (\w+) value: '(.*)'", message)
    if number is not None:
        return f"{number[1]} is {number[3]!r}; it must be a whole number{' above zero' if number[2] == 'count' else ''}."
    value = re.match(r"argument (\S+): expected (.*)", message)
    if value is not None:
        return f"{value[1]} needs {value[2].replace('argument', 'value')}. Write {parser.shown_usage()}."
    needed = re.match(r"the following arguments are required: (.*)", message)
    if needed is not None:
        return f"{needed[1]} {'are' if ', ' in needed[1] else 'is'} missing. Write {parser.shown_usage()}."
    return f"{message}."
