"""``type: ml_platform.Table``: checked words in, a core table out, definitions built."""

import re
from datetime import date, datetime, timedelta
from typing import Annotated, Any, ClassVar, get_args

import dagster as dg
from pydantic import Field

from ml_platform.components.dagster_internals import positions_in
from ml_platform.components.declarations.table_parts import PartitionsModel, SourceModel, check_for_files, how_to_read
from ml_platform.components.project_definitions import definitions_of
from ml_platform.components.words.declared import Declared
from ml_platform.components.words.scaffolds import TableScaffolder
from ml_platform.components.words.source_lines import SourceLines, shown_path
from ml_platform.core.errors import DeclarationError, UnknownNameError, did_you_mean
from ml_platform.core.layers import TableName
from ml_platform.sql.binding import read_sql
from ml_platform.tables.declared import table as core
from ml_platform.tables.declared.contract import Contract
from ml_platform.tables.declared.parse import parse_contract
from ml_platform.tables.declared.python_file import takes_arguments
from ml_platform.tables.declared.source import SOURCES, Source
from ml_platform.tables.declared.sources.files import AssetSource, FileSource
from ml_platform.tables.declared.sources.functions import DerivedPythonSource, PythonSource
from ml_platform.tables.declared.sources.sql import SqlSource
from ml_platform.tables.declared.yaml_text import read_yaml

_MISSING_DAYS = get_args(core.MissingDays)


