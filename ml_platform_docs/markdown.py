"""Pieces of Markdown that the made pages are put together from."""

from __future__ import annotations

import re
from collections.abc import Sequence


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    r"""Return a table; a cell may hold Markdown, a bar in it is escaped.

    Examples
    --------
    >>> print(table(["name", "what"], [["`a`", "one | other"]]))
    | name | what |
    |---|---|
    | `a` | one \| other |
    """
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join("|---" * len(head) + "|" if line[0] == "---" else f"| {' | '.join(map(_cell, line))} |" for line in lines)


def code(text: object) -> str:
    """Return text as inline code, whatever backticks it holds; nothing for nothing."""
    text = str(text)
    if not text:
        return ""
    fence = "`" * (max((len(run) for run in re.findall("`+", text)), default=0) + 1)
    return f"{fence} {text} {fence}" if "`" in text else f"{fence}{text}{fence}"


def fence(text: str, language: str) -> str:
    """Return a block of code."""
    return f"```{language}\n{text.strip()}\n```"


def page(title: str, *parts: str) -> str:
    """Return a page: its title, then parts with an empty line between them."""
    return "\n\n".join([f"# {title}", *(part.strip() for part in parts if part.strip())]) + "\n"


def prose(text: str) -> str:
    """Return a docstring's text as Markdown: double backticks are single ones, roles are names, wrapped lines one paragraph."""
    text = re.sub(r":\w+:`~?([^`]+)`", r"`\1`", text).replace("``", "`")
    return "\n\n".join(" ".join(part.split()) if not _is_list(part) else part for part in text.strip().split("\n\n"))


def _is_list(part: str) -> bool:
    return part.lstrip().startswith(("* ", "- ", "| "))


def _cell(text: str) -> str:
    return " ".join(text.split()).replace("|", "\\|")
