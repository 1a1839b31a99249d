"""What the three components share: where a declaration stands, and words that every declaration has."""

import re
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Annotated, Any, TypeVar

import dagster as dg
from pydantic import BaseModel, Field, PrivateAttr, ValidationError, create_model, model_validator

from ml_platform.components.wording import told
from ml_platform.core.durations import parse_duration

T = TypeVar("T", bound="Declared")


class Declared(dg.Component, dg.Model, dg.Resolvable):
    """A declaration with a name, written in a ``defs.yaml`` or in Python."""

    name: Annotated[str, Field(description="Lower-case name; with the project and the layer it makes the asset key.")]
    description: Annotated[str, Field(description="What it is, for a reader of the Dagster UI.")] = ""
    owners: Annotated[list[str], Field(description="Owners as Dagster knows them: e-mail addresses or `team:name`.")] = []
    tags: Annotated[dict[str, str], Field(description="Tags put on every asset of this declaration.")] = {}

    _folder: Path | None = PrivateAttr(default=None)
    _project: Path | None = PrivateAttr(default=None)

    @classmethod
    @cache
    def model(cls) -> type[BaseModel]:
        """Return the model of the words in YAML, which tells what is wrong with them in one message."""
        derived: Any = super().model()

        def validate(_model: type[BaseModel], values: Any, handler: Callable[[Any], Any]) -> Any:
            try:
                return handler(values)
            except ValidationError as error:
                raise ValueError(told(error, cls, values)) from None

        checked: dict[str, Any] = {"tell": model_validator(mode="wrap")(classmethod(validate))}  # type: ignore[arg-type]
        return create_model(derived.__name__, __base__=derived, __validators__=checked)

    @classmethod
    def load(cls: type[T], attributes: Any, context: dg.ComponentLoadContext) -> T:
        """Build the declaration and remember the folder it stands in."""
        component = super().load(attributes, context)
        component._folder = Path(context.path)
        return component

    def stand_in(self, folder: Path) -> None:
        """Say where the declaration stands, for those that were built in Python."""
        self._folder = self._folder or folder

    def belong_to(self, project: Path) -> None:
        """Say which folder holds the declarations of the whole project."""
        self._project = project

    def beside(self, file: str) -> str:
        """Return the path of a file beside the declaration, relative to the project's folder: it must not tell one machine from another."""
        path = (self.folder / file).resolve()
        root = (self._project or self.folder).resolve()
        return path.relative_to(root).as_posix() if path.is_relative_to(root) else path.as_posix()

    @property
    def folder(self) -> Path:
        """The folder that files named in the declaration are relative to."""
        return self._folder or Path.cwd()

    @property
    def where(self) -> str:
        """The declaration's file and line for messages; the folder where it is not written in YAML."""
        what = f"{type(self).__name__} {self.name!r}"
        for name in ("defs.yaml", "component.yaml"):
            path = self.folder / name
            if path.is_file():
                line = _line_of(path.read_text(encoding="utf-8"), type(self).__name__, self.name)
                return f"{'/'.join(path.parts[-3:])}{f':{line}' if line else ''} ({what})"
        return f"{'/'.join(self.folder.parts[-2:])} ({what})"


def _line_of(text: str, kind: str, name: str) -> int | None:
    """Return the line (from 1) of ``name: <name>`` in the document whose type ends in ``kind``."""
    pattern = re.compile(rf"^\s*name:\s*['\"]?{re.escape(name)}['\"]?\s*(?:#.*)?$", re.MULTILINE)
    start = 0
    for document in re.split(r"(?m)^---\s*$", text):
        found = pattern.search(document)
        if found and re.search(rf"(?m)^type:\s*\S*\b{kind}\b", document):
            return text.count("\n", 0, start + found.start() + len(found.group(0))) + 1
        start += len(document) + len("---\n") - 1
    return None


def duration_or_none(text: str | None, what: str) -> Any:
    """Read a length of time that may be left out."""
    return None if text is None else parse_duration(text, what=what)
