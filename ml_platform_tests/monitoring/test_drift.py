import numpy as np
import polars as pl
import pytest

from ml_platform.core.errors import MlPlatformError
from ml_platform.monitoring.drift import compare, shares_of, strictly_drifted
from ml_platform.monitoring.drift_measure import MEASURES, Size
from ml_platform.monitoring.profile import layout_of, profile_of, profiles_by
from ml_platform.sql.duck import session
from ml_platform.testing import DriftMeasureContract, registered
from ml_platform.training.problem import Drift

REFERENCE, WINDOW = 6_000, 900
WORDS = np.array([f"w{i}" for i in range(300)])
RARITY = np.random.default_rng(0).dirichlet(np.full(300, 0.5))


def rows(rng, size):
    """Columns of the kinds that break simple rules: heavy tails, few values, many rare categories, missing values."""
    return pl.DataFrame(
        {
            "normal": rng.normal(10, 3, size),
            "tailed": rng.standard_t(2, size),
            "hour": rng.integers(5, 23, size),
            "sparse": np.where(rng.random(size) < 0.95, 0.0, rng.exponential(4, size)),
            "code": rng.choice(WORDS[:12], size),
            "rare": rng.choice(WORDS, size, p=RARITY),
            "flag": rng.random(size) < 0.3,
            "gaps": pl.Series(np.where(rng.random(size) < 0.1, np.nan, rng.normal(size=size))).fill_nan(None),
        }
    )


@pytest.fixture(scope="module")
def reference():
    with session() as con:
        relation = con.from_arrow(rows(np.random.default_rng(1), REFERENCE).to_arrow())
        layout = layout_of(relation)
        return layout, profile_of(relation, layout)


def profiled(reference, frame):
    with session() as con:
        return profile_of(con.from_arrow(frame.to_arrow()), reference[0])


def judged(reference, frame):
    return {v.column: v for v in compare(reference[1], profiled(reference, frame))}


