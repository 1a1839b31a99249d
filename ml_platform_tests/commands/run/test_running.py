"""``ml-platform run`` and ``status``, through the command line: from landed files to scores, again, after a change, after a fault."""

from __future__ import annotations

import json
import os
import random
import signal
import subprocess
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

import polars as pl
import pytest

import ml_platform
from ml_platform.cli import main
from ml_platform.commands.new_project import new_project
from ml_platform.core.errors import DeclarationError, UnknownNameError
from ml_platform.pipeline.feature_tables.feature_table import materialize_features
from ml_platform.pipeline.standing.problem import last_partition_day
from ml_platform_tests.components.made_project import MadeProject, copied, make_project

pytestmark = pytest.mark.slow

FIRST, DAYS = datetime(2024, 1, 1), 50
DECLARED = """
type: ml_platform.Table
attributes:
  name: orders
  source: {files: 'orders/{day}.csv'}
  partitions: {start: '2024-01-01'}
  contract: orders.contract.yaml
  key: [order_id]
  event_time: ordered_at
  available_at: ordered_at
---
type: ml_platform.FeatureView
attributes:
  name: recent
  source: orders
  entities: [[customer_id]]
  windows: [7d]
  features: [{functions: [count]}]
---
type: ml_platform.Problem
attributes:
  name: buys_again
  spine: {each: customer_id, every: 1d, active: {in: orders, within: 30d}}
  label: {from: orders, match: [customer_id], sql: count(*) > 0, horizon: 2d, without_rows: zero}
  features: [recent]
  training: {every: 7d, look_back: 40d, validate: 7d, test: 12d}
  model: {trainer: logistic, baseline: logistic}
  selection: all
"""
CONTRACT = "columns:\n  order_id: {type: string}\n  customer_id: {type: int64}\n  ordered_at: {type: timestamp}\n"


def orders_of(day: int) -> pl.DataFrame:
    """Return a day's orders: customer n buys every (n % 9 + 1)th day."""
    buyers = [n for n in range(60) if (day + n) % (n % 9 + 1) == 0]
    times = [FIRST + timedelta(days=day, hours=8, minutes=n) for n in buyers]
    return pl.DataFrame({"order_id": [f"{day}-{n}" for n in buyers], "customer_id": buyers, "ordered_at": times})


def land(project: MadeProject, day: int) -> str:
    key = f"{FIRST + timedelta(days=day):%Y-%m-%d}"
    project.land(f"orders/{key}.csv", orders_of(day))
    return key


@pytest.fixture(scope="module")
def shop(tmp_path_factory) -> MadeProject:
    project = make_project(tmp_path_factory.mktemp("running"), "shop")
    project.declare(DECLARED, orders=CONTRACT)
    for day in range(DAYS):
        land(project, day)
    return project


@pytest.fixture(scope="module")
def ran(shop, tmp_path_factory) -> tuple[MadeProject, dict, str]:
    """The shop after its first run, with what that wrote as JSON, and what a second one wrote as text."""
    shop = copied(shop, tmp_path_factory.mktemp("ran"))
    code, plain = cli(shop, "run", "buys_again", "--json")
    assert code == 0
    return shop, json.loads(plain), cli(shop, "run")[1]


def cli(project: MadeProject, *words: str) -> tuple[int, str]:
    """Call the command line in this process and return its exit code and what it wrote."""
    from contextlib import redirect_stdout
    from io import StringIO

    written = StringIO()
    with redirect_stdout(written), pytest.MonkeyPatch.context() as patch:
        patch.setattr("ml_platform.commands.answer.leave", lambda code: None)
        code = main([*words, "--project", str(project.root)])
    return code, written.getvalue()


