"""Features of several views that are called alike, asked for together."""

from __future__ import annotations

from dataclasses import replace

import pytest
from polars.testing import assert_frame_equal, assert_series_equal

from ml_platform.core.errors import DeclarationError, UnknownNameError
from ml_platform.features.declared.view import FeatureColumn, FeatureView
from ml_platform.pipeline.declared_code import declared_code_version
from ml_platform.pipeline.feature_tables.feature_table import materialize_features
from ml_platform.pipeline.feature_tables.feature_values import features_at
from ml_platform.pipeline.models.candidates import candidates_of, read_candidates
from ml_platform.project.asked_features import resolve_features
from ml_platform.project.carried import with_carried
from ml_platform.tables.declared.contract import Contract
from ml_platform_tests import flights_like as like
from ml_platform_tests.pipeline.feature_world import AIRPORTS, BUSY, spine, world

DAYS = like.days(8)
FEATURES = (FeatureColumn("rows", ("count", "time_since")), FeatureColumn("arr_delay", ("mean",)))
ALL = FeatureView("delays", (("origin",), ("dest",)), source="arrivals", windows=(2 * like.DAY,), features=FEATURES)
LATE = replace(ALL, name="late_ones", entities=(("origin",),), features=(*FEATURES, FeatureColumn("rows", ("count",), windows=(like.DAY,))))
AGAIN = replace(BUSY, name="again")
TWINS = replace(AIRPORTS, name="ports")
PROBLEM = replace(like.LATE_ARRIVAL, features=("delays", "late_ones", "busy", "again", "airports.altitude", "ports.altitude"))


def project(tmp_path, views=(ALL, LATE, BUSY, AGAIN), problem=PROBLEM):
    return like.project(tmp_path, tables=(like.SCHEDULE, like.ARRIVALS, AIRPORTS, TWINS), views=views, problem=problem)


@pytest.fixture
def made(tmp_path):
    return like.World(replace(world(tmp_path).workspace, project=project(tmp_path)))


def test_only_what_is_called_alike_carries_the_name_of_its_view_or_table(tmp_path):
    declared = project(tmp_path)
    assert [d.name for d in resolve_features(declared, declared.problem(PROBLEM.name))] == [
        "delays_origin_count_2d", "delays_origin_time_since_2d", "delays_origin_arr_delay_mean_2d",
        "dest_count_2d", "dest_time_since_2d", "dest_arr_delay_mean_2d",
        "late_ones_origin_count_2d", "late_ones_origin_time_since_2d", "late_ones_origin_arr_delay_mean_2d", "origin_count_1d",
        "busy_landed", "busy_delay", "again_landed", "again_delay", "airports_altitude", "ports_altitude",
    ]  # fmt: skip
    alone = like.project(tmp_path, views=(ALL,), problem=replace(PROBLEM, features=("delays",)))
    assert next(d.name for d in resolve_features(alone, alone.problem(PROBLEM.name))) == "origin_count_2d"
    # What is stored is the same, whoever stands beside it.
    for name in ("delays__origin", "delays__dest"):
        assert declared_code_version(declared, "features", name) == declared_code_version(alone, "features", name)


@pytest.mark.slow
def test_values_are_those_of_each_view_computed_and_stored(made):
    rows = spine(DAYS[3])
    views = ["delays", "late_ones", "busy", "again", "airports.altitude"]
    together = resolve_features(made.workspace.project, views)
    computed, _ = features_at(made.workspace, rows, together)
    for name in views[:4]:
        own, _ = features_at(made.workspace, rows, resolve_features(made.workspace.project, [name]))
        for definition in (d for d in together if d.view == name):
            assert_series_equal(computed[definition.name], own[definition.declared_name], check_names=False, check_exact=True)
    for name in ("delays", "late_ones", "busy"):
        for entity in made.workspace.project.view(name).entities:
            materialize_features(made.workspace, name, entity, DAYS)
    stored, inputs = features_at(made.workspace, rows, together)
    assert_frame_equal(stored, computed, check_exact=True)
    assert {v.table for v in inputs if "/features/" in v.table} == {
        "flights/features/delays__origin", "flights/features/delays__dest", "flights/features/late_ones__origin",
        "flights/features/busy__origin",
    }  # fmt: skip


