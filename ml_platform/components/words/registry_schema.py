"""The schema of a declaration that Dagster's tools keep: shown in their pages, and judged by ``dg check yaml`` in our words.

A validator of JSON schema says of a wrong value that it is not of a type, or not valid under any of several schemas. The standard lets a
part of a schema be written in a dialect of its own (``$schema``), which the library of the validator is taught here: a declaration is
judged by the declaration's class, as it is when it is loaded. Other validators read the parts of the standard.
"""

from collections.abc import Iterator
from functools import cache
from typing import Any, Protocol

DIALECT = "urn:ml-platform:declaration"
_WORD = "declaration"
# Dagster lists the types and checks the files in one process; a schema that was read elsewhere judges nothing.
_JUDGES: dict[str, "Judge"] = {}


class Judge(Protocol):
    """What knows which words a declaration has: its class."""

    @staticmethod
    def model_json_schema() -> dict[str, Any]:
        """Return the schema of the words."""
        ...

    @staticmethod
    def misread(values: Any) -> list[tuple[tuple[str | int, ...], str]]:
        """Return what of the words cannot be right: the path of each, and a sentence."""
        ...


def registry_schema(kind: str, judge: Judge) -> dict[str, Any]:
    """Return the schema of a kind of declaration.

    Parameters
    ----------
    kind : str
        The name of the kind.
    judge : Judge
        Its class.

    Returns
    -------
    dict
        Every word with its type, what it means, its default and an example.
    """
    _teach()
    _JUDGES[kind] = judge
    schema = judge.model_json_schema()
    required, known = schema.pop("required", []), schema["properties"]
    schema.pop("additionalProperties", None)
    whole = {"$schema": DIALECT, _WORD: kind, "required": required, "propertyNames": {"enum": list(known)}}
    # The class judges the words together with their values.
    return {**schema, "properties": {name: {"$schema": DIALECT, **value} for name, value in known.items()}, "allOf": [whole]}


@cache
def _teach() -> None:
    """Teach the validator's library the dialect, once per process."""
    from jsonschema import validators

    meta = {"$schema": "https://json-schema.org/draft/2020-12/schema", "$id": DIALECT, "type": "object"}
    validators.create(meta_schema=meta, validators={_WORD: _judged}, version=DIALECT)


def _judged(_validator: Any, kind: str, instance: Any, _schema: Any) -> Iterator[Any]:
    from jsonschema import ValidationError

    if kind in _JUDGES and isinstance(instance, dict):
        for path, what in _JUDGES[kind].misread(instance):
            yield ValidationError(what, path=path)
