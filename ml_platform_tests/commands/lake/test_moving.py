import json
import os
import time

import pyarrow as pa
import pytest

from ml_platform.lake.files import layout
from ml_platform.lake.lake import Lake

TABLE = "x/tables/t"


@pytest.fixture
def project(tmp_path, monkeypatch):
    (tmp_path / "pyproject.toml").write_text('[tool.dg]\ndirectory_type = "project"\n')
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ML_PLATFORM_LEDGER", raising=False)
    monkeypatch.setenv("NEW", f"sqlite:///{tmp_path}/elsewhere.sqlite")
    return tmp_path


def fill(root, monkeypatch, add, ledger=None, days=20, publish=True):
    """Publish some partitions, or only stage them, as they were written three days ago: by the names and the times of their files."""
    old = time.time_ns() - 3 * 86_400 * 10**9
    lake = Lake.open(root / "data" / "lake", ledger=ledger)
    with monkeypatch.context() as clock:
        clock.setattr(layout.time, "time_ns", lambda: old + time.perf_counter_ns() % 10**9)
        staged = [lake.writing.stage(TABLE, f"2024-01-{day:02}", pa.table({"v": [day + add]})) for day in range(1, days + 1)]
    if publish:
        lake.writing.publish(staged)
    lake.close()
    for folder, _, names in os.walk(root / "data" / "lake" / "data"):
        for name in names:
            os.utime(os.path.join(folder, name), (old / 1e9, old / 1e9))
    return sorted(one.files[0].path for one in staged)


def data_files(root):
    return sorted(path for path in (root / "data" / "lake" / "data").rglob("*") if path.is_file())


@pytest.mark.slow
def test_gc_from_a_shell_with_the_old_ledger_deletes_nothing_and_says_where_the_ledger_went(project, monkeypatch, run):
    fill(project, monkeypatch, 0)
    code, out, _ = run("lake", "move-ledger", "--to", "NEW")
    assert (code, "is sealed" in out) == (0, True)
    fill(project, monkeypatch, 100, ledger=os.environ["NEW"])
    before = data_files(project)
    assert len(before) == 40
    for more in (["--dry-run"], [], ["--accept-orphans", "20"]):
        code, out, err = run("lake", "gc", "--superseded-for", "30d", *more)
        assert (code, out) == (2, "")
        assert "was moved to" in err
        assert "elsewhere.sqlite" in err
        assert data_files(project) == before
    # Reading says that it is not the newest; what would judge by this ledger refuses.
    code, out, err = run("history", "t", "2024-01-01", "--json")
    assert (code, len(json.loads(out)["versions"]), "what was published since is not seen here" in err) == (0, 1, True)
    code, out, _ = run("lake", "verify")
    assert (code, "was moved to" in out) == (1, True)
    for command in (["usage"], ["forget", "--entity", "v=1", "--dry-run"], ["backup", str(project / "backup")]):
        code, _, err = run("lake", *command)
        assert (code, "was moved to" in err) == (2, True)
    monkeypatch.setenv("ML_PLATFORM_LEDGER", os.environ["NEW"])
    assert run("lake", "gc", "--superseded-for", "30d")[0] == 0
    assert data_files(project) == before
    assert run("lake", "verify")[0] == 0


def test_an_empty_ledger_is_told_which_one_the_folder_has(project, monkeypatch, run):
    fill(project, monkeypatch, 0, ledger=os.environ["NEW"], days=2)
    code, _, err = run("lake", "gc", "--superseded-for", "30d")
    assert (code, "elsewhere.sqlite" in err, "Set ML_PLATFORM_LEDGER" in err) == (2, True, True)
    assert len(data_files(project)) == 2


def test_adopting_is_told_first_and_done_with_a_word(project, monkeypatch, run):
    fill(project, monkeypatch, 0, days=2)
    assert "already; nothing was changed" in run("lake", "adopt")[1]
    assert run("lake", "move-ledger", "--to", "NEW")[0] == 0
    code, out, _ = run("lake", "adopt")
    assert (code, "was moved to" in out, "--yes" in out) == (1, True, True)
    assert run("lake", "gc", "--versions", "1")[0] == 2
    code, out, _ = run("lake", "adopt", "--yes", "--json")
    assert (code, json.loads(out)["adopted"]) == (0, True)
    assert run("lake", "gc", "--versions", "1")[0] == 0
    monkeypatch.setenv("ML_PLATFORM_LEDGER", os.environ["NEW"])
    code, _, err = run("lake", "gc", "--versions", "1")
    assert (code, "belongs to the ledger" in err) == (2, True)


def test_gc_names_the_files_of_no_version_and_recover_brings_them_back(project, monkeypatch, run):
    fill(project, monkeypatch, 0, days=4)
    orphans = fill(project, monkeypatch, 100, days=8, publish=False)
    code, out, _ = run("lake", "gc", "--versions", "1", "--dry-run")
    assert (code, "would be put into the trash" in out, orphans[0] in out, "--accept-orphans 8" in out) == (1, True, True, True)
    code, _, err = run("lake", "gc", "--versions", "1")
    assert (code, "8 of the 12 files" in err) == (2, True)
    assert len(data_files(project)) == 12
    code, out, _ = run("lake", "gc", "--versions", "1", "--accept-orphans", "8", "--json")
    assert (code, json.loads(out)["swept"]["orphan_paths"]) == (0, orphans)
    assert len(data_files(project)) == 4
    assert json.loads(run("lake", "recover", "--json")[1])["files"] == orphans
    assert "The trash is empty" in run("lake", "recover")[1]
    assert len(data_files(project)) == 12


def test_a_restored_lake_says_when_the_setting_names_another_ledger(project, monkeypatch, run):
    fill(project, monkeypatch, 0, days=2)
    assert run("lake", "backup", str(project / "backup"))[0] == 0
    monkeypatch.setenv("ML_PLATFORM_LEDGER", os.environ["NEW"])
    code, out, _ = run("lake", "restore", str(project / "backup"), "--to", str(project / "again"))
    assert (code, "ML_PLATFORM_LEDGER is set: unset it" in out) == (0, True)


def test_commits_histories_and_verification_come_in_pages(project, run):
    lake = Lake.open(project / "data" / "lake")
    for number in range(4):
        lake.writing.publish(
            [lake.writing.stage(TABLE, "d1", pa.table({"v": [number]})), lake.writing.stage("x/raw/t", "d1", pa.table({"v": [number]}))]
        )
    lake.close()
    code, out, _ = run("commits", "--limit", "2")
    assert (code, "4 commits in all; --before 3" in out, "x/raw/t" in out) == (0, True, True)
    page = json.loads(run("commits", "--before", "3", "--limit", "1", "--json")[1])["commits"]
    assert [(row["commit"], row["versions"]) for row in page] == [(2, 2)]
    assert "4 versions in all" in run("history", "tables/t", "--limit", "1")[1]
    assert "The last 2 of the 4 commits" in run("lake", "verify", "--last", "2")[1]
