import os
import subprocess
from pathlib import Path

import pytest

from ml_platform.core import environment as subject
from ml_platform.core.environment import compare_environments, environment_here, flatten_environment, git_state


def git(folder: Path, *arguments: str) -> str:
    identity = {"GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@b", "GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@b"}
    environment = {**os.environ, **identity, "GIT_CONFIG_GLOBAL": os.devnull, "GIT_CONFIG_SYSTEM": os.devnull}
    return subprocess.run(["git", *arguments], cwd=folder, env=environment, check=True, capture_output=True, text=True).stdout.strip()


@pytest.fixture
def repository(tmp_path) -> Path:
    git(tmp_path, "init", "-q")
    (tmp_path / "defs").mkdir()
    (tmp_path / "defs" / "defs.yaml").write_text("type: x\n")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-q", "-m", "first")
    return tmp_path


def test_a_repository_is_known_by_its_commit_and_whether_it_has_changes(repository):
    commit = git(repository, "rev-parse", "HEAD")
    assert git_state(repository / "defs") == {"commit": commit, "dirty": False}
    (repository / "new.py").write_text("")
    assert git_state(repository / "defs") == {"commit": commit, "dirty": True}


def test_without_a_repository_or_without_git_there_is_none(tmp_path, repository, monkeypatch):
    assert git_state(tmp_path / "nowhere") is None
    git(tmp_path, "init", "-q", "empty")
    assert git_state(tmp_path / "empty") is None
    monkeypatch.setattr(subject.shutil, "which", lambda name: None)
    assert git_state(repository) is None


def test_a_slow_repository_is_not_waited_for(repository, monkeypatch):
    def slow(command, **_):
        raise subprocess.TimeoutExpired(command, 10)

    monkeypatch.setattr(subject.subprocess, "run", slow)
    assert git_state(repository) is None


def test_the_environment_of_this_process(tmp_path):
    import platform

    import polars

    here = environment_here(tmp_path, seed=3, threads=2)
    assert here["python"] == platform.python_version()
    assert here["packages"]["polars"] == polars.__version__
    assert here["machine"]["architecture"] == platform.machine()
    assert (here["seed"], here["threads"]) == (3, 2)
    assert list(flatten_environment(here))[:4] == ["python", "system", "machine", "cpus"]
    assert not [row for row in compare_environments(here, here) if row["same"] is False]


def test_a_processor_without_a_list_of_flags_is_told_by_its_architecture(monkeypatch):
    monkeypatch.setattr(Path, "read_text", lambda self, **_: "processor : 0\nmodel name : something\n")
    assert subject._vector_flags() == ()
    monkeypatch.setattr(Path, "read_text", lambda self, **_: "processor : 0\nFeatures : fp asimd sve\n")
    assert subject._vector_flags() == ("asimd", "sve")


def test_environments_are_compared_thing_by_thing():
    then = {
        "python": "3.11.2",
        "machine": {"architecture": "x86_64", "flags": ["avx2"]},
        "cpus": 2,
        "packages": {"polars": "2.0", "old": "1"},
        "git": {"commit": "a" * 40, "dirty": True},
    }
    here = {
        "python": "3.11.2",
        "machine": {"architecture": "x86_64", "flags": ["avx2", "avx512f"]},
        "cpus": 64,
        "packages": {"polars": "2.1", "new": "1"},
        "git": None,
    }
    rows = {row["what"]: (row["then"], row["here"], row["same"]) for row in compare_environments(then, here)}
    assert rows == {
        "python": ("3.11.2", "3.11.2", True),
        "machine": ("x86_64 avx2", "x86_64 avx2 avx512f", False),
        "cpus": (2, 64, None),
        "new": (None, "1", None),
        "polars": ("2.0", "2.1", False),
        "git commit": ("aaaaaaaaaaaa with changes", None, False),
        "old": ("1", None, False),
    }
    assert {row["same"] for row in compare_environments({}, here)} == {None}


def test_the_order_is_that_of_a_reader_however_it_was_stored():
    here = {"threads": 2, "packages": {"b": "1", "a": "1"}, "python": "3", "odd": 1}
    assert list(flatten_environment(here)) == ["python", "a", "b", "threads", "odd"]
