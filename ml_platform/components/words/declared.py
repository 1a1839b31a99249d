"""What the three components share: where a declaration stands, and words that every declaration has."""

import re
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import timedelta
from functools import cache
from pathlib import Path
from typing import Annotated, Any, ClassVar, TypeVar

import dagster as dg
from dagster.components.resolved.errors import ResolutionException
from pydantic import BaseModel, Field, PrivateAttr, RootModel, ValidationError

from ml_platform.components.words.published_schema import published_schema
from ml_platform.components.words.registry_schema import registry_schema
from ml_platform.components.words.source_lines import SourceLines
from ml_platform.components.words.verbatim import TemplateError, Verbatim
from ml_platform.components.words.wording import faults_of, is_template, value_at
from ml_platform.core.durations import parse_duration
from ml_platform.core.errors import DeclarationError, DurationError, LakeError
from ml_platform.core.names import check_name
from ml_platform.lake.retention.rules import FOREVER, Retention

FOREVER_WORD = "forever"
T = TypeVar("T", bound="Declared")


# How long and how many: the words are the same for one declaration and for the whole project.
SupersededFor = Annotated[
    str | None,
    Field(
        description="A version is kept until a newer one has been read in its place for this long (w weeks, d days, h hours). "
        "Without it, age alone deletes nothing.",
        examples=["30d"],
    ),
]
NewestVersions = Annotated[
    int | None,
    Field(description="How many of the newest versions of each partition are kept, the one that is read included.", examples=[2]),
]


class RetentionModel(dg.Model, dg.Resolvable):
    """How much of a table's history is kept; a version is deleted only if both conditions allow it."""

    superseded_for: SupersededFor = None
    versions: NewestVersions = None


def parse_retention(given: RetentionModel | str | Mapping[str, Any], where: str, field: str = "") -> Retention:
    """Read a retention: ``forever``, or how long and how many; ``field`` is what it is called in the declaration.

    Raises
    ------
    DeclarationError
        If it is another word, has other keys, or says something impossible.
    """
    if given == FOREVER_WORD:
        return FOREVER
    if isinstance(given, RetentionModel):
        given = {"superseded_for": given.superseded_for, "versions": given.versions}
    inside = f"{field}." if field else ""
    if not isinstance(given, Mapping) or not set(given) <= {"superseded_for", "versions"}:
        raise DeclarationError(f"{where}: {field} is {given!r}. Write forever, or {{superseded_for: 30d, versions: 2}}")
    versions, since = given.get("versions"), given.get("superseded_for")
    if versions is not None and (isinstance(versions, bool) or not isinstance(versions, int)):
        raise DeclarationError(f"{where}: {inside}versions is {versions!r}; it must be a whole number.")
    try:
        return Retention(None if since is None else parse_duration(since, what=f"{inside}superseded_for"), versions)
    except (LakeError, DurationError) as problem:
        raise DeclarationError(f"{where}: {problem}") from None


