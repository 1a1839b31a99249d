"""What the platform logs: shown by a command that is asked for it, and by Dagster in the log of a run."""

from __future__ import annotations

import logging
from pathlib import Path

import dagster as dg
import polars as pl
import pytest
import yaml

from ml_platform.cli import build_parser, main
from ml_platform.commands.log import shown_log
from ml_platform.commands.new_project import _INSTANCE
from ml_platform.lake.lake import Lake
from ml_platform_docs.commands import commands

LOGGER = logging.getLogger("ml_platform")


def test_a_command_shows_the_log_only_if_it_is_asked(capsys: pytest.CaptureFixture[str]) -> None:
    before = list(LOGGER.handlers), LOGGER.level
    for verbose in (True, False):
        with shown_log(verbose=verbose):
            logging.getLogger("ml_platform.lake.somewhere").info("asked again at %s", "postgresql://me:secret@host/lake")
    told = capsys.readouterr().err
    assert told.count("asked again") == 1
    assert "INFO ml_platform.lake.somewhere: asked again at postgresql://" in told
    assert "secret" not in told
    assert (list(LOGGER.handlers), LOGGER.level) == before


def test_every_command_can_be_asked() -> None:
    assert [p.prog for p in commands(build_parser()) if "-v" not in p._option_string_actions] == []


def test_publishing_says_what_is_new_and_what_was_there(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "ml_platform"):
        for days in (["2024-01-01"], ["2024-01-01", "2024-01-02"], ["2024-01-02"]):
            _publish(Lake.open(tmp_path), days)
    assert [r.getMessage() for r in caplog.records if r.name == "ml_platform.lake.writing.publishing"] == [
        "shop/tables/orders: commit 1 on main; 1 new, 0 as they were",
        "shop/tables/orders: commit 2 on main; 1 new, 1 as they were",
        "shop/tables/orders: nothing new; main has what was made",
    ]


def test_dagster_shows_it_in_the_log_of_a_run(tmp_path: Path) -> None:
    @dg.asset
    def orders() -> None:
        _publish(Lake.open(tmp_path / "lake"), ["2024-01-01"])

    settings = {"python_logs": yaml.safe_load(_INSTANCE)["python_logs"]}
    level, handlers = LOGGER.level, list(LOGGER.handlers)
    try:
        with dg.DagsterInstance.ephemeral(settings=settings) as instance:
            run = dg.materialize([orders], instance=instance)
            shown = [entry.user_message for entry in instance.all_logs(run.run_id) if not entry.is_dagster_event]
    finally:
        LOGGER.setLevel(level)
    assert any("shop/tables/orders: commit 1 on main; 1 new, 0 as they were" in text for text in shown)
    assert LOGGER.handlers == handlers


def test_the_product_prints_nothing_by_itself() -> None:
    """Lines of progress are handed to who asked for them; commands answer through `commands/`."""
    package = Path(main.__code__.co_filename).parent
    printed = [
        path.relative_to(package).as_posix()
        for path in package.rglob("*.py")
        if any(line.lstrip().startswith("print(") for line in path.read_text(encoding="utf-8").splitlines())
    ]
    assert printed == []


def _publish(lake: Lake, days: list[str]) -> None:
    rows = pl.DataFrame({"order_id": [1]}).to_arrow()
    staged = [lake.writing.stage("shop/tables/orders", day, rows, key=["order_id"]) for day in days]
    lake.writing.publish(staged)
