"""What the three components share: where a declaration stands, and words that every declaration has."""

from collections.abc import Mapping
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Annotated, Any, TypeVar

import dagster as dg
from pydantic import BaseModel, Field, PrivateAttr, RootModel, ValidationError

from ml_platform.components.published_schema import published_schema
from ml_platform.components.source_lines import SourceLines
from ml_platform.components.verbatim import TemplateError, Verbatim
from ml_platform.components.wording import faults_of
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

    freshness: Annotated[
        str | None,
        Field(description="What moves every day is shown as late when nothing was made for so long, e.g. 36h; it warns after two thirds."),
    ] = None

    _folder: Path | None = PrivateAttr(default=None)
    _project: Path | None = PrivateAttr(default=None)
    _place: str | None = PrivateAttr(default=None)
    _fault: DeclarationError | None = PrivateAttr(default=None)

    @classmethod
    @cache
    def get_model_cls(cls) -> type[BaseModel]:
        """Return what takes up any words: they are checked when the declaration is loaded, where its lines are known."""

        class Written(RootModel[dict[str, Any]]):
            @classmethod
            def __get_pydantic_json_schema__(cls, _core: Any, _handler: Any) -> dict[str, Any]:
                return published_schema(declared.model())

        declared = cls
        return Written

    @classmethod
    def resolve_from_model(cls: type[T], context: dg.ResolutionContext, model: BaseModel) -> T:
        """Build the declaration from its words; texts stay as they were written."""
        return super().resolve_from_model(Verbatim.of(context), model)

    @classmethod
    def load(cls: type[T], attributes: Any, context: dg.ComponentLoadContext) -> T:
        """Build the declaration and remember where it stands.

        One that cannot be right keeps its fault, which is told with those of the whole project when the first definitions are built.
        """
        values = {} if attributes is None else attributes.root
        lines = SourceLines(context.resolution_context.source_position_tree)
        try:
            component: Any = super().load(cls.model().model_validate(values), context)
        except ValidationError as error:
            found = [lines.told(path, cls.__name__, values, what) for path, what in faults_of(error, cls, values)]
            component = cls._unloaded(values, DeclarationError("\n".join(found)))
        except TemplateError as error:
            component = cls._unloaded(values, DeclarationError(lines.told(error.path, cls.__name__, values, str(error))))
        component._folder = Path(context.path)
        component._place = lines.place(("name",))
        return component

    @classmethod
    def _unloaded(cls: type[T], values: dict[str, Any], fault: DeclarationError) -> T:
        component = cls.model_construct(name=values.get("name", ""))
        component._fault = fault
        return component

    @property
    def fault(self) -> DeclarationError | None:
        """Why the declaration could not be loaded; None if it was."""
        return self._fault

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
    def fresh_within(self) -> timedelta | None:
        """How long nothing may be made of what moves every day before it is shown as late; None where nothing is declared."""
        return duration_or_none(self.freshness, f"freshness of {self.where}")

    def check_freshness(self) -> None:
        """Refuse a freshness that is no length of time, or too short for Dagster, which looks once a minute.

        Raises
        ------
        DeclarationError
            The message names the file and the line.
        """
        length = self.fresh_within
        if length is not None and length < timedelta(minutes=2):
            raise DeclarationError(f"{self.where}: freshness {self.freshness!r} needs two minutes at least, such as 36h.")

    @property
    def where(self) -> str:
        """The declaration's file and line for messages; the folder where it is not written in YAML."""
        what = f"{type(self).__name__} {self.name!r}"
        return f"{self._place or '/'.join(self.folder.parts[-2:])} ({what})"


def duration_or_none(text: str | None, what: str) -> Any:
    """Read a length of time that may be left out."""
    return None if text is None else parse_duration(text, what=what)
