"""What a function of windows is: everything that is asked about it, from its declaration to its kernel and its SQL.

Rules that hold for all of them (``docs/reference/features.md`` has them as a table with the differences to Featuretools and Feast):

* NULL and NaN values are skipped, except by ``first_row`` and ``last_row``: ``count`` of a column counts its values, without one the rows.
* An empty window, a window without a value, and an entity that was never seen are the same: ``count``, ``sum`` and ``distinct`` are 0, all
  others NULL.
* A spine row whose entity key or cutoff is NULL has no entity: everything is NULL.
* Infinite values count: ``sum`` and ``mean`` are infinite, or NULL where both signs meet; ``var``, ``std``, ``skew`` and ``trend`` are
  NULL.
* ``var`` and ``std`` are those of a sample (``ddof=1``), NULL below two values; ``skew`` is the adjusted Fisher-Pearson coefficient, NULL
  below three values and 0 where all are equal.
* ``median`` and ``p1`` ... ``p99`` interpolate linearly between the two nearest values.
* ``mode`` is the most frequent value, of several the smallest.
* ``share`` is the share of TRUE among the values that are not NULL.
* ``last``, ``latest`` and ``time_since`` look at the row with the latest event time that has a value; ties go to the row that was
  available later, then to the later stored one. ``first`` and ``time_since_first`` look at the earliest; ties go to the row that was
  available sooner, then to the one stored sooner. ``first_row`` and ``last_row`` take the value of that row even if it is NULL.
  A row without event time has no place in that order and is skipped.
* ``time_since`` and ``time_since_first`` are counted in seconds to the real cutoff, also between two refreshes.
* ``avg_time_between`` is (latest - earliest event time) / (rows - 1) in seconds, NULL below two rows.
* ``trend`` is the least-squares slope of the value over the event time, per day: NULL below three values, 0 where all event times are
  equal.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

if TYPE_CHECKING:
    import numpy as np
    import polars as pl
    from numpy.typing import NDArray

    from ml_platform.features.declared.definition import FeatureDefinition
    from ml_platform.features.engine.answers import Request

    Ints = NDArray[np.int64]

# In the SQL of a feature ``e`` are the rows of its window: ``_value``, ``_ordered_by`` (event time), ``_available_at``, ``_stored``.
ORDER = "(e._ordered_by, e._available_at, e._stored)"
OF_VALUE = "FILTER (e._value IS NOT NULL AND e._ordered_by IS NOT NULL)"

# What is kept of rows of which only totals matter: how many have a value, moments of the values, event times, both together.
Total = Literal["present", "moments", "times", "slopes"]


@dataclass(frozen=True)
class Types:
    """Types of values that a function takes, of those of the engine, and what they are called; all if there are none."""

    words: str
    types: frozenset[str] = frozenset()


NUMBERS = Types("numbers", frozenset({"BIGINT", "DOUBLE"}))
SUMMABLE = Types("numbers and booleans", NUMBERS.types | {"BOOLEAN"})
ORDERED = Types("numbers and times", NUMBERS.types | {"DATE", "TIMESTAMP WITH TIME ZONE"})
BOOLEANS = Types("booleans", frozenset({"BOOLEAN"}))
ANY = Types("any column")


@dataclass(frozen=True)
class Stretches:
    """Known numbers in stretches that do not overlap: where each begins, and how many they are (one at least)."""

    numbers: NDArray
    starts: Ints
    counts: Ints


@dataclass(frozen=True, kw_only=True)
class Function:
    """One function of windows; subclasses say how it is computed.

    ``words`` begin its sentence, with ``{value}`` for what it aggregates, and ``sql`` is its aggregate, with ``{row}`` for the spine row
    (both may differ where whole rows are counted). ``returns`` is the type of the result (None: the value's), and ``empty`` what an empty
    window has (None: NULL). ``of_rows``: it may be asked of whole rows, without a column. ``is_ordered``: it looks at event times or at
    their order. ``ends`` are the rows that it looks at, where those are the first (True) or last (False) by event time; ``skips_nulls``
    says whether such a row must have a value. ``stored_time`` stands in the name of the stored column in place of the
    function where the time is stored that seconds are counted from. ``primitive`` is Featuretools' name for it.

    Of a window over all history ``totals`` of earlier rows are enough (None: not), or the rows of :meth:`rows_needed` where ``is_thinned``;
    ``keeps_many``: these can be as many as the rows. ``reduce`` returns its values of listed rows, where that is faster than a window.
    """

    name: str
    of: Types
    words: str
    sql: str
    words_of_rows: str = ""
    sql_of_rows: str = ""
    returns: str | None = None
    empty: int | None = None
    of_rows: bool = False
    is_ordered: bool = False
    ends: tuple[bool, ...] = ()
    skips_nulls: bool = True
    stored_time: str = ""
    primitive: str = ""
    totals: tuple[Total, ...] | None = None
    is_thinned: bool = False
    keeps_many: bool = False
    reduce: Callable[[Stretches], NDArray] | None = None

    @property
    def family(self) -> str:
        """Functions of one family and column are answered together."""
        return self.name

    @property
    def takes_words(self) -> str:
        """What it takes, in words."""
        return self.of.words

    def takes(self, kind: str) -> bool:
        """Whether it takes values of an engine type."""
        return kind in self.of.types if self.of.types else bool(kind)

    def result_type(self, value_type: str) -> str:
        """Return the DuckDB type of its results over values of an engine type."""
        return self.returns or value_type

    def what(self, value: str, *, of_rows: bool) -> str:
        """Return the beginning of its sentence, of a ``value`` in words."""
        return ((of_rows and self.words_of_rows) or self.words).format(value=value)

    def over(self, definition: FeatureDefinition) -> str:
        """Return over what, in words."""
        return definition.span.words

    def aggregate(self, definition: FeatureDefinition, row: str) -> str:
        """Return its SQL over the rows ``e`` of a window; ``row`` is the spine row, with ``_known`` and ``_cutoff``."""
        return ((definition.value is None and self.sql_of_rows) or self.sql).format(row=row)

    def answer(self, request: Request, definitions: Sequence[FeatureDefinition]) -> dict[str, pl.Series]:
        """Return one series per definition, with one value per spine row; all have one column and functions of one family."""
        return {d.name: self.answer_one(request, d) for d in definitions}

    def answer_one(self, request: Request, definition: FeatureDefinition) -> pl.Series:
        """Return the answers to one definition."""
        raise NotImplementedError

    def rows_needed(self, request: Request, definition: FeatureDefinition) -> Ints:
        """Return the numbers of the rows that are enough of all of each entity's, if it is thinned."""
        return request.rows_looked_at(definition)
