"""Whose row it is: the one rule by which a value that somebody names is found again in a column of whatever type.

Numbers are equal as numbers (17 is 17.0 and 17.00), times as instants (a time without zone is in UTC, a day is its midnight), texts as
Unicode has them (NFC). Nothing else is equal: a text ``'017'`` or ``'Ann '`` may be somebody else's. What comes that close is *near*.
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from decimal import Decimal, InvalidOperation
from functools import cached_property
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

_TRUE, _FALSE = frozenset({"true", "t", "yes", "y", "1"}), frozenset({"false", "f", "no", "n", "0"})
_FRACTION = re.compile(r"(:\d{2})\.(\d+)")
_NANOS = {"s": 10**9, "ms": 10**6, "us": 10**3, "ns": 1}


@dataclass(frozen=True)
class Wish:
    """A value that was asked for, with everything that it may be read as."""

    text: str

    @classmethod
    def of(cls, value: object) -> Wish:
        """Return the wish for a Python value, or for what was typed."""
        if isinstance(value, bytes):
            return cls(value.decode("utf-8", "surrogateescape"))
        return cls(str(value))

    @cached_property
    def number(self) -> Decimal | None:
        """The number that the text says, if it says one."""
        try:
            found = Decimal(self.text.strip())
        except InvalidOperation:
            return None
        return found if found.is_finite() else None

    @cached_property
    def truth(self) -> bool | None:
        """Whether the text says yes or no."""
        word = self.text.strip().casefold()
        if self.number is not None and self.number in (0, 1):
            return bool(self.number)
        return True if word in _TRUE else False if word in _FALSE else None

    @cached_property
    def nanos(self) -> int | None:
        """The instant that the text says, in nanoseconds since 1970."""
        text = self.text.strip()
        fraction = _FRACTION.search(text)
        whole = _FRACTION.sub(r"\1", text)
        try:
            moment = datetime.fromisoformat(whole)
        except ValueError:
            return None
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=UTC)
        apart = moment - datetime(1970, 1, 1, tzinfo=UTC)
        nanos = ((apart.days * 86_400 + apart.seconds) * 10**6 + apart.microseconds) * 1000
        return nanos + (int(fraction[2][:9].ljust(9, "0")) if fraction else 0)

    @cached_property
    def day(self) -> date | None:
        """The day whose midnight the text says."""
        if self.nanos is None or self.nanos % (86_400 * 10**9):
            return None
        return date.fromordinal(date(1970, 1, 1).toordinal() + self.nanos // (86_400 * 10**9))

    @cached_property
    def clock(self) -> time | None:
        """The time of day that the text says."""
        try:
            return time.fromisoformat(self.text.strip())
        except ValueError:
            return None

    @cached_property
    def form(self) -> str:
        """The text as texts are compared."""
        return unicodedata.normalize("NFC", self.text)

    @cached_property
    def near_form(self) -> str:
        """The text without what people write differently: letter case, blanks around it, compatibility forms."""
        return near_form(self.text)


def near_form(text: str) -> str:
    """Return a text without letter case, blanks around it and compatibility forms."""
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", text).casefold()).strip()


def is_value(column: pa.ChunkedArray, value: object) -> NDArray[np.bool_]:
    """Tell for each row whether it holds the value that somebody named.

    Parameters
    ----------
    column : pyarrow.ChunkedArray of n rows
        Of any type; a type that has no single values (lists, structs) holds nobody.
    value : object
        As it was typed, or as Python has it.

    Returns
    -------
    ndarray of bool, shape (n,)
        False where the column is null.
    """
    import numpy as np
    import pyarrow as pa
    import pyarrow.compute as pc

    column = _plain(column)
    wish = value if isinstance(value, Wish) else Wish.of(value)
    if _is_text(column.type):
        column = column if _is_ascii(column) else _composed(column)
        wanted: Any = pa.scalar(wish.form, column.type)
    else:
        wanted = _scalar(column.type, wish)
    if wanted is None:
        return np.zeros(len(column), dtype=bool)
    return pc.fill_null(pc.equal(column, wanted), False).to_numpy()  # pyright: ignore[reportAttributeAccessIssue]


def is_entity(rows: pa.Table, entity: Mapping[str, object]) -> NDArray[np.bool_]:
    """Tell for each row whether it holds all values of an entity, by column; see :func:`is_value`."""
    import numpy as np

    found = np.ones(rows.num_rows, dtype=bool)
    for name, value in entity.items():
        found &= is_value(rows.column(name), value)
    return found


def near_values(column: pa.ChunkedArray, value: object) -> dict[str, int]:
    """Return values that a reader may take for the one that was named, and that are not equal to it, with the number of their rows.

    Texts that differ in letter case, blanks or compatibility forms only, or that say the same number or time in another way.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    column = _plain(column)
    if not _is_text(column.type):
        return {}
    wish = value if isinstance(value, Wish) else Wish.of(value)
    counted = pc.value_counts(column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column)  # pyright: ignore[reportAttributeAccessIssue]
    found = {}
    for text, count in zip(counted.field("values").to_pylist(), counted.field("counts").to_pylist(), strict=True):
        if text is not None and unicodedata.normalize("NFC", text) != wish.form and _is_near(text, wish):
            found[text] = count
    return found


