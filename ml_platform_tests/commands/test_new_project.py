"""The settings of a project of one's own: as the example has them."""

from __future__ import annotations

import sys
from datetime import timedelta
from pathlib import Path

import dagster as dg
import pytest
import yaml
from dagster._core.definitions.freshness import TimeWindowFreshnessPolicy

from ml_platform.commands.new_project import new_project, settle_in
from ml_platform.components.code_location import load_definitions
from ml_platform.components.settings import EXECUTOR
from ml_platform.core.errors import DeclarationError

HOUR = timedelta(hours=1)
REPOSITORY = Path(__file__).parents[2]
TABLE = """
type: ml_platform.Table
attributes:
  name: orders
  source: {files: "orders/{day}.csv"}
  partitions: {start: "2024-01-01"}
  contract: {columns: {id: int64, customer: string, at: timestamp}}
  key: [id]
  event_time: at
  available_at: '"at"'
  owners: [team:sales]
  freshness: 36h
---
type: ml_platform.FeatureView
attributes:
  name: recent
  source: orders
  entities: [[customer]]
  windows: [7d]
  freshness: 2d
  features: [{functions: [count]}]
"""
PLAIN = """\
from pathlib import Path

import dagster as dg


@dg.definitions
def defs():
    return dg.load_from_defs_folder(path_within_project=Path(__file__).parent)
"""


@pytest.fixture
def forget_modules():
    before = set(sys.modules)
    path = list(sys.path)
    yield
    sys.path[:] = path
    for name in set(sys.modules) - before:
        if name.split(".")[0] in ("first_platform", "theirs", "others"):
            del sys.modules[name]


def theirs(root: Path, package: str, definitions: str = "") -> Path:
    """Make a dg project as ``create-dagster`` does."""
    (root / "src" / package / "defs").mkdir(parents=True)
    (root / "pyproject.toml").write_text(f'[tool.dg]\ndirectory_type = "project"\n[tool.dg.project]\nroot_module = "{package}"\n')
    (root / "src" / package / "definitions.py").write_text(definitions or PLAIN)
    for folder in (package, f"{package}/defs"):
        (root / "src" / folder / "__init__.py").touch()
    return root


def test_a_new_project_has_the_instance_of_the_example(tmp_path):
    new_project(tmp_path, "first_platform")
    ours = yaml.safe_load((REPOSITORY / "dagster.yaml").read_text())
    assert yaml.safe_load((tmp_path / "dagster.yaml").read_text()) == ours


@pytest.mark.usefixtures("forget_modules")
def test_steps_run_in_the_runs_process_unless_the_setting_says_otherwise(tmp_path, monkeypatch):
    new_project(tmp_path, "first_platform")
    monkeypatch.delenv(EXECUTOR, raising=False)
    assert load_definitions(tmp_path).executor is dg.in_process_executor
    monkeypatch.setenv(EXECUTOR, "multiprocess")
    assert load_definitions(tmp_path).executor is dg.multiprocess_executor


@pytest.mark.usefixtures("forget_modules")
def test_a_project_of_create_dagster_gets_what_it_lacks(tmp_path, monkeypatch):
    monkeypatch.delenv(EXECUTOR, raising=False)
    theirs(tmp_path, "theirs")
    assert [p.relative_to(tmp_path).as_posix() for p in settle_in(tmp_path)] == ["dagster.yaml", "src/theirs/defs/executor.py"]
    assert load_definitions(tmp_path).executor is dg.in_process_executor
    assert settle_in(tmp_path) == []


@pytest.mark.usefixtures("forget_modules")
def test_an_executor_and_an_instance_that_are_there_stay(tmp_path):
    chosen = "import dagster as dg\n\n@dg.definitions\ndef defs():\n    return dg.Definitions(executor=dg.multiprocess_executor)\n"
    theirs(tmp_path, "others", chosen)
    (tmp_path / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    assert settle_in(tmp_path) == []
    assert load_definitions(tmp_path).executor is dg.multiprocess_executor
    assert (tmp_path / "dagster.yaml").read_text() == "telemetry: {enabled: false}\n"


@pytest.mark.usefixtures("forget_modules")
def test_owners_and_freshness_are_declared(tmp_path):
    new_project(tmp_path, "first_platform")
    folder = tmp_path / "first_platform" / "defs" / "shop"
    folder.mkdir()
    (folder / "defs.yaml").write_text(TABLE)
    specs = {"/".join(s.key.path): s for s in load_definitions(tmp_path).resolve_all_asset_specs()}
    hours = {
        n: p.fail_window.to_timedelta() / HOUR for n, s in specs.items() if isinstance(p := s.freshness_policy, TimeWindowFreshnessPolicy)
    }
    assert hours == {"shop/raw/orders": 36, "shop/tables/orders": 36, "shop/features/recent__customer": 48}
    assert specs["shop/raw/orders"].owners == ["team:sales"]


@pytest.mark.usefixtures("forget_modules")
@pytest.mark.parametrize(
    ("given", "told"), [("1m", "needs two minutes at least"), ("soon", r"Table 'orders'\): freshness 'soon' cannot be read")]
)
def test_a_freshness_that_cannot_be_kept_is_told_with_its_line(tmp_path, given, told):
    new_project(tmp_path, "first_platform")
    folder = tmp_path / "first_platform" / "defs" / "shop"
    folder.mkdir()
    (folder / "defs.yaml").write_text(TABLE.replace("36h", given))
    with pytest.raises(DeclarationError, match=told):
        load_definitions(tmp_path).resolve_all_asset_specs()
