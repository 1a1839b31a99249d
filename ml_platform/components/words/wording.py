"""What is wrong with the words of a declaration, a sentence for each mistake: where, what, what exists, and how it is written.

Pydantic would list every way in which a word could have been meant.
"""

from __future__ import annotations

import re
import typing
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo

from ml_platform.core.errors import did_you_mean
from ml_platform.core.unquoted import cut_at_a_comma, quote_it

_LENGTH = re.compile(r"(?:\d+[wdhms])+")
_MOST_DAYS = 400
_UNITS = "w weeks, d days, h hours, m minutes, s seconds"
# What pydantic calls a wrong type, and what the word is instead.
_TYPES = {
    "int_type": "a whole number", "int_parsing": "a whole number", "int_from_float": "a whole number", "float_type": "a number",
    "float_parsing": "a number", "bool_type": "true or false", "bool_parsing": "true or false", "dict_type": "a mapping of names to values",
}  # fmt: skip

Path = tuple[str | int, ...]


def faults_of(error: ValidationError, declared: type[BaseModel], values: Any) -> list[tuple[Path, str]]:
    """Return what is wrong with the words of a declaration, each with its place among them.

    Parameters
    ----------
    error : ValidationError
        Of ``declared``, or of the model that Dagster derives from it: there every field may also be a text, which is reported too.
    declared : type
        The declaration's class.
    values : object
        What was written.

    Returns
    -------
    list of (path, str)
        One sentence per mistake; a missing word is told with what it means, an unknown one with those that exist.
    """
    found: dict[tuple[Path, str], None] = {}
    for path, one in _meant(error):
        found[_cut_text(declared, path, one, values) or _told(declared, path, one, values)] = None
    return list(found)


def is_template(value: Any) -> bool:
    """Whether a text holds a template, which may become anything."""
    return isinstance(value, str) and any(mark in value for mark in ("{{", "{%", "{#"))


def _cut_text(declared: type[BaseModel], path: Path, error: Any, values: Any) -> tuple[Path, str] | None:
    """Return the fault of a text that YAML has cut at its commas; None if the unknown word is not a piece of one."""
    if error["type"] not in ("extra_forbidden", "invalid_key"):
        return None
    inside = value_at(values, path[:-1])
    inner, fields = _fields_at(declared, path[:-1])
    cut = None if inner is None or not isinstance(inside, Mapping) else cut_at_a_comma(inside, fields)
    if cut is None or path[-1] not in cut[2]:
        return None
    return (*path[:-1], cut[0]), f"{_written((*path[:-1], cut[0]))} is cut: {quote_it(cut[0], cut[1])}"


def value_at(values: Any, path: Path) -> Any:
    """Return what stands at a path of words; None where nothing does."""
    for part in path:
        try:
            values = values[part]
        except (KeyError, IndexError, TypeError):
            return None
    return values


def _meant(error: ValidationError) -> Iterator[tuple[Path, Any]]:
    """Yield the errors with the path of the words that were written, without those of "or it could have been a text"."""
    errors = [(_path(one["loc"], whole_end=one["type"] == "extra_forbidden"), one) for one in error.errors(include_url=False)]
    for path, one in errors:
        is_other_way = one["loc"][-1:] == ("str",) and any(other[: len(path)] == path and rival is not one for other, rival in errors)
        if not is_other_way:
            yield path, one


def _path(loc: Sequence[str | int], *, whole_end: bool) -> Path:
    """Return a location without the names of types that pydantic puts into it; an unknown word at its end is none of them."""
    known = tuple(p for p in loc[:-1] if isinstance(p, int) or not _is_type(p))
    return known if not whole_end and isinstance(loc[-1], str) and _is_type(loc[-1]) else (*known, loc[-1])


def _is_type(part: str) -> bool:
    return part in ("str", "int", "float", "bool") or part.endswith("Model") or "[" in part


