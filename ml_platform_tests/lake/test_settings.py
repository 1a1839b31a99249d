import pytest

import ml_platform.lake
from ml_platform.core.errors import UnknownBranchError
from ml_platform.lake.lake import Lake
from ml_platform.lake.settings import branch_name, kept_lake, lake_root, ledger_dsn
from ml_platform_tests.lake.writer import numbers

A = "flights/tables/arrivals"


@pytest.fixture
def project(tmp_path, monkeypatch):
    for name in ("LAKE", "LEDGER", "BRANCH"):
        monkeypatch.delenv(f"ML_PLATFORM_{name}", raising=False)
    lake = Lake.open(tmp_path / "data" / "lake")
    lake.writing.publish([lake.writing.stage(A, "2013-06-01", numbers(1)), lake.writing.stage(A, "2013-06-02", numbers(2))])
    lake.branches.create("dev")
    dev = lake.on("dev")
    dev.writing.publish([dev.writing.stage(A, "2013-06-01", numbers(7))])
    lake.tag("audit", at=1)
    yield tmp_path
    lake.close()


def first(reading):
    return reading.pl()["n"][0]


def test_one_line_from_a_notebook_wherever_it_stands_in_the_project(project, monkeypatch):
    (project / "notebooks").mkdir()
    monkeypatch.chdir(project / "notebooks")
    assert first(ml_platform.lake.open().read(A, partition="2013-06-01", at="audit")) == 1
    assert first(ml_platform.lake.open(branch="dev").read(A, partition="2013-06-01")) == 7
    assert first(ml_platform.lake.open(project).read(A, partition="2013-06-02", at=1)) == 2


def test_the_settings_name_lake_ledger_and_branch(project, monkeypatch):
    monkeypatch.setenv("ML_PLATFORM_BRANCH", "dev")
    assert (branch_name(), ml_platform.lake.open(project).branch) == ("dev", "dev")
    monkeypatch.setenv("ML_PLATFORM_BRANCH", "dev/none")
    with pytest.raises(UnknownBranchError, match=r"no branch 'dev/none'.*What exists: dev, main.*ml-platform branch create dev/none"):
        ml_platform.lake.open(project).versions.newest_commit()
    monkeypatch.setenv("ML_PLATFORM_LAKE", "elsewhere/lake")
    assert lake_root(project) == str(project / "elsewhere" / "lake")
    monkeypatch.setenv("ML_PLATFORM_LAKE", "s3://bucket/lake")
    assert lake_root(project) == "s3://bucket/lake"
    monkeypatch.setenv("ML_PLATFORM_LEDGER", "postgresql://h/d")
    assert ledger_dsn() == "postgresql://h/d"
    monkeypatch.delenv("ML_PLATFORM_LEDGER")
    assert ledger_dsn() is None


def test_a_kept_lake_is_the_one_that_is_there_now(project, monkeypatch):
    lake = kept_lake(project)
    assert kept_lake(project)._opened.ledger is lake._opened.ledger
    assert first(lake.read(A, partition="2013-06-01")) == 1
    assert first(kept_lake(project, "dev").read(A, partition="2013-06-01")) == 7
    monkeypatch.setenv("ML_PLATFORM_BRANCH", "dev")
    assert kept_lake(project).branch == "dev"
    monkeypatch.delenv("ML_PLATFORM_BRANCH")
    (project / "data" / "lake").rename(project / "away")
    other = Lake.open(project / "data" / "lake")
    other.writing.publish([other.writing.stage(A, "2013-06-01", numbers(9))])
    assert first(kept_lake(project).read(A, partition="2013-06-01")) == 9
    other.close()
