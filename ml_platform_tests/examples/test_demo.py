"""The demo on a small range of days: built, promoted, lived through; run again, killed and run again."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from examples.flights.__main__ import main as flights
from examples.flights.demo import PROBLEM, Demo
from examples.flights.screens import first_screen, last_screen
from ml_platform.cli import main
from ml_platform.components.opening import Session, open_project
from ml_platform.components.settings import project_clock
from ml_platform.core.intervals import shift_day
from ml_platform.lake.lake import Lake
from ml_platform_tests.site.blocks import blocks_of, reason_not_run

REPOSITORY = Path(__file__).parents[2]
# Enough days to validate and to test on, and a few before them to learn from: first less of them, then more.
FIRST, BUILT, LIVED = "2013-03-06", "2013-03-08", "2013-03-10"
SECONDS = 900


def _place(folder: Path) -> dict[str, str]:
    """Make an empty place for a demo, and return the environment that leads a process there."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("pyproject.toml", "dagster.yaml"):
        shutil.copy(REPOSITORY / name, folder / name)
    return {k: v for k, v in os.environ.items() if k != "DAGSTER_HOME"} | {"PYTHONPATH": str(REPOSITORY)}


def _command(*more: str) -> list[str]:
    until = ("--first-until", FIRST, "--built-until", BUILT, "--lived-until", LIVED)
    return [sys.executable, "-W", "ignore", "-m", "examples.flights", "demo", *until, *more]


def _run(folder: Path, environment: dict[str, str]) -> dict:
    with _started(folder, environment, "--json") as process:
        written, said = process.communicate(timeout=SECONDS)
    assert process.returncode == 0, said[-4000:]
    return json.loads(written)


def _content(lake: Lake, *layers: str, at: int | None = None) -> dict[tuple[str, str | None], str]:
    """Return the content hash of every head of some layers."""
    return {
        (table, key): version.data_hash
        for table in lake.tables()
        if table.split("/")[1] in layers
        for key, version in lake.versions.heads(table, at=at).items()
    }


@contextmanager
def _started(folder: Path, environment: dict[str, str], *more: str) -> Iterator[subprocess.Popen[str]]:
    """Start a demo as a process of its own, and kill it when the block is left before it has ended.

    So long its project has a package of its own there. This process has loaded the repository's, which is the same, and takes that.
    """
    shutil.copytree(REPOSITORY / "examples", folder / "examples", dirs_exist_ok=True)
    with subprocess.Popen(
        _command(*more), cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, start_new_session=True
    ) as process:
        try:
            yield process
        finally:
            process.kill()
            shutil.rmtree(folder / "examples")


def _reach(process: subprocess.Popen[str], stage: str) -> None:
    """Read what a demo says until it begins a stage."""
    assert process.stderr is not None
    assert any(said.startswith(f"==> {stage}") for said in process.stderr), f"it ended before it said {stage!r}"


@dataclass(frozen=True)
class Built:
    """A demo that nothing disturbed, and what a kill in each of `KILLED_IN` would have left of it."""

    folder: Path
    environment: dict[str, str]
    said: dict[str, Any]
    left: dict[str, Path]

    @property
    def lake(self) -> Lake:
        return Lake.open(self.folder / "data" / "lake")


# Within the tables of the first part, and within the training on the whole.
FIRST_TRAINING = f"Train, select and promote for {FIRST}"
KILLED_IN = FIRST_TABLES, LAST_TRAINING = (
    f"Build flights/tables until {shift_day(FIRST, -1)} ...",
    f"Train, select and promote for {BUILT} ...",
)


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Built:
    """Run a demo. A second into each of two stages it stands still while its folder is copied: what a kill at that moment leaves."""
    root = tmp_path_factory.mktemp("demo")
    folder, left = root / "flights", {}
    environment = _place(folder)
    with _started(folder, environment, "--json") as process:
        for stage in KILLED_IN:
            _reach(process, stage)
            time.sleep(1)
            process.send_signal(signal.SIGSTOP)
            os.waitpid(process.pid, os.WUNTRACED)
            left[stage] = Path(shutil.copytree(folder, root / f"left {len(left)}"))
            process.send_signal(signal.SIGCONT)
        written, said = process.communicate(timeout=SECONDS)
        assert process.returncode == 0, said[-4000:]
    return Built(folder, environment, json.loads(written), left)


@pytest.fixture
def session(demo: Built) -> Session:
    return open_project(demo.folder)


@pytest.mark.slow
def test_every_layer_is_there_and_the_champion_scored_each_lived_day(demo: Built, session: Session) -> None:
    layers = {row["layer"] for row in demo.said["built"]}
    assert {"raw", "tables", "features", "training", "selected", "models", "champion", "predictions", "outcomes", "monitoring"} <= layers
    lived = ["2013-03-08", "2013-03-09"]
    assert [d for d in session.lake.partitions("flights/predictions/late_arrival") if d >= lived[0]] == lived
    assert {row["metric"] for row in demo.said["champion"]} >= {"auc", "log_loss"}


