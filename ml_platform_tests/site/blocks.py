"""The blocks of code in README and documentation, and what a reader would do with each."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

REPOSITORY = Path(__file__).parents[2]
_BLOCK = re.compile(r"^( *)```(\w*)(?: title=\"([^\"]*)\")?[^\n]*\n(.*?)^\1```$", re.MULTILINE | re.DOTALL)

# Commands that no test runs as they stand, each with the reason. What they name is checked all the same, where it is ours.
NOT_RUN = {
    r"make (demo|dev|test|check|docs)\b": "minutes, or a server; what they start is tested by itself",
    r"pip install|python -m venv|source |git clone": "installs from a package index; the wheel is installed by test_wheel.py",
    r"dagster dev|dg dev|ml-platform branch dev|.* make dev": "a server that runs until it is stopped; test_webserver.py drives one",
    r"ml-platform lake move-ledger|aws s3 sync|export ": "needs servers; test_served_guides.py starts them and follows the page",
    r"ml-platform lake publish": "needs an extra; the lake's own tests do it",
}


@dataclass(frozen=True)
class Block:
    """One block: where it stands, its language, its title (the file that a reader writes it to) and its text."""

    page: str
    number: int
    language: str
    title: str
    text: str

    def __str__(self) -> str:
        return f"{self.page}, block {self.number} ({self.language or 'no language'})"

    @property
    def commands(self) -> list[str]:
        """The command lines of a shell block, without comments."""
        text = self.text.replace("\\\n", " ")
        lines = (re.sub(r"(^|\s)#\s.*$", "", line).strip() for line in text.splitlines())
        return [line for line in lines if line]


@cache
def pages() -> dict[str, Path]:
    """Return README and every page that is written by hand, by its name; decision records tell of the past and are left out."""
    written = sorted(p for p in (REPOSITORY / "docs").rglob("*.md") if "adr" not in p.parts)
    return {p.relative_to(REPOSITORY).as_posix(): p for p in (REPOSITORY / "README.md", *written)}


def blocks_of(page: str) -> list[Block]:
    """Return the blocks of a page, in order."""
    found = _BLOCK.findall(pages()[page].read_text(encoding="utf-8"))
    return [
        Block(page, number, language, title, re.sub(rf"^{indent}", "", text, flags=re.MULTILINE))
        for number, (indent, language, title, text) in enumerate(found, 1)
    ]


def all_blocks(*languages: str) -> list[Block]:
    """Return the blocks of all pages in some languages."""
    return [block for page in pages() for block in blocks_of(page) if block.language in languages]


def reason_not_run(command: str) -> str | None:
    """Return why no test runs a command as it stands; None if one does."""
    return next((reason for pattern, reason in NOT_RUN.items() if re.match(pattern, command)), None)
