from __future__ import annotations

from dataclasses import replace

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from ml_platform.core.errors import FeatureError
from ml_platform.pipeline.engine_settings import EngineSettings
from ml_platform.pipeline.feature_tables import feature_jobs
from ml_platform.pipeline.feature_tables.feature_table import materialize_features
from ml_platform.pipeline.feature_tables.feature_values import features_at
from ml_platform.project.asked_features import resolve_features
from ml_platform_tests import flights_like as like
from ml_platform_tests.pipeline.feature_world import spine, world

DAYS = like.days(8)
# Less than the world takes in one pass, more than a slice of it.
LITTLE = EngineSettings(workers=2, memory_limit=150_000)


@pytest.fixture
def made(tmp_path, monkeypatch):
    monkeypatch.setattr(feature_jobs, "PART_ROWS", 50)
    return world(tmp_path)


def limited(made: like.World, said: list[str], settings: EngineSettings = LITTLE):
    return replace(made.workspace, engine=settings, say=said.append)


@pytest.mark.slow
def test_what_does_not_fit_into_memory_is_computed_in_buckets_and_is_the_same(made):
    definitions = resolve_features(made.workspace.project, ["delays", "busy", "legs"])
    asked = pl.concat([spine(DAYS[3]), spine(DAYS[3], tailnum=None).with_columns(_cutoff=pl.lit(None, pl.Datetime("us", "UTC")))])
    said: list[str] = []
    expected, versions = features_at(made.workspace, asked, definitions)
    got, same = features_at(limited(made, said), asked, definitions)
    assert_frame_equal(got, expected, check_exact=True)
    assert [v.id for v in same] == [v.id for v in versions]
    assert any("spine rows go into" in line for line in said)


@pytest.mark.slow
@pytest.mark.parametrize(("view", "entity"), [("delays", ("origin",)), ("delays", ("origin", "dest")), ("busy", ("origin",))])
def test_feature_tables_are_the_same_in_buckets(made, view, entity):
    said: list[str] = []
    settings = replace(LITTLE, workers=1, memory_limit=250_000 if view == "delays" else 90_000)
    first = materialize_features(limited(made, said, settings), view, entity, DAYS).commit
    again = materialize_features(made.workspace, view, entity, DAYS).commit
    assert first is not None
    assert again is not None
    assert [v.data_hash for v in again.versions] == [v.data_hash for v in first.versions]
    assert all(v.rows for v in first.versions)
    assert any("buckets" in line or "refreshes of view" in line for line in said), said


@pytest.mark.slow
def test_a_spine_whose_keys_are_all_null_is_answered_in_buckets(made):
    definitions = resolve_features(made.workspace.project, ["delays"])
    asked = spine(DAYS[3]).with_columns(origin=None, dest=None)
    expected, _ = features_at(made.workspace, asked, definitions)
    got, _ = features_at(limited(made, []), asked, definitions)
    assert_frame_equal(got, expected, check_exact=True)


def test_memory_that_is_too_little_for_one_key_is_told(made):
    definitions = resolve_features(made.workspace.project, ["delays"])
    with pytest.raises(FeatureError, match=r"of the memory limit that are left for them\. Raise the memory limit, or shorten the windows"):
        features_at(limited(made, [], EngineSettings(workers=1, memory_limit=2000)), spine(DAYS[3]), definitions)


def test_what_fits_is_computed_at_once(made, monkeypatch):
    monkeypatch.setattr(feature_jobs, "compute_in_buckets", None)
    definitions = resolve_features(made.workspace.project, ["delays"])
    assert features_at(made.workspace, spine(DAYS[3]), definitions)[0].height == spine(DAYS[3]).height


def test_a_history_that_is_too_large_to_be_looked_up_is_computed_again(made):
    definitions = [d for d in resolve_features(made.workspace.project, ["delays"]) if d.entity == ("origin",)]
    materialize_features(made.workspace, "delays", ("origin",), DAYS)
    expected, from_features = features_at(made.workspace, spine(DAYS[3]), definitions)
    got, from_tables = features_at(limited(made, []), spine(DAYS[3]), definitions)
    assert_frame_equal(got, expected, check_exact=True)
    assert {v.table for v in from_features} == {"flights/features/delays__origin"}
    assert {v.table for v in from_tables} == {"flights/tables/arrivals"}
