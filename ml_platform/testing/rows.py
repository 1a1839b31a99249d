"""Training sets with a known truth: signal, near-copies, noise, text, missing values, and days that share their luck."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import cache

import numpy as np
import polars as pl

START = datetime(2013, 1, 1, tzinfo=UTC)
SIGNAL = ("strong", "middling", "weak", "place")
SPLIT_DAYS = {"train": 42, "validate": 14, "test": 21}


def training_set(rows_per_day: int = 40, seed: int = 0, *, regression: bool = False, noise: int = 6) -> pl.DataFrame:
    """Return ``_cutoff``, ``_split``, ``_label`` and features, of which ``SIGNAL`` alone (and ``copy``, of strong) speak of the label."""
    rng = np.random.default_rng(seed)
    days = sum(SPLIT_DAYS.values())
    rows = days * rows_per_day
    day = np.repeat(np.arange(days), rows_per_day)
    strong, middling, weak = rng.normal(size=(3, rows))
    place = rng.choice(["EWR", "JFK", "LGA"], size=rows)
    middling[rng.random(rows) < 0.2] = np.nan
    score = 1.2 * strong + 0.8 * np.nan_to_num(middling) + 0.3 * weak + 0.9 * (place == "JFK") + rng.normal(0, 0.4, days)[day]
    label = score + rng.normal(0, 1, rows) if regression else (rng.random(rows) < 1 / (1 + np.exp(-score))).astype(float)
    return pl.DataFrame(
        {
            "_cutoff": [START + timedelta(days=int(d), minutes=int(m)) for d, m in zip(day, rng.integers(0, 1440, rows), strict=True)],
            "_split": np.repeat(list(SPLIT_DAYS), [n * rows_per_day for n in SPLIT_DAYS.values()]),
            "_label": label,
            "strong": strong,
            "middling": pl.Series(middling).fill_nan(None),
            "weak": weak,
            "place": place,
            "copy": strong + rng.normal(0, 0.05, rows),
            **{f"noise_{n}": rng.normal(size=rows) for n in range(noise)},
        }
    ).with_columns(pl.col("_cutoff").cast(pl.Datetime("us", "UTC")))


@cache
def rows_for(task: str) -> pl.DataFrame:
    """Return a training set whose label is of a task: 0 and 1, numbers, or one of three classes of which ``much`` is rare."""
    if task == "classification":
        return training_set()
    numbers = training_set(regression=True)
    if task != "multiclass":
        return numbers
    much, some = pl.when(pl.col("_label") > 3).then(pl.lit("much")), pl.col("_label") > 0
    return numbers.with_columns(_label=much.when(some).then(pl.lit("some")).otherwise(pl.lit("none")))


def features_of(frame: pl.DataFrame) -> list[str]:
    """Return the names of the features."""
    return [name for name in frame.columns if not name.startswith("_")]


def split_of(frame: pl.DataFrame, name: str) -> pl.DataFrame:
    """Return the rows of one split."""
    return frame.filter(pl.col("_split") == name)


def days_of(frame: pl.DataFrame) -> np.ndarray:
    """Return the day of each row's cutoff."""
    return frame["_cutoff"].dt.epoch("d").to_numpy()