def test_the_first_run_goes_from_landed_files_to_a_champion_and_scores(ran):
    shop, told, _ = ran
    layers = [row["asset"].partition("/")[0] for run in told["runs"] for row in run["assets"]]
    assert layers == ["raw", "tables", "features", "training", "selected", "models", "champion", "predictions", "monitoring"]
    # Files up to 19 February: a label takes two days, and the newest date sees all that are known.
    assert told["training"]["date"] == "2024-02-20"
    assert "the newest day for which labels are known (orders has landed up to 2024-02-19" in told["training"]["which"]
    assert [one["verdict"] for one in told["verdicts"]] == ["promoted"]
    assert told["champion"][0]["metric"] == "auc"
    assert told["failed"] == []
    opened = ml_platform.open_project(shop.root)
    assert sorted(opened.lake.partitions("shop/predictions/buys_again")) == ["2024-02-19", "2024-02-20"]
    assert opened.problem("buys_again").predictions().height == 60


def test_what_came_of_it_is_at_hand_in_python(ran):
    problem = ml_platform.open_project(ran[0].root).problem()
    champion = problem.champion
    assert champion is not None
    assert (champion.name, champion.training_date) == ("logistic", "2024-02-20")
    assert champion.metrics.columns == ["metric", "champion", "baseline", "constant"]
    assert champion.features["feature"].to_list() == ["customer_id_count_7d"]
    assert "**Predicts**" in champion.card
    assert repr(champion).startswith("Champion logistic of 2024-02-20, version")
    assert problem.verdicts["verdict"].to_list() == ["promoted"]


def test_its_runs_stand_in_the_history_that_the_ui_shows(ran):
    from ml_platform.components.instance.history import open_history

    shop, told, _ = ran
    with open_history(shop.root, "main") as instance:
        assert len(instance.get_runs()) == len(told["runs"])


def test_a_second_run_makes_nothing_and_says_so(ran):
    shop, _, again = ran
    head = ml_platform.open_project(shop.root).lake.versions.newest_commit()
    assert "Nothing has changed since the last time" in again
    assert "Not trained again for 2024-02-20: there is a model of 2024-02-20" in again
    assert ml_platform.open_project(shop.root).lake.versions.newest_commit() == head


def test_a_run_says_at_once_what_it_does_and_once_why_nothing_was_trained(tmp_path, monkeypatch, capsys):
    project = make_project(tmp_path, "shop")
    project.declare(DECLARED, orders=CONTRACT)
    monkeypatch.syspath_prepend(str(project.root))
    out, err = cli(project, "run")[1], capsys.readouterr().err
    assert err.splitlines()[0].startswith("==> loading the declarations in ")
    assert "==> buys_again: looking at what has landed, and what it changes" in err
    assert "Not trained: No day of 'orders' can be read yet" in out
    assert out.count("No day of 'orders' can be read yet") == 1


def test_a_dry_run_names_what_a_new_day_changes_and_the_same_command_of_dagster(ran, tmp_path):
    shop = copied(ran[0], tmp_path)
    day = land(shop, DAYS)
    head = ml_platform.open_project(shop.root).lake.versions.newest_commit()
    code, plain = cli(shop, "run", "--dry-run", "--json")
    assert code == 0
    told = json.loads(plain)
    assert told["commands"] == [f"dg launch --assets shop/raw/orders,shop/tables/orders --partition {day}"]
    assert [step["asset"] for step in told["steps"]] == [
        "raw/orders, tables/orders", "features/recent__customer_id", "predictions/buys_again",
    ]  # fmt: skip
    assert ml_platform.open_project(shop.root).lake.versions.newest_commit() == head


