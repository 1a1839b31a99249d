"""The documentation does what it says: its pages are followed in a small shop, command by command, and what they promise is looked at."""

from __future__ import annotations

import json
import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from unittest import mock

import polars as pl
import pytest

from ml_platform.cli import main
from ml_platform.lake.lake import Lake
from ml_platform_tests.once import made_once
from ml_platform_tests.site.blocks import REPOSITORY, Block, blocks_of, pages, reason_not_run
from ml_platform_tests.site.built_shop import DAYS, PACKAGE, build_shop, forget_modules, importable

# Tests of their own follow these, here or elsewhere.
ELSEWHERE = {
    "README.md": "test_first_hour.py",
    "docs/index.md": "test_first_hour.py",
    "docs/ten_minutes.md": "test_first_hour.py",
    "docs/tutorial/flights.md": "examples/test_demo.py",
    "docs/how_to/scale_out.md": "site/test_served_guides.py",
    "docs/how_to/postgres_and_s3.md": "site/test_served_guides.py",
    "docs/how_to/branches.md": "test_the_recipe_of_a_pull_request",
    "docs/how_to/own_assets.md": "test_the_example_of_an_asset_of_ones_own",
}
FOLLOWED = [page for page in pages() if page not in ELSEWHERE and any(b.language in ("sh", "python") or b.title for b in blocks_of(page))]
AT_ITS_END = ", at its end"
# What commands answer if not 0: in the shop nothing was stopped or rejected.
ANSWERS = {"ml-platform accept-delivery": 2, "ml-platform show quarantine": 2}


@pytest.fixture
def shop(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A copy of the shop, with fifty days and a champion."""
    for name in ("ML_PLATFORM_BRANCH", "DAGSTER_HOME"):
        monkeypatch.delenv(name, raising=False)
    root = tmp_path / "shop"
    shutil.copytree(made_once("documented_shop", build_shop), root)
    with importable(root):
        yield root


@pytest.mark.slow
@pytest.mark.parametrize("page", FOLLOWED)
def test_a_page_can_be_followed(page: str, shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    names: dict[str, object] = {}
    for block in blocks_of(page):
        if block.title:
            _write(shop, block)
        elif block.language == "sh":
            for command in block.commands:
                _run(command, capsys)
        elif block.language == "python":
            exec(compile(block.text, str(block), "exec", dont_inherit=True), names)  # noqa: S102 - our own page


def test_the_pages_name_the_shop_as_it_is() -> None:
    assert set(ELSEWHERE) <= set(pages())
    assert DAYS[-1] == "2024-02-19"


def _write(root: Path, block: Block) -> None:
    """Write the file that a block is titled with, or add to it."""
    file, added = root / block.title.removesuffix(AT_ITS_END), block.title.endswith(AT_ITS_END)
    assert file.parent.is_dir(), block
    file.write_text((file.read_text() if added else "") + block.text)


def _run(command: str, capsys: pytest.CaptureFixture[str], *, served: bool = False) -> str:
    """Run a command as it stands and return what it wrote; ``ml-platform`` runs in this process.

    Where the servers that it needs are ``served``, of ours nothing is left out.
    """
    if reason_not_run(command) and not (served and command.startswith("ml-platform ")):
        return ""
    forget_modules()
    capsys.readouterr()
    words = shlex.split(command)
    if words[0] == "ml-platform":
        expected = next((code for begin, code in ANSWERS.items() if command.startswith(begin)), 0)
        # What `run` does at its end, the first hour does in processes of their own.
        with mock.patch("ml_platform.commands.answer.leave"):
            answer = main(words[1:])
        told = capsys.readouterr()
        assert answer == expected, f"{command}: {told.out}{told.err}"
        return told.out
    path = os.pathsep.join([str(REPOSITORY), os.environ.get("PYTHONPATH", "")])
    environment = os.environ | {"PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}", "PYTHONPATH": path}
    done = subprocess.run(command, shell=True, capture_output=True, text=True, check=False, env=environment)  # noqa: S602 - our own page
    assert done.returncode == 0, f"{command}: {done.stderr}"
    return done.stdout


def _state(root: Path) -> dict[tuple[str, str | None], int]:
    lake = Lake.open(root / "data" / "lake")
    return {(table, day): version.id for table in lake.tables() for day, version in lake.versions.heads(table).items()}


def _on_disk(root: Path) -> dict[Path, int]:
    return {path: path.stat().st_size for path in (root / "data" / "lake" / "data").rglob("*") if path.is_file()}


@pytest.mark.slow
def test_the_recipe_of_a_pull_request(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before, files = _state(shop), _on_disk(shop)
    declared = (shop / PACKAGE / "defs" / "shop" / "defs.yaml").read_text()
    change, plan, build, compare, away, merged, tags, *_ = [b.commands for b in blocks_of("docs/how_to/branches.md") if b.language == "sh"]

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
    assert (lake.branches.all(), lake.health.verify()) == ([], [])

    for line in (*merged, *tags):
        _run(line, capsys)
    assert [tag.name for tag in lake.tags.all()] == ["audit-2024"]


@pytest.mark.slow
def test_the_example_of_an_asset_of_ones_own(shop: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (code,) = [block for block in blocks_of("docs/how_to/own_assets.md") if block.language == "python"]
    _write(shop, code)
    _run(f"ml-platform branch run main --select marts/weekly_sales --partition {DAYS[20]}", capsys)
    lake = Lake.open(shop / "data" / "lake")
    (made,) = lake.versions.heads("shop/marts/weekly_sales").values()
    week = DAYS[14:21]
    assert [(v.table, v.partition) for v in lake.lineage.inputs(made.id)] == [("shop/tables/orders", day) for day in week]
    expected = lake.read("shop/tables/orders", week).pl().group_by("country").agg(pl.col("amount").sum()).sort("country")
    assert lake.read("shop/marts/weekly_sales").pl().equals(expected)
    assert "marts/weekly_sales" in {row["asset"] for row in json.loads(_run("ml-platform lake resync --json", capsys))["assets"]}
