"""What counts as other code, and that the fast way of leaving out what does not agrees with Python's own parser."""

from __future__ import annotations

import ast
from pathlib import Path

import pytest

import ml_platform
from ml_platform.core import source_code
from ml_platform.core.source_code import imported, normalised, placeless

PACKAGE = Path(ml_platform.__file__).parent
SOURCE = '''"""What it does."""
# A thought.
LIMIT = 3  # rows
TEXT = """
# no comment
"""


def double(x):
    """Return twice."""
    return "#" + x * 2
'''


class _WithoutDocstrings(ast.NodeTransformer):
    def visit(self, node: ast.AST) -> ast.AST:
        self.generic_visit(node)
        body = getattr(node, "body", None)
        if isinstance(body, list) and body and isinstance(body[0], ast.Expr) and isinstance(getattr(body[0].value, "value", None), str):
            node.body = body[1:]  # type: ignore[attr-defined]
        return node


def test_words_about_code_are_no_code() -> None:
    same = SOURCE
    for before, after in (("What it does.", "Does\n\nthings."), ("# A thought.\n", ""), ("  # rows", ""), ("\n\n\ndef", "\n\ndef")):
        same = same.replace(before, after)
    assert normalised(same.replace('    """Return twice."""\n', "")) == normalised(SOURCE)
    for before, after in (("= 3", "= 4"), ("# no comment", "# another"), ('"#"', '"##"'), ("x * 2", "x * 3")):
        assert normalised(SOURCE.replace(before, after)) != normalised(SOURCE)


def test_what_is_logged_is_no_code() -> None:
    logged = SOURCE.replace("LIMIT = 3", "import logging\n\n_LOG = logging.getLogger(__name__)\n\nLIMIT = 3")
    logged = logged.replace("    return", '    _LOG.info("%s is doubled", x)\n    return')
    assert placeless(normalised(logged)) == placeless(normalised(SOURCE))
    assert placeless(normalised(logged.replace("_LOG.info", "audit_LOG.info"))) != placeless(normalised(SOURCE))


@pytest.mark.slow
def test_every_module_of_the_package_means_the_same_without_its_words() -> None:
    """Docstrings are found by how they stand, without parsing: this finds a module in which that is not enough."""
    sources = {path: path.read_text() for path in sorted(PACKAGE.rglob("*.py"))}
    wrong = []
    for path, source in sources.items():
        kept = source_code._TOKENS.sub(lambda found: found["text"] or _placeholder(found["doc"]), source)
        trees = [ast.dump(_WithoutDocstrings().visit(ast.parse(text))) for text in (source, kept)]
        if trees[0] != trees[1]:
            wrong.append(path.relative_to(PACKAGE).as_posix())
    assert wrong == []
    assert len(sources) > 300


def _placeholder(docstring: str | None) -> str:
    """Return an empty text where a docstring stood: a function needs a body."""
    return "" if not docstring else f'{docstring[: len(docstring) - len(docstring.lstrip())]}""\n'


def test_imports_are_found_wherever_they_stand() -> None:
    source = "from ml_platform.tables.declared import table as core, contract\n\ndef f():\n"
    source += "    from ml_platform.sql.binding import (\n        read_sql,\n    )\n"
    assert imported(source) == ["tables.declared.table", "tables.declared.contract", "sql.binding"]


def test_a_module_that_moves_into_another_room_is_no_other_code() -> None:
    here = """import re
from ml_platform.tables.casts import cast_column
from ml_platform.tables.types import Type, arrow_type

KNOWN = "ml_platform.models.lightgbm:LightGBMTrained"
WIDTH = 3
"""
    there = """import re
from ml_platform.tables.declared.types import (
    Type,
    arrow_type,
)
from ml_platform.tables.judged.casts import cast_column

KNOWN = "ml_platform.models.trainers.lightgbm:LightGBMTrained"
WIDTH = 3
"""
    assert placeless(here) == placeless(there)
    assert placeless(here) != placeless(there.replace("= 3", "= 4"))
    assert placeless(here) != placeless(there.replace("lightgbm:", "ridge:"))
