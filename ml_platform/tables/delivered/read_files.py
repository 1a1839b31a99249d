"""Delivered files as Arrow tables, as they are: CSV as text, Parquet and JSON lines with the types they carry."""

from __future__ import annotations

import csv
import io
import json
import re
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ml_platform.core.errors import SourceError
from ml_platform.core.names import ORIGIN
from ml_platform.tables.declared.file_formats import file_format
from ml_platform.tables.delivered.encodings import to_utf8
from ml_platform.tables.delivered.frames import plain_types
from ml_platform.tables.delivered.limits import UNREADABLE, Limits
from ml_platform.tables.delivered.read_parquet import read_parquet

if TYPE_CHECKING:
    import pyarrow as pa

# What Arrow quotes of a file: a row of it, or the bytes it began with. Errors are read by more people than the rows.
_QUOTED = re.compile(r"(?<=columns, got \d): .*|(?<=columns, got \d\d): .*|(?<=columns, got \d\d\d): .*|(?<=[Nn]ot a gzipped file) \(.*\)")
_DELIMITERS = ",;\t|"
# Below this a file is parsed on one thread: starting threads costs more than a day's file of a thousand rows.
_SMALL_BYTES = 4 << 20


def read_delivery(
    path: Path | str,
    format: str | None = None,
    null_values: Sequence[str] = (),
    *,
    encoding: str | None = None,
    names: Sequence[str] = (),
) -> pa.Table:
    """Read one delivered file.

    Parameters
    ----------
    path : Path or str
        The file; ``.gz`` is unpacked.
    format : str, optional
        ``csv``, ``parquet`` or ``jsonl``; by the ending if None.
    null_values : sequence of str
        Text of a CSV that is read as NULL; by default none, so that every value stays what was delivered.
    encoding : str, optional
        How the text of CSV and JSON lines is written; UTF-8 if None. A byte order mark says it better.
    names : sequence of str
        What the columns of a CSV without a line of names are called.

    Returns
    -------
    pyarrow.Table
        One row per record, in the file's order. CSV: all columns text. JSON lines: text stays text, also where it looks like a time.

    Raises
    ------
    SourceError
        If the file is not there, truncated, or not of its format; the message says what is wrong, and where in the file.
    """
    path = Path(path)
    limits = Limits.from_environment()
    try:
        limits.check_delivered(path.name, path.stat().st_size)
        data = path.read_bytes()
    except OSError as error:
        raise SourceError(f"{path.name} cannot be opened: {error.strerror or error}.") from None
    return parse_delivery(data, path.name, format, null_values, encoding=encoding, names=names)


def parse_delivery(
    data: bytes,
    name: str,
    format: str | None = None,
    null_values: Sequence[str] = (),
    *,
    encoding: str | None = None,
    names: Sequence[str] = (),
) -> pa.Table:
    """Read the bytes of one delivered file called ``name``; see ``read_delivery``."""
    import pyarrow as pa

    kind = file_format(name, format)
    limits = Limits.from_environment()
    if name.lower().endswith(".gz"):
        try:
            data = limits.unpack(name, data)
        except UNREADABLE as error:
            raise _unreadable(name, "a gzip file", error) from None
    if kind != "parquet":
        data = to_utf8(data, name, encoding)
    if kind != "parquet" and (kind == "jsonl" or b'"' not in data):
        # Before it is parsed, which takes many times as long and as much memory; within quotes a line's end is none.
        limits.check_rows(name, data.count(b"\n"))
    if not data.strip():
        raise SourceError(f"{name} is empty ({len(data)} bytes): nothing was delivered, or it was cut off. Deliver it again.")
    readers: dict[str, Callable[[], pa.Table]] = {
        "csv": lambda: _read_csv(data, name, null_values, names, limits),
        "parquet": lambda: read_parquet(data, name, limits, use_threads=len(data) > _SMALL_BYTES),
        "jsonl": lambda: _read_json_lines(data, name),
    }
    words = {"csv": "CSV", "parquet": "Parquet", "jsonl": "JSON lines"}
    try:
        table = plain_types(readers[kind]())
    except (pa.ArrowInvalid, pa.ArrowNotImplementedError, OSError, csv.Error, UnicodeDecodeError) as error:
        raise _unreadable(name, words[kind], error) from None
    limits.check_rows(name, table.num_rows)
    limits.check_columns(name, table.num_columns)
    _check_names(table.column_names, name)
    return table


def _unreadable(name: str, what: str, error: Exception) -> SourceError:
    reason = _QUOTED.sub("", " ".join(str(error).split()))
    reason = reason if len(reason) <= 300 else f"{reason[:297]}..."
    if isinstance(error, UnicodeDecodeError) or "invalid UTF8" in reason:
        return SourceError(
            f"{name} cannot be read as {what}: it is not written in UTF-8 ({reason.rstrip('.')}). Say in its source how it is written, "
            "such as encoding: cp1252 (Windows and Excel in Western Europe), or deliver it in UTF-8."
        )
    return SourceError(f"{name} cannot be read as {what}: {reason.rstrip('.')}. It is truncated, or not of that format. Deliver it again.")


def _check_names(names: Sequence[str], file: str) -> None:
    for number, name in enumerate(names, start=1):
        if not name.strip():
            raise SourceError(f"{file}: column {number} has no name. Name it, or leave it out of the file.")
    twice = [n for n, count in Counter(n.lower() for n in names).items() if count > 1]
    if twice:
        raise SourceError(f"{file} has two columns called {twice[0]!r} (letter case does not tell columns apart).")
    ours = {*ORIGIN, "_partition"} & {n.lower() for n in names}
    if ours:
        raise SourceError(f"{file} has a column {min(ours)!r}, a name that the platform uses for its own. Rename it.")