def _told(declared: type[BaseModel], path: Path, error: Any, values: Any) -> tuple[Path, str]:
    """Return the word that a fault is shown at, and its sentence."""
    if error["type"] == "missing":
        return path[:-1], _missing(declared, path)
    if error["type"] == "extra_forbidden":
        return path, _unknown(declared, path)
    whole = _list_around(declared, path)
    field, value = _field_at(declared, whole), value_at(values, whole)
    around = _field_at(declared, path[:-1])
    if field is None and around is not None and error["type"] == "string_type":
        # A mapping of names that are the user's own.
        return path, f"{_written(path)} is {_yaml(value)}, but must be a text.{_example(around, _words(path[:-1]).rpartition('.')[2])}"
    if field is None:
        return path, f"{_written(path)} is {error['input']!r}: {error['msg'][0].lower()}{error['msg'][1:]}."
    return whole, f"{_written(whole)} is {_yaml(value)}{_instead(field, str(_words(whole)).rpartition('.')[2], error, value)}"


def _missing(declared: type[BaseModel], path: Path) -> str:
    word, inside = str(path[-1]), _written(path[:-1])
    field = _field_at(declared, path)
    said = (field.description if field is not None else None) or ""
    return f"{inside or f'a {declared.__name__}'} needs the field `{word}`. {said}{_example(field, word)}"


def _unknown(declared: type[BaseModel], path: Path) -> str:
    word, inside = str(path[-1]), _written(path[:-1])
    inner, fields = _fields_at(declared, path[:-1])
    if inner is None:
        return f"`{_written(path)}` is not known."
    homes = [home for home, known in _parts(declared) if word in known and home != _words(path[:-1])]
    if homes and word not in fields:
        home = f"`{homes[0]}`" if homes[0] else "the attributes themselves"
        return f"`{word}` stands in the wrong place: it is a field of {home}. {did_you_mean(word, fields)}"
    return f"{inside or f'a {declared.__name__}'} has no field `{word}`. {did_you_mean(word, fields)}"


def _instead(field: FieldInfo, name: str, error: Any, value: Any) -> str:
    """Return what a value must be instead, and how that is written: the end of a sentence, and what follows it."""
    kind = error["type"]
    example = next(iter(field.examples or []), None)
    if kind in ("literal_error", "enum"):
        options = re.findall(r"'([^']*)'", str(error.get("ctx", {}).get("expected", "")))
        return f", which does not exist. {did_you_mean(str(value), options)}"
    if kind in ("string_type", "list_type") and (length := _with_units(value, example)) is not None:
        return f", but a length of time needs a unit ({_UNITS}). Write {name}: {length}"
    if kind == "string_type" and isinstance(value, bool):
        return ", because YAML reads yes, no, on, off, y and n as true and false. Put it in quotes."
    if kind == "string_type" and isinstance(value, int | float):
        return f', a number for YAML, but must be a text. Write {name}: "{value}"'
    if kind in ("list_type", "string_type") and (listed := _as_lists(field, value)) is not None:
        return f", but must be a list{' of lists' if listed.startswith('[[') else ''}. Write {name}: {listed}"
    if kind in ("model_type", "model_attributes_type", "dict_type") and (model := model_in(field.annotation)) is not None:
        known = ", ".join(f.alias or n for n, f in model.model_fields.items())
        return f", but has fields of its own: {known}.{_example(field, name)}"
    kinds = {part for part in typing.get_args(field.annotation) if isinstance(part, type)}
    must = (
        "a text or a mapping"
        if kind == "dict_type" and str in kinds
        else _TYPES.get(kind) or ("a list" if kind == "list_type" else "a text" if kind == "string_type" else None)
    )
    said = f", but must be {must}." if must else f": {error['msg'][0].lower()}{error['msg'][1:]}."
    return f"{said}{_example(field, name)}"