def _is_near(text: str, wish: Wish) -> bool:
    if near_form(text) == wish.near_form:
        return True
    if not text or text.strip()[:1] not in "0123456789+-.":
        return False
    other = Wish(text)
    return (wish.number is not None and other.number == wish.number) or (wish.nanos is not None and other.nanos == wish.nanos)


def _plain(column: Any) -> Any:
    """Return a column without dictionaries and extensions; texts in one type."""
    import pyarrow as pa

    if isinstance(column.type, pa.BaseExtensionType):
        column = column.cast(column.type.storage_type)
    if pa.types.is_dictionary(column.type):
        column = column.cast(column.type.value_type)
    return column.cast(pa.large_string()) if _is_text(column.type) else column


def _is_ascii(column: Any) -> bool:
    import pyarrow.compute as pc

    return pc.all(pc.string_is_ascii(column), min_count=0).as_py() is not False  # pyright: ignore[reportAttributeAccessIssue]


def _composed(column: Any) -> Any:
    """Return texts in the form NFC. Not by ``pyarrow.compute.utf8_normalize``, which leaves them as they are in pyarrow 25."""
    import polars as pl
    import pyarrow as pa

    return pa.chunked_array([pl.Series(column).str.normalize("NFC").to_arrow()], type=column.type)


def _is_text(kind: pa.DataType) -> bool:
    import pyarrow as pa

    return pa.types.is_string(kind) or pa.types.is_large_string(kind) or pa.types.is_string_view(kind)


def _scalar(kind: pa.DataType, wish: Wish) -> Any:
    """Return the value as the type has it; None where the type has no such value."""
    import pyarrow as pa

    try:
        if pa.types.is_boolean(kind):
            return None if wish.truth is None else pa.scalar(wish.truth)
        if pa.types.is_integer(kind) or pa.types.is_floating(kind) or pa.types.is_decimal(kind):
            return _number(kind, wish)
        if pa.types.is_date(kind):
            return None if wish.day is None else pa.scalar(wish.day, kind)
        if pa.types.is_timestamp(kind):
            fits = wish.nanos is not None and wish.nanos % _NANOS[kind.unit] == 0
            return pa.scalar(wish.nanos // _NANOS[kind.unit], kind) if fits and wish.nanos is not None else None
        if pa.types.is_time(kind):
            return None if wish.clock is None else pa.scalar(wish.clock, kind)
        if pa.types.is_binary(kind) or pa.types.is_large_binary(kind) or pa.types.is_fixed_size_binary(kind):
            return _bytes(kind, wish)
    except (pa.ArrowInvalid, pa.ArrowTypeError, OverflowError):
        return None
    return None


def _number(kind: pa.DataType, wish: Wish) -> Any:
    import pyarrow as pa

    if wish.number is None:
        return None
    if pa.types.is_integer(kind):
        return pa.scalar(int(wish.number), kind) if wish.number == int(wish.number) else None
    if pa.types.is_floating(kind):
        nearest = pa.scalar(float(wish.number), pa.float64()).cast(kind, safe=False)
        # 0.1 is the float next to it; a whole number that no float is would be taken for its neighbour.
        is_whole = wish.number == wish.number.to_integral_value()
        return nearest if not is_whole or Decimal(float(nearest.as_py())) == wish.number else None
    exact = wish.number.quantize(Decimal(1).scaleb(-kind.scale)) if wish.number.adjusted() < kind.precision else wish.number
    return pa.scalar(exact, kind) if exact == wish.number else None


def _bytes(kind: pa.DataType, wish: Wish) -> Any:
    """Return bytes: of the text, or of the UUID that it says where there are sixteen."""
    import uuid

    import pyarrow as pa

    if pa.types.is_fixed_size_binary(kind) and kind.byte_width == 16:
        try:
            return pa.scalar(uuid.UUID(wish.text.strip()).bytes, kind)
        except ValueError:
            pass
    return pa.scalar(wish.text.encode("utf-8", "surrogateescape"), kind)
