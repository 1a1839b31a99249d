"""``type: ml_platform.Table``: checked words in, a core table out, definitions built."""

from datetime import date, datetime, timedelta
from typing import Annotated, Any, get_args

import dagster as dg
import yaml
from pydantic import Field

from ml_platform.components.declared import Declared
from ml_platform.components.project_definitions import definitions_of
from ml_platform.core.durations import parse_duration
from ml_platform.core.errors import DeclarationError, did_you_mean
from ml_platform.core.names import check_name
from ml_platform.tables import table as core
from ml_platform.tables.contract import Contract
from ml_platform.tables.parse import parse_contract
from ml_platform.tables.read_files import FORMATS
from ml_platform.tables.sql import read_sql

_MISSING_DAYS = get_args(core.MissingDays)


class SourceModel(dg.Model, dg.Resolvable):
    """Where the rows come from: exactly one of ``files``, ``asset``, ``python`` and ``sql``."""

    files: Annotated[str | None, Field(description="Pattern below the landing zone; may hold {day} and *.")] = None
    format: Annotated[str | None, Field(description=f"{', '.join(FORMATS)}; by default the file's ending says it.")] = None
    null_values: Annotated[list[str] | None, Field(description="Texts that mean no value in CSV files.")] = None
    asset: Annotated[str | None, Field(description="Key of another Dagster asset, parts joined by /.")] = None
    path: Annotated[str | None, Field(description="With `asset`: the pattern of the files that it writes.")] = None
    python: Annotated[str | None, Field(description="file.py:function beside the declaration.")] = None
    every: Annotated[
        str | None, Field(description="With `python`: how often the function is called, e.g. 1h; without it only by hand and backfills.")
    ] = None
    sql: Annotated[str | None, Field(description="One SELECT over the project's tables, or the path of a .sql file.")] = None
    reads: Annotated[
        dict[str, str] | None, Field(description="With `sql` or `python`: the tables that are read, and how far back (0d: the same day).")
    ] = None


class PartitionsModel(dg.Model, dg.Resolvable):
    """One partition per day of the file."""

    start: Annotated[str, Field(description="First day, YYYY-MM-DD.")]
    end: Annotated[str | None, Field(description="Day after the last one, for a closed past.")] = None
    first: Annotated[int, Field(description="Times of a file's rows begin this many days after its day (UTC; may be negative).")] = 0
    after: Annotated[int, Field(description="Times of a file's rows end before this many days after its day (UTC).")] = 1


