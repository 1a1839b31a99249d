"""The second example, one CSV: what `make purchases` does, for some of its customers and months."""

from __future__ import annotations

import json
import re
import shutil
from datetime import date, timedelta
from typing import Any

import polars as pl
import pytest

import ml_platform
from examples.packaged_data import find_data
from examples.purchases import feed
from ml_platform.cli import main
from ml_platform.components.opening import Session

pytestmark = pytest.mark.slow

# A tenth of the customers, and months enough to learn from, to validate and to test on.
UNTIL, ONE_IN = date(1997, 10, 1), 10


def bought() -> pl.DataFrame:
    """Return the same purchases, read otherwise than the feed reads them."""
    text = (find_data("lifetimes", "datasets") / "CDNOW_master.txt").read_text(encoding="ascii")
    found = re.findall(r"^ (\d{4}0) (\d{8}) +(\d+) +([\d.]+)$", text, re.MULTILINE)
    rows = pl.DataFrame(found, schema=["customer_id", "date", "number_of_cds", "dollar_value"], orient="row")
    rows = rows.with_columns(pl.col("date").str.to_date("%Y%m%d"), pl.col("dollar_value").cast(pl.Float64))
    return rows.filter(pl.col("date") < UNTIL)


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> tuple[Session, dict[str, Any], str]:
    """Land and run in a copy of the project; return it, what the run told, and the screen of how all stands."""
    root = shutil.copytree(
        feed.HOME, tmp_path_factory.mktemp("examples") / "purchases", ignore=shutil.ignore_patterns("data", "__pycache__")
    )
    feed.land(root, UNTIL, one_in=ONE_IN)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("ml_platform.commands.answer.leave", lambda code: None)
        patch.syspath_prepend(str(root))
        patch.chdir(root)
        told, screen = (_said(*words) for words in (("run", "customer_comes_back", "--json"), ("status",)))
        return ml_platform.open_project(root), json.loads(told), screen


def _said(*words: str) -> str:
    from contextlib import redirect_stdout
    from io import StringIO

    with redirect_stdout(StringIO()) as written:
        assert main(words) == 0
    return written.getvalue()


def test_the_rows_are_those_of_the_source_each_on_its_day(built: tuple[Session, dict[str, Any], str]) -> None:
    purchases, columns = built[0].table("purchases").pl(), ["customer_id", "date", "dollar_value"]
    assert purchases.height == bought().height > 3000
    assert purchases.select(columns).sort(columns).equals(bought().select(columns).sort(columns))


def test_one_file_becomes_a_champion_and_predictions_on_one_screen(built: tuple[Session, dict[str, Any], str]) -> None:
    session, told, screen = built
    assert told["failed"] == []
    assert [one["verdict"] for one in told["verdicts"]] == ["promoted"]
    metrics = {row["metric"]: row for row in told["champion"]}
    assert 0.55 < float(str(metrics["auc"]["champion"]).split()[0]) < 0.95
    assert session.problem().predictions().height > 50
    # Eight weeks have not passed since the last scores.
    assert session.lake.partitions("purchases/outcomes/customer_comes_back") == []
    assert "Time: 1997-10-01 00:00 UTC, set by data/now." in screen
    assert "Champion: " in screen
    assert len(screen.splitlines()) < 40


def test_its_labels_say_who_came_back(built: tuple[Session, dict[str, Any], str]) -> None:
    session, told, _ = built
    rows = session.problem().training_set(at=told["training"]["date"]).sample(100, seed=3)
    label = next(name for name in rows.columns if name.startswith("_label") or name == "label")
    days = bought()
    for customer, cutoff, came_back in rows.select("customer_id", "_cutoff", label).iter_rows():
        # A row is known a second before its day is over, and the last of these came before the cutoff at midnight.
        first = cutoff.date()
        later = days.filter((pl.col("customer_id") == customer) & pl.col("date").is_between(first, first + timedelta(days=55)))
        assert bool(came_back) is (later.height > 0), (customer, cutoff)
