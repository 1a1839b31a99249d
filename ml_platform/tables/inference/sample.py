"""Rows of a table's files to guess from: some of many, by names that need no quotes, with what cannot be a table told."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ml_platform.core.errors import DeclarationError, SourceError
from ml_platform.tables.declared.file_formats import file_format
from ml_platform.tables.declared.parse import check_column_name
from ml_platform.tables.declared.pattern import Pattern
from ml_platform.tables.delivered.read_files import read_delivery
from ml_platform.tables.inference.first_line import Reading, is_values, reading_of
from ml_platform.tables.inference.words import is_counted_off, plain_name

if TYPE_CHECKING:
    import pyarrow as pa

# So many bytes are read to guess from; of more, files spread evenly over the days.
_SAMPLE_BYTES = 64 << 20


@dataclass(frozen=True)
class Sample:
    """Rows to guess from, with the file's day as ``_day``, by names that need no quotes.

    ``was`` maps them to the delivered names where these differ; ``left_out`` are columns that no contract can name,
    and ``optional`` those that some of the files lack. ``reading`` is how the files were read where they do not say it themselves.
    """

    rows: pa.Table
    is_text: bool
    was: Mapping[str, str]
    left_out: tuple[str, ...]
    unreadable: tuple[str, ...]
    reading: Reading
    optional: frozenset[str] = frozenset()


def sample_files(paths: Sequence[Path], folder: Path, pattern: Pattern) -> Sample:
    """Read some of a table's files.

    Parameters
    ----------
    paths : sequence of Path
        The files.
    folder : Path
        What the pattern is relative to.
    pattern : Pattern
        Finds them, and says their days.

    Raises
    ------
    SourceError
        If none can be read, or they do not hold the same columns; one among others that cannot is named in ``unreadable``.
    """
    import pyarrow as pa

    total = sum(p.stat().st_size for p in paths)
    step = max(1, -(-total // _SAMPLE_BYTES))
    parts: list[pa.Table] = []
    unreadable: list[SourceError] = []
    is_text = file_format(paths[0].name) == "csv"
    reading = reading_of(sorted(paths)[::step]) if file_format(paths[0].name) != "parquet" else Reading()
    for path in sorted(paths)[::step]:
        day = pattern.day_of(path.relative_to(folder).as_posix())
        try:
            rows = read_delivery(path, encoding=reading.encoding, names=reading.names)
            _check_table(rows, path.name, is_text=is_text)
        except SourceError as error:
            unreadable.append(error)
            continue
        rows = rows.rename_columns([f"_{n}" if n == "_day" else n for n in rows.column_names])
        rows = _with_path_values(rows, pattern.path_values(path.relative_to(folder).as_posix()))
        parts.append(rows.append_column("_day", pa.repeat(pa.scalar(day, pa.string()), rows.num_rows)))
    if not parts:
        raise unreadable[0]
    try:
        joined = pa.concat_tables(parts, promote_options="permissive")
    except (pa.ArrowInvalid, pa.ArrowTypeError) as error:
        raise SourceError(f"The files {paths[0].name}... do not hold the same columns: {error}. Look at one table at a time.") from None
    lacked = {n for n in joined.column_names if any(n not in part.schema.names for part in parts)}
    named = _named(joined, is_text, [str(error) for error in unreadable], lacked)
    return replace(named, reading=reading)


def _with_path_values(rows: pa.Table, values: Mapping[str, str | None]) -> pa.Table:
    """Add what the folders of a path say of its rows, but for the parts of a date, which the rows' times say better."""
    import pyarrow as pa

    for name, value in values.items():
        if name not in rows.column_names and not (is_counted_off(name) and (value or "").isdigit()):
            rows = rows.append_column(name, pa.repeat(pa.scalar(value, pa.string()), rows.num_rows))
    return rows


def _named(rows: pa.Table, is_text: bool, unreadable: Sequence[str], lacked: Collection[str]) -> Sample:
    """Give columns names that need no quotes, and leave out those that no column of a contract can have."""
    left_out: list[str] = []
    names: dict[str, str] = {}
    for number, name in enumerate(rows.column_names, start=1):
        if name == "_day":
            continue
        try:
            check_column_name(name, "the files")
        except DeclarationError:
            left_out.append(name.removeprefix("_") if name == "__day" else name)
            continue
        names[name] = plain_name(name, [*names.values(), *(n for n in rows.column_names if n != name)], number)
    if not names:
        raise SourceError(f"No column can be declared by its name ({', '.join(left_out)}): rename the columns, letters first.")
    kept = rows.select([*names, "_day"]).rename_columns([*names.values(), "_day"])
    was = {new: old for old, new in names.items() if new != old}
    optional = frozenset(new for old, new in names.items() if old in lacked)
    return Sample(kept, is_text, was, tuple(left_out), tuple(unreadable), Reading(), optional)


def _check_table(rows: pa.Table, file: str, *, is_text: bool) -> None:
    """Refuse text that is no table, and one whose first line holds values that may be names (years)."""
    names = rows.column_names
    if is_text and len(names) == 1 and len(names[0].split()) > 2:
        raise SourceError(
            f"{file} holds no table: its first line is one value, {names[0][:60].strip()!r}. Part the values of each line by one of "
            ", ; | or a tab (blanks part nothing), with the columns' names in the first line."
        )
    if is_text and is_values(names):
        raise SourceError(
            f"{file} has no line with the names of its columns: it begins with {', '.join(names[:4])[:60]}. Write the names into the first "
            "line, or into its source: names: [first_column, second_column]."
        )
    if not rows.num_rows:
        raise SourceError(f"{file} has names of columns and no rows: nothing can be guessed from it.")
