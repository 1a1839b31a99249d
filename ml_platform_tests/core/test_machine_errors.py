from __future__ import annotations

import errno
import sqlite3
from pathlib import Path

import duckdb
import pytest

from ml_platform import cli, lake
from ml_platform.core.errors import LakeError
from ml_platform.core.machine_errors import describe_machine_error


def test_what_a_machine_refuses_is_told_with_the_place_and_what_to_do(tmp_path: Path) -> None:
    full = OSError(errno.ENOSPC, "No space left on device", "/data/plots/a.png")
    assert describe_machine_error(full) == "/data/plots/a.png: No space left on device. Make room there, or choose another disk."
    without_place = OSError(errno.EMFILE, "Too many open files")
    assert "Too many open files. Raise the limit of open files (ulimit -n)" in str(describe_machine_error(without_place))
    absent = tmp_path / "no" / "such.sqlite"
    with pytest.raises(sqlite3.OperationalError, match="unable to open") as caught, sqlite3.connect(absent) as con:
        con.execute("SELECT 1")
    assert "unable to open database file. Give this account the right" in str(describe_machine_error(caught.value))
    spilled = duckdb.IOException('IO Error: Could not write file "/tmp/x": No space left on device')
    assert "No space left on device. Make room there" in str(describe_machine_error(spilled))


@pytest.mark.parametrize("error", [FileNotFoundError(errno.ENOENT, "No such file", "x"), ValueError("Permission denied"), KeyError("x")])
def test_what_is_a_mistake_of_ours_stays_what_it_is(error: Exception) -> None:
    assert describe_machine_error(error) is None


def test_a_command_on_a_full_disk_ends_with_one_message(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "files").mkdir()
    (tmp_path / "files" / "orders.csv").write_text("id,at\n1,2024-01-01\n")
    monkeypatch.chdir(tmp_path)

    def full(path: Path, *_given: object, **_more: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device", str(path))

    monkeypatch.setattr(Path, "mkdir", full)
    assert cli.main(["init", str(tmp_path / "files"), "--name", "shop"]) == 2
    told = capsys.readouterr().err
    assert told.startswith("ml-platform: ")
    assert "No space left on device. Make room there" in told
    assert told.count("\n") == 1


LONG = "x" * 300


@pytest.mark.parametrize(
    ("words", "says"),
    [
        (["commits", "--project", f"/{LONG}"], "File name too long. Name a shorter path."),
        (["init", "orders.csv", "--into", LONG], "File name too long. Name a shorter path."),
        (["init", "orders.csv", "--into", "orders.csv/x"], "Not a directory. A part of that path is a file"),
        (["init", "loop"], "Symbolic links lead in a circle there"),
        (["lake", "restore", "lake", "--to", LONG], "File name too long. Name a shorter path."),
    ],
)
def test_a_path_that_cannot_be_one_is_told_in_one_message(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], words: list[str], says: str
) -> None:
    (tmp_path / "orders.csv").write_text("id,at\n1,2024-01-01\n")
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "lake").mkdir()
    (tmp_path / "lake" / "ledger.sqlite").write_bytes(b"")
    monkeypatch.chdir(tmp_path)
    assert cli.main(words) == 2
    told = capsys.readouterr().err
    assert says in told
    assert told.count("\n") == 1


@pytest.mark.parametrize("place", [f"/{LONG}", "loop", "file/x"])
def test_a_lake_at_a_path_that_cannot_be_one_is_told_as_ours(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("ML_PLATFORM_LAKE", str(tmp_path / place))
    with pytest.raises(LakeError, match=r"File name too long|in a circle|Not a directory"):
        lake.open(tmp_path, create=True).writing.publish([])
