"""Who may not write can read, paths mean what they say, and what a database says of trouble comes in our words."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pyarrow as pa
import pytest

import ml_platform.lake
from ml_platform.core.errors import LakeError, UnknownTableError
from ml_platform.lake.lake import Lake
from ml_platform_tests.components.shop import write_project

TABLE = "p/tables/a"
ROWS = pa.table({"x": [1, 2]})


def published(root: Path) -> Lake:
    lake = Lake.open(root)
    lake.writing.publish([lake.writing.stage(TABLE, "2024-01-01", ROWS)])
    return lake


@pytest.mark.parametrize("name", ["a%41b", "what?mode=ro", "one#two", "a b", "50%"])
def test_a_folder_may_have_any_name(tmp_path, name: str):
    root = tmp_path / name / "lake"
    lake = published(root)
    assert lake.read(TABLE).pl().height == 2
    assert [path.name for path in tmp_path.iterdir()] == [name]
    assert (root / "ledger.sqlite").is_file()
    lake.health.back_up(tmp_path / name / "backup")
    assert Lake.open(tmp_path / name / "backup").read(TABLE).pl().height == 2


def test_a_mistyped_path_does_not_become_a_lake(tmp_path, monkeypatch):
    for setting in ("ML_PLATFORM_LAKE", "ML_PLATFORM_LEDGER", "ML_PLATFORM_BRANCH"):
        monkeypatch.delenv(setting, raising=False)
    published(tmp_path / "shop" / "data" / "lake")
    assert ml_platform.lake.open(tmp_path / "shop").tables() == [TABLE]
    with pytest.raises(UnknownTableError, match=r"There is no lake at .*shpo/data/lake.*Did you mean 'shop'\?"):
        ml_platform.lake.open(tmp_path / "shpo")
    assert not (tmp_path / "shpo").exists()
    assert ml_platform.lake.open(tmp_path / "shpo", create=True).tables() == []


def test_what_is_opened_to_read_only_refuses_to_write(tmp_path):
    published(tmp_path)
    before = sorted(path for path in tmp_path.rglob("*.parquet"))
    lake = Lake.open(tmp_path, read_only=True)
    assert lake.read(TABLE).pl().height == 2
    with pytest.raises(LakeError, match="was opened to read only; nothing was published"):
        lake.writing.stage(TABLE, "2024-01-02", ROWS)
    with pytest.raises(LakeError, match="was opened to read only"):
        lake.tags.drop("t")
    assert sorted(path for path in tmp_path.rglob("*.parquet")) == before


READ = """
import os, sys, tempfile
import pyarrow as pa
from ml_platform.core.errors import LakeError
from ml_platform.lake.lake import Lake

def work(root):
    lake = Lake.open(root)
    said = [f"{lake.read('p/tables/a').pl().height} {lake.versions.newest_commit()} {[v.partition for v in lake.history('p/tables/a')]}"]
    rows = pa.table({"x": [1]})
    for write in (lambda: lake.writing.publish([lake.writing.stage("p/tables/a", "2024-01-02", rows)]), lambda: lake.tag("t", 1, "")):
        try:
            write()
            said.append("written")
        except LakeError as error:
            said.append(f"refused: {error}")
    return said

with tempfile.TemporaryDirectory() as own:
    # Python itself may lie where another account cannot read: what is imported late is imported now.
    mine = Lake.open(own).writing
    mine.publish([mine.stage("p/tables/a", "2024-01-01", pa.table({"x": [1, 2]}))])
    assert work(own)[1:] == ["written", "written"]