def test_new_days_are_taken_in_scored_and_answered_and_a_broken_file_is_told(ran, tmp_path):
    shop = copied(ran[0], tmp_path)
    for day in range(DAYS, DAYS + 4):
        land(shop, day)
    shop.land("orders/2024-02-24.csv", "order_id,buyer,ordered_at\n1,2,2024-02-24T08:00:00Z\n")
    code, plain = cli(shop, "run", "buys_again", "--json")
    told = json.loads(plain)
    assert code == 1
    assert any("2024-02-24: orders/2024-02-24.csv: column 'customer_id' is missing" in one for one in told["failed"])
    made = {row["asset"]: row["written"] for run in told["runs"] for row in run["assets"]}
    assert made["features/recent__customer_id"] == 4
    assert made["outcomes/buys_again"] == 4  # 19 to 22 February: files have come up to the 23rd
    assert not told["training"]["due"]
    assert "at least every 28d" in told["training"]["why"]
    standing = json.loads(cli(shop, "status", "--json")[1])
    states = {one["asset"]: one for one in standing["assets"]}
    assert states["tables/orders"]["state"] == "stopped: 1 day"
    assert "column 'customer_id' is missing" in states["tables/orders"]["why"]
    assert states["outcomes/buys_again"]["state"] == "fresh"
    # Delivered again as it should be, it is taken in: nothing is stopped any more.
    land(shop, DAYS + 4)
    code, plain = cli(shop, "run", "buys_again", "--json")
    assert (code, json.loads(plain)["failed"]) == (0, [])
    assert "stopped" not in cli(shop, "status")[1]


def test_a_changed_declaration_makes_what_it_changes_and_trains_again(ran, tmp_path):
    shop = copied(ran[0], tmp_path)
    shop.declare(DECLARED.replace("windows: [7d]", "windows: [3d, 7d]"), orders=CONTRACT)
    code, plain = cli(shop, "run", "buys_again", "--json")
    told = json.loads(plain)
    assert code == 0
    assert "declared otherwise than when the model of 2024-02-20 was trained" in told["training"]["why"]
    assets = [row["asset"] for run in told["runs"] for row in run["assets"]]
    assert "raw/orders" not in assets
    assert "features/recent__customer_id" in assets


def test_of_a_longer_history_only_the_feature_days_that_a_training_reads_are_made(shop, tmp_path):
    shop = copied(shop, tmp_path)
    # Learnt from are 25 days before 20 February, and their windows reach 7 days and one refresh further back.
    shop.declare(DECLARED.replace("look_back: 40d", "look_back: 25d"), orders=CONTRACT)
    told = json.loads(cli(shop, "run", "buys_again", "--json")[1])
    assert told["failed"] == []
    made = [run["days"] for run in told["runs"] for row in run["assets"] if row["asset"].startswith("features/")]
    assert [(days[0], days[-1]) for days in made] == [("2024-01-18", "2024-02-19")]
    standing = json.loads(cli(shop, "status", "buys_again", "--json")[1])
    features = next(one for one in standing["assets"] if one["asset"].startswith("features/"))
    assert features["state"] == "fresh"
    assert features["why"] == "17 days before 2024-01-18 are not made: no training looks back so far"
    # What was learnt from is what is learnt from when all days are there.
    lake, training = shop.open().lake, "shop/training/buys_again"
    learnt = lake.versions.heads(training)["2024-02-20"].data_hash
    materialize_features(shop.open().workspace, "recent", ("customer_id",), [f"2024-01-{day:02}" for day in range(1, 18)])
    assert len(lake.partitions("shop/features/recent__customer_id")) == DAYS
    assert shop.run(["training/buys_again"], ["2024-02-20"]).success
    assert lake.versions.heads(training)["2024-02-20"].data_hash == learnt


def test_a_run_stops_at_a_day_and_a_later_one_goes_on_to_the_same(ran, shop, tmp_path):
    stopped = copied(shop, tmp_path)
    last = "2024-02-10"
    code, plain = cli(stopped, "run", "buys_again", "--until", last, "--json")
    assert (code, json.loads(plain)["training"]["date"]) == (0, "2024-02-11")
    lake = stopped.open().lake
    for name in ("raw/orders", "tables/orders", "features/recent__customer_id"):
        assert max(day or "" for day in lake.partitions(f"shop/{name}")) == last
    # The next morning's rows see all that came up to the day.
    assert sorted(lake.partitions("shop/predictions/buys_again")) == [last, "2024-02-11"]
    heads = {table: lake.versions.heads(table) for table in lake.tables()}
    code, plain = cli(stopped, "run", "buys_again", "--json")
    assert (code, json.loads(plain)["failed"]) == (0, [])
    lake, whole = stopped.open().lake, ran[0].open().lake
    for layer in ("raw/orders", "tables/orders", "features/recent__customer_id"):
        here, there = ({day: head.data_hash for day, head in one.versions.heads(f"shop/{layer}").items()} for one in (lake, whole))
        # The first training of a run without a stop looks less far back.
        assert there.items() <= here.items()
    kept = {table: {day: head.id for day, head in found.items()} for table, found in heads.items() if "champion" not in table}
    now = {table: {day: head.id for day, head in lake.versions.heads(table).items()} for table in kept}
    assert all(now[table][day] == number for table, found in kept.items() for day, number in found.items()), "nothing is made twice"
    assert "2024-02-20" in lake.partitions("shop/predictions/buys_again")


