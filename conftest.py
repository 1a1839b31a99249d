"""How a run of all tests is laid out: what is collected, in which order, and what its workers share."""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Generator
from pathlib import Path

import pytest

from ml_platform_tests.once import FOLDER, new_folder

COSTS = Path(__file__).parent / "ml_platform_tests" / "costs.txt"
SHORT = 5


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add what `make costs` asks for."""
    parser.addoption("--write-costs", action="store_true", help=f"write down which files of tests take more than {SHORT} seconds")


def pytest_configure(config: pytest.Config) -> None:
    """Make the folder of the worlds that a run shares, before its workers start."""
    if FOLDER not in os.environ:
        os.environ[FOLDER] = new_folder()
        config.add_cleanup(lambda: shutil.rmtree(os.environ.pop(FOLDER), ignore_errors=True))
    if config.getoption("--write-costs") and not hasattr(config, "workerinput"):
        config.pluginmanager.register(_Costs())


@pytest.hookimpl(wrapper=True)
def pytest_collect_file(file_path: Path) -> Generator[None, list[pytest.Collector], list[pytest.Collector]]:
    """Look for doctests only where there is an example: nine modules of ten have none, and every worker collects all of them."""
    collectors = yield
    if not collectors or b">>> " in file_path.read_bytes():
        return collectors
    return [collector for collector in collectors if type(collector) is pytest.Module]


@pytest.hookimpl(trylast=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Let workers begin with the files that take longest: at the end, one of them would go on alone."""
    if hasattr(config, "workerinput") and COSTS.exists():
        costs = {name: float(seconds) for seconds, name in map(str.split, COSTS.read_text(encoding="utf-8").splitlines())}
        items.sort(key=lambda item: -costs.get(item.nodeid.partition("::")[0], 0))


class _Costs:
    """Sums what the tests of each file took, and writes it when all have run."""

    def __init__(self) -> None:
        self.seconds: Counter[str] = Counter()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.seconds[report.nodeid.partition("::")[0]] += report.duration

    def pytest_sessionfinish(self) -> None:
        long = [(seconds, name) for name, seconds in self.seconds.items() if seconds >= SHORT]
        COSTS.write_text("".join(f"{seconds:.0f} {name}\n" for seconds, name in sorted(long, reverse=True)), encoding="utf-8")
