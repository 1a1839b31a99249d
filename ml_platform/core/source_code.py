"""What a piece of the package computes with: a hash of its modules' source, whatever is said in comments, docstrings and logs.

With it a stored content is told from one that today's code would make. Nobody has to remember to raise a number.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Sequence
from functools import cache
from pathlib import Path

PACKAGE = "ml_platform"
_ROOT = Path(__file__).resolve().parents[1]

# A text in triple quotes that stands on lines of its own is a docstring: everywhere else the package writes its long texts beside a name.
# Parsing would tell the same of 150 modules in a second; this takes some hundredths, and definitions are loaded in every process.
_TOKENS = re.compile(
    r'(?P<doc>^[ \t]*[rR]?"""(?:[^\\]|\\[\s\S])*?"""[ \t]*(?:\#[^\n]*)?\n)'
    r"|(?P<text>\"\"\"(?:[^\\]|\\[\s\S])*?\"\"\"|'''(?:[^\\]|\\[\s\S])*?'''|\"(?:[^\"\\\n]|\\.)*\"|'(?:[^'\\\n]|\\.)*')"
    r"|(?P<line>^[ \t]*(?:\#[^\n]*)?\n)"
    r"|(?P<end>[ \t]*\#[^\n]*|[ \t]+$)",
    re.MULTILINE,
)
_IMPORT = re.compile(rf"^[ \t]*from {PACKAGE}\.([\w.]+) import (\([^)]*\)|[^\n#]*)", re.MULTILINE)
# What a module is called in texts, such as where a model's class is found; and modules that are imported by name when they are needed.
_PLACE = re.compile(rf"{PACKAGE}(?:\.\w+)*\.(\w+)")
_NAMED = re.compile(rf"[\"']{PACKAGE}\.([\w.]+)")

# What is logged changes no content. Of a call over several lines the rest counts as code, which does no harm.
_LOGGED = re.compile(r"\s*(_LOG\b|import logging$)")


@cache
def code_hash(roots: tuple[str, ...], within: tuple[str, ...], without: tuple[str, ...] = ()) -> str:
    """Return the hash of what some modules compute with.

    Parameters
    ----------
    roots : tuple of str
        Modules below the package, such as ``pipeline.raw``.
    within : tuple of str
        Packages and modules that are followed into where something imports them, also inside functions; the others are left out.
    without : tuple of str
        Modules among these that decide nothing that is stored, such as reports.

    Returns
    -------
    str
        16 hexadecimal digits: other ones when the code of one of the modules changes, whatever its comments and docstrings say, and in
        whichever rooms the modules stand.
    """
    digests = sorted(_digest(name) for name in modules_of(roots, within, without))
    return hashlib.sha256("\n".join(digests).encode()).hexdigest()[:16]


@cache
def modules_of(roots: tuple[str, ...], within: tuple[str, ...], without: tuple[str, ...] = ()) -> tuple[str, ...]:
    """Return the modules whose source :func:`code_hash` hashes, by name."""
    seen: set[str] = set()
    waiting = list(roots)
    while waiting:
        module = waiting.pop()
        if module not in seen and (module in roots or (_is_below(module, within) and not _is_below(module, without))):
            seen.add(module)
            waiting += imported(_source(module))
    return tuple(sorted(seen))


def imported(source: str) -> list[str]:
    """Return the package's modules that a source names, in imports or as texts, without the package's own name.

    A package that is named as a text stands for all modules in it.
    """
    found = [name for text in _NAMED.findall(source) for name in (text, *_inside(text)) if _path(name).is_file()]
    for module, names in _IMPORT.findall(source):
        inside = [f"{module}.{name.split()[0]}" for name in names.strip("()").split(",") if name.strip()]
        found += [name for name in (module, *inside) if _path(name).is_file()]
    return found


def normalised(source: str) -> str:
    """Return Python source without docstrings, comments, blank lines and blanks at the ends of lines."""
    return _TOKENS.sub(lambda found: found.group("text") or "", source)


def placeless(source: str) -> str:
    """Return source that says no longer in which rooms the package's modules stand, nor what is logged: neither changes a result."""
    lines = _PLACE.sub(r"\1", _IMPORT.sub("", source)).splitlines()
    return "\n".join(line for line in lines if line.strip() and not _LOGGED.match(line))


def _is_below(module: str, packages: Sequence[str]) -> bool:
    return any(module == package or module.startswith(f"{package}.") for package in packages)


def _inside(package: str) -> list[str]:
    """Return the modules of a package that is named as a text: whoever does so imports what it finds there."""
    return [f"{package}.{path.stem}" for path in sorted(_ROOT.joinpath(*package.split(".")).glob("*.py")) if path.stem != "__init__"]


def _path(module: str) -> Path:
    return _ROOT.joinpath(*module.split(".")).with_suffix(".py")


@cache
def _source(module: str) -> str:
    return _path(module).read_text(encoding="utf-8")


@cache
def _digest(module: str) -> str:
    return hashlib.sha256(placeless(normalised(_source(module))).encode()).hexdigest()
