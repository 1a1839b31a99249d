"""The shop that the documentation speaks of: fifty days of orders that have landed and are built."""

from __future__ import annotations

import contextlib
import importlib
import random
import shutil
import sys
from collections.abc import Iterator
from pathlib import Path

from ml_platform.cli import main
from ml_platform.core.intervals import shift_day
from ml_platform.testing import isolated_registries
from ml_platform_tests.components.shop import write_project

REPOSITORY = Path(__file__).parents[2]
DAYS = [shift_day("2024-01-01", n) for n in range(50)]
PACKAGE = "shop_platform"
TRAINED = ["training/*", "selected/*", "models/*", "champion/*"]


def build_shop(root: Path) -> Path:
    """Write the project, land its orders, build tables and features, and make a champion of the last day."""
    # On so few rows no tree beats the logistic baseline.
    swap = ("  training: {every", "  model: {baseline: constant}\n  training: {every")
    write_project(root, package=PACKAGE, swap=swap)
    shutil.copy(REPOSITORY / "dagster.yaml", root / "dagster.yaml")
    _write_orders(root / "data" / "landing" / "orders")
    with importable(root):
        assert main(["branch", "run", "main", "--select", "raw/*", "tables/*", "features/*", "--range", DAYS[0], DAYS[-1]]) == 0
        assert main(["branch", "run", "main", "--select", *TRAINED, "--partition", DAYS[-1]]) == 0
    return root


@contextlib.contextmanager
def importable(root: Path) -> Iterator[None]:
    """Stand in the project, with its package found there and nowhere else, and what it registers known there alone."""
    forget_modules()
    sys.path.insert(0, str(root))
    importlib.invalidate_caches()
    try:
        with contextlib.chdir(root), isolated_registries():
            yield
    finally:
        sys.path.remove(str(root))
        forget_modules()


def forget_modules() -> None:
    """Let the project's package be imported anew: from another folder, or as it was written since."""
    for module in [name for name in sys.modules if name.partition(".")[0] == PACKAGE]:
        del sys.modules[module]
    importlib.invalidate_caches()


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
