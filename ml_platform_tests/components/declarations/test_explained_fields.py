"""Every field of every declaration says what it is and how it is written, wherever it is shown: editor, ``dg``, the pages of the UI."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from dagster.components.core.snapshot import get_package_entry_snap
from dagster_shared.serdes.objects import EnvRegistryKey
from dagster_shared.serdes.objects.package_entry import json_for_all_components
from pydantic import BaseModel, TypeAdapter, ValidationError

from ml_platform.components.words.declared_files import component_types
from ml_platform.components.words.wording import model_in


def fields_of(model: type[BaseModel], inside: str = "") -> Iterator[tuple[str, Any]]:
    """Yield every field of a declaration and of its parts, with its place."""
    for name, field in model.model_fields.items():
        place = f"{inside}.{field.alias or name}".removeprefix(".")
        yield place, field
        part = model_in(field.annotation)
        if part is not None:
            yield from fields_of(part, place)


@pytest.mark.parametrize("kind", sorted(component_types()))
def test_every_field_has_a_description_and_examples_that_can_be_written(kind: str) -> None:
    poor: list[str] = []
    for place, field in fields_of(component_types()[kind]):
        if not field.description or not field.description.strip().endswith((".", ")")):
            poor.append(f"{place}: no sentence says what it is")
        if not field.examples:
            poor.append(f"{place}: no example")
        for example in field.examples or ():
            try:
                TypeAdapter(field.annotation).validate_python(example)
            except ValidationError as problem:
                poor.append(f"{place}: the example {example!r} cannot be written: {problem.errors()[0]['msg']}")
    assert poor == []


@pytest.mark.parametrize("kind", sorted(component_types()))
def test_what_can_be_left_out_says_what_holds_then(kind: str) -> None:
    """Numbers and lengths of time have a default that the description names, and lengths the letters of their units."""
    silent: list[str] = []
    for place, field in fields_of(component_types()[kind]):
        said = str(field.description)
        if isinstance(field.default, str | int | float) and not isinstance(field.default, bool) and field.default not in ("", 0, 1):
            silent += [f"{place}: default {field.default}"] if str(field.default) not in said else []
    assert silent == []


@pytest.mark.parametrize("kind", sorted(component_types()))
def test_editors_and_pages_carry_what_the_fields_say(kind: str) -> None:
    declared = component_types()[kind]
    editor = TypeAdapter(declared.get_model_cls()).json_schema()
    page = declared.get_model_cls().model_json_schema()
    for place, field in fields_of(declared):
        for shown in (_at(editor, editor, place), _at(page, page, place)):
            assert (shown.get("description"), shown.get("examples")) == (field.description, field.examples), place


def test_the_page_of_a_component_shows_a_declaration_that_can_be_written() -> None:
    import yaml

    snaps = [get_package_entry_snap(EnvRegistryKey.from_typename(kind), declared) for kind, declared in component_types().items()]
    (package,) = json_for_all_components(snaps)
    assert {one["name"] for one in package["componentTypes"]} == set(component_types())
    for one in package["componentTypes"]:
        example = yaml.safe_load(one["example"])
        assert example["type"] == one["name"]
        assert component_types()[one["name"]].misread(example["attributes"]) == []
        assert one["description"]


def _at(schema: dict[str, Any], node: dict[str, Any], place: str) -> dict[str, Any]:
    """Return what a schema says of the field at a place, with references followed."""
    name, _, rest = place.partition(".")
    found = _properties(schema, node)[name]
    return _at(schema, found, rest) if rest else found


def _properties(schema: dict[str, Any], node: dict[str, Any]) -> dict[str, Any]:
    """Return the fields that stand below a node of a schema, through lists, choices and references."""
    if "$ref" in node:
        return _properties(schema, schema["$defs"][node["$ref"].rpartition("/")[2]])
    if "properties" in node:
        return node["properties"]
    below = [node[word] for word in ("items", "else", "then") if isinstance(node.get(word), dict)] + node.get("anyOf", [])
    return next((found for part in below if (found := _properties(schema, part))), {})
