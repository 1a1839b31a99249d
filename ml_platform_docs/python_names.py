"""The page of the Python interface: public names with their signatures and docstrings."""

from __future__ import annotations

import dataclasses
import importlib
import inspect
import re
from collections.abc import Iterator
from importlib.util import find_spec
from typing import Any, get_args

from docstring_parser import parse
from docstring_parser.common import DocstringStyle

from ml_platform_docs.markdown import code, fence, page, prose, table

# What may be imported, and what for. Everything else may change with any version.
PUBLIC = {
    "ml_platform": "Declarations, projects, and what an asset of your own is given.",
    "ml_platform.lake": "The lake: versioned tables on plain files.",
    "ml_platform.extensions": "What extensions of your own are made of ([how to](../how_to/index.md)).",
    "ml_platform.testing": "The contracts that extensions must keep, for your tests. Needs pytest.",
    "ml_platform.errors": "What the platform raises on purpose.",
    "ml_platform.instance": "What `dagster.yaml` names; `ml-platform init` writes it.",
}
# Objects that public functions return and people hold without importing their class, by the module below which they are told.
_HELD = {
    "ml_platform": [
        "ml_platform.components.opening:Session",
        "ml_platform.components.opening:Features",
        "ml_platform.components.opening:OpenProblem",
        "ml_platform.components.opening:OpenView",
        "ml_platform.components.opened_champion:OpenChampion",
    ],
    "ml_platform.extensions": ["ml_platform.core.registry:Registry"],
    "ml_platform.lake": [
        "ml_platform.lake.reading.lake_versions:LakeVersions",
        "ml_platform.lake.reading.lake_lineage:LakeLineage",
        "ml_platform.lake.branching.lake_branches:LakeBranches",
        "ml_platform.lake.branching.lake_tags:LakeTags",
        "ml_platform.lake.health.lake_health:LakeHealth",
    ],
}
# Classes of which only these members are public: the others are for the assets and commands of the platform.
_MEMBERS = {
    "Platform": ("publish",),
    "LakeDuckDB": ("get_connection",),
    "Engine": (),
    "LocalStorage": (),
    "LakePages": (),
    "LinearDesign": ("learn", "transform"),
    "LinearTrained": ("predict",),
    "ModelFeature": ("is_text",),
    "Target": ("codes", "middle", "columns"),
    "Registry": ("register", "get", "names"),
    "Sample": ("target", "rows", "take_rows", "take_features", "thin"),
    "TrainerContract": (),
    "SelectorContract": (),
    "MetricContract": (),
    "CheckContract": (),
    "FunctionContract": (),
    "StoreContract": (),
    "SourceContract": ("source", "deliver", "fail"),
    "DriftMeasureContract": (),
    "Lake": ("tables", "partitions", "read", "history", "diff", "tag", "on", "close"),
}
_VALUES = {
    "TRAINERS": "The trainers by the name that declarations use: a `Registry` of `Trainer`.",
    "SOURCES": "The kinds of source by the name that declarations use: a `Registry` of classes below `Source`.",
    "STORES": "The kinds of store by the scheme of their URLs: a `Registry` of `Scheme`.",
    "WINDOW_FUNCTIONS": "The functions of windows by the name that declarations use: a `Registry` of `Function`.",
    "NUMBERS": "For `of`: the function takes numbers.",
    "SUMMABLE": "For `of`: the function takes numbers and booleans.",
    "BOOLEANS": "For `of`: the function takes booleans.",
    "CHECKS": "The checks by the name that declarations use: a `Registry` of `Check`.",
    "SELECTORS": "The selectors by the name that declarations use: a `Registry` of `Selector`.",
    "MEASURES": "The drift measures by the name that declarations use: a `Registry` of `DriftMeasure`.",
    "METRICS": "The metrics by the name that declarations use: a `Registry` of `Metric`.",
}
_WIDTH = 88
_STARS = {inspect.Parameter.VAR_POSITIONAL: "*", inspect.Parameter.VAR_KEYWORD: "**"}
_DECLARATIONS = {"Table": "table.md", "FeatureView": "feature_view.md", "Problem": "problem.md", "Retention": "retention.md"}


