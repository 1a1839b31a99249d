import re
from contextlib import nullcontext

import numpy as np
import polars as pl
import pytest

from ml_platform.core.errors import EmptySampleError
from ml_platform.lake.duck import connect
from ml_platform.monitoring import evidently_report as report_module
from ml_platform.monitoring.drift import compare
from ml_platform.monitoring.evidently_report import evidently_report
from ml_platform.monitoring.profile import layout_of, profile_of


def rows(rng, size):
    return pl.DataFrame(
        {
            "still": rng.normal(size=size),
            "moved": rng.normal(size=size),
            "hour": rng.integers(5, 23, size),
            "code": rng.choice(list("abcdef"), size),
            "renamed": rng.choice(list("abc"), size),
            "flag": rng.random(size) < 0.4,
            "constant": np.ones(size),
            "empty": pl.Series([None] * size, dtype=pl.Float64),
            "gone": pl.Series([None] * size, dtype=pl.String),
        }
    )


@pytest.mark.slow
def test_both_opinions_agree_on_clear_cases():
    reference = rows(np.random.default_rng(0), 4_000)
    current = rows(np.random.default_rng(1), 3_000).with_columns(
        pl.col("moved") + 1,
        pl.col("renamed").replace({"c": "C"}),
        still=pl.when(pl.int_range(3_000) % 500 > 0).then("still").otherwise(np.inf),
    )
    report = evidently_report(reference, current)
    with connect() as con:
        layout = layout_of(con.from_arrow(reference.to_arrow()))
        profiles = [profile_of(con.from_arrow(side.to_arrow()), layout) for side in (reference, current)]
    ours = {v.column: v.drifted for v in compare(*profiles)}
    assert set(report.drifted) == set(ours) - {"empty", "gone"}
    assert {name: ours[name] for name in report.drifted} == report.drifted
    assert report.drifted_share == pytest.approx(2 / 7)
    assert {name for name, drifted in ours.items() if drifted} == {"moved", "renamed"}
    assert b"<html" in report.html[:200]
    assert b"</html>" in report.html[-200:]
    assert b'src="http' not in report.html


def without_ids(page):
    """Evidently draws a new identifier for every part of a page."""
    seen = {}
    return re.sub(rb"[0-9a-f]{8}(-?[0-9a-f]{4}){3}-?[0-9a-f]{12}", lambda found: seen.setdefault(found[0], b"id%d" % len(seen)), page)


@pytest.mark.slow
def test_what_is_left_out_is_not_on_the_page(monkeypatch):
    from evidently.legacy.calculations import data_drift
    from evidently.metrics import column_statistics

    theirs = data_drift.get_one_column_drift, column_statistics.get_one_column_drift, column_statistics.ValueDriftCalculation._render
    sides = [rows(np.random.default_rng(seed), 2_000).select("moved", "hour", "code", "flag") for seed in (3, 4)]
    ours = evidently_report(*sides)
    assert theirs == (
        data_drift.get_one_column_drift,
        column_statistics.get_one_column_drift,
        column_statistics.ValueDriftCalculation._render,
    )
    monkeypatch.setattr(report_module, "_compared_once", nullcontext)
    whole = evidently_report(*sides)
    assert ours.drifted == whole.drifted
    assert without_ids(ours.html) == without_ids(whole.html)


@pytest.mark.slow
def test_large_sides_are_sampled():
    rng = np.random.default_rng(2)
    whole = evidently_report(rows(rng, 500).select("code", "hour"), rows(rng, 3_000).select("hour", "code"), most_rows=400)
    assert set(whole.drifted) == {"hour", "code"}


def test_nothing_to_compare_is_said():
    with pytest.raises(EmptySampleError, match="no column has values on both sides"):
        evidently_report(pl.DataFrame({"a": [1.0]}), pl.DataFrame({"b": [1.0], "a": [None]}))
