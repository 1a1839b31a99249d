import os
import time
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest

from ml_platform.lake.health.usage import TableUsage
from ml_platform.lake.lake import Lake
from ml_platform.lake.retention import collecting
from ml_platform.lake.retention.rules import Rule

TABLE = "p/tables/a"


@pytest.fixture
def lake(tmp_path):
    lake = Lake.open(tmp_path / "lake")
    yield lake
    lake.close()


def put(lake, partition, *values, kind="data"):
    """Publish values as one version and return its bytes."""
    staged = lake.writing.stage(TABLE, partition, pa.table({"x": list(values)}), kind=kind)
    return lake.writing.publish([staged]).versions[0].bytes


def of(lake, year):
    return next(t for t in lake.health.usage().tables if (t.table, t.year) == (TABLE, year))


def test_what_readers_get_is_told_from_history_by_year(lake):
    older = put(lake, "2023-12-31", 1)
    newer = put(lake, "2023-12-31", 1, 2, 3)
    other = put(lake, "2024-01-01", 1)
    assert lake.health.usage().tables == (TableUsage(TABLE, 2023, 2, 1, newer, 1, older), TableUsage(TABLE, 2024, 1, 1, other, 0, 0))
    assert (lake.health.usage().live_bytes, lake.health.usage().history_bytes) == (newer + other, older)


def test_a_file_of_two_versions_counts_once_and_lives_if_one_of_them_does(lake):
    first = put(lake, "2024-01-01", 1)
    second = put(lake, "2024-01-01", 2)
    put(lake, "2024-01-01", 1)
    assert of(lake, 2024) == TableUsage(TABLE, 2024, 3, 1, first, 1, second)


def test_what_was_rejected_is_history(lake):
    rejected = put(lake, "2024-01-01", 1, kind="rejected")
    assert (of(lake, 2024).live_files, of(lake, 2024).history_bytes) == (0, rejected)


def test_keys_that_are_no_days_have_no_year(lake):
    size = put(lake, "north", 1)
    assert of(lake, None) == TableUsage(TABLE, None, 1, 1, size, 0, 0)


def test_every_byte_of_the_folder_is_accounted_for(lake):
    put(lake, "2024-01-01", 1)
    lake.writing.publish([lake.writing.stage_artifact("p/models/m", "2024-01-01", {"model.txt": b"tree", "plots/roc.json": b"{}"})])
    lake.writing.stage(TABLE, "2024-01-02", pa.table({"x": [1]}))
    log = lake._opened.root / "data" / TABLE / "_delta_log"
    log.mkdir()
    (log / "0.json").write_text("{}")
    found = lake.health.usage()
    whole = sum(path.stat().st_size for path in (lake._opened.root / "data").rglob("*") if path.is_file())
    assert found.live_bytes + found.history_bytes + found.orphan_bytes + found.young_bytes + found.log_bytes == whole
    assert found.log_bytes == 2
    assert found.ledger_bytes > 0


def test_an_orphan_is_old_and_what_was_just_staged_is_not(lake):
    put(lake, "2024-01-01", 1)
    lake.writing.stage(TABLE, "2024-01-02", pa.table({"x": [1]}))
    (orphan,) = (lake._opened.root / "data" / TABLE / "part=2024-01-02").iterdir()
    assert [(u.orphan_files, u.young_files) for u in (lake.health.usage(), lake.health.usage(now=time.time() + 7200))] == [(0, 1), (1, 0)]
    os.utime(orphan, (0, 0))
    assert (lake.health.usage().orphan_files, lake.health.usage().orphan_bytes) == (1, orphan.stat().st_size)


def test_an_empty_lake_takes_no_space(lake):
    assert lake.health.usage().tables == ()


def test_what_retention_deleted_and_what_was_redacted_count_as_what_is_left(lake):
    put(lake, "2024-01-01", 1, 2)
    kept = put(lake, "2024-01-01", 3, 4)
    old, new = lake.history(TABLE)[::-1]
    lake.retention.forget(table=TABLE, where="x = 3", reason="request 1")
    lake.retention.collect([Rule("p/*", versions=1)], now=datetime.now(UTC) + timedelta(days=2))
    assert lake.retention.collect([Rule("p/*", versions=1)], now=datetime.now(UTC) + timedelta(days=3)).versions == 1
    left = lake.versions.get(new.id).bytes
    assert lake.versions.get(old.id).gone is not None
    assert left != kept
    found = lake.health.usage()
    assert found.tables == (TableUsage(TABLE, 2024, 1, 1, left, 0, 0),)
    assert (found.orphan_files, found.young_files) == (0, 0)


def test_what_is_in_the_trash_is_told_apart(lake, monkeypatch):
    put(lake, "2024-01-01", 1)
    orphan = lake.writing.stage(TABLE, "2024-01-02", pa.table({"x": [1]}))
    later = datetime.now(UTC) + timedelta(days=2)
    monkeypatch.setattr(collecting, "store_time", lambda store, **_: later)
    lake.retention.collect([], now=later)
    found = lake.health.usage()
    assert (found.trash_files, found.trash_bytes, found.young_files) == (1, orphan.bytes, 0)
