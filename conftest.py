"""How a run of all tests is laid out: what is collected, in which order, and what its workers share."""

from __future__ import annotations

import gc
import os
import shutil
from collections import Counter
from collections.abc import Generator
from pathlib import Path

import pytest

from ml_platform_tests.once import FOLDER, new_folder

COSTS = Path(__file__).parent / "ml_platform_tests" / "costs.txt"
SHORT, CPU = 5, "CPU seconds"


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add what `make costs` asks for."""
    parser.addoption("--write-costs", action="store_true", help=f"write down which files of tests take more than {SHORT} CPU seconds")


def pytest_configure(config: pytest.Config) -> None:
    """Make the folder of the worlds that a run shares, before its workers start."""
    if FOLDER not in os.environ:
        os.environ[FOLDER] = new_folder()
        config.add_cleanup(lambda: shutil.rmtree(os.environ.pop(FOLDER), ignore_errors=True))
    if config.getoption("--write-costs"):
        config.pluginmanager.register(_Measured())
        if not hasattr(config, "workerinput"):
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
    if hasattr(config, "workerinput"):
        costs = _costs()
        items.sort(key=lambda item: -costs.get(item.nodeid.partition("::")[0], 0))


def pytest_collection_finish() -> None:
    """Leave out of the garbage collector's rounds what the modules hold: it stays, and walking it takes a twentieth of all tests."""
    gc.collect()
    gc.freeze()


def pytest_unconfigure() -> None:
    """Give it back: at their end modules are cleared by that very collector."""
    gc.unfreeze()


class _Measured:
    """Tells with each report what it took of the processor: this process, and those that it started and waited for.

    Seconds by the clock would tell how busy the machine was.
    """

    def __init__(self) -> None:
        self.before = 0.0

    def pytest_runtest_logstart(self) -> None:
        self.before = sum(os.times()[:4])

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(self) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        report = yield
        now = sum(os.times()[:4])
        report.user_properties.append((CPU, now - self.before))
        self.before = now
        return report


class _Costs:
    """Sums what the tests of each file took, and writes it when all have run."""

    def __init__(self) -> None:
        self.seconds: Counter[str] = Counter()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.seconds[report.nodeid.partition("::")[0]] += dict(report.user_properties).get(CPU, 0.0)

    def pytest_sessionfinish(self) -> None:
        # What did not run keeps its place, while it is there.
        known = {name: seconds for name, seconds in _costs().items() if (COSTS.parents[1] / name).exists()} | self.seconds
        long = sorted(((round(seconds), name) for name, seconds in known.items() if seconds >= SHORT), reverse=True)
        COSTS.write_text("".join(f"{seconds} {name}\n" for seconds, name in long), encoding="utf-8")


def _costs() -> dict[str, float]:
    """Return what the long files took when it was last written down."""
    lines = COSTS.read_text(encoding="utf-8").splitlines() if COSTS.exists() else []
    return {name: float(seconds) for seconds, name in map(str.split, lines)}
