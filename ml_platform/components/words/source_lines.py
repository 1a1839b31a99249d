"""Where the words of a declaration stand: file, line, and the line itself."""

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

WordPath = tuple[str | int, ...]
# A message says first which word it is about, as it is written in the declaration: `label.horizon`, `features[1]`.
_FIRST_WORD = re.compile(r"(?:the )?([a-z_]+(?:\.[a-z_]+|\[\d+\])*)(?![a-z_(])", re.IGNORECASE)
_QUOTED = re.compile(r"'([^']*)'|`([^`]*)`|\"([^\"]*)\"")


@dataclass(frozen=True)
class SourceLines:
    """The lines of one document of a YAML file.

    Parameters
    ----------
    tree : SourcePositionTree or None
        Dagster's positions of everything in the document; None for a declaration that was not read from a file.
    root : tuple of str
        Where in the document the words begin.
    """

    tree: Any
    root: tuple[str, ...] = ("attributes",)

    def place(self, path: Sequence[str | int]) -> str | None:
        """Return ``folder/file:line`` of the word at a path below the root, or of the nearest one around it."""
        at = self._at(path)
        return None if at is None else f"{shown_path(Path(at.filename))}:{at.start.line}"

    def describe(self, path: Sequence[str | int], declared: str, what: str) -> str:
        """Return what is wrong with a word as one message: its file and line, the declaration, the reason, and the line.

        Parameters
        ----------
        path : sequence of str and int
            Where the word stands below the root.
        declared : str
            The declaration, such as ``Table 'orders'``.
        what : str
            What is wrong.
        """
        place, line = self.place(path), self._line(path)
        shown = f"\n    {line}" if line else ""
        return f"{place} ({declared}): {what}{shown}" if place else f"{declared}: {what}"

    def find(self, values: Any, message: str) -> WordPath:
        """Return the path of the word that a message is about; the empty path if it says none.

        Parameters
        ----------
        values : mapping
            What is written below the root.
        message : str
            Without the place at its beginning. It begins with the word it is about (``label.horizon is ...``), or quotes what is written
            there (``there is no table 'ordres'``).
        """
        first = _FIRST_WORD.match(message)
        path = () if first is None else _existing(values, first[1])
        if path:
            return path
        written = {str(value): found for found, value in _leaves(values) if found[-1:] != ("name",)}
        written = {text.rpartition(".")[2]: found for text, found in written.items()} | written
        about = re.split(r" (?:What exists|Did you mean|Write) ", message)[0]
        missing = [found[1] for found in re.finditer(r"\bno [a-z]+ '([^']*)'", about)]
        return next((written[text] for text in [*missing, *_quoted(about)] if text in written), ())

    def _line(self, path: Sequence[str | int]) -> str:
        at = self._at(path)
        file = None if at is None else Path(at.filename)
        if at is None or file is None or not file.is_file():
            return ""
        lines = file.read_text(encoding="utf-8").splitlines()
        return f"{at.start.line} | {lines[at.start.line - 1].rstrip()}" if at.start.line <= len(lines) else ""

    def _at(self, path: Sequence[str | int]) -> Any:
        return None if self.tree is None else self.tree.lookup_closest_and_path([*self.root, *path], None)[0]


def shown_path(file: Path) -> str:
    """Return a file as messages name it: with the two folders around it."""
    return "/".join(file.parts[-3:])


def _quoted(message: str) -> Iterator[str]:
    for found in _QUOTED.finditer(message):
        yield next(part for part in found.groups() if part is not None)


def _existing(values: Any, word: str) -> WordPath:
    """Return the path that ``label.horizon`` or ``features[1]`` names, as far as it is written."""
    path: list[str | int] = []
    for part in re.findall(r"[a-z_]+|\d+", word, re.IGNORECASE):
        step = int(part) if part.isdecimal() else part
        try:
            values = values[step]
        except (KeyError, IndexError, TypeError):
            break
        path.append(step)
    return tuple(path)


def _leaves(values: Any, path: WordPath = ()) -> Iterator[tuple[WordPath, Any]]:
    """Yield everything that is written, the last first: of two that are alike the first one is found."""
    children = values.items() if isinstance(values, Mapping) else enumerate(values) if isinstance(values, list) else None
    if children is None:
        yield path, values
        return
    for step, value in reversed(list(children)):
        yield from _leaves(value, (*path, step))
