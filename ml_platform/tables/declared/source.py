"""What a source is, the place that a table's rows come from; and which kinds there are."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime, timedelta
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any, ClassVar, Protocol, Self

from ml_platform.core.errors import DeclarationError, SourceError, did_you_mean
from ml_platform.core.registry import Registry

if TYPE_CHECKING:
    import pyarrow as pa

    from ml_platform.tables.declared.landing_zone import LandingZone
    from ml_platform.tables.declared.pattern import Found

# What a source that is no file gives carries types, as Parquet does.
ARROW = "arrow"


@dataclass(frozen=True)
class Delivery:
    """One delivery: its name (a file's is relative to the landing zone), size in bytes, digest, time, and how it becomes rows.

    ``format`` is ``csv``, ``parquet``, ``jsonl`` or ``arrow``: what is known of the rows' types.
    """

    name: str
    size: int
    sha256: str
    time: datetime
    rows: Callable[[], pa.Table] = field(compare=False)
    format: str = ARROW


class Place(Protocol):
    """What a source is given when it is looked at or read.

    ``root`` is the folder of the declarations, ``zone`` the landing zone, ``now`` the platform's time; ``where`` begins the message of an
    error, and ``say`` writes to the log.
    """

    @property
    def root(self) -> Path: ...  # noqa: D102

    @property
    def where(self) -> str: ...  # noqa: D102

    @property
    def zone(self) -> LandingZone: ...  # noqa: D102

    @property
    def now(self) -> datetime: ...  # noqa: D102

    @property
    def say(self) -> Callable[[str], None]: ...  # noqa: D102

    def file(
        self, found: Found, pattern: str, *, format: str | None = None, encoding: str | None = None, names: Sequence[str] = ()
    ) -> Delivery:
        """Open a file as a delivery."""
        ...

    def rows(self, name: str, rows: Any, *, called: str = "") -> Delivery:
        """Return an Arrow, Polars or pandas table as a delivery of this moment.

        Its ``name`` stays the same from one delivery to the next; ``called`` says in errors what has returned the rows.
        """
        ...


class Source:
    """Where a table's rows come from. A kind of source is a frozen dataclass below this class; its fields are what is declared.

    What is the platform's, for every kind: times of delivery, digests, earlier deliveries, typing, the contract, and publishing.
    """

    name: ClassVar[str] = ""
    # Whether the rows are made from other tables of the project, which ``reads`` maps to how many days back they are read.
    is_derived: ClassVar[bool] = False
    reads: Mapping[str, timedelta] = MappingProxyType({})
    # Whether looking for what is new costs nothing and changes nothing, so that it is done all the time: see ``landed``.
    is_watched: ClassVar[bool] = False
    # The key of another Dagster asset that writes what is read here.
    upstream: tuple[str, ...] | None = None
    # Text that means that there is no value; None: the usual.
    null_values: tuple[str, ...] | None = None

    @classmethod
    def declare(cls, options: Mapping[str, Any], *, where: str, folder: Path) -> Self:
        """Return the source that a declaration's ``options`` describe.

        Parameters
        ----------
        options : mapping of str to object
            As declared.
        where : str
            File and line, which begin the message of an error.
        folder : Path
            The folder of the declaration.

        Raises
        ------
        DeclarationError
            If an option is not known, or one that is needed is missing.
        """
        del folder
        known = [one.name for one in fields(cls)]  # type: ignore[arg-type]
        for name in options:
            if name not in known:
                raise DeclarationError(f"{where}: source {cls.name!r} has no option {name!r}. {did_you_mean(name, known)}")
        try:
            return cls(**options)
        except TypeError as error:
            said = str(error).partition(" ")[2]
            raise DeclarationError(f"{where}: source {cls.name!r}: {said}. Its options: {', '.join(known)}.") from None

    @property
    def holds_days(self) -> bool:
        """Whether one delivery holds rows of many days, so that each row finds its day by its event time."""
        return False

    @property
    def icon(self) -> str:
        """The kind that Dagster shows."""
        return self.name

    @property
    def words(self) -> str:
        """Where the rows come from, in words that end "What was delivered, ..."."""
        return f"from {self.name}"

    def check(self, where: str, *, daily: bool) -> None:
        """Refuse what cannot be right, when declarations are loaded; nothing is reached over a network.

        Parameters
        ----------
        where : str
            File and line, which begin the message of an error.
        daily : bool
            Whether the table has daily partitions.
        """

    def code(self, root: Path) -> dict[str, Any]:
        """Return what decides the rows that are read: the declaration, and code of the project that it names."""
        del root
        return {one.name: getattr(self, one.name) for one in fields(self)}  # type: ignore[arg-type]

    def landed(self, place: Place, days: Collection[str | None] | None = None) -> Mapping[str | None, Sequence[Found]]:
        """Return what lies there, by day (None: without one), without opening anything; only where ``is_watched``."""
        del place, days
        raise SourceError(f"A source {self.name!r} cannot be looked at without reading it.")

    def open(self, place: Place, days: Sequence[str | None]) -> Callable[[str | None], list[Delivery]]:
        """Return a function that opens the deliveries of one of some days, in no order.

        Parameters
        ----------
        place : Place
            Where to look.
        days : sequence of str or None
            Those that will be asked for; None: the table has no days, or a delivery holds many.

        Returns
        -------
        function of str or None to list of Delivery
            Nothing for a day of which nothing is there. It is called from several threads.

        Raises
        ------
        SourceError
            From the function, for what cannot be read: that day alone is stopped, with these words. They hold no secret.
        """
        del place, days
        raise SourceError("What is derived from other tables has no raw partitions: materialize the table itself.")


SOURCES: Registry[type[Source]] = Registry(
    "source", "ml_platform.sources", Source, built_in="ml_platform.tables.declared.sources", attribute="SOURCES", several=True, classes=True
)
