"""Where the words of a declaration stand: file, line, and the line itself."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class SourceLines:
    """The lines of one document of a ``defs.yaml``.

    Parameters
    ----------
    tree : SourcePositionTree or None
        Dagster's positions of everything in the document; None for a declaration that was not read from a file.
    """

    tree: Any

    def place(self, path: Sequence[str | int]) -> str | None:
        """Return ``folder/file:line`` of the word at a path below ``attributes``, or of the nearest one around it."""
        at = self._at(path)
        return None if at is None else f"{'/'.join(Path(at.filename).parts[-3:])}:{at.start.line}"

    def told(self, path: Sequence[str | int], kind: str, values: Mapping[str, Any], what: str) -> str:
        """Return what is wrong with a word as one message: its file and line, the declaration, the reason, and the line.

        Parameters
        ----------
        path : sequence of str and int
            Where the word stands below ``attributes``.
        kind : str
            The kind of the declaration.
        values : mapping
            Its words.
        what : str
            What is wrong.
        """
        name = values.get("name")
        declared = f"{kind} {name!r}" if isinstance(name, str) else kind
        place, line = self.place(path), self._line(path)
        shown = f"\n    {line}" if line else ""
        return f"{place} ({declared}): {what}{shown}" if place else f"{declared}: {what}"

    def _line(self, path: Sequence[str | int]) -> str:
        at = self._at(path)
        file = None if at is None else Path(at.filename)
        if at is None or file is None or not file.is_file():
            return ""
        lines = file.read_text(encoding="utf-8").splitlines()
        return f"{at.start.line} | {lines[at.start.line - 1].rstrip()}" if at.start.line <= len(lines) else ""

    def _at(self, path: Sequence[str | int]) -> Any:
        return None if self.tree is None else self.tree.lookup_closest_and_path(["attributes", *path], None)[0]
