from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import polars as pl
import pytest

from ml_platform.features.engine.engine import compute
from ml_platform.project.asked_features import resolve_features
from ml_platform.training.perturbation import perturbation_check
from ml_platform.training.spine import CUTOFF, TIME
from ml_platform_tests import flights_like as like

START = datetime(2024, 1, 1, tzinfo=UTC)
H = timedelta(hours=1)


def events():
    rows = [("JFK" if n % 2 else "LGA", START + n * H, START + n * H + n % 3 * H, float(n), f"N{n % 4}") for n in range(60)]
    schema = {"origin": pl.String, "landed_at": TIME, "_available_at": TIME, "delay": pl.Float64, "tailnum": pl.String}
    return pl.DataFrame(rows, schema=schema, orient="row")


def spine():
    # Cutoffs lie exactly on availability times: that is where `<` and `<=` differ.
    rows = [(origin, START + h * H) for h in range(5, 60, 5) for origin in ("JFK", "LGA")]
    return pl.DataFrame(rows, schema={"origin": pl.String, CUTOFF: TIME}, orient="row")


def features(counts, *, time="_available_at"):
    """Features by a loop over all rows; ``counts(time, cutoff)`` says which count."""

    def by_loop(rows, asked):
        made = []
        for origin, cutoff in asked.select("origin", CUTOFF).iter_rows():
            mine = [r for r in rows.iter_rows(named=True) if r["origin"] == origin and counts(r[time], cutoff)]
            last = max(mine, key=lambda r: (r["landed_at"], r["_available_at"], r["delay"]), default=None)
            made.append({"delay_mean": sum(r["delay"] for r in mine) / len(mine) if mine else None, "count": len(mine),
                         "tailnum_last": last and last["tailnum"]})  # fmt: skip
        return pl.concat(
            [asked, pl.DataFrame(made, schema={"delay_mean": pl.Float64, "count": pl.Int64, "tailnum_last": pl.String})], how="horizontal"
        )

    return by_loop


def test_features_of_the_past_only_do_not_move():
    report = perturbation_check(features(lambda t, c: t < c), events(), spine())
    assert report.passed, report.summary
    assert (report.features, report.rows) == (3, 22)
    window = perturbation_check(features(lambda t, c: c - 7 * H <= t < c), events(), spine())
    assert window.passed, window.summary


@pytest.mark.parametrize(
    "leak",
    [
        features(lambda t, c: t <= c),  # one sign
        features(lambda t, c: t < c + H),
        features(lambda t, c: t < c, time="landed_at"),  # counted when it happened, not when it was known
        features(lambda t, c: True),
    ],
    ids=["less-or-equal", "an hour too far", "event time", "everything"],
)
def test_planted_leaks_are_found(leak):
    report = perturbation_check(leak, events(), spine())
    assert {s.feature for s in report.suspicions} == {"delay_mean", "count", "tailnum_last"}
    assert "moved in" in report.summary
    assert "when what came at or after" in report.summary


def test_a_leak_through_one_column_that_is_known_later_is_found():
    rows = events().with_columns(_available_at_2=pl.col("_available_at") + 3 * H)

    def compute(data, asked, known="_available_at"):
        return features(lambda t, c: t < c, time=known)(data, asked)

    later = {"delay": "_available_at_2", "tailnum": "_available_at_2"}
    leaky = perturbation_check(compute, rows, spine(), known_by=later)
    assert {s.feature for s in leaky.suspicions} >= {"delay_mean"}
    honest = perturbation_check(lambda d, s: compute(d, s, "_available_at_2"), rows, spine(), known_by=later)
    assert honest.passed, honest.summary


def test_an_empty_spine_is_quiet():
    assert perturbation_check(features(lambda t, c: True), events(), spine().clear()).passed


def engine_world():
    """Arrivals of twelve days, a spine with cutoffs on the very times at which flights land, and the features of a view."""
    landed = pl.concat([like.flights(day) for day in like.days(12)]).filter(~pl.col("cancelled"))
    landed = landed.with_columns(_available_at=pl.col("landed_at"), late=pl.col("arr_delay") > 15)
    cutoffs = landed["landed_at"].sort().gather_every(7)
    asked = landed.gather_every(7).select("origin", "carrier", "dest").with_columns(cutoffs.alias(CUTOFF))
    continuous = replace(like.DELAYS, refresh=None)
    definitions = resolve_features(like.project(views=(continuous,)), ["delays"])
    return landed, asked, definitions


def test_the_engine_of_the_features_passes():
    landed, asked, definitions = engine_world()
    report = perturbation_check(lambda rows, spine: compute(rows, spine, definitions), landed, asked)
    assert report.passed, report.summary
    assert report.features == len(definitions) == 18


def test_the_engine_fails_when_availability_is_off_by_one_microsecond():
    landed, asked, definitions = engine_world()

    def too_early(rows, spine):
        return compute(rows.with_columns(pl.col("_available_at").dt.offset_by("-1us")), spine, definitions)

    report = perturbation_check(too_early, landed, asked)
    assert {s.feature for s in report.suspicions} == {d.name for d in definitions}