@pytest.mark.slow
def test_the_test_rows_come_after_all_that_selection_and_training_saw(session: Session) -> None:
    rows = session.problem(PROBLEM).training_set(at=BUILT)
    bounds = {split: frame["_cutoff"] for (split,), frame in rows.partition_by("_split", as_dict=True).items()}
    assert bounds["train"].max() < bounds["validate"].min()
    assert bounds["validate"].max() < bounds["test"].min()
    assert bounds["test"].max() < datetime.fromisoformat(BUILT).replace(tzinfo=UTC)


@pytest.mark.slow
def test_a_value_in_the_training_set_is_what_serving_would_have_answered(session: Session) -> None:
    rows = session.problem(PROBLEM).training_set(at=BUILT).sample(200, seed=1)
    name = "origin_arr_delay_mean_7d"
    flights = session.table("arrivals").pl()
    for row in rows.select("origin", "_cutoff", name).iter_rows(named=True):
        refresh = row["_cutoff"].replace(minute=0, second=0, microsecond=0)
        landed = flights.filter(
            (pl.col("origin") == row["origin"])
            & (pl.col("_available_at") < refresh)
            & (pl.col("_available_at") >= refresh - pl.duration(days=7))
        )["arr_delay"]
        assert (row[name] is None and landed.drop_nulls().is_empty()) or row[name] == pytest.approx(landed.mean(), rel=1e-9)


@pytest.mark.slow
def test_a_second_demo_changes_nothing(demo: Built, session: Session) -> None:
    before = session.lake.versions.newest_commit()
    again = _run(demo.folder, demo.environment)
    assert session.lake.versions.newest_commit() == before
    assert again["built"] == demo.said["built"]
    assert again["runs"] == 0


@pytest.mark.slow
def test_a_first_champion_comes_before_the_year_is_built_and_is_judged_against_it(demo: Built) -> None:
    assert [row["training_date"] for row in demo.said["decisions"]] == [FIRST, BUILT]
    assert demo.said["decisions"][0]["verdict"] == "promoted"


@pytest.mark.slow
def test_it_shows_two_screens_of_at_most_thirty_lines(session: Session) -> None:
    shown = Demo(session, project_clock(session.project.home))
    first, last = first_screen(shown, PROBLEM), last_screen(shown, PROBLEM)
    assert len(first) < len(last) <= 30
    assert max(map(len, (*first, *last))) <= 140
    head = f"Flights from New York, 2013-01-01 to {shift_day(LIVED, -1)}; everything was there already"
    assert last[0].startswith(head)
    assert any(f"  {FIRST}  promoted " in line and "against a constant guess by AUC" in line for line in last)
    assert any(f"  {BUILT}  " in line and "against the champion by AUC" in line for line in last)
    assert sum(line.startswith("  auc ") for line in last) == 1


@pytest.mark.slow
def test_a_first_part_that_was_killed_is_carried_on_to_the_same_content(demo: Built) -> None:
    folder = demo.left[FIRST_TABLES]
    with _started(folder, _place(folder)) as process:
        _reach(process, FIRST_TRAINING)
    undisturbed = demo.lake
    before = undisturbed.history(f"flights/training/{PROBLEM}", FIRST)[0].commit - 1
    made = _content(Lake.open(folder / "data" / "lake"), "raw", "tables", "features")
    assert made == _content(undisturbed, "raw", "tables", "features", at=before)
    assert {table.split("/")[1] for table, _ in made} == {"raw", "tables", "features"}


@pytest.mark.slow
def test_a_demo_that_is_killed_and_run_again_ends_as_an_undisturbed_one(demo: Built) -> None:
    """What tells when it was made is left out: the rest is bit for bit the same."""
    folder = demo.left[LAST_TRAINING]
    environment = _place(folder)
    with _started(folder, environment) as process:
        _reach(process, "Live until")
        time.sleep(1)
    _run(folder, environment)
    disturbed, undisturbed = Lake.open(folder / "data" / "lake"), demo.lake
    layers = {table.split("/")[1] for table in undisturbed.tables()} - {"models", "champion", "predictions", "monitoring", "reports"}
    assert _content(disturbed, *layers) == _content(undisturbed, *layers)
    assert disturbed.tables() == undisturbed.tables()
    assert disturbed.health.verify() == []


@pytest.mark.slow
def test_the_tutorial_can_be_followed(demo: Built, session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    """Last: it lands a day. Days and a flight are those of this shorter demo; reproducing takes minutes, test_reproducing.py does it."""
    monkeypatch.chdir(demo.folder)
    flight = session.problem(PROBLEM).predictions()["flight_id"][0]
    of_this_demo = {"FLIGHT_ID": flight, "2013-12-01": BUILT, "2013-06-01": "2013-03-01"}
    pages = blocks_of("docs/tutorial/flights.md")
    shown = [command for block in pages if block.language == "sh" for command in block.commands if not reason_not_run(command)]
    assert len(shown) >= 8
    for command in (command for command in shown if "reproduce" not in command):
        words = [of_this_demo.get(word, word) for word in command.split()]
        # No row of these days broke a rule of the weather.
        does = flights if words[0] == "make" else main
        assert does(words[1:]) in ((0, 2) if "quarantine/weather" in words else (0,)), command
    (code,) = [block.text for block in pages if block.language == "python"]
    for word, instead in of_this_demo.items():
        code = code.replace(word, instead)
    exec(compile(code, "tutorial", "exec", dont_inherit=True), {})  # noqa: S102 - our own page
