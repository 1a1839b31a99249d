"""The public interface as text, one line per name: a change of it is seen where it is reviewed.

Written by ``python -m ml_platform_tests.public_names``.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel

from ml_platform_docs.declarations import fields_of, nested, type_words
from ml_platform_docs.python_names import public_names, signature_of

# Resources that an asset is given: the platform fills in their fields.
_GIVEN = ("Platform", "LakeDuckDB")
GOLDEN = Path(__file__).with_name("public_names.txt")


def describe() -> str:
    """Return every public name with its signature, and every field of a declaration with its type."""
    return "".join(f"{line}\n" for module, name, value in public_names() for line in _lines(module, name, value))


def _lines(module: str, name: str, value: Any) -> Iterator[str]:
    shown = f"{module}.{name}"
    if isinstance(value, property):
        yield f"{shown}: {inspect.signature(value.fget).return_annotation if value.fget else 'Any'}"
    elif inspect.isclass(value) and issubclass(value, Exception):
        yield f"class {shown}({value.__base__.__name__ if value.__base__ else ''})"
    elif inspect.isclass(value):
        yield f"class {shown}"
        if issubclass(value, BaseModel) and name not in _GIVEN:
            for model in (value, *nested(value)):
                for field, info in fields_of(model):
                    kind = re.sub(r"\[(\w+)\]\(#\w+\)", r"\1", type_words(info.annotation))
                    yield f"{module}.{model.__name__}.{field}: {kind}{', needed' if info.is_required() else ''}"
    elif callable(value):
        yield " ".join(signature_of(shown, value).split())
    else:
        yield f"{shown}: {type(value).__name__}"


if __name__ == "__main__":
    GOLDEN.write_text(describe(), encoding="utf-8")
