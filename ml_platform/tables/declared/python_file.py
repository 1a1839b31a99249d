"""Functions in Python files beside a declaration: found at load without running them, imported when they are used."""

from __future__ import annotations

import ast
import hashlib
import importlib.util
import sys
import traceback
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ml_platform.core.errors import DeclarationError, UnknownNameError, did_you_mean
from ml_platform.core.masking import mask


def check_function(folder: Path, file: str, function: str, where: str) -> None:
    """Check that the file can be parsed and defines the function, without importing it.

    Raises
    ------
    UnknownNameError
        If there is no such file or function.
    DeclarationError
        If the file is not Python.
    """
    path = folder / file
    if not path.is_file():
        there = [p.name for p in folder.glob("*.py")] if folder.is_dir() else []
        raise UnknownNameError(f"{where}: there is no Python file {path}. {did_you_mean(file, there)}")
    try:
        tree = ast.parse(path.read_text(encoding="utf-8"), filename=str(path))
    except (SyntaxError, ValueError) as error:
        raise DeclarationError(f"{where}: {path} is not Python: {error}.") from None
    names = [n.name for n in tree.body if isinstance(n, ast.FunctionDef)]
    imported = [a.asname or a.name for n in tree.body if isinstance(n, ast.ImportFrom | ast.Import) for a in n.names]
    assigned = [t.id for n in tree.body if isinstance(n, ast.Assign) for t in n.targets if isinstance(t, ast.Name)]
    if function not in [*names, *imported, *assigned]:
        raise UnknownNameError(f"{where}: {path} defines no function {function!r}. {did_you_mean(function, names)}")


def takes_arguments(path: Path, function: str) -> bool:
    """Whether a function of a file takes any argument, as far as can be told without importing it: one that is not defined there may."""
    try:
        tree = ast.parse(path.read_text(encoding="utf-8"), filename=str(path))
    except (OSError, SyntaxError, ValueError):
        # What is wrong with the file is told when it is checked.
        return True
    found = [n for n in tree.body if isinstance(n, ast.FunctionDef) and n.name == function]
    taken = found[-1].args if found else None
    return taken is None or any((taken.posonlyargs, taken.args, taken.kwonlyargs, taken.vararg, taken.kwarg))


def load_function(folder: Path, file: str, function: str, where: str) -> Callable[..., Any]:
    """Import the file and return the function.

    Raises
    ------
    DeclarationError
        If the file cannot be imported; the message carries what it raised.
    UnknownNameError
        If it has no such function.
    """
    check_function(folder, file, function, where)
    path = (folder / file).resolve()
    # The content is part of the name, so that a long-lived process that edits the file gets the new function.
    name = f"_ml_platform_{path.stem}_{hashlib.sha256(f'{path}:{source_hash(folder, file)}'.encode()).hexdigest()[:12]}"
    module = sys.modules.get(name)
    if module is None:
        spec = importlib.util.spec_from_file_location(name, path)
        if spec is None or spec.loader is None:
            raise DeclarationError(f"{where}: {path} cannot be imported: its name must end in .py.")
        module = importlib.util.module_from_spec(spec)
        sys.modules[name] = module
        try:
            # Not by the loader: its kept bytecode tells files apart by the second and the size, and would give the function of before.
            exec(compile(path.read_bytes(), str(path), "exec"), module.__dict__)  # noqa: S102 - the team's own code
        except Exception as error:
            del sys.modules[name]
            told = mask(f"{type(error).__name__}: {error}").rstrip(".")
            raise DeclarationError(f"{where}: {path} cannot be imported: {told}{_line_of(error, path)}.") from None
    found = getattr(module, function, None)
    if not callable(found):
        raise UnknownNameError(f"{where}: {function!r} of {path} is not a function.")
    return found


def _line_of(error: BaseException, path: Path) -> str:
    """Return in which line of a file an error arose, in parentheses; nothing if in none."""
    lines = [frame.lineno for frame in traceback.extract_tb(error.__traceback__) if frame.filename == str(path)]
    return f" (line {lines[-1]})" if lines else ""


def source_hash(folder: Path, file: str) -> str:
    """Return the SHA-256 of the file's content: another text is other code."""
    return hashlib.sha256((folder / file).read_bytes()).hexdigest()
