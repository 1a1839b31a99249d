"""``ml-platform tag create | list | drop``: names for commits that must stay readable."""

from __future__ import annotations

from argparse import Namespace

from ml_platform.commands.answer import Answer, Sheet
from ml_platform.commands.place import open_lake, parse_at


def create(args: Namespace) -> Answer:
    """Name a commit of the branch that the settings name."""
    made = open_lake(args.project).tag(args.name, parse_at(args.at), args.message or "")
    line = f"Commit {made.commit} of {made.branch} is called {made.name}: read it with --at {made.name}, in Python with at={made.name!r}."
    return Answer({"tag": made.name, "commit": made.commit, "branch": made.branch}, (line,))


def list_all(args: Namespace) -> Answer:
    """Tell all tags, by commit."""
    rows = [
        {"tag": tag.name, "commit": tag.commit, "branch": tag.branch, "created": tag.created, "message": tag.message}
        for tag in open_lake(args.project).tags.all()
    ]
    lines = () if rows else ("No commit has a tag yet. Give one with: ml-platform tag create NAME",)
    return Answer(rows, lines, (Sheet("Tags", rows),) if rows else ())


def drop(args: Namespace) -> Answer:
    """Delete a tag."""
    open_lake(args.project).tags.drop(args.name)
    return Answer({"dropped": args.name}, (f"Tag {args.name} is dropped; retention may collect what only it held.",))
