"""What a command answers, and how it is written: tables for people, one JSON value for machines."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any, NoReturn

from ml_platform.core.errors import MlPlatformError
from ml_platform.core.machine_errors import describe_machine_error
from ml_platform.core.masking import mask

# Wide enough for a history; a pipe has no width of its own and must not cut columns.
WIDTH_OF_A_PIPE = 220
# A column needs no more than this, and a table shows at least so many columns.
FOLDED_WIDTH, FEWEST_COLUMNS = 36, 3


@dataclass(frozen=True)
class Sheet:
    """A table for a reader: one mapping per row; a column stands where its key first occurs."""

    title: str
    rows: Sequence[Mapping[str, Any]]
    note: str = ""


@dataclass(frozen=True)
class Answer:
    """``data`` is what ``--json`` writes; ``lines``, ``sheets`` and ``then`` are the same for people; ``code`` is the exit code."""

    data: Any
    lines: tuple[str, ...] = ()
    sheets: tuple[Sheet, ...] = ()
    code: int = 0
    then: tuple[str, ...] = ()


def carry_out(command: Callable[[], Answer], *, as_json: bool) -> int:
    """Let a command answer and write that.

    Returns
    -------
    int
        0 if it was done, 1 if something was found wrong, 2 if it could not be done (one message, no traceback).
    """
    try:
        answer = command()
        write(answer, as_json=as_json)
    except MlPlatformError as error:
        sys.stderr.write(mask(f"ml-platform: {error}\n"))
        return 2
    except BrokenPipeError:
        # The reader (head, less) has seen enough.
        sys.stderr.close()
        return 0
    except KeyboardInterrupt:
        return 130
    except Exception as error:
        told = describe_machine_error(error)
        if told is None:
            raise
        sys.stderr.write(mask(f"ml-platform: {told}\n"))
        return 2
    return answer.code


def leave(code: int) -> NoReturn:
    """End the process at once: DuckDB's binding would otherwise list everything that is still alive after the last word."""
    sys.stdout.flush()
    sys.stderr.flush()
    os._exit(code)


def write(answer: Answer, *, as_json: bool) -> None:
    """Write an answer to standard output."""
    if as_json:
        sys.stdout.write(json.dumps(answer.data, default=_plain, ensure_ascii=False, indent=2) + "\n")
        return
    from rich.console import Console

    console = Console(highlight=False) if sys.stdout.isatty() else Console(highlight=False, width=WIDTH_OF_A_PIPE)
    for line in answer.lines:
        console.print(line, markup=False, soft_wrap=True)
    for sheet in answer.sheets:
        _write_sheet(console, sheet)
    for line in answer.then:
        console.print(line, markup=False, soft_wrap=True)


def _write_sheet(console: Any, sheet: Sheet) -> None:
    from rich.table import Table
    from rich.text import Text

    if not sheet.rows:
        console.print(f"{sheet.title}: nothing.", markup=False)
        return
    console.print(Text(sheet.title, style="bold"))
    names, hidden = _fitting(sheet.rows, console.width)
    table = Table()
    for name in names:
        numeric = all(isinstance(row.get(name), int | float | None) for row in sheet.rows)
        table.add_column(Text(name), justify="right" if numeric else "left", overflow="fold")
    for row in sheet.rows:
        # Text, not markup: a value may hold square brackets.
        table.add_row(*[Text(as_text(row.get(name))) for name in names])
    console.print(table)
    if hidden:
        console.print(f"{len(hidden)} more columns: {', '.join(hidden)}. --json has them all.", markup=False)
    if sheet.note:
        console.print(sheet.note, markup=False)


def _fitting(rows: Sequence[Mapping[str, Any]], width: int) -> tuple[list[str], list[str]]:
    """Return the columns that can be read side by side in ``width`` characters, and those that there is no room for."""
    names = list(dict.fromkeys(name for row in rows for name in row))
    room, shown = width - 1, []
    for name in names:
        # A longer text is folded; a number or a time that is folded cannot be read.
        needed = max(len(name), *(len(as_text(row.get(name))) for row in rows))
        room -= min(needed, FOLDED_WIDTH) + 3
        if room < 0 and len(shown) >= FEWEST_COLUMNS:
            break
        shown.append(name)
    return shown, names[len(shown) :]


def as_text(value: Any) -> str:
    """Write one value for a reader: times to the second in UTC, floats with four digits that count, nothing for None.

    Examples
    --------
    >>> as_text(datetime(2013, 1, 1, 10, 17)), as_text(0.123456), as_text(None), as_text(12345)
    ('2013-01-01 10:17:00', '0.1235', '', '12345')
    """
    if value is None:
        return ""
    if isinstance(value, bool):
        return "yes" if value else "no"
    if isinstance(value, float):
        return f"{value:.4g}" if abs(value) < 1e4 else f"{value:,.0f}"
    if isinstance(value, datetime):
        return f"{value:%Y-%m-%d %H:%M:%S}"
    if isinstance(value, list | tuple):
        return ", ".join(map(as_text, value))
    return str(value)


def _plain(value: Any) -> Any:
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, Path):
        return value.as_posix()
    if isinstance(value, set | frozenset):
        return sorted(value)
    if isinstance(value, bytes):
        return value.hex()
    if hasattr(value, "item"):
        return value.item()
    return str(value)
