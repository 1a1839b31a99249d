"""The page of the Python interface: public names with their signatures and docstrings."""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Iterator
from typing import Any

from docstring_parser import parse
from docstring_parser.common import DocstringStyle

from ml_platform_docs.markdown import code, page, prose, table

# What public functions return, and what an asset of one's own is handed: objects that people hold without importing their class.
_HELD = {
    "A project that is open": [
        "ml_platform.components.opening:Session",
        "ml_platform.components.opening:Features",
        "ml_platform.components.opening:OpenProblem",
        "ml_platform.components.opening:OpenView",
    ],
    "The lake": [
        "ml_platform.lake:open",
        *(f"ml_platform.lake.lake:Lake.{name}" for name in ("read", "tables", "partitions", "history", "diff", "tag", "on")),
        "ml_platform.lake.reading.lake_versions:LakeVersions",
        "ml_platform.lake.reading.lake_lineage:LakeLineage",
        "ml_platform.lake.branching.lake_branches:LakeBranches",
        "ml_platform.lake.branching.lake_tags:LakeTags",
        "ml_platform.lake.health.lake_health:LakeHealth",
        "ml_platform.lake.reading.reading:Reading",
    ],
    "In an asset of your own": [
        "ml_platform.components.resources.resource:Platform.publish",
        "ml_platform.components.resources.resource:LakeDuckDB.get_connection",
    ],
}
_WIDTH = 88
_STARS = {inspect.Parameter.VAR_POSITIONAL: "*", inspect.Parameter.VAR_KEYWORD: "**"}
_DECLARATIONS = {"Table": "table.md", "FeatureView": "feature_view.md", "Problem": "problem.md", "Retention": "retention.md"}


def python_page() -> str:
    """Return the page of all public names."""
    parts = []
    for title, names in _groups().items():
        parts.append(f"## {title}")
        parts += [section for name in names for section in _sections(name)]
    links = ", ".join(f"[`ml_platform.{name}`]({file})" for name, file in _DECLARATIONS.items())
    return page(
        "Python",
        "For notebooks, scripts and tests: the same objects that the assets work with. Nothing heavy is imported before it is used.",
        f"The declarations have pages of their own: {links}.",
        *parts,
    )


def _groups() -> dict[str, list[str]]:
    import ml_platform

    own = [f"ml_platform:{name}" for name in ml_platform.__all__ if name not in _DECLARATIONS]
    return {"ml_platform": own, **_HELD}


def _sections(name: str) -> Iterator[str]:
    module, _, path = name.partition(":")
    value: Any = importlib.import_module(module)
    for part in path.split("."):
        value = getattr(value, part)
    shown = f"{module}.{path}" if module in ("ml_platform", "ml_platform.lake") else path
    if not inspect.isclass(value):
        yield _function(shown, value, "###")
        return
    yield f"### {code(shown)}\n\n{prose(inspect.getdoc(value) or '')}"
    for member, found in vars(value).items():
        if member.startswith("_"):
            continue
        if isinstance(found, property):
            yield f"#### {code(f'{path}.{member}')}\n\n{prose(inspect.getdoc(found) or '')}"
        elif inspect.isfunction(found):
            yield _function(f"{path}.{member}", found, "####")


def _function(shown: str, function: Any, heading: str) -> str:
    told = parse(inspect.getdoc(function) or "", DocstringStyle.NUMPYDOC)
    parts = [
        f"{heading} {code(shown.rpartition('.')[2] if heading == '####' else shown)}",
        f"```python\n{_signature(shown, function)}\n```",
    ]
    parts += [prose(text) for text in (told.short_description, told.long_description) if text]
    if told.params:
        rows = [[code(p.arg_name), _type(p.type_name), prose(p.description or "")] for p in told.params]
        parts.append(table(["parameter", "type", "what it means"], rows))
    if told.returns and (told.returns.description or told.returns.type_name):
        parts.append(f"**Returns** {_type(told.returns.type_name)}: {prose(told.returns.description or '')}".rstrip(": "))
    parts += [f"**Raises** {code(raised.type_name)}: {prose(raised.description or '')}" for raised in told.raises if raised.type_name]
    return "\n\n".join(parts)


def _signature(shown: str, function: Any) -> str:
    """Return how a function is called, on one line where it fits."""
    signature = inspect.signature(function)
    given, star = [], False
    for parameter in signature.parameters.values():
        if parameter.name == "self":
            continue
        if parameter.kind is parameter.KEYWORD_ONLY and not star:
            given, star = [*given, "*"], True
        default = "" if parameter.default is parameter.empty else f" = {parameter.default!r}"
        given.append(f"{_STARS.get(parameter.kind, '')}{parameter.name}: {_annotation(parameter.annotation)}{default}")
        star = star or parameter.kind is parameter.VAR_POSITIONAL
    end = "" if signature.return_annotation is signature.empty else f" -> {_annotation(signature.return_annotation)}"
    line = f"{shown}({', '.join(given)}){end}"
    if len(line) <= _WIDTH:
        return line
    return "\n".join([f"{shown}(", *(f"    {one}," for one in given), f"){end}"])


def _annotation(annotation: Any) -> str:
    text = annotation if isinstance(annotation, str) else getattr(annotation, "__name__", str(annotation))
    return re.sub(r"\b(ml_platform|typing|collections\.abc)\.([a-z_]+\.)*", "", text)


def _type(text: str | None) -> str:
    return prose(text or "")