class Table(Declared):
    """A table of the project: a raw asset of what was delivered, and a table asset of the rows that keep the contract."""

    source: Annotated[SourceModel, Field(description="Where the rows come from.")]
    contract: Annotated[str | dict[str, Any], Field(description="The contract: a YAML file beside the declaration, or in place.")]
    key: Annotated[list[str], Field(description="Columns that identify a row.")] = []
    partitions: Annotated[PartitionsModel | None, Field(description="Daily partitions; none for reference tables.")] = None
    event_time: Annotated[str | None, Field(description="Column that says when it happened.")] = None
    available_at: Annotated[
        str | dict[str, list[str]] | None,
        Field(description="SQL expression from when a row is known, or {expression: [columns]}; an empty list means all other columns."),
    ] = None
    delay: Annotated[str, Field(description="Added to every availability, e.g. 1h.")] = "0s"
    late_after: Annotated[
        str, Field(description="A new row delivered later than this after its availability counts from its delivery.")
    ] = "1d"
    publish: Annotated[
        str, Field(description="Two runs at once: `last` stands (default), or `strict` refuses the second, saying who published when.")
    ] = "last"
    missing_days: Annotated[
        str,
        Field(
            description="What a day says of which nothing was delivered: `stop` (default): whoever reads it stops, for nobody knows what "
            "happened; `are_empty`: nothing happened, files come only for days with rows; `allowed`: readers go on without it and tell so."
        ),
    ] = "stop"
    lost_days: Annotated[
        list[str], Field(description="Days (YYYY-MM-DD) that will never come: readers go on without them and tell so.")
    ] = []
    timeless: Annotated[bool, Field(description="The rows hold for all times; the model card says so.")] = False

    def to_core(self) -> core.Table:
        """Return the declaration as the core knows it.

        Raises
        ------
        DeclarationError
            If it cannot be right; the message names the file and the line.
        """
        where = self.where
        source = self._source(where)
        publish = next((known for known in get_args(core.Publish) if known == self.publish), None)
        if publish is None:
            raise DeclarationError(f"{where}: publish {self.publish!r} is not known. {did_you_mean(self.publish, get_args(core.Publish))}")
        if self.missing_days not in _MISSING_DAYS:
            raise DeclarationError(
                f"{where}: missing_days {self.missing_days!r} is not known. {did_you_mean(self.missing_days, _MISSING_DAYS)}"
            )
        return core.Table(
            name=check_name(self.name, f"table ({where})"),
            source=source,
            contract=self._contract(where),
            description=self.description,
            partitions=self._partitions(where),
            event_time=self.event_time,
            availability=self._availability(),
            delay=parse_duration(self.delay, what=f"delay of {where}"),
            late_after=parse_duration(self.late_after, what=f"late_after of {where}"),
            timeless=self.timeless,
            publish=publish,
            every=self._every(where),
            missing_days=self.missing_days,  # type: ignore[arg-type] - checked above
            lost_days=frozenset(_day(day, where) for day in self.lost_days),
            owners=tuple(self.owners),
            tags=dict(self.tags),
            retention=self.kept,
            where=where,
        )

    def build_defs(self, context: dg.ComponentLoadContext) -> dg.Definitions:
        """Build the raw and the table asset of this declaration."""
        return definitions_of(self, context)

    def _contract(self, where: str) -> Contract:
        if isinstance(self.contract, dict):
            return parse_contract(self.contract, key=tuple(self.key), where=where)
        path = self.folder / self.contract
        try:
            text = path.read_text(encoding="utf-8")
        except FileNotFoundError:
            raise DeclarationError(
                f"{where}: the contract {self.contract!r} is not beside the declaration. "
                f"Write one with: ml-platform contract infer FILES > {self.contract}"
            ) from None
        return parse_contract(yaml.safe_load(text), key=tuple(self.key), where=f"{self.contract} (table {self.name!r})")

    def _source(self, where: str) -> core.Source:
        given = self.source
        kinds = [k for k in ("files", "asset", "python", "sql") if getattr(given, k) is not None]
        if len(kinds) != 1:
            raise DeclarationError(
                f"{where}: the source needs exactly one of files, asset, python and sql; it has {', '.join(kinds) or 'none'}."
            )
        reads = {t: parse_duration(d, what=f"reads.{t} of {where}") for t, d in (given.reads or {}).items()}
        if given.files is not None:
            nulls = {} if given.null_values is None else {"null_values": tuple(given.null_values)}
            return core.FileSource(given.files, given.format, **nulls)
        if given.asset is not None:
            if not given.path:
                raise DeclarationError(f"{where}: a source `asset` needs `path`: the pattern of the files that the asset writes.")
            return core.AssetSource(tuple(given.asset.split("/")), given.path)
        if given.sql is not None:
            return core.SqlSource(read_sql(given.sql, self.folder), reads)
        file, function = split_python(given.python or "", where)
        path = self.beside(file)
        return core.DerivedPythonSource(path, function, reads) if reads else core.PythonSource(path, function)

    def _every(self, where: str) -> timedelta | None:
        if self.source.every is None:
            return None
        if self.source.python is None or self.source.reads:
            raise DeclarationError(
                f"{where}: `every` says how often a `python` source is called; files and assets are followed, and derived tables as well. "
                "Leave it out."
            )
        every = parse_duration(self.source.every, what=f"every of {where}")
        if not every:
            raise DeclarationError(f"{where}: every {self.source.every!r} needs a length of time above zero, such as 1h or 1d.")
        return every

    def _partitions(self, where: str) -> core.DailyPartitions | None:
        if self.partitions is None:
            return None
        given = self.partitions
        if given.after <= given.first:
            raise DeclarationError(f"{where}: partitions.after ({given.after}) must be larger than partitions.first ({given.first}).")
        end = None if given.end is None else _day(given.end, where)
        return core.DailyPartitions(_day(given.start, where), end, given.first, given.after)

    def _availability(self) -> tuple[core.Availability, ...]:
        if self.available_at is None:
            return ()
        if isinstance(self.available_at, str):
            return (core.Availability(self.available_at),)
        groups = [core.Availability(sql, tuple(columns)) for sql, columns in self.available_at.items()]
        # The group of all other columns is stored first: it decides whether the row itself is known.
        return tuple(sorted(groups, key=lambda g: bool(g.columns)))


def split_python(text: str, where: str) -> tuple[str, str]:
    """Split ``file.py:function``."""
    file, colon, function = text.partition(":")
    if not colon or not file.endswith(".py") or not function.isidentifier():
        raise DeclarationError(f"{where}: python source {text!r} cannot be read. Write file.py:function, the file beside the declaration.")
    return file, function


def _day(text: object, where: str) -> date:
    try:
        return text.date() if isinstance(text, datetime) else date.fromisoformat(str(text))
    except ValueError:
        raise DeclarationError(f"{where}: {text!r} is not a day. Write YYYY-MM-DD.") from None
