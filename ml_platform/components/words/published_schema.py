"""The JSON schema of a declaration for editors: every field with what it means; of a wrong word it names the word, not all around it."""

from typing import Any

from pydantic import BaseModel

from ml_platform.core.unquoted import COMMA

_ANNOTATIONS = ("title", "description", "examples", "default")
_SCALARS = ("string", "integer", "number", "boolean", "null")


def published_schema(model: type[BaseModel]) -> dict[str, Any]:
    """Return the schema of the words of a declaration.

    Parameters
    ----------
    model : type
        The declaration's class. (The model that Dagster derives from it lacks the descriptions of all fields that have a default.) Of a
        choice a validator can only say that none of it fits, so the choices are written as conditions.

    Returns
    -------
    dict
        The schema, complete in itself.
    """
    schema = model.model_json_schema()
    return _precise(schema, schema.pop("$defs", {}))


def _precise(node: Any, definitions: dict[str, Any]) -> Any:
    if isinstance(node, list):
        return [_precise(part, definitions) for part in node]
    if not isinstance(node, dict):
        return node
    if "$ref" in node:
        rest = {name: value for name, value in node.items() if name != "$ref"}
        return _precise({**definitions[node["$ref"].rsplit("/", 1)[1]], **rest}, definitions)
    if "properties" in node:
        known = {name: _or_template(_precise(value, definitions)) for name, value in node["properties"].items()}
        return {**node, "properties": known, **_names_of(known, node)}
    if "anyOf" in node:
        rest = {name: value for name, value in node.items() if name != "anyOf"}
        return {**rest, **_condition([_precise(part, definitions) for part in node["anyOf"]])}
    return {name: _precise(value, definitions) for name, value in node.items()}


def _or_template(node: dict[str, Any]) -> dict[str, Any]:
    """Return the schema of a field that may also be a template, which becomes something else when it is loaded."""
    about = {name: node[name] for name in _ANNOTATIONS if name in node}
    must = {name: value for name, value in node.items() if name not in _ANNOTATIONS}
    if not must or ("string" in _types(must) and "enum" not in must):
        return node
    return {**about, "if": {"type": "string", "pattern": r"\{[{%#]"}, "else": must}


def _types(node: dict[str, Any]) -> list[str]:
    given = node.get("type", node.get("if", {}).get("type", []))
    return given if isinstance(given, list) else [given]


def _names_of(known: dict[str, Any], node: dict[str, Any]) -> dict[str, Any]:
    """Return what says which words exist, and why a piece of SQL may stand among them."""
    if node.get("additionalProperties") is not False:
        return {}
    cut = {"not": {"description": f"{COMMA}: put the SQL in quotes"}}
    return {"propertyNames": {"if": {"pattern": r"^\w+$"}, "then": {"enum": list(known)}, "else": cut}}


def _condition(choices: list[Any]) -> dict[str, Any]:
    plain = [c for c in choices if set(c) == {"type"} and c["type"] in _SCALARS]
    other = [c for c in choices if c not in plain]
    types = [c["type"] for c in plain]
    if not other:
        return {"type": types}
    if not types:
        return {"anyOf": other}
    return {"if": {"type": types}, "else": other[0] if len(other) == 1 else {"anyOf": other}}
