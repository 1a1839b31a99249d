"""The shop with files that have landed: its definitions as a branch of the lake sees them, and runs of them in this process."""

from __future__ import annotations

import itertools
import os
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from unittest import mock

import dagster as dg
import pytest

from ml_platform.components.runs.in_process import execute_assets
from ml_platform.core.intervals import shift_day
from ml_platform.lake.lake import Lake
from ml_platform.lake.settings import BRANCH
from ml_platform_tests.components.shop import tree_of, write_project

DAYS = [shift_day("2024-01-01", n) for n in range(6)]
_NUMBER = itertools.count()


def orders(day: str, count: int = 20, amount: float = 10) -> str:
    """Return a day's file of so many orders, each of five customers' in turn."""
    first = 1000 * int(day[-2:]) + 100_000 * int(day[5:7])
    rows = [f"{first + n},c{n % 5},{amount * n},{'NO' if n % 2 else 'SE'},{day}T{n % 24:02d}:00:00Z" for n in range(count)]
    return "order_id,customer,amount,country,ordered_at\n" + "\n".join(rows) + "\n"


@contextmanager
def on_branch(name: str | None) -> Iterator[None]:
    """Let the settings name a branch."""
    with mock.patch.dict(os.environ):
        os.environ.pop(BRANCH, None)
        if name is not None:
            os.environ[BRANCH] = name
        yield


@dataclass(frozen=True)
class LandedShop:
    """A dg project in ``root`` with a landing zone."""

    root: Path

    @property
    def lake(self) -> Lake:
        """The lake on ``main``."""
        return Lake.open(self.root / "data" / "lake")

    def land(self, days: Sequence[str] = DAYS, **more: float) -> None:
        """Write a file for each day."""
        folder = self.root / "data" / "landing" / "orders"
        folder.mkdir(parents=True, exist_ok=True)
        for day in days:
            (folder / f"{day}.csv").write_text(orders(day, **more))

    def definitions(self) -> dg.Definitions:
        """Build the definitions anew, as a process does that starts now."""
        return tree_of(self.root).build_defs()

    def run(
        self, instance: dg.DagsterInstance, names: Sequence[str] = ("raw/orders", "tables/orders"), days: Sequence[str] = DAYS[:3]
    ) -> dg.ExecuteInProcessResult:
        """Run assets for some days as one run."""
        job = self.definitions().resolve_implicit_global_asset_job_def()
        return execute_assets(job, instance, [key(name) for name in names], days)

    def heads(self, branch: str = "main") -> dict[tuple[str, str | None], int]:
        """Return the version id of every readable head."""
        lake = self.lake.on(branch)
        return {(table, k): version.id for table in lake.tables() for k, version in lake.versions.heads(table).items()}


def key(name: str) -> dg.AssetKey:
    """Return the asset key of ``layer/name``."""
    return dg.AssetKey(["shop", *name.split("/")])


def landed_shop(folder: Path, monkeypatch: pytest.MonkeyPatch, swap: tuple[str, str] | None = None) -> LandedShop:
    """Write the shop with six days of orders, under a package name of its own."""
    package = f"landed_shop_{next(_NUMBER)}"
    root = write_project(folder / package, package=package, swap=swap)
    shutil.copy(Path(__file__).parents[2] / "dagster.yaml", root / "dagster.yaml")
    monkeypatch.syspath_prepend(str(root))
    shop = LandedShop(root)
    shop.land()
    return shop


def failure(result: dg.ExecuteInProcessResult) -> str:
    """Return what the first step that failed told."""
    failed = next(event for event in result.all_events if event.is_step_failure)
    return failed.step_failure_data.user_failure_data.description
