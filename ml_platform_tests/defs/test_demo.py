"""The demo on a small range of days: built, promoted, lived through; run again, killed and run again."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from ml_platform.cli import main
from ml_platform.components.opening import Session, open_project
from ml_platform.core.intervals import shift_day
from ml_platform.defs.flights.demo import PROBLEM, Demo
from ml_platform.defs.flights.screens import first_screen, last_screen
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
    places = {"ML_PLATFORM_LAKE": str(folder / "data" / "lake"), "ML_PLATFORM_LANDING": str(folder / "data" / "landing")}
    return {k: v for k, v in os.environ.items() if k != "DAGSTER_HOME"} | places | {"PYTHONPATH": str(REPOSITORY)}


def _command(*more: str) -> list[str]:
    until = ("--first-until", FIRST, "--built-until", BUILT, "--lived-until", LIVED)
    return [sys.executable, "-W", "ignore", "-m", "ml_platform.cli", "demo", *until, *more]


def _run(folder: Path, environment: dict[str, str]) -> dict:
    done = subprocess.run(_command("--json"), cwd=folder, env=environment, capture_output=True, text=True, timeout=SECONDS, check=False)
    assert done.returncode == 0, done.stderr[-4000:]
    return json.loads(done.stdout)


def _content(lake: Lake) -> dict[tuple[str, str | None], str]:
    """Return the content hash of every head whose content does not tell when it was made."""
    timed = ("models", "champion", "predictions", "monitoring", "reports")
    return {
        (table, key): version.data_hash
        for table in lake.tables()
        if table.split("/")[1] not in timed
        for key, version in lake.heads(table).items()
    }


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict[str, str], dict]:
    folder = tmp_path_factory.mktemp("demo") / "flights"
    environment = _place(folder)
    return folder, environment, _run(folder, environment)


@pytest.fixture
def session(demo: tuple[Path, dict[str, str], dict], monkeypatch: pytest.MonkeyPatch) -> Session:
    folder, environment, _ = demo
    for name in ("ML_PLATFORM_LAKE", "ML_PLATFORM_LANDING"):
        monkeypatch.setenv(name, environment[name])
    return open_project(folder)


@pytest.mark.slow
def test_every_layer_is_there_and_the_champion_scored_each_lived_day(demo: tuple[Path, dict[str, str], dict], session: Session) -> None:
    layers = {row["layer"] for row in demo[2]["built"]}
    assert {"raw", "tables", "features", "training", "selected", "models", "champion", "predictions", "outcomes", "monitoring"} <= layers
    lived = ["2013-03-08", "2013-03-09"]
    assert [d for d in session.lake.partitions("flights/predictions/late_arrival") if d >= lived[0]] == lived
    assert {row["metric"] for row in demo[2]["champion"]} >= {"auc", "log_loss"}


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
def test_a_second_demo_changes_nothing(demo: tuple[Path, dict[str, str], dict], session: Session) -> None:
    before = session.lake.head()
    again = _run(demo[0], demo[1])
    assert session.lake.head() == before
    assert again["built"] == demo[2]["built"]
    assert again["runs"] == 0


@pytest.mark.slow
def test_a_first_champion_comes_before_the_year_is_built_and_is_judged_against_it(demo: tuple[Path, dict[str, str], dict]) -> None:
    assert [row["training_date"] for row in demo[2]["decisions"]] == [FIRST, BUILT]
    assert demo[2]["decisions"][0]["verdict"] == "promoted"


@pytest.mark.slow
def test_it_shows_two_screens_of_at_most_thirty_lines(session: Session) -> None:
    shown = Demo(session)
    first, last = first_screen(shown, PROBLEM), last_screen(shown, PROBLEM)
    assert len(first) < len(last) <= 30
    assert max(map(len, (*first, *last))) <= 140
    head = f"Flights from New York, 2013-01-01 to {shift_day(LIVED, -1)}; everything was there already"
    assert last[0].startswith(head)
    assert any(f"  {FIRST}  promoted " in line and "against a constant guess by AUC" in line for line in last)
    assert any(f"  {BUILT}  " in line and "against the champion by AUC" in line for line in last)
    assert sum(line.startswith("  auc ") for line in last) == 1


# Within the tables of the first part, within the training on the whole, and within the first day that is lived.
KILLED_AFTER = (
    f"==> Build flights/tables until {shift_day(FIRST, -1)} ...",
    f"==> Train, select and promote for {BUILT} ...",
    "==> Live until",
)


def _run_and_kill(folder: Path, environment: dict[str, str], line: str) -> None:
    """Run a demo until it says a line, let it go on for a second, and kill it."""
    process = subprocess.Popen(
        _command(), cwd=folder, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True, start_new_session=True
    )
    assert process.stderr is not None
    with process.stderr as said:
        assert any(told.startswith(line) for told in said), f"it ended before it said {line!r}"
        time.sleep(1)
        os.kill(process.pid, signal.SIGKILL)
    process.wait(30)


@pytest.mark.slow
def test_a_demo_that_is_killed_and_run_again_ends_as_an_undisturbed_one(demo: tuple[Path, dict[str, str], dict], tmp_path: Path) -> None:
    environment = _place(tmp_path)
    for line in KILLED_AFTER:
        _run_and_kill(tmp_path, environment, line)
    _run(tmp_path, environment)
    disturbed, undisturbed = Lake.open(tmp_path / "data" / "lake"), Lake.open(demo[0] / "data" / "lake")
    assert _content(disturbed) == _content(undisturbed)
    assert disturbed.verify() == []


@pytest.mark.slow
def test_the_tutorial_can_be_followed(demo: tuple[Path, dict[str, str], dict], session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    """Last: it lands a day. Days and a flight are those of this shorter demo; reproducing takes minutes, test_reproducing.py does it."""
    monkeypatch.chdir(demo[0])
    flight = session.problem(PROBLEM).predictions()["flight_id"][0]
    of_this_demo = {"FLIGHT_ID": flight, "2013-12-01": BUILT, "2013-06-01": "2013-03-01"}
    pages = blocks_of("docs/tutorial/flights.md")
    shown = [command for block in pages if block.language == "sh" for command in block.commands if not reason_not_run(command)]
    assert len(shown) >= 8
    for command in (command for command in shown if "reproduce" not in command):
        words = [of_this_demo.get(word, word) for word in command.split()]
        # No row of these days broke a rule of the weather.
        assert main(words[1:]) in ((0, 2) if "quarantine/weather" in words else (0,)), command
    (code,) = [block.text for block in pages if block.language == "python"]
    for word, instead in of_this_demo.items():
        code = code.replace(word, instead)
    exec(compile(code, "tutorial", "exec", dont_inherit=True), {})  # noqa: S102 - our own page