@pytest.mark.slow
def test_no_alarm_without_drift(reference):
    rng = np.random.default_rng(2)
    windows = 250
    frame = rows(rng, WINDOW * windows).with_columns(window=pl.int_range(pl.len()) // WINDOW)
    with session() as con:
        profiles = profiles_by(con.from_arrow(frame.to_arrow()), reference[0], "window")
    verdicts = [compare(reference[1], profile) for profile in profiles.values()]
    assert len(verdicts) == windows
    # 2,000 judgements at a shared level of 1 % a window: two or three would be drift by significance alone, the effect rules those out.
    assert sum(v.drifted for one in verdicts for v in one) <= 2
    assert sum(v.strict for one in verdicts for v in one) == 0


CHANGES = {
    "mean": ("normal", pl.col("normal") + 0.75),
    "unit": ("normal", pl.col("normal") * 1.8),
    "spread": ("normal", 10 + (pl.col("normal") - 10) * 1.5),
    "hours": ("hour", pl.col("hour") + 2),
    "renamed": ("code", pl.col("code").replace({"w3": "w3X"})),
    "merged": ("code", pl.col("code").replace({"w3": "w4"})),
    "swapped": ("flag", ~pl.col("flag")),
    "nulls": ("normal", pl.when(pl.int_range(pl.len()) % 20 > 0).then("normal")),
    "all_null": ("code", pl.lit(None, pl.String)),
    "constant": ("tailed", pl.lit(0.0)),
}


@pytest.mark.slow
@pytest.mark.parametrize("change", CHANGES)
def test_a_change_of_one_column_is_found_and_only_there(reference, change):
    column, expression = CHANGES[change]
    for seed in range(5):
        found = judged(reference, rows(np.random.default_rng(100 + seed), WINDOW).with_columns(expression.alias(column)))
        assert [name for name, v in found.items() if v.strict] == [column]
        assert found[column].drifted


def test_significant_but_small_is_no_drift(reference):
    big = rows(np.random.default_rng(3), 60_000).with_columns(pl.col("normal") + 0.18)
    verdict = judged(reference, big)["normal"]
    assert verdict.p_value < 1e-4
    assert not verdict.drifted
    assert "significant, but small" in verdict.words


def test_large_but_on_a_few_rows_is_no_drift(reference):
    few = rows(np.random.default_rng(4), 12).with_columns(pl.col("normal") + 2)
    verdict = judged(reference, few)["normal"]
    assert verdict.effect > verdict.limit
    assert not verdict.drifted


def test_words_say_what_changed(reference):
    frame = rows(np.random.default_rng(5), WINDOW).with_columns(
        pl.col("normal") + 3, pl.col("code").replace({"w3": "w3X"}), pl.when(pl.int_range(pl.len()) % 2 > 0).then("gaps")
    )
    found = judged(reference, frame)
    assert found["normal"].words.startswith("mean 9.977 -> 12.9")
    assert "values that the reference does not list 0.0% -> " in found["code"].words
    assert found["gaps"].words.startswith("missing 9.")
    assert "no change beyond chance" in found["hour"].words


def test_a_column_that_was_constant_has_drifted_when_it_moves():
    with session() as con:
        before = con.from_arrow(pl.DataFrame({"x": [5.0] * 500}).to_arrow())
        layout = layout_of(before)
        still, moved = (profile_of(con.from_arrow(pl.DataFrame({"x": [v] * 300}).to_arrow()), layout) for v in (5.0, 6.0))
        reference = profile_of(before, layout)
    assert not compare(reference, still)[0].drifted
    assert compare(reference, moved)[0].strict
    assert np.isfinite(compare(reference, moved)[0].effect)


def test_a_column_without_values_before_is_judged_by_what_is_missing():
    with session() as con:
        before = con.from_arrow(pl.DataFrame({"x": pl.Series([None] * 500, dtype=pl.Float64)}).to_arrow())
        layout = layout_of(before)
        now = profile_of(con.from_arrow(pl.DataFrame({"x": [1.0] * 300}).to_arrow()), layout)
        verdict = compare(profile_of(before, layout), now)[0]
    assert verdict.drifted
    assert verdict.words == "missing 100.0% -> 0.0%"


def test_order_and_importance(reference):
    frame = rows(np.random.default_rng(6), WINDOW).with_columns(pl.col("normal") + 3, ~pl.col("flag"))
    verdicts = compare(reference[1], profiled(reference, frame), importance={"normal": 1, "flag": 3, "hour": 6})
    assert [v.column for v in verdicts[:3]] == ["flag", "normal", "hour"]
    assert [v.importance for v in verdicts[:3]] == [0.3, 0.1, 0.6]
    assert strictly_drifted(verdicts) == {"flag": 0.3, "normal": 0.1}


def test_shares_of_importance():
    assert shares_of({"a": 0.0, "b": 0.0}) == {"a": 0.5, "b": 0.5}
    assert shares_of({}) == {}


def test_profiles_over_different_bins_are_not_compared(reference):
    with session() as con:
        other = con.from_arrow(pl.DataFrame({"x": [1.0]}).to_arrow())
        with pytest.raises(MlPlatformError, match="different bins"):
            compare(reference[1], profile_of(other, layout_of(other)))


def test_the_measures_that_are_named_judge_and_the_others_stay_usual(reference):
    frame = rows(np.random.default_rng(5), WINDOW).with_columns(pl.col("normal") + 3)
    named = {v.column: v for v in compare(reference[1], profiled(reference, frame), rule=Drift(measures=(("far", 0.5),)))}
    usual = judged(reference, frame)
    assert (named["normal"].measure, named["normal"].limit, named["normal"].effect) == ("far", 0.5, 2.0)
    assert named["normal"].drifted
    assert [named[name] for name in ("code", "rare", "flag")] == [usual[name] for name in ("code", "rare", "flag")]
    loose = compare(reference[1], profiled(reference, frame), rule=Drift(measures=(("psi", 50.0),)))
    assert [v.column for v in loose if v.drifted] == []


class Far:
    name, title, kinds, limit = "far", "far", ("numeric",), 0.1

    def measure(self, sides):
        return Size(2.0)


@pytest.fixture(autouse=True)
def _far():
    with registered(MEASURES, Far()):
        yield


class TestBuiltIn(DriftMeasureContract):
    names = MEASURES.built_in()
