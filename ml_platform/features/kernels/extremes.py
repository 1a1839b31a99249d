"""Smallest, largest and last value of windows: sparse tables that are built and asked level by level, so that memory stays linear."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from ml_platform.features.timeline.axis import Axis
from ml_platform.features.timeline.order import stable_order
from ml_platform.features.timeline.windows import Window

Ints = NDArray[np.int64]


def largest(values: NDArray, windows: Sequence[Window]) -> list[NDArray]:
    """Return the largest value of every window.

    A window of n rows is the union of two (overlapping) blocks of the largest power of two that is at most n, so one table of that block
    size answers it; only the tables of one size exist at a time.

    Parameters
    ----------
    values : ndarray of int64 or float64, shape (n,)
        In axis order, without NaN; missing values replaced by the smallest of the type.
    windows : sequence of Window
        Positions on the same axis.

    Returns
    -------
    list of ndarray, one per window, each with one value per query
        The smallest value of the type where the window is empty.
    """
    lowest = -np.inf if values.dtype.kind == "f" else np.iinfo(values.dtype).min
    answers = [np.full(w.rows.size, lowest, dtype=values.dtype) for w in windows]
    levels = [window.levels for window in windows]
    table, size = values, 1
    for level in range(max((len(found) for found in levels), default=0)):
        for window, found, answer in zip(windows, levels, answers, strict=True):
            if level < len(found) and found[level].size:
                asked = found[level]
                answer[asked] = np.maximum(table[window.first[asked]], table[window.after[asked] - size])
        if table.size > size:
            table = np.maximum(table[:-size], table[size:])
        size *= 2
    return answers


def smallest(values: NDArray, windows: Sequence[Window]) -> list[NDArray]:
    """Return the smallest value of every window; missing values are replaced by the largest of the type, which an empty window returns."""
    # -x has no overflow here: the smallest int64 is not used as a value, and ~x keeps the order reversed for integers.
    if values.dtype.kind == "f":
        return [-answer for answer in largest(-values, windows)]
    return [~answer for answer in largest(~values, windows)]


def last_position(valid: NDArray[np.bool_], event_times: Ints | None, axis: Axis, windows: Sequence[Window]) -> list[Ints]:
    """Return the position of the last valid row by event time of every window, -1 where there is none.

    Ties of the event time go to the row that became available later, then to the one that is stored later: both are the order of the axis.

    Parameters
    ----------
    valid : ndarray of bool, shape (n,)
        Rows (in axis order) that have a value and an event time.
    event_times : ndarray of int64, shape (n,), or None
        In axis order; None where rows happened when they became available.
    """
    if event_times is None or _is_ordered(event_times, axis.codes):
        # Rows became available in the order in which they happened: the last one is the nearest valid row before the window's end.
        if valid.all():
            found = [window.after - 1 for window in windows]
        else:
            before = np.concatenate(([-1], np.maximum.accumulate(np.where(valid, np.arange(axis.size), -1))))
            found = [before[window.after] for window in windows]
        return [np.where(last >= window.first, last, -1) for last, window in zip(found, windows, strict=True)]
    ranks, by_event = _ranked(event_times)
    tops = largest(np.where(valid, ranks, -1), windows)
    return [by_event[np.where(top >= 0, top, axis.size)] for top in tops]


def first_position(valid: NDArray[np.bool_], event_times: Ints | None, axis: Axis, windows: Sequence[Window]) -> list[Ints]:
    """Return the position of the first valid row by event time of every window, -1 where there is none.

    Ties of the event time go to the row that became available sooner, then to the one that is stored sooner.

    Parameters
    ----------
    valid : ndarray of bool, shape (n,)
        Rows (in axis order) that have a value and an event time.
    event_times : ndarray of int64, shape (n,), or None
        In axis order; None where rows happened when they became available.
    """
    size = axis.size
    if event_times is None or _is_ordered(event_times, axis.codes):
        if valid.all():
            found = [window.first for window in windows]
        else:
            following = np.where(valid, np.arange(size), size)
            following = np.concatenate((np.minimum.accumulate(following[::-1])[::-1], [size]))
            found = [following[window.first] for window in windows]
        return [np.where(first < window.after, first, -1) for first, window in zip(found, windows, strict=True)]
    ranks, by_event = _ranked(event_times)
    lowest = np.iinfo(np.int64).max
    tops = smallest(np.where(valid, ranks, lowest), windows)
    return [by_event[np.where(top < lowest, top, size)] for top in tops]


def _ranked(event_times: Ints) -> tuple[Ints, Ints]:
    """Return the rank of each position by event time, and the position of each rank with a -1 behind them."""
    by_event = stable_order(event_times)
    ranks = np.empty(event_times.size, dtype=np.int64)
    ranks[by_event] = np.arange(event_times.size)
    return ranks, np.concatenate((by_event, [-1]))


def _is_ordered(event_times: Ints, codes: Ints) -> bool:
    return bool(np.all((event_times[1:] >= event_times[:-1]) | (codes[1:] != codes[:-1])))
