"""Pages of the declarations: every field with its type, default, meaning and example, as the models say it."""

from __future__ import annotations

import inspect
import json
import types
import typing
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import yaml
from pydantic import BaseModel
from pydantic.fields import FieldInfo

import ml_platform
from ml_platform_docs.markdown import code, fence, page, prose, table

_SCALARS = {str: "text", int: "whole number", float: "number", bool: "true or false", type(None): "nothing", Any: "anything"}


def declaration_page(name: str) -> str:
    """Return the page of one declaration, ``Table`` for instance."""
    model = getattr(ml_platform, name)
    parts = [_section(f"`{found.__name__.removesuffix('Model')}`", found) for found in nested(model)]
    return page(
        name,
        prose(inspect.getdoc(model) or ""),
        f"In a `defs.yaml`: `type: ml_platform.{name}`. In Python: `ml_platform.{name}(...)`, with the same words.",
        *_example_of(name),
        "## Fields\n\n" + _fields(model),
        *parts,
    )


def fields_of(model: type[BaseModel]) -> Iterator[tuple[str, FieldInfo]]:
    """Return the fields of a model by the words that are written in YAML; those that must be given come first."""
    named = [(field.alias or name, field) for name, field in model.model_fields.items()]
    yield from sorted(named, key=lambda item: not item[1].is_required())


def _example_of(name: str) -> list[str]:
    """Return the first declaration of that kind in the flights example, as it stands there; nothing if it has none."""
    for text in _written():
        if yaml.safe_load(text)["type"] == f"ml_platform.{name}":
            return ["One of the flights example:", fence(text, "yaml")]
    return []


@cache
def _written() -> tuple[str, ...]:
    text = Path(__file__).parents[1].joinpath("examples/flights/defs/flights/defs.yaml").read_text(encoding="utf-8")
    return tuple("\n".join(line for line in part.splitlines() if not line.startswith("#")) for part in text.split("\n---\n"))


def _section(title: str, model: type[BaseModel]) -> str:
    return f"## {title}\n\n{prose(inspect.getdoc(model) or '')}\n\n{_fields(model)}"


def _fields(model: type[BaseModel]) -> str:
    rows = []
    for name, field in fields_of(model):
        example = "".join(f" For example {code(_as_yaml(given))}." for given in (field.examples or [])[:1])
        rows.append([code(name), type_words(field.annotation), _default(field), f"{field.description or ''}{example}"])
    return table(["field", "type", "default", "what it means"], rows)


def _default(field: FieldInfo) -> str:
    if field.is_required():
        return "**needed**"
    value = field.get_default(call_default_factory=True)
    if isinstance(value, BaseModel):
        return "its own defaults"
    return "none" if value is None or value == "" else code(_as_yaml(value))


def _as_yaml(value: Any) -> str:
    """Return a value as it is written on one line of YAML."""
    if isinstance(value, str):
        return value
    if isinstance(value, BaseModel):
        value = value.model_dump()
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (dict, list)):
        text = yaml.safe_dump(value, default_flow_style=True, sort_keys=False, allow_unicode=True, width=10_000)
        return text.removesuffix("...\n").strip()
    return json.dumps(value, default=str)


def type_words(annotation: Any) -> str:
    """Return a type in words; a model is a link to its section."""
    origin, inside = typing.get_origin(annotation), typing.get_args(annotation)
    if origin is typing.Annotated:
        return type_words(inside[0])
    if origin in (typing.Union, types.UnionType):
        return " or ".join(dict.fromkeys(type_words(part) for part in inside if part is not type(None)))
    if origin is typing.Literal:
        return " or ".join(code(value) for value in inside)
    if origin is list:
        return f"list of {type_words(inside[0])}" if inside else "list"
    if origin is dict:
        return f"mapping from {type_words(inside[0])} to {type_words(inside[1])}"
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        short = annotation.__name__.removesuffix("Model")
        return f"[{short}](#{short.lower()})"
    return _SCALARS.get(annotation) or getattr(annotation, "__name__", str(annotation))


def nested(model: type[BaseModel]) -> list[type[BaseModel]]:
    """Return the models below a model, each once, in the order in which a reader meets them."""
    found: dict[type[BaseModel], None] = {}

    def look(annotation: Any) -> None:
        if isinstance(annotation, type) and issubclass(annotation, BaseModel) and annotation not in found:
            found[annotation] = None
            for _, field in fields_of(annotation):
                look(field.annotation)
        for part in typing.get_args(annotation):
            look(part)

    for _, field in fields_of(model):
        look(field.annotation)
    return list(found)
