from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from ml_platform.core.errors import DeclarationError, DurationError
from ml_platform.features.declared.window_spec import FOREVER, WindowSpec, parse_window

DAY = 86_400_000_000


@pytest.mark.parametrize(
    ("text", "spec", "label"),
    [
        ("7d", WindowSpec(timedelta(days=7)), "7d"),
        ("1d12h", WindowSpec(timedelta(hours=36)), "1d12h"),
        ("10 rows", WindowSpec(rows=10), "10rows"),
        ("1 row", WindowSpec(rows=1), "1rows"),
        ("all", WindowSpec(), "all"),
    ],
)
def test_windows_are_read_and_named(text: str, spec: WindowSpec, label: str):
    assert parse_window(text) == spec
    assert spec.label == label


def test_nonsense_is_refused():
    with pytest.raises(DurationError, match="cannot be read"):
        parse_window("ten rows")
    with pytest.raises(DurationError, match="has no unit"):
        parse_window(7)
    with pytest.raises(DeclarationError, match="holds no row"):
        parse_window("0 rows")


def test_an_offset_is_part_of_the_name_and_of_the_reach():
    spec = WindowSpec(timedelta(days=7), offset=timedelta(days=28))
    assert spec.label == "7d_offset_28d"
    assert spec.reach == timedelta(days=35)
    assert WindowSpec().reach == WindowSpec(rows=3).reach == FOREVER


@pytest.mark.parametrize(("closed", "first", "after"), [("left", 0, 0), ("right", 1, 1), ("both", 0, 1), ("neither", 1, 0)])
def test_bounds_are_the_first_microsecond_inside_and_the_first_after(closed, first, after):
    spec = WindowSpec(timedelta(days=1), closed=closed)
    assert spec.bounds(10 * DAY) == (9 * DAY + first, 10 * DAY + after)
    assert replace(spec, offset=timedelta(days=2)).bounds(10 * DAY) == (7 * DAY + first, 8 * DAY + after)
    assert replace(spec, length=None).bounds(10 * DAY) == (None, 10 * DAY + after)


def test_a_rounded_tail_starts_on_its_grid_also_before_1970():
    spec = WindowSpec(timedelta(hours=36), tail=timedelta(days=1))
    assert spec.bounds(10 * DAY) == (8 * DAY, 10 * DAY)
    assert spec.bounds(-DAY) == (-3 * DAY, -DAY)
