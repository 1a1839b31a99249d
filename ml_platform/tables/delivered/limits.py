"""How large a delivery may be: a small file can hold more than a machine does, so what it becomes is counted while it is unpacked."""

from __future__ import annotations

import gzip
import io
import os
import zlib
from collections.abc import Mapping
from dataclasses import dataclass

from ml_platform.core.errors import DeclarationError, SourceError
from ml_platform.core.sizes import format_bytes, parse_bytes

DELIVERED = "ML_PLATFORM_MAX_DELIVERY"
UNPACKED = "ML_PLATFORM_MAX_UNPACKED"
RATIO = "ML_PLATFORM_MAX_RATIO"
ROWS = "ML_PLATFORM_MAX_ROWS"
COLUMNS = "ML_PLATFORM_MAX_COLUMNS"
_PIECE = 1 << 20
# What a file may become however small it is: a ratio says nothing of it.
_UNSUSPECTED = 64 << 20


@dataclass(frozen=True)
class Limits:
    """The most that one delivered file may be: ``delivered`` and ``unpacked`` bytes, unpacked to packed bytes, rows, and columns."""

    delivered: int = 2 << 30
    unpacked: int = 8 << 30
    ratio: int = 200
    rows: int = 100_000_000
    columns: int = 10_000

    @classmethod
    def from_environment(cls, environment: Mapping[str, str] | None = None) -> Limits:
        """Return the limits as the environment sets them.

        Raises
        ------
        DeclarationError
            If a setting cannot be read.
        """
        found = os.environ if environment is None else environment
        default = cls()
        return cls(
            delivered=parse_bytes(found[DELIVERED]) if found.get(DELIVERED) else default.delivered,
            unpacked=parse_bytes(found[UNPACKED]) if found.get(UNPACKED) else default.unpacked,
            ratio=_whole(found, RATIO, default.ratio),
            rows=_whole(found, ROWS, default.rows),
            columns=_whole(found, COLUMNS, default.columns),
        )

    def check_delivered(self, name: str, size: int) -> None:
        """Raise ``SourceError`` if a file has more bytes than may be delivered."""
        if size > self.delivered:
            raise SourceError(
                f"{name} has {format_bytes(size)}, more than the {format_bytes(self.delivered)} that a delivered file may have. "
                f"Deliver it in parts, or raise {DELIVERED}."
            )

    def check_unpacked(self, name: str, size: int) -> None:
        """Raise ``SourceError`` if a file has become more bytes than it may."""
        if size > self.unpacked:
            raise SourceError(
                f"{name} becomes more than {format_bytes(self.unpacked)} when it is unpacked, so it was not read. Deliver it in parts, or "
                f"raise {UNPACKED}."
            )

    def check_rows(self, name: str, rows: int) -> None:
        """Raise ``SourceError`` if a file has more rows than it may."""
        if rows > self.rows:
            raise SourceError(
                f"{name} has {rows:,} rows, more than the {self.rows:,} that a delivered file may have. "
                f"Deliver it in parts, or raise {ROWS}."
            )

    def check_columns(self, name: str, columns: int) -> None:
        """Raise ``SourceError`` if a file has more columns than it may."""
        if columns > self.columns:
            raise SourceError(
                f"{name} has {columns:,} columns, more than the {self.columns:,} that a delivered file may have. "
                f"Deliver them as rows, or raise {COLUMNS}."
            )

    def check_ratio(self, name: str, packed: int, unpacked: int) -> None:
        """Raise ``SourceError`` if a file becomes so many times as large as no ordinary data does."""
        if unpacked > _UNSUSPECTED and unpacked > self.ratio * max(packed, 1):
            raise SourceError(
                f"{name} becomes more than {self.ratio} times as large when it is unpacked, as no ordinary data does, so it was "
                f"not read. Deliver it otherwise packed, or raise {RATIO}."
            )

    def unpack(self, name: str, data: bytes) -> bytes:
        """Return what a gzip file holds; never more of it is held in memory than may be.

        Raises
        ------
        SourceError
            If it becomes too much, or far more than files are packed by.
        OSError, EOFError, zlib.error
            If it is no gzip file, or is cut off.
        """
        packed = io.BytesIO(data)
        unpacked = bytearray()
        with gzip.GzipFile(fileobj=packed) as stream:
            while piece := stream.read(_PIECE):
                unpacked += piece
                self.check_unpacked(name, len(unpacked))
                self.check_ratio(name, packed.tell(), len(unpacked))
        return bytes(unpacked)


UNREADABLE = (OSError, EOFError, zlib.error)


def _whole(found: Mapping[str, str], name: str, default: int) -> int:
    text = found.get(name)
    if not text:
        return default
    if not text.replace("_", "").isdigit() or not int(text):
        raise DeclarationError(f"{name} is {text!r}; it must be a whole number above 0.")
    return int(text)