def _with_units(value: Any, example: Any) -> str | None:
    """Return numbers as the lengths of time that were probably meant; None if the word is no length, or no number was written."""
    sample = example[0] if isinstance(example, list) and example else example
    if not isinstance(sample, str) or not _LENGTH.fullmatch(sample):
        return None
    given = value if isinstance(value, list) else [value]
    if not any(isinstance(one, int | float) and not isinstance(one, bool) for one in given):
        return None
    if any(isinstance(one, int | float) and one > _MOST_DAYS for one in given):
        # YAML reads 12:00 as 720: nothing tells what was meant.
        return _yaml(example)
    written = [f"{one}d" if isinstance(one, int | float) else str(one) for one in given]
    return f"[{', '.join(written)}]" if isinstance(value, list) else written[0]


def _as_lists(field: FieldInfo, value: Any) -> str | None:
    """Return a value in the brackets that the word needs; None if more is wrong than brackets that are missing."""
    depth = _depth(field.annotation)
    given = value if isinstance(value, list) else [value]
    if not depth or model_in(field.annotation) is not None:
        return None
    if depth == 1 and isinstance(value, str) and re.fullmatch(r"[\w.]+(\s*,\s*[\w.]+)+", value):
        return _yaml(re.split(r"\s*,\s*", value))
    if depth == 1 and not isinstance(value, list):
        return _yaml(given)
    if depth == 2 and all(isinstance(one, str | list) for one in given):
        return _yaml([one if isinstance(one, list) else [one] for one in given])
    return None


def _depth(annotation: Any) -> int:
    """Return how many lists stand in each other in an annotation."""
    inner = max((_depth(part) for part in typing.get_args(annotation)), default=0)
    return inner + (typing.get_origin(annotation) is list)


def _list_around(declared: type[BaseModel], path: Path) -> Path:
    """Return the path of the whole list where an item of it is wrong that has no words of its own."""
    while path and isinstance(path[-1], int):
        field = _field_at(declared, path[:-1])
        if field is not None and model_in(field.annotation) is not None:
            break
        path = path[:-1]
    return path


def _example(field: FieldInfo | None, word: str) -> str:
    examples = [] if field is None else list(field.examples or [])
    if not examples or not word:
        return "" if not examples else f" Write {_yaml(examples[0])}"
    return f" Write {word}: {_yaml(examples[0])}"


def _yaml(value: Any) -> str:
    """Return a value as it is written in YAML, in one line."""
    import yaml

    text = yaml.safe_dump(value, default_flow_style=True, sort_keys=False, width=10_000, allow_unicode=True)
    return text.removesuffix("\n").removesuffix("\n...").strip()


def _written(path: Iterable[str | int]) -> str:
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).removeprefix(".")


def _words(path: Iterable[str | int]) -> str:
    return ".".join(part for part in path if isinstance(part, str))


def _parts(declared: type[BaseModel], inside: str = "") -> Iterator[tuple[str, list[str]]]:
    """Yield every part of a declaration that has words: its place (empty for the declaration itself), and the words."""
    yield inside, [f.alias or name for name, f in declared.model_fields.items()]
    for name, field in declared.model_fields.items():
        model = model_in(field.annotation)
        if model is not None:
            yield from _parts(model, f"{inside}.{field.alias or name}".removeprefix("."))


def _field_at(declared: type[BaseModel], path: Path) -> FieldInfo | None:
    """Return the field that stands at a path of words; None where none does."""
    while path and isinstance(path[-1], int):
        path = path[:-1]
    if not path:
        return None
    model, fields = _fields_at(declared, path[:-1])
    return None if model is None else fields.get(str(path[-1]))


def _fields_at(declared: type[BaseModel], path: Iterable[str | int]) -> tuple[type[BaseModel] | None, dict[str, FieldInfo]]:
    """Return the model that stands at a path of words, and its fields by their words."""
    model: type[BaseModel] | None = declared
    for part in path:
        if isinstance(part, int):
            continue
        fields = {} if model is None else {f.alias or name: f for name, f in model.model_fields.items()}
        model = model_in(fields[part].annotation) if part in fields else None
    return model, {} if model is None else {f.alias or name: f for name, f in model.model_fields.items()}


def model_in(annotation: Any) -> type[BaseModel] | None:
    """Return the model that an annotation holds, however deep in lists and unions."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for part in typing.get_args(annotation) if (found := model_in(part)) is not None), None)
