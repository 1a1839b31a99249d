"""What is wrong with the words of a declaration, a sentence for each mistake: where, what, and what exists.

Pydantic would list every way in which a word could have been meant.
"""

from __future__ import annotations

import typing
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from pydantic import BaseModel, ValidationError

from ml_platform.core.errors import did_you_mean
from ml_platform.core.unquoted import cut_at_a_comma, quote_it

_NUMBERS = "YAML reads 7 and 12:00 as numbers: put it in quotes; a length of time needs a unit, such as '7d' or '3h'"


Path = tuple[str | int, ...]


def faults_of(error: ValidationError, declared: type[BaseModel], values: Any) -> list[tuple[Path, str]]:
    """Return what is wrong with the words of a declaration, each with its place among them.

    Parameters
    ----------
    error : ValidationError
        Of the model that Dagster derives from ``declared``: every field of it may also be a text, which is tried and reported too.
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
        found[_cut_text(declared, path, one, values) or (path, _sentence(declared, path, one))] = None
    return list(found)


def _cut_text(declared: type[BaseModel], path: Path, error: Any, values: Any) -> tuple[Path, str] | None:
    """Return the fault of a text that YAML has cut at its commas; None if the unknown word is not a piece of one."""
    if error["type"] != "extra_forbidden":
        return None
    inside = _at(values, path[:-1])
    inner, names = _field_of(declared, path[:-1])
    cut = None if inner is None or not isinstance(inside, Mapping) else cut_at_a_comma(inside, names)
    if cut is None or path[-1] not in cut[2]:
        return None
    place = _written(path[:-1])
    return (*path[:-1], cut[0]), f"{f'{place}: ' if place else ''}{quote_it(cut[0], cut[1])}"


def _at(values: Any, path: Path) -> Any:
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


def _sentence(declared: type[BaseModel], path: Path, error: Any) -> str:
    inner, names = _field_of(declared, path[:-1])
    place = _written(path[:-1])
    inside = f"{place} " if place else ""
    if error["type"] == "missing":
        said = names.get(str(path[-1]), "")
        return f"{inside}needs `{path[-1]}`{f': {said[0].lower()}{said[1:]}' if said else '.'}"
    if error["type"] == "extra_forbidden":
        return f"{inside}knows no `{path[-1]}`. {did_you_mean(str(path[-1]), names)}" if inner else f"`{_written(path)}` is not known."
    reason = error["msg"][0].lower() + error["msg"][1:]
    number = isinstance(error["input"], int | float) and not isinstance(error["input"], bool)
    return f"{_written(path)} is {error['input']!r}: {reason}{f' ({_NUMBERS})' if number else ''}."


def _written(path: Iterable[str | int]) -> str:
    return "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path).removeprefix(".")


def _field_of(declared: type[BaseModel], path: Iterable[str | int]) -> tuple[type[BaseModel] | None, dict[str, str]]:
    """Return the model that stands at a path of words, and its words with what they mean."""
    model: type[BaseModel] | None = declared
    for part in path:
        if isinstance(part, int):
            continue
        fields = {} if model is None else {f.alias or name: f for name, f in model.model_fields.items()}
        model = _model_in(fields[part].annotation) if part in fields else None
    if model is None:
        return None, {}
    return model, {f.alias or name: f.description or "" for name, f in model.model_fields.items()}


def _model_in(annotation: Any) -> type[BaseModel] | None:
    """Return the model that an annotation holds, however deep in lists and unions."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return annotation
    return next((found for part in typing.get_args(annotation) if (found := _model_in(part)) is not None), None)
