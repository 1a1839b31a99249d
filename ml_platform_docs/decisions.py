"""The list of decision records, made from their files."""

from __future__ import annotations

from pathlib import Path

from ml_platform_docs.markdown import page, table


def decisions(docs: Path) -> dict[str, str]:
    """Return the title of each record by its path below the pages' folder, in the order of their numbers."""
    found = {}
    for path in sorted((docs / "adr").glob("[0-9]*.md")):
        title = path.read_text(encoding="utf-8").splitlines()[0].removeprefix("# ")
        found[f"adr/{path.name}"] = title
    return found


def decisions_page(docs: Path) -> str:
    """Return the list of all records."""
    rows = []
    for name, title in decisions(docs).items():
        number, _, text = title.partition(" ")
        rows.append([number, f"[{text}]({name.removeprefix('adr/')})"])
    return page(
        "Why it is so",
        "Decisions that were costly to take and would be costly to undo, a page each: the question, what was decided, what speaks against. "
        "They are written for those who change the platform; nobody needs them to use it.",
        table(["", "decision"], rows),
    )
