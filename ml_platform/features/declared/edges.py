"""Where a window begins and ends: the one place that decides which rows a cutoff sees.

Everything that asks whether a row counts asks here: the engine (arrays), change points (the inverse: when a row enters and leaves), ``why``
and coverage (times), features of features, views of the team's own, and the SQL that explains a feature. Times are whole microseconds since
1970-01-01 UTC, one as an integer or many as an array, and a window is half-open in them: the first microsecond that belongs to it, and the
first one after it.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, TypeVar

from ml_platform.features.declared.window_spec import FOREVER, WindowSpec

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Ints = NDArray[np.int64]

Micros = TypeVar("Micros", int, "Ints")

MICROSECOND = timedelta(microseconds=1)
# What is known at a cutoff: all rows that became available strictly before it.
BEFORE = WindowSpec()


def refreshed(cutoff: Micros, refresh: timedelta | None, lag: timedelta = timedelta(0)) -> Micros:
    """Return the last refresh of a cutoff: the last multiple of ``refresh`` (None: continuous) at or before the cutoff minus the lag."""
    return floor_to_grid(cutoff - lag // MICROSECOND, refresh)


def first_cutoff(time: Micros, refresh: timedelta | None, lag: timedelta = timedelta(0)) -> Micros:
    """Return the first cutoff whose refresh is at or after a time: the inverse of :func:`refreshed`."""
    return ceil_to_grid(time, refresh) + lag // MICROSECOND


def bounds(spec: WindowSpec, refresh: Micros) -> tuple[Micros | None, Micros]:
    """Return the window before a refresh.

    Parameters
    ----------
    spec : WindowSpec
        The window; of one of n rows they are the last n of those within the bounds.
    refresh : int or ndarray of int64
        Microseconds.

    Returns
    -------
    first : int or ndarray of int64, or None
        The first microsecond that belongs to it; None where it has no beginning.
    after : int or ndarray of int64
        The first microsecond after it.
    """
    after = refresh - _ends_before(spec) + int(holds_end(spec))
    back = _begins_before(spec)
    if back is None:
        return None, after
    return floor_to_grid(refresh - back, spec.tail) + int(not holds_start(spec)), after


@dataclass(frozen=True)
class Move:
    """When rows enter or leave a window: ``later`` microseconds after they became available, rounded up to ``grid``, and ``wait`` more."""

    later: int
    grid: timedelta | None
    wait: int

    def refresh(self, known: Micros) -> Micros:
        """Return from which refresh on the window has a row, or no longer has it, that is available at ``known``."""
        return ceil_to_grid(known + self.later, self.grid) + self.wait


def entering(spec: WindowSpec) -> Move:
    """Return when a row enters a window: at the first refresh whose window ends after it. The inverse of :func:`bounds`."""
    return Move(0, None, _ends_before(spec) + int(not holds_end(spec)))


def leaving(spec: WindowSpec) -> Move | None:
    """Return when a row leaves a window: at the first refresh whose window begins after it; None if time alone drives no row out."""
    back = _begins_before(spec)
    if back is None:
        return None
    # Without a grid it is all one shift, so that windows that change at the same times are equal moves.
    later = int(holds_start(spec))
    return Move(later, spec.tail, back) if spec.tail else Move(0, None, back + later)


def reach(spec: WindowSpec, refresh: timedelta | None = None, lag: timedelta = timedelta(0)) -> timedelta:
    """Return how far before a cutoff a row can lie that its window holds."""
    back = _begins_before(spec)
    # One microsecond more than the length lies inside where both ends belong to it.
    window = FOREVER if back is None else back * MICROSECOND + (spec.tail or timedelta(0))
    return window + (refresh or timedelta(0)) + lag


def reach_of_changes(spec: WindowSpec, refresh: timedelta | None = None, lag: timedelta = timedelta(0)) -> timedelta:
    """Return how far before a cutoff a row can lie that enters its window then, or leaves it.

    A row that leaves at the cutoff was inside until the refresh before it. Without a grid that is a microsecond ago: one more than
    :func:`reach` where the start belongs to the window.
    """
    back = reach(spec, refresh, lag)
    is_one_more = back < FOREVER and refresh is None and spec.tail is None and holds_start(spec)
    return back + MICROSECOND if is_one_more else back


def wait(spec: WindowSpec, refresh: timedelta | None, lag: timedelta) -> timedelta:
    """Return how long before a cutoff the window can end at most."""
    return _ends_before(spec) * MICROSECOND + (refresh or timedelta(0)) + lag


def width(spec: WindowSpec) -> int | None:
    """Return the most microseconds that can lie between two rows of the window; None where nothing bounds them."""
    back = _begins_before(spec)
    return None if back is None else back - _ends_before(spec) + (spec.tail or timedelta(0)) // MICROSECOND


def refreshed_sql(cutoff: str, refresh: timedelta | None, lag: timedelta = timedelta(0)) -> str:
    """Return :func:`refreshed` in SQL, of the expression ``cutoff``."""
    return _floored_sql(_minus(cutoff, lag // MICROSECOND), refresh)


def inside_sql(spec: WindowSpec, known: str, refresh: str) -> str:
    """Return the SQL that is true for rows of the window: those that are available (``known``) within its :func:`bounds`."""
    ends = f"{known} {'<=' if holds_end(spec) else '<'} {_minus(refresh, _ends_before(spec))}"
    back = _begins_before(spec)
    if back is None:
        return ends
    return f"{ends} AND {known} {'>=' if holds_start(spec) else '>'} {_floored_sql(_minus(refresh, back), spec.tail)}"


def floor_to_grid(micros: Micros, grid: timedelta | None) -> Micros:
    """Return the last multiple of ``grid`` at or before each time, counted from 1970-01-01 UTC; None is continuous."""
    if grid is None:
        return micros
    step = grid // MICROSECOND
    return micros // step * step


def ceil_to_grid(micros: Micros, grid: timedelta | None) -> Micros:
    """Return the first multiple of ``grid`` at or after each time."""
    return -floor_to_grid(-micros, grid)


def _ends_before(spec: WindowSpec) -> int:
    """Return how many microseconds before a refresh the window ends."""
    return spec.offset // MICROSECOND


def _begins_before(spec: WindowSpec) -> int | None:
    """Return how many microseconds before a refresh the window begins, before its start is rounded; None if it has no beginning."""
    return None if spec.length is None else (spec.offset + spec.length) // MICROSECOND


def holds_start(spec: WindowSpec) -> bool:
    """Return whether a row that became available at the very start belongs to the window."""
    return spec.closed in {"left", "both"}


def holds_end(spec: WindowSpec) -> bool:
    """Return whether a row that becomes available at the very end belongs to the window."""
    return spec.closed in {"right", "both"}


def _minus(time: str, micros: int) -> str:
    if not micros:
        return time
    seconds, rest = divmod(micros, 1_000_000)
    return f"({time} - INTERVAL '{micros} microseconds')" if rest else f"({time} - INTERVAL '{seconds} seconds')"


def _floored_sql(time: str, grid: timedelta | None) -> str:
    if grid is None:
        return time
    step = grid // MICROSECOND
    return f"make_timestamptz(epoch_us({time}) - ((epoch_us({time}) % {step}) + {step}) % {step})"
