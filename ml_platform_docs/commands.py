"""The page of the command line: every command with its arguments, as the parser has them."""

from __future__ import annotations

import argparse
from collections.abc import Iterator

from ml_platform.cli import build_parser
from ml_platform_docs.markdown import code, fence, page, table

_EVERYWHERE = ("--json", "--project", "--help", "--verbose")


def commands_page() -> str:
    """Return the page of all commands."""
    found = list(commands())
    shown = [_shared(found), *(_section(parser) for parser in found)]
    return page(
        "Command line",
        "`ml-platform COMMAND --help` says the same on the terminal. A command looks for the project around the folder in which it is run.",
        "It ends with 0 if all is well, with 1 if it found something wrong, and with 2 and one sentence if it could not do what it was "
        "asked.",
        table(["command", "what it does"], [[f"[{_name(p)}](#{_anchor(p)})", p.description or ""] for p in found]),
        *shown,
    )


def commands(parser: argparse.ArgumentParser | None = None) -> Iterator[argparse.ArgumentParser]:
    """Return the parser of every command that does something, in the order of the help."""
    parser = parser or build_parser()
    below = [action for action in parser._actions if isinstance(action, argparse._SubParsersAction)]
    if not below:
        yield parser
    for action in below:
        for command in dict.fromkeys(action.choices.values()):
            yield from commands(command)


def _shared(parsers: list[argparse.ArgumentParser]) -> str:
    """Return what every command takes."""
    rows = [_row(action) for action in parsers[0]._actions if _is_everywhere(action) and action.dest != "help"]
    return "## Options of every command\n\n" + table(["option", "what it means"], rows)


def _is_everywhere(action: argparse.Action) -> bool:
    return bool(action.option_strings) and action.option_strings[-1] in _EVERYWHERE


def _section(parser: argparse.ArgumentParser) -> str:
    rows = [_row(action) for action in parser._actions if not _is_everywhere(action)]
    usage = " ".join(parser.format_usage().removeprefix("usage: ").split())
    for word in ("[-h] ", "[--json] ", "[--project NAME|DIR] ", "[-v] "):
        usage = usage.replace(word, "")
    usage = usage.replace("[--json]", "").replace("[--project NAME|DIR]", "").replace("[-h]", "")
    parts = [f"## {_name(parser)}", f"{(parser.description or '').capitalize()}.", fence(usage, "text")]
    if rows:
        parts.append(table(["argument", "what it means"], rows))
    return "\n\n".join(parts)


def _row(action: argparse.Action) -> list[str]:
    names = ", ".join(code(name) for name in action.option_strings) or code(action.metavar or action.dest)
    value = action.metavar or (action.dest.upper() if action.nargs != 0 else "")
    if action.option_strings and action.nargs != 0:
        names += f" {code(' '.join(value) if isinstance(value, tuple) else value)}"
    text = (action.help or "").replace("%(default)s", str(action.default)).replace("%%", "%")
    if action.choices:
        text += f" One of {', '.join(code(choice) for choice in action.choices)}."
    return [names, text]


def _name(parser: argparse.ArgumentParser) -> str:
    return parser.prog.removeprefix("ml-platform ")


def _anchor(parser: argparse.ArgumentParser) -> str:
    return _name(parser).replace(" ", "-")
