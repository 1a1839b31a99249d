"""Evidently's report over two samples: the page that a person opens, and a second opinion on what has drifted."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ml_platform.core.errors import EmptySampleError

if TYPE_CHECKING:
    import polars as pl

# Evidently's preset compares every column three times, and draws pictures that its page does not show: 0.15 CPU seconds per column of 5,000
# rows a side, 0.27 of 20,000. Its limit is a distance of 0.1; by chance alone 5,000 rows are 0.03 apart as numbers, 0.07 in 100 categories.
MOST_ROWS = 5_000


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
        Larger sides are sampled down to so many rows.
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
        snapshot = Report([DataDriftPreset()], include_tests=True).run(now, before)
        html = snapshot.get_html_str(as_iframe=False).encode()
        tests = snapshot.dict()["tests"]
    drifted = {t["metric_config"]["params"]["column"]: t["status"] == "FAIL" for t in tests if "column" in t["metric_config"]["params"]}
    return EvidentlyReport(html, drifted)


def _columns(reference: pl.DataFrame, current: pl.DataFrame) -> tuple[list[str], list[str]]:
    """Return the numeric and the other columns that have a value on both sides."""
    import polars as pl

    numbers, categories = [], []
    there = set(current.columns)
    for name in (n for n in reference.columns if n in there):
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
