"""Numbers as they are written where the point is not what parts the decimals: ``1.234,5``, ``1 234,5``, ``1'234.5``, ``1,234.5``."""

from __future__ import annotations

import re
from dataclasses import dataclass

from ml_platform.core.errors import DeclarationError, did_you_mean
from ml_platform.sql.duck import quote_text

# The formats, each an example of itself.
NUMBER_FORMATS = ("1.234,5", "1 234,5", "1'234.5", "1,234.5")


@dataclass(frozen=True)
class NumberFormat:
    """What stands between thousands (or nothing does), and what before the decimals; a space is a no-break one too."""

    thousands: str
    decimals: str

    @classmethod
    def of(cls, example: str) -> NumberFormat:
        """Return what one of `NUMBER_FORMATS` says."""
        return cls(example[1], example[-2])

    @property
    def pattern(self) -> str:
        """A regular expression for the whole text of a number, as DuckDB and Python read it."""
        between = self._between
        return rf"\s*[+-]?(\d{{1,3}}({between}\d{{3}})+|\d+)({re.escape(self.decimals)}\d+)?\s*"

    def sql(self, text: str) -> str:
        """Return SQL of the same number with a point and nothing else between its digits; NULL for text that is none."""
        plain = f"regexp_replace({text}, {quote_text(self._between)}, '', 'g')"
        point = f"replace({plain}, {quote_text(self.decimals)}, '.')"
        return f"CASE WHEN regexp_full_match({text}, {quote_text(self.pattern)}) THEN {point} END"

    @property
    def _between(self) -> str:
        return "[ \u00a0\u202f]" if self.thousands == " " else re.escape(self.thousands)


def check_number_format(text: object, where: str) -> str:
    """Return the format of a column of numbers as declared.

    Raises
    ------
    DeclarationError
        If it is none of `NUMBER_FORMATS`.
    """
    if not isinstance(text, str) or text not in NUMBER_FORMATS:
        raise DeclarationError(
            f"{where}: the format {text!r} of a number is not known. Write one of these in quotes, as your files write it: "
            f"{', '.join(NUMBER_FORMATS)}. {did_you_mean(str(text), NUMBER_FORMATS)}"
        )
    return text
