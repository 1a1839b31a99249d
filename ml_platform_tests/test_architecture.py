"""The pages for maintainers name files that are there, and every room says what it is for and fits on one screen."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

import ml_platform

PACKAGE = Path(ml_platform.__file__).parent
ROOT = PACKAGE.parent
NAMED = re.compile(r"`([a-z_]+(?:/[a-z_0-9]+)*/?(?:[a-z_0-9]+\.(?:py|md|yaml|txt))?)`")
MOST = 20


@pytest.mark.parametrize("page", ["ARCHITECTURE.md", "CONTRIBUTING.md"])
def test_the_files_that_a_page_names_are_there(page: str) -> None:
    named = {name for name in NAMED.findall((ROOT / page).read_text(encoding="utf-8")) if "/" in name}
    assert len(named) >= 3
    assert [name for name in sorted(named) if not (PACKAGE / name).exists() and not (ROOT / name).exists()] == []


def test_every_room_says_what_it_is_for_and_fits_on_one_screen() -> None:
    rooms = sorted({path.parent for path in PACKAGE.rglob("*.py")} - {PACKAGE})
    assert len(rooms) > 40
    assert [str(room) for room in rooms if not ast.get_docstring(ast.parse((room / "__init__.py").read_text(encoding="utf-8")))] == []
    assert {str(room): n for room in rooms if (n := len(list(room.glob("*.py")))) > MOST} == {}
