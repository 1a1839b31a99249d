from dataclasses import replace

from ml_platform.pipeline.models.candidates import candidates_of, read_candidates
from ml_platform.project.asked_features import resolve_features
from ml_platform.project.carried import with_carried
from ml_platform_tests import flights_like as like

PROBLEM = like.LATE_ARRIVAL.name


def test_a_problem_keeps_its_features_when_views_move_on(tmp_path):
    then = like.project(tmp_path)
    kept = candidates_of(then, then.problem(PROBLEM))
    moved = like.project(tmp_path, views=[replace(like.DELAYS, windows=(3 * like.DAY,), entities=(("dest",),))])
    carried = with_carried(moved, PROBLEM, kept.features, kept.candidates)
    problem = carried.problem(PROBLEM)
    assert resolve_features(carried, problem) == resolve_features(then, then.problem(PROBLEM))
    assert (problem.view_entities, problem.table_columns) == (then.problem(PROBLEM).view_entities, then.problem(PROBLEM).table_columns)
    assert carried.view("delays").entities == like.DELAYS.entities
    assert moved.view("delays").entities == (("dest",),)  # the project of today is as it was


def test_a_view_that_is_declared_as_it_was_stays_the_declared_one(tmp_path):
    project = like.project(tmp_path)
    kept = candidates_of(project, project.problem(PROBLEM))
    assert with_carried(project, PROBLEM, kept.features, kept.candidates).view("delays") is project.view("delays")


def test_features_that_the_problem_did_not_ask_for_are_kept_for_their_tables(tmp_path):
    asked = replace(like.LATE_ARRIVAL, features=("schedule.carrier", "delays.origin_late_share_7d"))
    project = like.project(tmp_path, problem=asked)
    kept = candidates_of(project, project.problem(PROBLEM))
    assert [d.name for d in kept.candidates] == ["carrier", "origin_late_share_7d"]
    assert len(kept.features) == 1 + sum(len(project.view("delays").definitions(e)) for e in like.DELAYS.entities)
    assert read_candidates(kept.to_bytes()) == kept
    moved = like.project(tmp_path, views=[replace(like.DELAYS, windows=(7 * like.DAY,))], problem=asked)
    carried = with_carried(moved, PROBLEM, kept.features, kept.candidates)
    assert carried.view("delays").definitions(("origin",)) == project.view("delays").definitions(("origin",))
    assert carried.problem(PROBLEM).view_entities == project.problem(PROBLEM).view_entities