@dg.scaffold_with(TableScaffolder)
class Table(Declared):
    """A table of the project: a raw asset of what was delivered, and a table asset of the rows that keep the contract."""

    kind: ClassVar[str] = "table"

    source: Annotated[
        SourceModel,
        Field(description="Where the rows come from: files, another asset, Python, or SQL.", examples=[{"files": "orders/{day}.csv"}]),
    ]
    contract: Annotated[
        str | dict[str, Any],
        Field(
            description="What every row must keep: columns with their types and limits, rules, references. A YAML file beside this one, or "
            "the contract itself. `ml-platform contract infer FILES` writes a first one.",
            examples=["orders.contract.yaml"],
        ),
    ]
    key: Annotated[
        list[str],
        Field(
            description="The columns that together identify a row. Default: none, rows are never updates of others.",
            examples=[["order_id"]],
        ),
    ] = []
    partitions: Annotated[
        PartitionsModel | None,
        Field(
            description="Daily partitions from a first day on. Default: none, a reference table that is delivered as a whole.",
            examples=[{"start": "2024-01-01"}],
        ),
    ] = None
    event_time: Annotated[
        str | None,
        Field(description="The column that says when what a row tells of happened: a timestamp or a date (UTC).", examples=["ordered_at"]),
    ] = None
    available_at: Annotated[
        str | dict[str, list[str]] | None,
        Field(
            description="When a row could first have been known: SQL over its columns. Features use only what was available before their "
            "cutoff. Where columns become known at different times: each expression with its columns, [] for all others.",
            examples=["ordered_at", {"ordered_at": ["customer"], "ordered_at + interval 1 day": []}],
        ),
    ] = None
    delay: Annotated[
        str,
        Field(
            description="Added to every availability, for a feed that arrives late (d days, h hours, m minutes). Default: 0s.",
            examples=["1h"],
        ),
    ] = "0s"
    late_after: Annotated[
        str,
        Field(
            description="A new row that is delivered later than this after its availability counts from its delivery instead. Default: 1d.",
            examples=["1d"],
        ),
    ] = "1d"
    publish: Annotated[
        str,
        Field(
            description="If two runs make the same partition at once: `last` keeps what finished last (default), `strict` refuses the "
            "second and says who published when.",
            examples=["strict"],
        ),
    ] = "last"
    missing_days: Annotated[
        str,
        Field(
            description="What a day means of which nothing was delivered. `stop` (default): nobody knows, so whoever reads it stops. "
            "`are_empty`: nothing happened, files come only for days with rows. `allowed`: readers go on without it and say so.",
            examples=["are_empty"],
        ),
    ] = "stop"
    longest_silence: Annotated[
        str | None,
        Field(
            description="For how long a feed with `missing_days: are_empty` can be silent while it is alive. A day behind its newest file "
            "is not known yet until a later file comes; with this it counts as empty `late_after` (and `delay`) after it is over, if the "
            "newest file lies at most so long before it.",
            examples=["10d"],
        ),
    ] = None
    lost_days: Annotated[
        list[str],
        Field(
            description="Days (YYYY-MM-DD) that will never be delivered: readers go on without them and say so.", examples=[["2024-02-14"]]
        ),
    ] = []
    timeless: Annotated[
        bool,
        Field(
            description="The rows hold for all times, such as the countries of the world; the model card says so. Default: false.",
            examples=[True],
        ),
    ] = False

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
            name=self.checked_name("table"),
            source=source,
            contract=self._contract(where),
            description=self.description,
            partitions=self._partitions(where),
            event_time=self.event_time,
            availability=self._availability(),
            delay=self.length(self.delay, "delay"),
            late_after=self.length(self.late_after, "late_after"),
            timeless=self.timeless,
            publish=publish,
            every=self._every(where),
            missing_days=self.missing_days,  # type: ignore[arg-type] - checked above
            longest_silence=self.length_or_none(self.longest_silence, "longest_silence"),
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
            with self.said():
                return parse_contract(self.contract, key=tuple(self.key), where="contract")
        path = self.folder / self.contract
        try:
            text = path.read_text(encoding="utf-8")
        except FileNotFoundError:
            beside = sorted(file.name for file in self.folder.glob("*contract*.y*ml"))
            raise DeclarationError(
                f"{where}: the contract {self.contract!r} is not beside the declaration. {did_you_mean(self.contract, beside)} "
                f"Write one with: ml-platform contract infer FILES > {self.contract}"
            ) from None
        place = shown_path(path)
        words = read_yaml(text, place)
        self._check_key(words, place, where)
        lines = SourceLines(positions_in(text, str(path)), ())
        try:
            return parse_contract(words, key=tuple(self.key), where="")
        except DeclarationError as problem:
            message = str(problem).removeprefix(": ")
            raise DeclarationError(lines.describe(_word_of(words, message), f"contract of {self.called}", message)) from None

    def _check_key(self, words: Any, place: str, where: str) -> None:
        """Refuse a key of columns that the contract does not have: it is the declaration that is wrong."""
        columns = words.get("columns") if isinstance(words, dict) else None
        if not isinstance(columns, dict):
            return
        for column in self.key:
            if column not in columns:
                raise DeclarationError(
                    f"{where}: key names column {column!r}, which {place} does not have. {did_you_mean(column, map(str, columns))}"
                )

    def _source(self, where: str) -> Source:
        given = self.source
        kinds = [k for k in ("files", "asset", "python", "sql", "kind") if getattr(given, k) is not None]
        if len(kinds) != 1:
            raise DeclarationError(
                f"{where}: the source needs exactly one of files, asset, python, sql and kind; it has {', '.join(kinds) or 'none'}."
            )
        reads = {t: self.length(d, f"source.reads.{t}") for t, d in (given.reads or {}).items()}
        if given.files is not None:
            nulls = {} if given.null_values is None else {"null_values": tuple(given.null_values)}
            encoding, names = how_to_read(given, where)
            return FileSource(given.files, given.format, **nulls, encoding=encoding, names=names)
        check_for_files(given, kinds[0], where)
        if given.kind is not None:
            if given.kind not in SOURCES:
                raise UnknownNameError(f"{where}: source kind {given.kind!r} is not known. {did_you_mean(given.kind, SOURCES.names())}")
            return SOURCES.get(given.kind).declare(given.options or {}, where=where, folder=self.folder)
        if given.asset is not None:
            if not given.path:
                raise DeclarationError(f"{where}: a source `asset` needs `path`: the pattern of the files that the asset writes.")
            return AssetSource(TableName(given.asset).parts, given.path)
        if given.sql is not None:
            return SqlSource(read_sql(given.sql, self.folder, where=f"{where}, source.sql"), reads)
        file, function = split_python(given.python or "", where)
        path = self.beside(file)
        if reads:
            return DerivedPythonSource(path, function, reads)
        return PythonSource(path, function, takes_day=takes_arguments(self.folder / file, function))

    def _every(self, where: str) -> timedelta | None:
        if self.source.every is None:
            return None
        if (self.source.python is None and self.source.kind is None) or self.source.reads:
            raise DeclarationError(
                f"{where}: `every` says how often a `python` source, or one of another `kind`, is called; "
                "files and assets are followed, and derived tables as well. "
                "Leave it out."
            )
        every = self.length(self.source.every, "source.every")
        if not every:
            raise DeclarationError(f"{where}: source.every {self.source.every!r} needs a length of time above zero, such as 1h or 1d.")
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


def _word_of(words: Any, message: str) -> tuple[str | int, ...]:
    """Return the path of the word of a contract that a message begins with: ``column 'country', one_of``, ``rules[0]``."""
    column = re.match(r"column '([^']*)'(?:, ([a-z_]+)|: ([a-z_]+))?", message)
    if column is not None:
        return ("columns", column[1], *(part for part in column.groups()[1:] if part))
    listed = re.match(r"(rules|references)\[(\d+)\]", message)
    if listed is not None:
        return listed[1], int(listed[2])
    first = message.partition(" ")[0].strip(":")
    return (first,) if isinstance(words, dict) and first in words else ()


def split_python(text: str, where: str) -> tuple[str, str]:
    """Split ``file.py:function``."""
    file, colon, function = text.partition(":")
    if not colon or not file.endswith(".py") or not function.isidentifier():
        raise DeclarationError(
            f"{where}: the Python source {text!r} does not name a file and a function. Write file.py:function, such as feed.py:orders; the "
            "file stands beside the declaration."
        )
    return file, function


def _day(text: object, where: str) -> date:
    try:
        return text.date() if isinstance(text, datetime) else date.fromisoformat(str(text))
    except ValueError:
        raise DeclarationError(f"{where}: {text!r} is not a day. Write year, month and day, such as '2024-01-31'.") from None