class Declared(dg.Component, dg.Model, dg.Resolvable):
    """A declaration with a name, written in a ``defs.yaml`` or in Python; ``kind`` says of what, in the words of messages."""

    kind: ClassVar[str]

    name: Annotated[
        str,
        Field(
            description="What it is called: lower-case letters, digits and single underscores. With the project and the layer it is the "
            "asset key in Dagster.",
            examples=["orders"],
        ),
    ]
    description: Annotated[
        str,
        Field(
            description="A sentence or two about what it is; shown in the Dagster UI.", examples=["Orders as the web shop reports them."]
        ),
    ] = ""
    owners: Annotated[
        list[str],
        Field(
            description="Who is responsible: e-mail addresses, or `team:` and a name; shown in the Dagster UI.", examples=[["team:sales"]]
        ),
    ] = []
    tags: Annotated[
        dict[str, str], Field(description="Tags put on every asset of this declaration, name and value.", examples=[{"domain": "sales"}])
    ] = {}
    retention: Annotated[
        RetentionModel | str | None,
        Field(
            description="How much of the history of everything it makes is kept: `forever`, or a length of time and a number of versions. "
            "Default: as the project's Retention says; without one, everything is kept.",
            examples=[{"superseded_for": "30d", "versions": 2}],
        ),
    ] = None
    freshness: Annotated[
        str | None,
        Field(
            description="How long nothing new may be made before the asset is shown as late (d days, h hours); it warns after two thirds. "
            "For what moves every day. Default: it is never shown as late.",
            examples=["36h"],
        ),
    ] = None

    checks: Annotated[
        dict[str, dict[str, Any] | None],
        Field(
            description="Checks of what is published, by name, each with its options; also those of installed packages.",
            examples=[{"rows_as_usual": {"least": 0.8}}],
        ),
    ] = {}

    _folder: Path | None = PrivateAttr(default=None)
    _project: Path | None = PrivateAttr(default=None)
    _lines: SourceLines = PrivateAttr(default=SourceLines(None))
    _values: dict[str, Any] = PrivateAttr(default_factory=dict)
    _fault: DeclarationError | None = PrivateAttr(default=None)

    @classmethod
    @cache
    def get_model_cls(cls) -> type[BaseModel]:
        """Return what takes up any words: they are checked when the declaration is loaded, where its lines are known."""

        class Written(RootModel[dict[str, Any]]):
            @classmethod
            def model_json_schema(cls, *_args: Any, **_options: Any) -> dict[str, Any]:
                return registry_schema(f"{declared.__module__}.{declared.__qualname__}", declared)

            @classmethod
            def __get_pydantic_json_schema__(cls, _core: Any, _handler: Any) -> dict[str, Any]:
                return published_schema(declared)

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
        except TemplateError as error:
            component = cls._unloaded(values, lines, [(error.path, str(error))])
        except (ValidationError, ResolutionException) as error:
            found = cls.misread(values) or (faults_of(error, cls, values) if isinstance(error, ValidationError) else [])
            if not found:
                raise
            component = cls._unloaded(values, lines, found)
        component._folder = Path(context.path)
        component._lines, component._values = lines, values
        return component

    @classmethod
    def misread(cls, values: Any) -> list[tuple[tuple[str | int, ...], str]]:
        """Return what of some words cannot be right whatever else is declared: the path of each, and a sentence.

        A template may become anything, so it is left out.
        """
        try:
            cls.model_validate(values)
        except ValidationError as error:
            return [(path, what) for path, what in faults_of(error, cls, values) if not is_template(value_at(values, path))]
        return []

    @classmethod
    def _unloaded(cls: type[T], values: dict[str, Any], lines: SourceLines, faults: Sequence[tuple[Sequence[str | int], str]]) -> T:
        name = values.get("name")
        component = cls.model_construct(name=name if isinstance(name, str) else "")
        declared = f"{cls.__name__} {name!r}" if isinstance(name, str) else cls.__name__
        component._fault = DeclarationError.of([lines.describe(path, declared, what) for path, what in faults])
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
        return None if self.retention is None else parse_retention(self.retention, self.where, "retention")

    @property
    def fresh_within(self) -> timedelta | None:
        """How long nothing may be made of what moves every day before it is shown as late; None where nothing is declared."""
        return self.length_or_none(self.freshness, "freshness")

    def check_owners(self) -> None:
        """Refuse an owner that Dagster takes for none: it would stop at the first asset, far from the line that is wrong.

        Raises
        ------
        DeclarationError
            The message names the file and the line.
        """
        for owner in self.owners:
            if not re.fullmatch(r"team:.+|[^\s@:]+@[^\s@:]+\.[^\s@:]+", owner):
                team = re.sub(r"[^\w-]+", "-", owner.removeprefix("team:")).strip("-") or "sales"
                raise DeclarationError(f"{self.where}: owners names {owner!r}; an owner is an e-mail address or a team. Write team:{team}")

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
        return f"{self._lines.place(('name',)) or '/'.join(self.folder.parts[-2:])} ({self.called})"

    @property
    def called(self) -> str:
        """The declaration by its kind and name."""
        return f"{type(self).__name__} {self.name!r}"

    def pointed(self, message: str) -> str:
        """Return a message about this declaration with the line of the word that it is about; one about another is left as it is."""
        about = message.removeprefix(self.where)
        if about == message or self._lines.tree is None:
            return message
        about = re.sub(r"^[,:]\s*", "", about)
        path = self._lines.find(self._values, about)
        return self._lines.describe(path or ("name",), self.called, about)

    def length(self, text: str, what: str) -> timedelta:
        """Read a length of time in the declaration.

        Raises
        ------
        DurationError
            If it is none; the message names the declaration.
        """
        with self.said():
            return parse_duration(text, what=what)

    def checked_name(self, what: str) -> str:
        """Return the declaration's name.

        Raises
        ------
        DeclarationError
            If it cannot name a thing in the graph, the lake and SQL alike.
        """
        with self.said():
            return check_name(self.name, what)

    def length_or_none(self, text: str | None, what: str) -> timedelta | None:
        """Read a length of time that may be left out."""
        return None if text is None else self.length(text, what)

    @contextmanager
    def said(self) -> Iterator[None]:
        """Begin the message of an error that is raised inside with where the declaration stands."""
        try:
            yield
        except DeclarationError as problem:
            raise type(problem)(f"{self.where}: {problem}") from None
