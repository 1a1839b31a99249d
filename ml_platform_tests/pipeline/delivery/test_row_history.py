"""What a source said so far, delivery by delivery, held against a loop over lists."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import polars as pl
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml_platform.pipeline.delivery.row_history import WITHDRAWN_AT, add_delivery, first_delivery

START = datetime(2024, 1, 1, tzinfo=UTC)
Origin = tuple[str, int, datetime]

content = st.tuples(st.sampled_from(["a", "b", None]), st.sampled_from(["1", ""]))
deliveries = st.lists(st.lists(content, max_size=6), min_size=1, max_size=5)


def table(rows: list[tuple[str | None, str]], time: datetime) -> pa.Table:
    """Return a delivery as it is read: the rows of one file with their origin."""
    return pa.table({
        "x": pa.array([x for x, _ in rows], pa.string()), "y": pa.array([y for _, y in rows], pa.string()),
        "_file": pa.array(["f.csv"] * len(rows), pa.string()), "_row": pa.array(range(len(rows)), pa.int64()),
        "_delivered_at": pa.array([time] * len(rows), pa.timestamp("us", "UTC")),
    })  # fmt: skip


@pytest.mark.slow
@settings(max_examples=60, deadline=None)
@given(deliveries)
def test_each_row_has_the_origin_of_the_delivery_that_first_brought_it(given_rows: list[list[tuple[str | None, str]]]) -> None:
    times = [START + timedelta(days=n) for n in range(len(given_rows))]
    said = first_delivery(table(given_rows[0], times[0]))
    # By content, the origins of the rows that are there, oldest first; and everything that is gone, with when it was missed.
    there: dict[tuple[str | None, str], list[Origin]] = {}
    gone: list[tuple[tuple[str | None, str], Origin, datetime]] = []
    for n, row in enumerate(given_rows[0]):
        there.setdefault(row, []).append(("f.csv", n, times[0]))
    for rows, time in zip(given_rows[1:], times[1:], strict=True):
        said = add_delivery(said, table(rows, time), time)
        for row in {*there, *rows}:
            origins, new = there.get(row, []), [("f.csv", n, time) for n, one in enumerate(rows) if one == row]
            gone += [(row, origin, time) for origin in origins[len(new) :]]
            there[row] = origins[: len(new)] + new[len(origins) :]
    expected = [(*row, *origin, None) for row, origins in there.items() for origin in origins]
    expected += [(*row, *origin, time) for row, origin, time in gone]
    found = [tuple(t.astimezone(UTC) if isinstance(t, datetime) else t for t in row) for row in pl.DataFrame(said).rows()]
    assert sorted(found, key=str) == sorted(expected, key=str)
    assert said.column_names[-1] == WITHDRAWN_AT