def first_values(data: bytes) -> tuple[list[str], str]:
    """Return the values of a CSV's first line (UTF-8), without blanks around them, and what parts them."""
    # Lines may end in LF, CR LF or CR alone.
    ends = [at for at in (data.find(b"\n"), data.find(b"\r")) if at >= 0]
    first = data[: min(ends, default=len(data))].decode("utf-8")
    counts = {d: first.count(d) for d in _DELIMITERS}
    delimiter = max(_DELIMITERS, key=lambda d: counts[d])
    return next(csv.reader(io.StringIO(first), delimiter=delimiter)), delimiter


def _read_csv(data: bytes, name: str, null_values: Sequence[str], names: Sequence[str], limits: Limits) -> pa.Table:
    import pyarrow as pa
    import pyarrow.csv as pc

    columns, delimiter = first_values(data)
    if data.count(b'"') % 2:
        _check_closed_quotes(data, delimiter)
    limits.check_columns(name, len(columns))
    if names:
        _check_given(names, [c.strip() for c in columns], name)
        columns = list(names)
    else:
        _check_names([c.strip() for c in columns], name)
    rows = pc.read_csv(
        pa.BufferReader(data),
        read_options=pc.ReadOptions(use_threads=len(data) > _SMALL_BYTES, column_names=list(names)),
        parse_options=pc.ParseOptions(delimiter=delimiter, newlines_in_values=b'"' in data),
        convert_options=pc.ConvertOptions(
            column_types={c: pa.string() for c in columns},
            null_values=list(null_values),
            strings_can_be_null=bool(null_values),
            quoted_strings_can_be_null=bool(null_values),
        ),
    )
    # A blank behind the separator is no part of a name.
    return rows.rename_columns([c.strip() for c in rows.column_names])


def _check_given(names: Sequence[str], first: Sequence[str], file: str) -> None:
    """Raise if the declared names of columns do not fit the first line of a file, or are that line."""
    if [c.lower() for c in first] == [c.lower() for c in names]:
        raise SourceError(f"{file} begins with the names of its columns, which its source gives as `names` too. Leave `names` out.")
    if len(first) != len(names):
        raise SourceError(
            f"{file} has {len(first)} values in its first line, and the `names` of its source are {len(names)}: {', '.join(names)}. Name "
            "every column, in the order of the file."
        )


def _check_closed_quotes(data: bytes, delimiter: str) -> None:
    """Raise if the file ends inside a quoted value, which Arrow takes for a value; a stray inch mark is none of that."""
    try:
        for _ in csv.reader(io.StringIO(data.decode("utf-8"), newline=""), delimiter=delimiter, strict=True):
            pass
    except csv.Error as error:
        if "unexpected end of data" in str(error):
            raise csv.Error("it ends inside a quoted value") from None


def _read_json_lines(data: bytes, name: str) -> pa.Table:
    import pyarrow as pa
    import pyarrow.json as pj

    if data.lstrip()[:1] == b"[":
        data = _lines_of_array(data, name)
    options = pj.ReadOptions(use_threads=len(data) > _SMALL_BYTES)
    try:
        table = pj.read_json(pa.BufferReader(data), read_options=options)
    except pa.ArrowInvalid as error:
        if "specified twice" in str(error):
            raise
        # Line by line, which also finds the line that is broken: Arrow counts rows within a block.
        return _read_mixed_json(data, name)
    if any(pa.types.is_timestamp(f.type) for f in table.schema):
        # Arrow reads text like 2013-01-01T05:00:00Z as a time without zone: the zone would be lost before anyone could judge it.
        text = pa.schema([pa.field(f.name, pa.string() if pa.types.is_timestamp(f.type) else f.type) for f in table.schema])
        table = pj.read_json(pa.BufferReader(data), read_options=options, parse_options=pj.ParseOptions(explicit_schema=text))
    return table


def _lines_of_array(data: bytes, name: str) -> bytes:
    """Return the objects of one JSON array, one a line, each as it is written."""
    try:
        rows = json.loads(data)
    except ValueError as error:
        raise SourceError(f"{name} cannot be read as a JSON array: {error}. It is truncated. Deliver it again.") from None
    for number, row in enumerate(rows, start=1):
        if not isinstance(row, dict):
            raise SourceError(f"{name} cannot be read as a JSON array: value {number} is a {type(row).__name__}, not an object.")
    return "\n".join(json.dumps(row, ensure_ascii=False) for row in rows).encode()


def _read_mixed_json(data: bytes, name: str) -> pa.Table:
    """Read JSON lines whose columns change their type from row to row: such a column becomes text, so that each row is judged alone."""
    import pyarrow as pa

    rows: list[dict[str, Any]] = []
    for number, line in enumerate(data.splitlines(), start=1):
        if not line.strip():
            continue
        try:
            row = json.loads(line)
        except ValueError as error:
            raise SourceError(f"{name} cannot be read as JSON lines: line {number}: {error}. It is truncated. Deliver it again.") from None
        if not isinstance(row, dict):
            raise SourceError(f"{name} cannot be read as JSON lines: line {number} is a {type(row).__name__}, not an object.")
        rows.append(row)
    columns = {}
    for column in dict.fromkeys(c for row in rows for c in row):
        values = [row.get(column) for row in rows]
        kinds = {float if type(v) in (int, float) else type(v) for v in values if v is not None}
        if len(kinds) > 1:
            values = [v if v is None or isinstance(v, str) else json.dumps(v) for v in values]
        columns[column] = pa.array(values)
    return pa.table(columns)
