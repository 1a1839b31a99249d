"""Times that are none by themselves: numbers counted from 1970, text or numbers that a pattern reads, and times finer than we keep."""

from __future__ import annotations

import re

import duckdb

from ml_platform.core.errors import DeclarationError, did_you_mean
from ml_platform.sql.duck import quote_text, session

# Types of columns that can have a format.
TIMED = ("date", "timestamp")
# Microseconds of one.
_EPOCHS = {"epoch_s": 1_000_000, "epoch_ms": 1_000, "epoch_us": 1}
# Of times that are delivered in nanoseconds: what is finer than a microsecond is cut off, where it would break the contract.
CUT_TO_MICROS = "cut_to_us"


def check_time_format(text: object, where: str) -> str:
    """Return the format of a column of times as declared.

    Raises
    ------
    DeclarationError
        If it is neither one of the epochs nor a pattern that DuckDB reads.
    """
    if isinstance(text, str) and text in (*_EPOCHS, CUT_TO_MICROS):
        return text
    if not isinstance(text, str) or "%" not in text:
        raise DeclarationError(
            f"{where}: the format {text!r} is not known. Write a pattern in quotes, such as '%Y%m%d' or '%d.%m.%Y %H:%M', or one of the "
            f"epochs; {CUT_TO_MICROS} cuts nanoseconds off. {did_you_mean(str(text), [*_EPOCHS, CUT_TO_MICROS])}"
        )
    try:
        with session() as con:
            con.execute(f"SELECT try_strptime('', {quote_text(text)})").fetchall()
    except duckdb.Error as error:
        raise DeclarationError(f"{where}: the format {text!r} cannot be read: {' '.join(str(error).split())}.") from None
    return text


def formatted_time(format_: str, type_: str, zone: str | None, given: str, *, is_text: bool) -> str:
    """Return the SQL of a typed time, NULL for what the format cannot read.

    Parameters
    ----------
    format_, type_, zone : str
        Of the column; a pattern without %z is in ``zone``, else in UTC.
    given : str
        SQL of what was delivered.
    is_text : bool
        Whether that is text; else it is a number.
    """
    if format_ in _EPOCHS:
        # Decimal: a float of this size no longer holds the microsecond.
        micros = f"try_cast({given} AS DECIMAL(28, 9)) * {_EPOCHS[format_]}"
        time = f"TRY(timezone('UTC', make_timestamp(CASE WHEN {micros} = trunc({micros}) THEN CAST({micros} AS BIGINT) END)))"
    else:
        text = f"trim({given})" if is_text else f"CASE WHEN {given} = trunc({given}) THEN CAST(CAST({given} AS HUGEINT) AS VARCHAR) END"
        pattern = quote_text(format_)
        time = f"try_strptime({text}, {pattern})"
        if re.fullmatch(r"(%\w)+", format_):
            # Digits without anything between them say nothing if one is missing.
            time = f"CASE WHEN strftime({time}, {pattern}) = {text} THEN {time} END"
        if "%z" not in format_:
            time = f"timezone({quote_text(zone or 'UTC')}, {time})"
    if type_ == "timestamp":
        return time
    local = f"timezone({quote_text(zone or 'UTC')}, {time})"
    return f"CASE WHEN {local} = date_trunc('day', {local}) THEN CAST({local} AS DATE) END"
