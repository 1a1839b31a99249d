from __future__ import annotations

import numpy as np
import polars as pl
import pytest

from ml_platform.features.at_scale.shuffle import GroupedWriter, read_batches


def written(path: str, rounds: list[tuple[list[int], list[int]]], groups: int):
    """Write rounds of (values, groups); a value is its time, too."""
    with GroupedWriter(path, pl.Schema({"x": pl.Int64()}), groups) as writer:
        for values, group in rounds:
            times = np.array(values, dtype=np.int64)
            writer.write(pl.DataFrame({"x": values}, schema={"x": pl.Int64}), np.array(group, dtype=np.int64), times - 1, times)
    return writer.sketch()


def test_each_group_is_read_in_the_order_in_which_its_rows_came(tmp_path):
    path = str(tmp_path / "file.arrow")
    sketch = written(path, [([5, 1, 9, 3], [1, 0, 1, -1]), ([], []), ([2, 8], [0, 1])], groups=3)
    assert [[v for rows in read_batches(path, group, 3) for v in rows["x"]] for group in range(3)] == [[1, 2], [5, 9, 8], []]
    assert sketch.rows.tolist() == [[1, 2, 0], [0, 0, 0], [1, 1, 0]]
    assert sketch.bytes == 5 * 8


def test_rounds_that_are_not_wanted_are_not_read(tmp_path):
    path = str(tmp_path / "file.arrow")
    written(path, [([5], [0]), ([6], [0]), ([7], [0])], groups=2)
    assert [rows["x"].to_list() for rows in read_batches(path, 0, 2, np.array([True, False, True]))] == [[5], [7]]


def test_the_ends_of_a_sketch_hold_for_every_row(tmp_path):
    draw = np.random.default_rng(1)
    values = draw.integers(0, 10**9, 5000).tolist()
    groups = draw.integers(0, 4, 5000)
    sketch = written(str(tmp_path / "file.arrow"), [(values, groups.tolist())], groups=4)
    for group in range(4):
        inside = np.array(values)[groups == group]
        found = sketch.times[0, group]
        assert found[0] == inside.min() - 1
        assert found[-1] == inside.max()
        # Its middle is the median, within what a sample of some hundred can tell.
        assert abs((inside <= found[8]).mean() - 0.5) < 0.1


def test_a_file_that_was_not_written_to_its_end_is_not_there(tmp_path):
    with pytest.raises(ValueError, match="stop"), GroupedWriter(str(tmp_path / "file.arrow"), pl.Schema({"x": pl.Int64()}), 2):
        raise ValueError("stop")
    assert list(tmp_path.iterdir()) == []
