import sqlite3
import tarfile
from pathlib import Path

import pyarrow as pa
import pytest

from ml_platform.core.errors import LakeError
from ml_platform.lake.lake import Lake
from ml_platform.lake.ledger import migrations
from ml_platform.lake.ledger.ledger_tables import FORMAT, metadata


@pytest.fixture
def old(tmp_path):
    """A lake that was written in format 1: seven commits, a correction, a rejected day, a pinned model."""
    with tarfile.open(Path(__file__).with_name("format_1.tar.gz")) as archive:
        # Our own archive. The filter came with Python 3.11.4, and Debian 12 has an older one.
        archive.extraction_filter = getattr(tarfile, "data_filter", lambda member, _: member)
        archive.extractall(tmp_path)  # noqa: S202
    return tmp_path / "lake"


def layout(root):
    connection = sqlite3.connect(root / "ledger.sqlite")
    named = connection.execute("SELECT type, name FROM sqlite_master WHERE name NOT LIKE 'sqlite_%' ORDER BY name").fetchall()
    found = {}
    for kind, name in named:
        pragma = "table_info" if kind == "table" else "index_info"
        found[kind, name] = sorted(str(row[1:]) if kind == "table" else row[2] for row in connection.execute(f"PRAGMA {pragma}({name})"))
    found["format"] = connection.execute("SELECT format FROM lake_format").fetchall()
    connection.close()
    return found


def test_a_lake_of_format_1_is_brought_up_to_date_and_keeps_everything(old, tmp_path):
    lake = Lake.open(old)
    assert lake.versions.newest_commit() == 7
    assert lake.health.verify() == []
    assert lake.read("p/tables/a", partition="2013-06-02").arrow().column("x").to_pylist() == [1.5, 9.0, 4.0]
    assert lake.read("p/tables/a", partition="2013-06-02", at=3).arrow().column("x").to_pylist() == [1.5, 2.5]
    assert lake.versions.artifact(lake.versions.resolve("p/models/m")[0], "model.txt") == b"tree"
    assert [v.kind for v in lake.history("p/tables/a", "2013-06-03")] == ["rejected"]
    assert {c.branch for c in lake.versions.commits()} == {"main"}
    assert len(lake.retention.pins()["p/models/m@1"]) == 5
    # It goes on: the same content adds nothing, new content extends the chain, and it can be branched.
    again = lake.writing.stage("p/tables/b", None, lake.read("p/tables/b").arrow())
    assert lake.writing.publish([again]).created == 0
    lake.branches.create("dev")
    lake.on("dev").writing.publish([lake.writing.stage("p/tables/b", None, pa.table({"x": [1]}))])
    assert (lake.versions.newest_commit(), lake.health.verify()) == (8, [])
    lake.close()
    new = Lake.open(tmp_path / "new")
    new.branches.create("dev")
    new.close()
    assert layout(old) == layout(tmp_path / "new")


def test_a_migration_that_fails_leaves_the_old_ledger(old, monkeypatch):
    before = layout(old)

    def broken(connection):
        migrations._to_2(connection)
        raise ZeroDivisionError("division")

    monkeypatch.setattr(migrations, "MIGRATIONS", {2: broken, 3: migrations._to_3})
    lake = Lake.open(old)
    with pytest.raises(ZeroDivisionError, match="division"):
        lake.versions.newest_commit()
    lake.close()
    assert layout(old) == before


def test_every_format_has_its_migration():
    assert sorted(migrations.MIGRATIONS) == list(range(2, FORMAT + 1))
    assert {"commits", "versions", "branches", "leases"} <= set(metadata.tables)


def test_an_old_program_refuses_the_new_ledger(old, monkeypatch):
    Lake.open(old).versions.newest_commit()
    monkeypatch.setattr("ml_platform.lake.ledger.ledger.FORMAT", 1)
    lake = Lake.open(old)
    with pytest.raises(LakeError, match=r"written by a newer ml_platform \(ledger format 3, this program knows 1\)"):
        lake.versions.newest_commit()
    lake.close()
