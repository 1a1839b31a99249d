from __future__ import annotations

from datetime import timedelta

import pytest

from ml_platform.core.errors import DeclarationError, DurationError
from ml_platform.features.declared.window_spec import WindowSpec, parse_window


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


def test_an_offset_is_part_of_the_name():
    assert WindowSpec(timedelta(days=7), offset=timedelta(days=28)).label == "7d_offset_28d"