def test_an_expression_tells_its_inputs_apart(made):
    wanted = FeatureView(
        "ratio", (), inputs=("delays.origin_count_2d", "late_ones.origin_count_2d"),
        features=(FeatureColumn("same", (), sql="delays_origin_count_2d = late_ones_origin_count_2d"),), where="ratio.yaml:1",
    )  # fmt: skip
    declared = project(made.workspace.project.root, (ALL, LATE, wanted), replace(PROBLEM, features=("ratio",)))
    rows = spine(DAYS[3])
    values, _ = features_at(replace(made.workspace, project=declared), rows, resolve_features(declared, ["ratio"]))
    assert values["same"].to_list() == [True] * rows.height


def test_a_model_keeps_the_names_when_views_have_moved_on(tmp_path):
    then = project(tmp_path)
    asked = resolve_features(then, then.problem(PROBLEM.name))
    kept = candidates_of(then, then.problem(PROBLEM.name))
    assert read_candidates(kept.to_bytes()) == kept
    moved = project(tmp_path, (replace(ALL, windows=(3 * like.DAY,)), BUSY, AGAIN), replace(PROBLEM, features=("delays",)))
    carried = with_carried(moved, PROBLEM.name, kept.features, kept.candidates)
    assert resolve_features(carried, carried.problem(PROBLEM.name)) == asked
    for view, entity in then.problem(PROBLEM.name).view_entities:
        assert carried.view(view).definitions(entity) == then.view(view).definitions(entity)


def test_names_differ_by_more_than_their_letter_case(tmp_path):
    capital = FeatureColumn("ARR_DELAY", ("mean",), sql="arr_delay + 0")
    other = replace(ALL, name="other", entities=(("origin",),), features=(replace(capital, name="arr_delays"),))
    declared = project(tmp_path, (ALL, other), replace(PROBLEM, features=("delays", "other")))
    assert "origin_arr_delays_mean_2d" in [d.name for d in resolve_features(declared, ["delays", "other"])]
    upper = replace(
        AIRPORTS,
        name="upper",
        contract=Contract((AIRPORTS.contract.columns[0], replace(AIRPORTS.contract.columns[1], name="Altitude")), key=("dest",)),
    )
    declared = like.project(
        tmp_path, tables=(like.SCHEDULE, like.ARRIVALS, AIRPORTS, upper), views=(),
        problem=replace(PROBLEM, features=("airports.altitude", "upper.Altitude")),
    )  # fmt: skip
    assert [d.name for d in declared.declared_features(declared.problem(PROBLEM.name))] == ["airports_altitude", "upper_Altitude"]


def test_two_entities_of_one_view_whose_features_are_called_alike(tmp_path):
    named = FeatureColumn("dest_delay", ("mean",), sql="arr_delay"), FeatureColumn("delay", ("mean",), sql="arr_delay")
    view = replace(ALL, entities=(("origin",), ("origin", "dest")), features=named)
    declared = project(tmp_path, (view,), replace(PROBLEM, features=("delays",)))
    names = [d.name for d in declared.declared_features(declared.problem(PROBLEM.name))]
    assert {"delays__origin_origin_dest_delay_mean_2d", "delays__origin_dest_origin_dest_delay_mean_2d"} < set(names)
    assert len(names) == len(set(names))


def test_longer_names_that_are_alike_too_are_told_at_load(tmp_path):
    first = replace(BUSY, name="a", sql="SELECT origin, 1 AS b_c FROM arrivals GROUP BY origin")
    second = replace(BUSY, name="a_b", sql="SELECT origin, 1 AS c, 2 AS b_c FROM arrivals GROUP BY origin")
    third = replace(BUSY, name="d", sql="SELECT origin, 1 AS c, 2 AS a_b_c FROM arrivals GROUP BY origin")
    declared = project(tmp_path, (first, second, third), replace(PROBLEM, features=("a", "a_b", "d")))
    names = [d.name for d in declared.declared_features(declared.problem(PROBLEM.name))]
    assert len(names) == len({n.lower() for n in names})
    unlucky = replace(
        BUSY, name="e", sql="SELECT origin, 1 AS altitude, 2 AS ports_altitude, 3 AS e__origin_ports_altitude FROM arrivals GROUP BY origin"
    )
    with pytest.raises(DeclarationError, match=r"two features are called 'e__origin_ports_altitude'.*Rename one of them"):
        project(tmp_path, (unlucky,), replace(PROBLEM, features=("e", "ports.altitude")))


def test_a_leak_is_accepted_by_the_name_in_the_training_set(tmp_path):
    project(tmp_path, problem=replace(PROBLEM, leakage_allow={"late_ones_origin_count_*": "counted before"}))
    with pytest.raises(UnknownNameError, match=r"leakage\.allow names feature 'origin_count_2d'"):
        project(tmp_path, problem=replace(PROBLEM, leakage_allow={"origin_count_2d": "counted before"}))