def test_a_training_date_can_be_asked_for_and_training_can_be_left_out(ran, tmp_path):
    shop = copied(ran[0], tmp_path)
    _, plain = cli(shop, "run", "buys_again", "--date", "2024-02-18", "--json")
    assert json.loads(plain)["training"]["why"] == "it was asked for"
    assert "2024-02-18" in ml_platform.open_project(shop.root).lake.partitions("shop/models/buys_again")
    code, _ = cli(shop, "run", "buys_again", "--date", "2024-02-18", "--no-train")
    assert code == 2


def test_status_says_of_an_empty_project_what_comes_next(tmp_path):
    project = make_project(tmp_path, "empty")
    project.declare(DECLARED, orders=CONTRACT)
    project.land("orders/2024-01-01.csv", orders_of(0))
    code, told = cli(project, "status")
    assert code == 0
    assert "Next: ml-platform run buys_again" in told
    assert "to be made: 1 day" in told


def test_a_time_that_is_set_is_what_commands_go_by(ran, monkeypatch, capsys):
    shop = ran[0]
    assert not any(line.startswith("Time: ") for line in json.loads(cli(shop, "status", "--json")[1])["summary"])
    monkeypatch.setenv("ML_PLATFORM_NOW", "2024-02-10T12:00")
    standing = json.loads(cli(shop, "status", "--json")[1])
    assert standing["summary"][0] == "Time: 2024-02-10 12:00 UTC, set by ML_PLATFORM_NOW."
    # As on that day, whatever has landed since.
    outcomes = next(one for one in standing["assets"] if one["asset"] == "outcomes/buys_again")
    assert outcomes["waiting"]["2024-02-19"].endswith("are mature from 2024-02-21 00:00 on; it is 2024-02-10 12:00.")
    assert last_partition_day(ml_platform.open_project(shop.root).workspace, datetime.now(UTC)) == "2024-02-09"
    monkeypatch.setenv("ML_PLATFORM_NOW", "the tenth")
    assert cli(shop, "status")[0] == 2
    assert "ML_PLATFORM_NOW sets the platform's time to 'the tenth'" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("words", "message"),
    [
        (("run", "buys_agian"), "There is no problem 'buys_agian'"),
        (("status", "buys_agian"), "Did you mean 'buys_again'"),
        (("run", "--date", "yesterday"), "'yesterday' is no day"),
        (("run", "--until", "2024-01-01T10:00"), "is no day. Write YYYY-MM-DD"),
    ],
)
def test_what_cannot_be_meant_is_refused(shop, capsys, words, message):
    assert cli(shop, *words)[0] == 2
    assert message in capsys.readouterr().err


def test_two_at_once_do_not_disturb_each_other(ran, capsys):
    from ml_platform.components.runs.alone import alone

    with alone(ran[0].root, "ml-platform run"):
        assert cli(ran[0], "run")[0] == 2
    assert f"ml-platform run (process {os.getpid()}) is at work in" in capsys.readouterr().err


