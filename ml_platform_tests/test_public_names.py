"""The public interface is small, stated and typed; what people are shown imports nothing else."""

from __future__ import annotations

import ast
import importlib
import re
import subprocess
import sys
from collections.abc import Iterator
from importlib.util import find_spec
from pathlib import Path

import pytest

import ml_platform
from ml_platform.commands import new_project
from ml_platform_docs.python_names import public_modules, python_page
from ml_platform_tests.public_names import GOLDEN, describe
from ml_platform_tests.site.blocks import all_blocks, pages

PACKAGE = Path(ml_platform.__file__).parent
# Modules whose public names are loaded when they are first used.
LAZY = [m for m in public_modules() if m != "ml_platform.errors" and hasattr(importlib.import_module(m), "_HOMES")]
_DOTTED = re.compile(r"`(ml_platform(?:\.\w+)+)")


def test_the_public_interface_is_as_in_the_golden_file() -> None:
    assert describe() == GOLDEN.read_text(encoding="utf-8"), (
        "a public name has changed: deprecate what goes (CONTRIBUTING.md), then python -m ml_platform_tests.public_names"
    )


def _examples() -> Iterator[tuple[str, str]]:
    """Return every piece of Python that people are shown or given, with where it stands."""
    for block in all_blocks("python"):
        yield str(block), block.text
    for path in PACKAGE.rglob("*.py"):
        found = re.findall(r"^\s*>>> (.*(?:\n\s*\.\.\. .*)*)", path.read_text(encoding="utf-8"), re.MULTILINE)
        lines = [line for line in found if re.match(r"(from|import) ml_platform", line)]
        if lines:
            yield path.relative_to(PACKAGE).as_posix(), "\n".join(lines)
    for name in ("_DEFINITIONS", "_EXECUTOR"):
        yield f"what `init` writes ({name})", getattr(new_project, name)


def _private(text: str) -> list[str]:
    """Return what a piece of Python takes from the platform that is not public."""
    found = []
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.ImportFrom) and (node.module or "").split(".")[0] == "ml_platform":
            found += [f"{node.module}.{alias.name}" for alias in node.names if not _is_public(f"{node.module}.{alias.name}")]
        if isinstance(node, ast.Import):
            found += [a.name for a in node.names if a.name.split(".")[0] == "ml_platform" and a.name not in public_modules()]
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "ml_platform":
            found += [] if _is_public(f"ml_platform.{node.attr}") else [f"ml_platform.{node.attr}"]
    return found


def _is_public(name: str) -> bool:
    module, _, last = name.rpartition(".")
    return name in public_modules() or (module in public_modules() and last in importlib.import_module(module).__all__)


def test_what_people_are_shown_imports_public_names_only() -> None:
    assert {where: private for where, text in _examples() if (private := _private(text))} == {}


@pytest.mark.parametrize(
    "text", ["from ml_platform.lake.lake import Lake", "from ml_platform import nonsense", "import ml_platform.cli", "ml_platform.Lake"]
)
def test_a_private_name_is_found(text: str) -> None:
    assert len(_private(text)) == 1


def test_guides_name_public_modules_only() -> None:
    """Also in running text: a module that is named there is one that may be imported."""
    found = {}
    for page, path in pages().items():
        named = {name for name in _DOTTED.findall(path.read_text(encoding="utf-8")) if _is_module(name)}
        if private := sorted(name for name in named if not _is_public(name)):
            found[page] = private
    assert found == {}


def _is_module(name: str) -> bool:
    return find_spec(".".join(name.split(".")[:2])) is not None


def test_settings_that_init_writes_name_public_classes() -> None:
    named = re.findall(r"module: (ml_platform\S*).*\n\s*class: (\w+)", new_project._INSTANCE)
    assert named == [("ml_platform.instance", "LocalStorage"), ("ml_platform.instance", "LakePages")]
    assert all(hasattr(importlib.import_module(module), name) for module, name in named)


@pytest.mark.parametrize("name", LAZY)
def test_lazy_names_are_known_to_a_type_checker(name: str) -> None:
    """What is loaded lazily is imported for type checkers, from the same place; ``__all__`` is written out."""
    module = importlib.import_module(name)
    tree = ast.parse(Path(str(module.__file__)).read_text(encoding="utf-8"))
    (typed,) = [node for node in tree.body if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"]
    imported = {alias.name: node.module for node in typed.body if isinstance(node, ast.ImportFrom) for alias in node.names}
    assert imported == module._HOMES
    (written,) = [node.value for node in tree.body if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == "__all__"]
    assert set(ast.literal_eval(written)) == set(module._HOMES) | {n.name for n in tree.body if isinstance(n, ast.FunctionDef)}
    assert set(dir(module)) >= set(module.__all__)


def test_importing_the_public_modules_loads_nothing_heavy() -> None:
    """The same modules as the interpreter has at its start, but for a few of the standard library."""
    code = f"import sys, {', '.join(public_modules())}; print(*{{name.split('.')[0] for name in sys.modules}})"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=PACKAGE.parent)
    assert set(done.stdout.split()) - sys.stdlib_module_names <= {"ml_platform", "__main__", "sitecustomize", "_virtualenv"} | _by_site()


def _by_site() -> set[str]:
    """Return what the interpreter loads by itself: an editable install has modules of its own."""
    done = subprocess.run([sys.executable, "-c", "import sys; print(*sys.modules)"], capture_output=True, text=True, check=True)
    return {name.split(".")[0] for name in done.stdout.split()}


def test_every_public_name_has_words() -> None:
    page = python_page()
    for module in public_modules():
        names = importlib.import_module(module).__all__
        assert [n for n in names if f"`{module}.{n}`" not in page and f"| `{n}` | " not in page] == [], module
    assert not re.search(r"^### `[^`]+`\n\n(?=#|\Z)", page, re.MULTILINE), "a name without a docstring"
    assert "```pycon" in page or "Examples" not in page


def test_every_error_of_the_platform_can_be_imported() -> None:
    from ml_platform import errors
    from ml_platform.core import errors as defined

    kinds = {name for name, value in vars(defined).items() if isinstance(value, type) and issubclass(value, defined.MlPlatformError)}
    assert set(errors.__all__) == kinds
