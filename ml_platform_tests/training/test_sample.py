from __future__ import annotations

import hashlib
from datetime import UTC, datetime, timedelta

import polars as pl

from ml_platform.training.sample import row_hash, smallest
from ml_platform.training.spine import CUTOFF, TIME

START = datetime(2024, 1, 1, tzinfo=UTC)


def rows(count=1000):
    frame = pl.DataFrame({"id": [f"f{n}" for n in range(count)], CUTOFF: [START + n * timedelta(hours=1) for n in range(count)]})
    return frame.with_columns(pl.col(CUTOFF).cast(TIME))


def sampled(frame, count, seed="s"):
    return set(frame.filter(smallest(row_hash(frame, ["id", CUTOFF], seed), count))["id"])


def test_the_sample_is_a_function_of_the_rows_not_of_their_order():
    assert sampled(rows(), 100) == sampled(rows().reverse(), 100) == sampled(rows().sample(fraction=1, shuffle=True, seed=3), 100)
    assert len(sampled(rows(), 100)) == 100


def test_rows_beside_it_change_a_row_s_hash_in_nothing():
    whole, half = rows(), rows().filter(pl.col("id").str.ends_with("7"))
    both = half.with_columns(h=row_hash(half, ["id", CUTOFF], "s")).join(
        whole.with_columns(w=row_hash(whole, ["id", CUTOFF], "s")), on="id"
    )
    assert both.select((pl.col("h") == pl.col("w")).all()).item()
    assert sampled(rows(500), 50) >= sampled(rows(), 50) & set(rows(500)["id"])


def test_smaller_samples_are_part_of_larger_ones_and_another_seed_is_another_sample():
    assert sampled(rows(), 50) < sampled(rows(), 200)
    assert sampled(rows(), 100) != sampled(rows(), 100, seed="t")


def test_the_hash_is_md5_of_lengths_and_texts_as_python_knows_it():
    frame = rows(2).with_columns(n=pl.Series([None, 3], dtype=pl.Int32))
    micros = int(START.timestamp() * 1_000_000)
    texts = [f"late/2:f0-16:{micros}", f"late/2:f11:316:{micros + 3_600_000_000}"]
    expected = [int.from_bytes(hashlib.md5(t.encode()).digest()[8:], "little") for t in texts]  # noqa: S324 - no secret
    assert row_hash(frame, ["id", "n", CUTOFF], "late").to_list() == expected


def test_null_is_not_the_empty_text_and_columns_do_not_run_together():
    frame = pl.DataFrame({"a": ["ab", "a", "", None], "b": ["c", "bc", "", ""]})
    assert row_hash(frame, ["a", "b"], "s").n_unique() == 4


def test_a_sample_of_everything_and_of_nothing():
    hashes = row_hash(rows(5), ["id"], "s")
    assert smallest(hashes, 5).to_list() == [True] * 5
    assert smallest(hashes, 9).to_list() == [True] * 5
    assert smallest(hashes, 0).to_list() == [False] * 5
    assert row_hash(rows(0), ["id"], "s").len() == 0


def test_the_sample_is_even_over_time():
    ids = sampled(rows(10_000), 1000)
    quarters = [sum(n * 2500 <= int(i[1:]) < (n + 1) * 2500 for i in ids) for n in range(4)]
    assert all(200 < q < 300 for q in quarters)
