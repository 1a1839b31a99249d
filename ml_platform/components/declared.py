"""What the three components share: where a declaration stands, and words that every declaration has."""

import re
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Annotated, Any, TypeVar

import dagster as dg
from pydantic import BaseModel, Field, PrivateAttr, ValidationError, create_model, model_validator

from ml_platform.components.wording import told
from ml_platform.core.durations import parse_duration
from ml_platform.core.errors import DeclarationError, LakeError
from ml_platform.lake.retention import FOREVER, Retention

FOREVER_WORD = "forever"
T = TypeVar("T", bound="Declared")


class RetentionModel(dg.Model, dg.Resolvable):
    """What of a table's history stays besides what is held: both conditions must let a version go."""

    superseded_for: Annotated[
        str | None, Field(description="A version stays until others are read in its place for so long, e.g. 30d.")
    ] = None
    versions: Annotated[int | None, Field(description="So many of the newest versions of a partition stay.")] = None


def parse_retention(given: RetentionModel | str | Mapping[str, Any], where: str) -> Retention:
    """Read a retention: ``forever``, or how long and how many.

    Raises
    ------
    DeclarationError
        If it is another word, has other keys, or says something impossible.
    """
    if given == FOREVER_WORD:
        return FOREVER
    if isinstance(given, RetentionModel):
        given = {"superseded_for": given.superseded_for, "versions": given.versions}
    if not isinstance(given, Mapping) or not set(given) <= {"superseded_for", "versions"}:
        raise DeclarationError(f"{where}: the retention {given!r} cannot be read. Write forever, or {{superseded_for: 30d, versions: 2}}.")
    versions = given.get("versions")
    if versions is not None and (isinstance(versions, bool) or not isinstance(versions, int)):
        raise DeclarationError(f"{where}: versions is {versions!r}; it must be a whole number.")
    length = duration_or_none(given.get("superseded_for"), f"superseded_for of {where}")
    try:
        return Retention(length, versions)
    except LakeError as problem:
        raise DeclarationError(f"{where}: {problem}") from None


class Declared(dg.Component, dg.Model, dg.Resolvable):
    """A declaration with a name, written in a ``defs.yaml`` or in Python."""

    name: Annotated[str, Field(description="Lower-case name; with the project and the layer it makes the asset key.")]
    description: Annotated[str, Field(description="What it is, for a reader of the Dagster UI.")] = ""
    owners: Annotated[list[str], Field(description="Owners as Dagster knows them: e-mail addresses or `team:name`.")] = []
    tags: Annotated[dict[str, str], Field(description="Tags put on every asset of this declaration.")] = {}
    retention: Annotated[
        RetentionModel | str | None,
        Field(description="What of the history of all it makes stays: forever, or {superseded_for: 30d, versions: 2}."),
    ] = None

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
    def kept(self) -> Retention | None:
        """What of the history of all that it makes stays; None where it leaves that to the project."""
        return None if self.retention is None else parse_retention(self.retention, f"{self.where}, retention")

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
