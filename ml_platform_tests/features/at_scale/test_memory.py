from __future__ import annotations

import pytest

from ml_platform.core.errors import DeclarationError
from ml_platform.core.sizes import format_bytes, parse_bytes
from ml_platform.features.at_scale.memory import default_memory_limit, machine_memory


@pytest.mark.parametrize(
    ("text", "size"),
    [("8GiB", 8 * 2**30), ("8 GB", 8 * 10**9), ("512MiB", 512 * 2**20), ("1.5g", 1_500_000_000), ("4096", 4096), ("2TiB", 2 * 2**40)],
)
def test_sizes_are_read(text, size):
    assert parse_bytes(text) == size


@pytest.mark.parametrize("text", ["", "GiB", "-1GB", "0", "8 gigs", "1e9"])
def test_what_is_no_size_is_refused(text):
    with pytest.raises(DeclarationError, match=r"is not a size of memory\. Write a number with a unit"):
        parse_bytes(text)


def test_the_memory_of_a_container_counts(tmp_path):
    (tmp_path / "v2").write_text("1073741824\n")
    (tmp_path / "unlimited").write_text("max\n")
    whole = machine_memory([])
    assert machine_memory([str(tmp_path / "v2"), str(tmp_path / "missing")]) == min(2**30, whole)
    assert machine_memory([str(tmp_path / "unlimited")]) == whole
    assert default_memory_limit() <= whole * 2 // 3


def test_sizes_are_told_in_words():
    assert [format_bytes(n) for n in (12, 2048, 3.5 * 2**20, 2.5 * 2**30)] == ["12 bytes", "2.0 KiB", "3.5 MiB", "2.5 GiB"]
