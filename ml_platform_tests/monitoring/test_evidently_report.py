import numpy as np
import polars as pl
import pytest

from ml_platform.core.errors import EmptySampleError
from ml_platform.monitoring.drift import compare
from ml_platform.monitoring.evidently_report import evidently_report
from ml_platform.monitoring.profile import layout_of, profile_of
from ml_platform.sql.duck import connect


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


@pytest.mark.slow
def test_evidently_is_left_as_it_is():
    """Others in the same process use it too."""
    from evidently.legacy.calculations import data_drift
    from evidently.metrics import column_statistics

    def functions():
        return {(m.__name__, n): v for m in (data_drift, column_statistics) for n, v in vars(m).items() if callable(v)} | {
            (n, m): v for n, c in vars(column_statistics).items() if isinstance(c, type) for m, v in vars(c).items() if callable(v)
        }

    before, during = functions(), []
    draw = column_statistics.plot_distr_with_perc_button

    def look(*args, **given):
        during.append(functions())
        return draw(*args, **given)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(column_statistics, "plot_distr_with_perc_button", look)
        watched = functions()
        evidently_report(*(rows(np.random.default_rng(seed), 100).select("moved") for seed in (3, 4)))
    assert during
    assert all(seen == watched for seen in during)
    assert functions() == before


@pytest.mark.slow
def test_large_sides_are_sampled():
    rng = np.random.default_rng(2)
    whole = evidently_report(rows(rng, 500).select("code", "hour"), rows(rng, 3_000).select("hour", "code"), most_rows=400)
    assert set(whole.drifted) == {"hour", "code"}


def test_nothing_to_compare_is_said():
    with pytest.raises(EmptySampleError, match="no column has values on both sides"):
        evidently_report(pl.DataFrame({"a": [1.0]}), pl.DataFrame({"b": [1.0], "a": [None]}))