def python_page() -> str:
    """Return the page of all public names."""
    rows = [[f"[`{module}`](#{module.replace('.', '')})", words] for module, words in public_modules().items()]
    parts = []
    for module, words in public_modules().items():
        parts += [f"## {code(module)}", words]
        if module == "ml_platform":
            links = ", ".join(f"[`ml_platform.{name}`]({file})" for name, file in _DECLARATIONS.items())
            parts.append(f"The declarations have pages of their own: {links}.")
        if module == "ml_platform.errors":
            parts.append(_errors())
            continue
        parts += [section for name in _told_of(module) for section in _sections(name)]
    return page(
        "Python",
        "For notebooks, scripts, tests and extensions: the same objects that the assets work with. Nothing heavy is imported before it is "
        "used.",
        table(["import from", "what is there"], rows),
        "**These modules are the public interface.** A name that they have keeps its meaning. Before one goes it is *deprecated*: for at "
        "least two minor versions it still works, and warns (`DeprecationWarning`) with what to use instead, since when, and when it goes. "
        "The same holds for fields of declarations, commands and settings. All other modules may change with any version.",
        *parts,
    )


def public_modules() -> dict[str, str]:
    """Return what each public module is for, by its name."""
    return {module: words for module, words in PUBLIC.items() if find_spec(module) is not None}


def public_names() -> Iterator[tuple[str, str, Any]]:
    """Return module, name and value of everything that is told on the page; members as ``Class.member``."""
    for module in public_modules():
        for name in [*(f"{module}:{name}" for name in importlib.import_module(module).__all__), *_HELD.get(module, [])]:
            value, path = _found(name), name.partition(":")[2]
            yield module, path, value
            if inspect.isclass(value) and path not in _DECLARATIONS:
                yield from ((module, f"{path}.{member}", found) for member, found in _members(value))


def _told_of(module: str) -> list[str]:
    own = [f"{module}:{name}" for name in importlib.import_module(module).__all__ if name not in _DECLARATIONS]
    return [*own, *_HELD.get(module, [])]


def _errors() -> str:
    from ml_platform import errors

    rows = [[code(name), prose(inspect.getdoc(getattr(errors, name)) or "")] for name in errors.__all__]
    return table(["error", "what it means"], rows)


def _found(name: str) -> Any:
    module, _, path = name.partition(":")
    return getattr(importlib.import_module(module), path)


def _members(kind: type) -> Iterator[tuple[str, Any]]:
    """Return the public methods and properties of a class, in the order in which they stand in it."""
    chosen = _MEMBERS.get(kind.__name__)
    for member, found in vars(kind).items():
        if member.startswith("_") or (chosen is not None and member not in chosen):
            continue
        told = found.__func__ if isinstance(found, classmethod | staticmethod) else found
        if isinstance(told, property) or inspect.isfunction(told):
            yield member, told


def _sections(name: str) -> Iterator[str]:
    module, _, path = name.partition(":")
    value = _found(name)
    shown = f"{module}.{path}" if module in PUBLIC else path
    if path in _VALUES:
        yield f"### {code(shown)}\n\n{_VALUES[path]}"
        return
    if not inspect.isclass(value):
        yield _function(shown, value, "###")
        return
    made = f"{fence(signature_of(shown, value), 'python')}\n\n" if dataclasses.is_dataclass(value) and module in PUBLIC else ""
    yield f"### {code(shown)}\n\n{made}{prose(inspect.getdoc(value) or '')}"
    for member, found in _members(value):
        if isinstance(found, property):
            yield f"#### {code(f'{path}.{member}')}\n\n{prose(inspect.getdoc(found) or '')}"
        else:
            yield _function(f"{path}.{member}", found, "####")


def _function(shown: str, function: Any, heading: str) -> str:
    told = parse(inspect.getdoc(function) or "", DocstringStyle.NUMPYDOC)
    parts = [
        f"{heading} {code(shown.rpartition('.')[2] if heading == '####' else shown)}",
        fence(signature_of(shown, function), "python"),
    ]
    parts += [prose(text) for text in (told.short_description, told.long_description) if text]
    if told.params:
        rows = [[code(p.arg_name), _type(p.type_name), prose(p.description or "")] for p in told.params]
        parts.append(table(["parameter", "type", "what it means"], rows))
    if told.returns and (told.returns.description or told.returns.type_name):
        parts.append(f"**Returns** {_type(told.returns.type_name)}: {prose(told.returns.description or '')}".rstrip(": "))
    parts += [f"**Raises** {code(raised.type_name)}: {prose(raised.description or '')}" for raised in told.raises if raised.type_name]
    parts += [fence(example.description, "pycon") for example in told.examples if example.description]
    return "\n\n".join(parts)


def signature_of(shown: str, function: Any) -> str:
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
    text = annotation.__name__ if inspect.isclass(annotation) and not get_args(annotation) else str(annotation)
    return re.sub(r"\b(ml_platform|typing|collections\.abc)\.([a-z_]+\.)*", "", text)


def _type(text: str | None) -> str:
    return prose(text or "")
