import math

import numpy as np
import polars as pl
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml_platform.core.errors import EmptySampleError, MlPlatformError
from ml_platform.monitoring.profile import added, layout_of, profile_of, profiles_by
from ml_platform.sql.duck import session
from ml_platform_tests.effort import examples

# Values from the bins' edges, where a wrong side shows at once.
NUMBERS = st.one_of(st.none(), st.sampled_from([-3.0, 0.0, 0.5, 1.0, 2.0, 7.0, math.nan, math.inf, -math.inf, 1e9 + 0.25]))
WORDS = st.one_of(st.none(), st.sampled_from(["", "a", "b", "O'Hare", "=", "ü", "never seen"]))
FLAGS = st.one_of(st.none(), st.booleans())


@st.composite
def frames(draw, least=0):
    rows = draw(st.lists(st.tuples(NUMBERS, WORDS, FLAGS, st.integers(0, 2)), min_size=least, max_size=40))
    return pl.DataFrame(rows, schema={"x": pl.Float64, "word": pl.String, "flag": pl.Boolean, "day": pl.Int64}, orient="row")


def counted(reference, frame, by="day"):
    with session(threads=1) as con:
        layout = layout_of(con.from_arrow(reference.to_arrow()), ["x", "word", "flag"])
        return layout, profiles_by(con.from_arrow(frame.to_arrow()), layout, by)


@pytest.mark.slow
@settings(max_examples=examples(40))
@given(frames(least=1), frames())
def test_counts_equal_a_brute_force_count(reference, frame):
    layout, profiles = counted(reference, frame)
    assert sorted(profiles) == sorted(frame["day"].unique())
    for day, profile in profiles.items():
        rows = frame.filter(pl.col("day") == day)
        values = [v for v in rows["x"] if v is not None and not math.isnan(v)]
        edges = layout.edges["x"]
        bins = [0] * (len(edges) + 1)
        for value in values:
            bins[sum(edge < value for edge in edges)] += 1
        x = profile.columns["x"]
        assert (x.rows, x.missing, x.counts.tolist()) == (len(rows), len(rows) - len(values), bins)
        finite = [v for v in values if math.isfinite(v)]
        assert x.finite == len(finite)
        if finite:
            assert profile.mean("x") == pytest.approx(np.mean(finite))
            assert x.deviation == pytest.approx(np.std(finite), rel=1e-6, abs=1e-3)
            if edges:
                assert x.below == pytest.approx(sum(max(edges[0] - v, 0) for v in finite))
                assert x.above == pytest.approx(sum(max(v - edges[-1], 0) for v in finite))
        for name in ("word", "flag"):
            known = layout.values[name]
            texts = [str(v).lower() if name == "flag" else v for v in rows[name] if v is not None]
            expected = [texts.count(value) for value in known]
            assert profile.columns[name].counts.tolist() == [*expected, len(texts) - sum(expected)]
            assert profile.columns[name].missing == rows[name].null_count()


@pytest.mark.slow
@settings(max_examples=examples(30))
@given(frames(least=1), frames(least=1))
def test_profiles_of_parts_add_up_to_the_profile_of_all(reference, frame):
    with session(threads=1) as con:
        layout = layout_of(con.from_arrow(reference.to_arrow()), ["x", "word", "flag"])
        rows = con.from_arrow(frame.to_arrow())
        whole, parts = profile_of(rows, layout), added(profiles_by(rows, layout, "day").values())
    for name, column in whole.columns.items():
        other = parts.columns[name]
        assert (column.rows, column.missing, column.finite) == (other.rows, other.missing, other.finite)
        assert column.counts.tolist() == other.counts.tolist()
        for figure in ("total", "squares", "below", "above"):
            assert getattr(column, figure) == pytest.approx(getattr(other, figure), rel=1e-12)


def test_the_reference_fills_its_quantile_bins_evenly():
    rows = pl.DataFrame({"x": np.random.default_rng(0).normal(size=12_800)})
    with session() as con:
        relation = con.from_arrow(rows.to_arrow())
        layout = layout_of(relation)
        counts = profile_of(relation, layout).columns["x"].counts
    assert len(layout.edges["x"]) == 127 + 6
    assert counts.max() <= 101
    assert counts[0] == 1
    assert counts[-1] == 0


def test_large_values_keep_their_deviation():
    rows = pl.DataFrame({"x": 1e12 + np.arange(1000.0)})
    with session() as con:
        relation = con.from_arrow(rows.to_arrow())
        profile = profile_of(relation, layout_of(relation))
    assert profile.columns["x"].deviation == pytest.approx(np.arange(1000.0).std())


def test_times_durations_and_decimals_have_an_order():
    rows = pl.DataFrame({"n": [1, 2, 3]}).select(
        pl.from_epoch("n").alias("at"), pl.duration(hours="n").alias("took"), pl.col("n").cast(pl.Decimal(10, 2)).alias("price")
    )
    with session() as con:
        layout = layout_of(con.from_arrow(rows.to_arrow()))
    assert layout.edges == {"at": (1.0, 2.0, 3.0), "took": (3600.0, 7200.0, 10800.0), "price": (1.0, 2.0, 3.0)}


def test_only_the_most_frequent_values_are_kept():
    words = [f"w{i:04d}" for i in range(1200)] * 2 + ["common"] * 5
    with session() as con:
        relation = con.from_arrow(pl.DataFrame({"word": words}).to_arrow())
        layout = layout_of(relation)
        column = profile_of(relation, layout).columns["word"]
    assert len(layout.values["word"]) == 1000
    assert "common" in layout.values["word"]
    assert column.counts.sum() == len(words)
    assert column.counts[-1] == 2 * 201


def test_a_column_without_values_has_one_bin():
    reference = pl.DataFrame({"x": pl.Series([None, None], dtype=pl.Float64)})
    with session() as con:
        layout = layout_of(con.from_arrow(reference.to_arrow()))
        profile = profile_of(con.from_arrow(pl.DataFrame({"x": [1.0, 2.0, None]}).to_arrow()), layout)
    assert layout.edges == {"x": ()}
    assert profile.columns["x"].counts.tolist() == [2]
    assert profile.columns["x"].missing_share == pytest.approx(1 / 3)


def test_a_missing_column_is_named():
    with session() as con:
        rows = con.from_arrow(pl.DataFrame({"temp": [1.0]}).to_arrow())
        with pytest.raises(MlPlatformError, match=r"no column 'tmep'.*Did you mean 'temp'"):
            layout_of(rows, ["tmep"])
        with pytest.raises(MlPlatformError, match="no column 'temp'"):
            profile_of(con.from_arrow(pl.DataFrame({"wind": [1.0]}).to_arrow()), layout_of(rows))


def test_lists_cannot_be_watched():
    with session() as con, pytest.raises(MlPlatformError, match=r"'x' of type .* cannot be watched"):
        layout_of(con.from_arrow(pl.DataFrame({"x": [[1]]}).to_arrow()))


def test_no_rows_no_profile():
    with session() as con:
        rows = con.from_arrow(pl.DataFrame({"x": [1.0]}).to_arrow())
        with pytest.raises(EmptySampleError, match="no row to profile"):
            profile_of(rows.filter("x > 5"), layout_of(rows))
    with pytest.raises(EmptySampleError, match="no profile to add up"):
        added([])


def test_profiles_over_different_bins_do_not_add_up():
    with session() as con:
        one, two = (con.from_arrow(pl.DataFrame({"x": [v]}).to_arrow()) for v in (1.0, 2.0))
        with pytest.raises(MlPlatformError, match="different bins"):
            profile_of(one, layout_of(one)) + profile_of(two, layout_of(two))
