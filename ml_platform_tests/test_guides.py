"""The guides do what they say: every command of the recipe is run on a small shop, and the example asset is materialized."""

import importlib
import json
import random
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import polars as pl
import pytest

from ml_platform.cli import main
from ml_platform.core.intervals import shift_day
from ml_platform.lake.lake import Lake
from ml_platform_tests.components.shop import write_project

REPOSITORY = Path(__file__).parents[1]
DAYS = [shift_day("2024-01-01", n) for n in range(50)]
PACKAGE = "shop_platform"


def blocks(guide: str, language: str) -> list[str]:
    """Return the code blocks of a guide in one language."""
    text = (REPOSITORY / "docs" / guide).read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def _write_orders(landing: Path) -> None:
    """Write orders of sixty customers, a third of whom buy in spells: there is something to learn."""
    chance = random.Random(1)
    landing.mkdir(parents=True)
    number = 0
    for place, day in enumerate(DAYS):
        lines = ["order_id,customer,amount,country,ordered_at"]
        for customer in range(60):
            spell = customer % 3 == 0 and (place // 10 + customer) % 2
            if chance.random() < (0.27 if spell else 0.02):
                number += 1
                lines.append(f"{number},c{customer},{chance.randint(1, 150)},{'NO' if number % 2 else 'SE'},{day}T{number % 24:02d}:00:00Z")
        (landing / f"{day}.csv").write_text("\n".join(lines) + "\n")


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The shop of the README, with fifty days of orders that have landed and are built."""
    for name in ("ML_PLATFORM_BRANCH", "DAGSTER_HOME"):
        monkeypatch.delenv(name, raising=False)
    # On so few rows no tree beats the logistic baseline.
    swap = ("  training: {every", "  model: {baseline: constant}\n  training: {every")
    root = write_project(tmp_path / "shop", package=PACKAGE, swap=swap)
    shutil.copy(REPOSITORY / "dagster.yaml", root / "dagster.yaml")
    monkeypatch.chdir(root)
    monkeypatch.syspath_prepend(str(root))
    for module in [name for name in sys.modules if name.partition(".")[0] == PACKAGE]:
        monkeypatch.delitem(sys.modules, module)
    importlib.invalidate_caches()
    _write_orders(root / "data" / "landing" / "orders")
    assert main(["branch", "run", "main", "--select", "raw/*", "tables/*", "features/*", "--range", DAYS[0], DAYS[-1]]) == 0
    return root


def _run(line: str, capsys: pytest.CaptureFixture[str]) -> str:
    """Run one line of a guide and return what it wrote; ``ml-platform`` runs in this process."""
    words = shlex.split(line)
    capsys.readouterr()
    if words[0] != "ml-platform":
        subprocess.run(line, shell=True, check=True)  # noqa: S602 - our own guide
        return ""
    assert main(words[1:]) == 0, line
    return capsys.readouterr().out


def _state(root: Path) -> dict[tuple[str, str | None], int]:
    lake = Lake.open(root / "data" / "lake")
    return {(table, day): version.id for table in lake.tables() for day, version in lake.heads(table).items()}


def _on_disk(root: Path) -> dict[Path, int]:
    return {path: path.stat().st_size for path in (root / "data" / "lake" / "data").rglob("*") if path.is_file()}


@pytest.mark.slow
def test_the_recipe_of_a_pull_request(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    trained = ["training/*", "selected/*", "models/*", "champion/*"]
    assert main(["branch", "run", "main", "--select", *trained, "--partition", DAYS[-1]]) == 0
    before, files = _state(shop), _on_disk(shop)
    declared = (shop / PACKAGE / "defs" / "shop" / "defs.yaml").read_text()
    change, plan, build, compare, away = [block.splitlines() for block in blocks("branches.md", "sh")]

    for line in change:
        _run(line, capsys)
    told = _run(plan[0], capsys)
    assert "3 features added: customer_amount_sum_14d" in told
    assert "At most 50 partitions and" in told
    assert "training/buys_again" in told
    assert _on_disk(shop) == files, "a plan costs nothing"

    for line in build:
        _run(line, capsys)
    added = {path: size for path, size in _on_disk(shop).items() if path not in files}
    for line in compare:
        told = _run(line, capsys)
    assert f"The branch has added {sum(added.values()):,} bytes to the disk." in told
    for expected in ("customer_amount_mean_14d", "Models beside the champion of main", "Judged on the branch"):
        assert expected in told
    found = json.loads(_run(f"{compare[1]} --json", capsys))
    assert {row["table"]: row["changed"] for row in found["tables"]} == {
        "features/spending__customer": 8,
        **dict.fromkeys((f"{layer}/buys_again" for layer in ("training", "selected", "models", "champion")), 1),
    }
    assert {f["feature"] for f in found["features"] if f["table"].startswith("features/")} == {
        f"customer_{name}_14d" for name in ("amount_sum", "amount_mean", "large_share")
    }
    auc = next(model for model in found["models"] if model["metric"] == "auc")
    assert auc["branch"]
    assert auc["champion"], "the champion of main stands beside it"
    # Twice costs nothing: the same declarations over the same days write nothing.
    _run(build[1], capsys)
    assert _on_disk(shop).keys() == files.keys() | added.keys()
    assert _state(shop) == before, "main has not moved"

    *leave, again = away
    for line in leave:
        _run(line, capsys)
    assert "nothing would be recomputed" in _run(again, capsys)
    assert (shop / PACKAGE / "defs" / "shop" / "defs.yaml").read_text() == declared
    assert _state(shop) == before
    lake = Lake.open(shop / "data" / "lake")
    assert (lake.branches(), lake.verify()) == ([], [])


@pytest.mark.slow
def test_the_example_of_an_asset_of_ones_own(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (code,) = blocks("own_assets.md", "python")
    (shop / PACKAGE / "defs" / "weekly_sales.py").write_text(code)
    _run(f"ml-platform branch run main --select marts/weekly_sales --partition {DAYS[20]}", capsys)
    lake = Lake.open(shop / "data" / "lake")
    (made,) = lake.heads("shop/marts/weekly_sales").values()
    week = DAYS[14:21]
    assert [(v.table, v.partition) for v in lake.inputs(made.id)] == [("shop/tables/orders", day) for day in week]
    expected = lake.read("shop/tables/orders", week).pl().group_by("country").agg(pl.col("amount").sum()).sort("country")
    assert lake.read("shop/marts/weekly_sales").pl().equals(expected)
    assert "marts/weekly_sales" in {row["asset"] for row in json.loads(_run("ml-platform lake resync --json", capsys))["assets"]}
