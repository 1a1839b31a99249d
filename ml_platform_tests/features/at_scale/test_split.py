from __future__ import annotations

from datetime import timedelta

import numpy as np
import polars as pl
import pytest

from ml_platform.features.at_scale.shuffle import read_batches
from ml_platform.features.at_scale.split import EntityFile, SplitEvents, SplitSpine, buckets_of, write_parts
from ml_platform.features.declared.view import FeatureColumn
from ml_platform_tests.features.at_scale.bucketed import TYPES
from ml_platform_tests.features.declared_views import a_view, definitions_of
from ml_platform_tests.features.engine.test_engine import many_events
from ml_platform_tests.features.worlds import T0, TIMES


def rows_of(path: str, buckets: int) -> list[pl.DataFrame]:
    return [pl.concat(list(read_batches(path, bucket, buckets))) for bucket in range(buckets)]


def test_equal_keys_have_one_bucket_whatever_their_type():
    numbers = pl.DataFrame({"k": range(-50, 50)})
    wide, _ = buckets_of(numbers, 7)
    for kind in (pl.Int8, pl.Int32):
        assert buckets_of(numbers.cast(kind), 7)[0].tolist() == wide.tolist()
    texts = pl.DataFrame({"k": ["a", "b", None, "a"]})
    found, known = buckets_of(texts, 7)
    assert found.tolist() == buckets_of(texts.cast(pl.Categorical), 7)[0].tolist()
    assert known.tolist() == [True, True, False, True]
    assert len(set(wide.tolist())) == 7


def test_events_keep_their_order_and_those_without_key_or_time_are_left_out(tmp_path):
    events, _ = many_events(1000)
    events = events.with_columns(
        number=pl.int_range(pl.len()),
        origin=pl.when(pl.int_range(pl.len()) % 10 == 0).then(None).otherwise("origin"),
        _available_at=pl.when(pl.int_range(pl.len()) % 7 == 0).then(None).otherwise("_available_at"),
    )
    definitions = definitions_of(a_view(FeatureColumn("arr_delay", ("sum",))))
    kept = events.select("origin", "_available_at", "arr_delay", "number")
    (part,) = write_parts(kept, str(tmp_path), "events")
    file = EntityFile(("origin",), tuple(kept.columns), str(tmp_path / "file.arrow"))
    plain = tuple(d.to_dict() for d in definitions)
    (sketch,) = SplitEvents(part, TYPES | {"number": "BIGINT"}, kept.schema, plain, (file,), 3, 100).run()
    found = rows_of(file.path, 3)
    usable = kept.drop_nulls(["origin", "_available_at"])
    assert sorted(n for rows in found for n in rows["number"]) == usable["number"].to_list()
    assert all(rows["number"].is_sorted() for rows in found)
    assert sum(rows["origin"].n_unique() for rows in found) == usable["origin"].n_unique()
    assert sketch.rows.sum() == usable.height
    assert sketch.rows.shape == (10, 3)


@pytest.mark.parametrize("missing", [None, "origin", "_cutoff"])
def test_every_spine_row_is_in_one_bucket_also_without_key_or_cutoff(tmp_path, missing):
    _, spine = many_events(10)
    spine = spine.select("origin", "_cutoff")
    if missing:
        spine = spine.with_columns(pl.lit(None, spine.schema[missing]).alias(missing))
    parts = write_parts(spine, str(tmp_path), "spine", 200)
    numbers = []
    for n, part in enumerate(parts):
        file = EntityFile(("origin",), (), str(tmp_path / f"{n}.arrow"))
        SplitSpine(part, spine.schema, (file,), 4, 50).run()
        found = rows_of(file.path, 4)
        numbers += [number for rows in found for number in rows["_row"]]
        # Rows without an entity do not all meet in one bucket.
        assert missing is None or all(rows.height for rows in found)
    assert sorted(numbers) == list(range(spine.height))


def test_a_part_has_its_rows_in_order(tmp_path):
    rows = pl.DataFrame(
        {"n": np.arange(10_000), "t": [T0 + n * timedelta(seconds=1) for n in range(10_000)]}, schema={"n": pl.Int64, "t": TIMES}
    )
    parts = write_parts(rows, str(tmp_path), "it's", 3000)
    assert [part.first_row for part in parts] == [0, 3000, 6000, 9000]
    assert pl.concat([chunk for part in parts for chunk in part.chunks(700)]).equals(rows)