def test_one_that_is_stopped_is_gone_on_with(shop, tmp_path):
    stopped = copied(shop, tmp_path)
    command = [sys.executable, "-m", "ml_platform.cli", "run", "buys_again", "--project", str(stopped.root)]
    path = os.pathsep.join((str(Path(ml_platform.__file__).parents[1]), str(stopped.root)))
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": path}) as process:
        assert process.stderr is not None
        for line in process.stderr:
            if "features/" in line:
                break
        time.sleep(0.2)
        process.send_signal(signal.SIGINT)
        rest = process.stderr.read()
        assert process.wait(timeout=60) == 130
    assert "Traceback" not in rest
    assert "call it again to go on" in rest
    code, plain = cli(stopped, "run", "buys_again", "--json")
    assert (code, json.loads(plain)["failed"]) == (0, [])
    assert sorted(ml_platform.open_project(stopped.root).lake.partitions("shop/predictions/buys_again")) == ["2024-02-19", "2024-02-20"]


def test_two_projects_whose_package_is_called_alike_are_not_mixed_up(tmp_path):
    for place in ("one", "two"):
        new_project(tmp_path / place, "alike_platform")
    with pytest.raises(UnknownNameError, match="none is declared there"):
        ml_platform.open_project(tmp_path / "one")
    with pytest.raises(DeclarationError, match=r"The package 'alike_platform' of .*two was loaded from .*one already"):
        ml_platform.open_project(tmp_path / "two")


SHOWN = """
import os, sys
from ml_platform.commands.run.running import said_at_once
from ml_platform.components.dagster_internals import redirect_to_file

with said_at_once() as tell, redirect_to_file()(sys.stderr, "kept"):
    tell("still making it")
    os.write(2, b"printed by the step")
"""


def test_a_line_is_shown_while_what_a_step_prints_is_kept_in_a_file(tmp_path):
    path = str(Path(__file__).parents[3])
    command = [sys.executable, "-W", "ignore", "-c", SHOWN]
    done = subprocess.run(command, cwd=tmp_path, env={**os.environ, "PYTHONPATH": path}, capture_output=True, text=True, check=True)
    assert done.stderr == "==> still making it\n"
    assert (tmp_path / "kept").read_text() == "printed by the step"


def changed_world(shop: MadeProject, seed: int) -> None:
    """Change what has landed in three ways: new days, a corrected day, one that was copied again, a broken one, an empty one."""
    draw = random.Random(seed)
    day = draw.randrange(30, DAYS - 5)
    key = f"{FIRST + timedelta(days=day):%Y-%m-%d}"
    ways = {
        "new": lambda: [land(shop, n) for n in range(DAYS, DAYS + draw.randrange(1, 4))],
        "corrected": lambda: shop.land(f"orders/{key}.csv", orders_of(day).head(-1)),
        "touched": lambda: os.utime(shop.root / "data" / "landing" / f"orders/{key}.csv"),
        "broken": lambda: shop.land("orders/2024-02-24.csv", "order_id,customer_id,ordered_at\n1,2,soon\n"),
        "empty": lambda: shop.land("orders/2024-02-25.csv", "order_id,customer_id,ordered_at\n"),
    }
    for way in draw.sample(sorted(ways), 3):
        ways[way]()


@pytest.mark.parametrize("seed", [0, 7])
def test_what_status_says_is_to_be_made_is_what_a_run_makes(ran, tmp_path, seed):
    shop = copied(ran[0], tmp_path)
    changed_world(shop, seed)

    def due() -> dict[str, set[str]]:
        return {one["asset"]: set(one["due"]) for one in json.loads(cli(shop, "status", "--json")[1])["assets"] if one["due"]}

    said = due()
    made: dict[str, set[str]] = {}
    for run in json.loads(cli(shop, "run", "buys_again", "--json")[1])["runs"]:
        for row in run["assets"]:
            made.setdefault(row["asset"], set()).update(run["days"])
    assert all(days <= made.get(asset, set()) for asset, days in said.items())
    # A run is of a stretch of days, of which those are made that have landed.
    landed = set(shop.open().lake.partitions("shop/raw/orders"))
    assert made.get("raw/orders", set()) & landed == said.get("raw/orders", set())
    assert due() == {}
    assert json.loads(cli(shop, "run", "buys_again", "--json")[1])["runs"] == []
