"""A small project on real flights: those of one airport, every few of them, in two tables, one view and one problem.

Small enough to live through a month of it in a test, with the demo's own feeds, sensors, conditions and rules.
"""

from __future__ import annotations

import importlib
from collections.abc import Iterator
from contextlib import chdir, contextmanager
from datetime import datetime
from pathlib import Path

import dagster as dg
import polars as pl
import yaml

from examples.flights.feeds import land
from examples.flights.nycflights import Feed, Year, read_year
from ml_platform.components.opening import Session, open_project
from ml_platform.components.runs.driver import Driver
from ml_platform.components.settings import project_clock

REPOSITORY = Path(__file__).parents[2]
PACKAGE = "small_flights_platform"
PROJECT, PROBLEM = "small_flights", "late_arrival"
# Partitions end within the month that is lived, so that what lies beyond them is met.
START, END = "2013-10-01", "2013-12-18"

DECLARATIONS = f"""
type: ml_platform.Table
attributes:
  name: schedule
  source: {{files: "schedule/{{day}}*.csv"}}
  partitions: {{start: "{START}", end: "{END}", first: -1, after: 2}}
  contract: schedule.contract.yaml
  key: [flight_id]
  event_time: scheduled_at
  available_at: published_at
---
type: ml_platform.Table
attributes:
  name: arrivals
  source: {{files: "arrivals/{{day}}*.parquet"}}
  partitions: {{start: "{START}", end: "{END}", first: 0, after: 3}}
  contract: arrivals.contract.yaml
  key: [flight_id]
  event_time: landed_at
  available_at: landed_at
---
type: ml_platform.FeatureView
attributes:
  name: delays
  source: arrivals
  entities: [[carrier]]
  windows: [1d, 7d]
  refresh: 1h
  features:
    - {{column: arr_delay, functions: [mean, max]}}
    - {{name: late, sql: arr_delay > 15, functions: [share]}}
---
type: ml_platform.Problem
attributes:
  name: {PROBLEM}
  spine: {{rows_of: schedule, cutoff: scheduled_at - interval 2 hours}}
  label: {{from: arrivals, match: [flight_id], sql: max(arr_delay) > 15, horizon: 36h, without_rows: exclude}}
  features: [delays, schedule.carrier, schedule.hour]
  training: {{every: 5d, look_back: 56d, validate: 10d, test: 16d}}
  sizes: [4, 8]
  model: {{trainer: lightgbm, params: {{max_trees: 30}}}}
  monitor: {{window: 4d, persistence: 2, retrain: {{cool_down: 5d, at_least_every: 6d}}}}
"""


def small_year() -> Year:
    """Return the flights from LaGuardia since October whose number is a multiple of three, as two feeds."""
    whole = read_year()
    few = (pl.col("_day") >= START) & (pl.col("origin") == "LGA") & (pl.col("flight") % 3 == 0)
    return Year(whole.folder, tuple(Feed(f.name, f.format, f.rows.filter(few)) for f in whole.feeds if f.name in ("schedule", "arrivals")))


def write_project(root: Path) -> None:
    """Write the dg project: declarations, the demo's own contracts without their references, and its Dagster settings."""
    folder = root / PACKAGE / "defs" / PROJECT
    folder.mkdir(parents=True)
    for package in (folder.parents[1], folder.parent):
        (package / "__init__.py").touch()
    (root / PACKAGE / "definitions.py").write_text(
        "from pathlib import Path\n\nimport dagster as dg\n\n\n@dg.definitions\ndef defs():\n"
        "    loaded = dg.load_from_defs_folder(path_within_project=Path(__file__).parent)\n"
        "    return dg.Definitions.merge(loaded, dg.Definitions(executor=dg.in_process_executor))\n"
    )
    (root / "pyproject.toml").write_text(
        f'[project]\nname = "{PACKAGE}"\nversion = "0.1"\n\n'
        f'[tool.dg]\ndirectory_type = "project"\n\n[tool.dg.project]\nroot_module = "{PACKAGE}"\n'
    )
    (folder / "defs.yaml").write_text(DECLARATIONS)
    for name in ("schedule", "arrivals"):
        contract = yaml.safe_load(
            (REPOSITORY / "examples" / "flights" / "defs" / "flights" / f"{name}.contract.yaml").read_text(encoding="utf-8")
        )
        contract.pop("references")
        (folder / f"{name}.contract.yaml").write_text(yaml.safe_dump(contract, sort_keys=False))
    (root / "dagster.yaml").write_bytes((REPOSITORY / "dagster.yaml").read_bytes())


@contextmanager
def open_driver(root: Path) -> Iterator[tuple[Session, Driver]]:
    """Open the project of `write_project`, whose folder must be on the import path, with its kept history and cursors."""
    definitions = importlib.import_module(f"{PACKAGE}.definitions").defs()
    session = open_project(root)
    with chdir(root), dg.DagsterInstance.ephemeral() as instance:
        yield session, Driver(definitions, instance, PROJECT, state=state_file(root))


def state_file(root: Path) -> Path:
    """Return where the driver keeps its cursors."""
    return root / "data" / ".dagster" / "driver.json"


def land_until(root: Path, until: datetime) -> None:
    """Land everything that was reported before a time."""
    land(root / "data" / "landing", until, year=small_year(), clock=project_clock(root))
