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
from ml_platform.defs.flights.demo import PROBLEM
from ml_platform.lake.lake import Lake
from ml_platform_tests.site.blocks import blocks_of, reason_not_run

REPOSITORY = Path(__file__).parents[2]
# Enough days to validate and to test on, and two weeks before them to learn from.
BUILT, LIVED = "2013-03-12", "2013-03-14"
SECONDS = 900


def _place(folder: Path) -> dict[str, str]:
    """Make an empty place for a demo, and return the environment that leads a process there."""
    folder.mkdir(parents=True, exist_ok=True)
    for name in ("pyproject.toml", "dagster.yaml"):
        shutil.copy(REPOSITORY / name, folder / name)
    places = {"ML_PLATFORM_LAKE": str(folder / "data" / "lake"), "ML_PLATFORM_LANDING": str(folder / "data" / "landing")}
    return {k: v for k, v in os.environ.items() if k != "DAGSTER_HOME"} | places | {"PYTHONPATH": str(REPOSITORY)}


def _command(*more: str) -> list[str]:
    return [sys.executable, "-W", "ignore", "-m", "ml_platform.cli", "demo", "--built-until", BUILT, "--lived-until", LIVED, *more]


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
    lived = ["2013-03-12", "2013-03-13"]
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
def test_a_demo_that_is_killed_and_run_again_ends_as_an_undisturbed_one(demo: tuple[Path, dict[str, str], dict], tmp_path: Path) -> None:
    environment = _place(tmp_path)
    ledger = tmp_path / "data" / "lake" / "ledger.sqlite"
    for wait in (2, 12, 25):
        process = subprocess.Popen(
            _command(), cwd=tmp_path, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True
        )
        end = time.monotonic() + 120
        while not ledger.exists() and process.poll() is None and time.monotonic() < end:
            time.sleep(0.2)
        time.sleep(wait)
        if process.poll() is None:
            os.kill(process.pid, signal.SIGKILL)
        process.wait(30)
    _run(tmp_path, environment)
    disturbed, undisturbed = Lake.open(tmp_path / "data" / "lake"), Lake.open(demo[0] / "data" / "lake")
    assert _content(disturbed) == _content(undisturbed)
    assert disturbed.verify() == []


@pytest.mark.slow
def test_the_tutorial_can_be_followed(demo: tuple[Path, dict[str, str], dict], session: Session, monkeypatch: pytest.MonkeyPatch) -> None:
    """Last: it lands a day. Days and a flight are those of this shorter demo."""
    monkeypatch.chdir(demo[0])
    flight = session.problem(PROBLEM).predictions()["flight_id"][0]
    of_this_demo = {"FLIGHT_ID": flight, "2013-12-01": BUILT, "2013-06-01": "2013-03-01"}
    pages = blocks_of("docs/tutorial/flights.md")
    shown = [command for block in pages if block.language == "sh" for command in block.commands if not reason_not_run(command)]
    assert len(shown) >= 8
    for command in shown:
        words = [of_this_demo.get(word, word) for word in command.split()]
        # No row of these days broke a rule of the weather.
        assert main(words[1:]) in ((0, 2) if "quarantine/weather" in words else (0,)), command
    (code,) = [block.text for block in pages if block.language == "python"]
    for word, instead in of_this_demo.items():
        code = code.replace(word, instead)
    exec(compile(code, "tutorial", "exec", dont_inherit=True), {})  # noqa: S102 - our own page