if os.getuid() == 0:
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
print(*work(sys.argv[1]), sep="\\n")
"""


def as_another(root: Path) -> str:
    """Read, and try to write, as an account without the right to write there."""
    done = subprocess.run(
        [sys.executable, "-c", READ, str(root)], capture_output=True, text=True, cwd=Path(__file__).parents[2], check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


@pytest.fixture
def elsewhere(tmp_path):
    """A folder that other accounts can reach, as those of pytest are not."""
    import tempfile

    folder = Path(tempfile.mkdtemp(prefix="lake-"))
    folder.chmod(0o755)
    yield folder
    subprocess.run(["chmod", "-R", "u+w", str(folder)], check=True)
    shutil.rmtree(folder)


@pytest.mark.slow
def test_another_account_reads_with_and_without_a_writer(elsewhere):
    root = elsewhere / "lake"
    lake = published(root)
    subprocess.run(["chmod", "-R", "a+rX", str(root)], check=True)
    if os.getuid():
        subprocess.run(["chmod", "-R", "a-w", str(root)], check=True)
    open_too = as_another(root)
    lake._opened.ledger.close()
    alone = as_another(root)
    for said in (open_too, alone):
        first, *refused = said.splitlines()
        assert first == "2 1 ['2024-01-01']"
        assert len(refused) == 2
        assert all(line.startswith("refused: The ledger") and "cannot be written by this account" in line for line in refused)


def test_a_file_that_is_no_ledger_is_told_in_our_words(tmp_path):
    (tmp_path / "ledger.sqlite").write_bytes(b"this is no database at all, and never was one" * 40)
    with pytest.raises(LakeError, match=r"The ledger .*ledger\.sqlite failed to read: file is not a database\. Is there room"):
        Lake.open(tmp_path).versions.newest_commit()


def test_a_full_disk_under_the_ledger_is_told_and_loses_nothing(tmp_path, monkeypatch):
    lake = published(tmp_path)
    staged = [lake.writing.stage(TABLE, f"2024-02-{n:02d}", ROWS, properties={"note": "x" * 20_000}) for n in range(1, 20)]
    with lake._opened.ledger.writing() as connection:
        pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
        connection.exec_driver_sql(f"PRAGMA max_page_count = {pages + 2}")
    with pytest.raises(LakeError, match=r"failed to write: database or disk is full.*Nothing of it was published"):
        lake.writing.publish(staged)
    again = Lake.open(tmp_path)
    assert again.versions.newest_commit() == 1
    again.writing.publish(staged)
    assert again.read(TABLE).pl().height == 2 * 20


def test_reading_makes_nothing(tmp_path):
    root = tmp_path / "not" / "yet"
    lake = Lake.open(root)
    for branch in (lake, lake.latest()):
        assert (
            branch.tables(),
            branch.versions.newest_commit(),
            branch.versions.commits(),
            branch.health.verify(),
            branch.retention.leased_runs(),
        ) == ([], 0, [], [], [])
        assert branch.health.why_foreign() == ""
        assert (branch.versions.heads(TABLE), branch.read(TABLE).pl().height) == ({}, 0)
    with pytest.raises(LakeError, match="read only"):
        Lake.open(root, read_only=True).writing.stage(TABLE, None, ROWS)
    assert list(tmp_path.iterdir()) == []
    # The same object sees what another one publishes there, and publishes itself.
    published(root)
    assert lake.read(TABLE).pl().height == 2
    lake.writing.publish([lake.writing.stage(TABLE, "2024-01-02", ROWS)])
    assert Lake.open(root).health.verify() == []
    assert Lake.open(root).versions.newest_commit() == 2


COMMANDS = """
import os, sys
import ml_platform.lake
from ml_platform import cli

READING = ["commits", "history p/tables/a", "show p/tables/a", "lake verify", "lake usage", "branch list", "lake gc --versions 2 --dry-run"]
WRITING = ["tag create t", "branch create b", "lake gc --versions 2", "lake publish p/tables/a",
           "lake backup copy", "init files --name trade"]

def run(root):
    os.chdir(root)
    os.environ["ML_PLATFORM_LAKE"] = f"{root}/data/lake"
    print(ml_platform.lake.open(root).read("p/tables/a").pl().height)
    for command in READING + WRITING:
        print("code", cli.main(command.split()), flush=True)

if os.getuid() == 0:
    # Python itself may lie where another account cannot read: what is imported late is imported now.
    run(sys.argv[2])
    os.setgroups([])
    os.setgid(65534)
    os.setuid(65534)
print("", "as another", sep="\\n", flush=True)
print("", "as another", sep="\\n", file=sys.stderr, flush=True)
run(sys.argv[1])
"""


@pytest.mark.slow
def test_another_account_uses_every_command_that_reads(elsewhere, tmp_path):
    published(write_project(elsewhere) / "data" / "lake")
    (elsewhere / "files").mkdir()
    (elsewhere / "files" / "orders.csv").write_text("id,at\n1,2024-01-01\n")
    own = shutil.copytree(elsewhere, tmp_path / "own")
    subprocess.run(["chmod", "-R", "a+rX" if os.getuid() == 0 else "a+rX,a-w", str(elsewhere)], check=True)
    done = subprocess.run(
        [sys.executable, "-c", COMMANDS, str(elsewhere), str(own)],
        capture_output=True,
        text=True,
        cwd=Path(__file__).parents[2],
        check=False,
    )
    assert done.returncode == 0, done.stderr
    said, told = done.stdout.partition("as another")[2], done.stderr.partition("as another")[2].strip().splitlines()
    assert said.startswith("\n2\n")
    assert [line for line in said.splitlines() if line.startswith("code")] == ["code 0"] * 7 + ["code 2"] * 6
    assert len(told) == 6
    assert all(line.startswith("ml-platform: ") and ("annot" in line or "Permission denied. Give this account" in line) for line in told)
