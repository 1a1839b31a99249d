"""Evidently's report over two samples: the page that a person opens, and a second opinion on what has drifted."""

from __future__ import annotations

import threading
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ml_platform.core.errors import EmptySampleError

if TYPE_CHECKING:
    import polars as pl

MOST_ROWS = 20_000
# Held while Evidently's own functions are replaced.
_ONE_REPORT = threading.Lock()


@dataclass(frozen=True)
class EvidentlyReport:
    """A page of HTML that needs nothing else (about 5 MB), and Evidently's verdict per column by its default tests."""

    html: bytes
    drifted: Mapping[str, bool]

    @property
    def drifted_share(self) -> float:
        """Share of the judged columns that Evidently calls drifted, in [0, 1]."""
        return sum(self.drifted.values()) / len(self.drifted) if self.drifted else 0.0


def evidently_report(reference: pl.DataFrame, current: pl.DataFrame, *, most_rows: int = MOST_ROWS, seed: int = 0) -> EvidentlyReport:
    """Compare two samples with Evidently's data drift preset.

    Parameters
    ----------
    reference, current : polars.DataFrame
        Rows to compare; columns that only one side has are left out, and so are those without a finite value on a side: Evidently
        cannot judge them. It does not look at missing values at all.
    most_rows : int
        Larger sides are sampled down to so many rows: Evidently needs about 0.1 CPU seconds per column of 20,000.
    seed : int
        Of that sampling.

    Returns
    -------
    EvidentlyReport
        Evidently changes its tests at 1,000 rows a side, so verdicts on fewer and on more rows differ in kind.

    Raises
    ------
    EmptySampleError
        If no column can be compared.
    """
    reference, current = (side.sample(most_rows, seed=seed) if side.height > most_rows else side for side in (reference, current))
    numbers, categories = _columns(reference, current)
    if not numbers and not categories:
        raise EmptySampleError("Evidently has no column to compare: no column has values on both sides.")
    with warnings.catch_warnings():
        # Evidently 0.7 imports numpy.core and deprecated names of litestar, and divides by zero where a column is constant.
        warnings.simplefilter("ignore")
        from evidently import DataDefinition, Dataset, Report
        from evidently.presets import DataDriftPreset

        definition = DataDefinition(numerical_columns=numbers, categorical_columns=categories)
        now, before = [
            Dataset.from_pandas(_plain(side, numbers, categories).to_pandas(), data_definition=definition) for side in (current, reference)
        ]
        with _compared_once():
            snapshot = Report([DataDriftPreset()], include_tests=True).run(now, before)
        html = snapshot.get_html_str(as_iframe=False).encode()
        tests = snapshot.dict()["tests"]
    drifted = {t["metric_config"]["params"]["column"]: t["status"] == "FAIL" for t in tests if "column" in t["metric_config"]["params"]}
    return EvidentlyReport(html, drifted)


@contextmanager
def _compared_once() -> Iterator[None]:
    """Let Evidently compare each column of one report once, and draw only what its page shows: half of the time, the same page.

    The preset compares every column three times (for its tests, its count and its table) and draws a picture for each test, which the page
    never shows: it shows the table's.
    """
    from evidently.legacy.calculations import data_drift
    from evidently.metrics import column_statistics

    compare, draw = data_drift.get_one_column_drift, column_statistics.ValueDriftCalculation._render
    compared: dict[tuple[object, ...], Any] = {}

    def compare_once(**given: Any) -> Any:
        key = (given["column_name"], given["column_type"], given["agg_data"], id(given["current_data"]), id(given["reference_data"]))
        if key not in compared:
            # The frames are kept with the answer: another frame cannot get the same id.
            compared[key] = (compare(**given), given)
        return compared[key][0]

    with _ONE_REPORT:
        data_drift.get_one_column_drift = column_statistics.get_one_column_drift = compare_once  # type: ignore[assignment]
        column_statistics.ValueDriftCalculation._render = lambda *_: []  # type: ignore[assignment]
        try:
            yield
        finally:
            data_drift.get_one_column_drift = column_statistics.get_one_column_drift = compare  # type: ignore[assignment]
            column_statistics.ValueDriftCalculation._render = draw  # type: ignore[method-assign]


def _columns(reference: pl.DataFrame, current: pl.DataFrame) -> tuple[list[str], list[str]]:
    """Return the numeric and the other columns that have a value on both sides."""
    import polars as pl

    numbers, categories = [], []
    for name in (n for n in reference.columns if n in current.columns):
        sides = (reference[name], current[name])
        if all(s.dtype.is_numeric() for s in sides):
            if all(s.cast(pl.Float64).is_finite().any() for s in sides):
                numbers.append(name)
        elif not any(s.dtype.is_temporal() or s.dtype.is_nested() for s in sides) and all(s.null_count() < len(s) for s in sides):
            categories.append(name)
    return numbers, categories


def _plain(side: pl.DataFrame, numbers: list[str], categories: list[str]) -> pl.DataFrame:
    """Return the columns to judge: finite numbers or NULL, categories as text."""
    import polars as pl

    finite = [pl.when(pl.col(n).cast(pl.Float64).is_finite()).then(pl.col(n).cast(pl.Float64)).alias(n) for n in numbers]
    return side.select(*finite, *(pl.col(n).cast(pl.String) for n in categories))
