"""A branch keeps its Dagster history in a folder of its own, with the settings of its project."""

from __future__ import annotations

import re
from pathlib import Path

import dagster as dg
import pytest
import yaml

import ml_platform
from ml_platform.components.instance.history import history_folder, history_home, open_history, write_history_settings
from ml_platform.core.errors import MlPlatformError

STOCK = {"storage": {"sqlite": {"base_dir": "data/.dagster"}}, "telemetry": {"enabled": False}}


@pytest.mark.slow
@pytest.mark.parametrize(
    "storage",
    [
        STOCK["storage"],
        {
            "custom": {
                "module": "dagster._core.storage.sqlite_storage",
                "class": "DagsterSqliteStorage",
                "config": {"base_dir": "data/.dagster"},
            }
        },
        {"postgres": {"postgres_url": "postgresql://user:secret@host/dagster"}},
        None,
    ],
    ids=["sqlite", "custom", "a database server", "none"],
)
def test_a_branch_has_a_history_of_its_own(tmp_path: Path, storage: dict | None) -> None:
    settings = {**STOCK, "storage": storage} if storage else {"telemetry": {"enabled": False}}
    (tmp_path / "dagster.yaml").write_text(yaml.safe_dump(settings))
    home = write_history_settings(tmp_path, "dev/x")
    assert home == history_folder(tmp_path, "dev/x") == tmp_path / "data" / ".dagster" / "branches" / "dev+x"
    with dg.DagsterInstance.from_config(str(home)) as instance:
        assert instance.telemetry_enabled is False
        instance.report_runless_asset_event(dg.AssetMaterialization("a"))
        assert Path(instance.storage_directory()).is_relative_to(home)
    assert list(home.rglob("runs.db"))
    assert sorted(p.name for p in tmp_path.iterdir()) == ["dagster.yaml", "data"]


def test_main_keeps_the_settings_of_the_project(tmp_path: Path) -> None:
    assert write_history_settings(tmp_path, "main") == tmp_path
    assert list(tmp_path.iterdir()) == []


@pytest.mark.slow
def test_main_is_kept_where_its_home_or_its_project_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("DAGSTER_HOME", raising=False)
    with pytest.raises(MlPlatformError, match=r"history of 'main' is kept.*has no dagster\.yaml"), open_history(tmp_path, "main"):
        pass
    (tmp_path / "dagster.yaml").write_text(yaml.safe_dump(STOCK))
    with open_history(tmp_path, "main") as instance:
        instance.report_runless_asset_event(dg.AssetMaterialization("a"))
    assert (tmp_path / "data" / ".dagster" / "history" / "runs.db").is_file()
    with open_history(tmp_path, "dev/x") as instance:
        assert instance.get_asset_keys() == [], "what was made on main does not look made on a branch"
    other = tmp_path / "elsewhere"
    other.mkdir()
    (other / "dagster.yaml").write_text(yaml.safe_dump({"telemetry": {"enabled": False}}))
    monkeypatch.setenv("DAGSTER_HOME", str(other))
    assert (history_home(tmp_path, "main"), history_home(tmp_path, "dev/x")) == (other, history_folder(tmp_path, "dev/x"))


def test_every_instance_that_is_opened_is_opened_where_the_guard_stands() -> None:
    opener = re.compile(r"DagsterInstance\s*\.\s*(get|from_\w+|local_temp|ephemeral)\b|\binstance_for_\w+\(")
    package = Path(ml_platform.__file__).parent
    openers = [p.relative_to(package).as_posix() for p in sorted(package.rglob("*.py")) if opener.search(p.read_text(encoding="utf-8"))]
    assert openers == ["components/instance/history.py"], "open a history with open_history, which looks whose it is"
