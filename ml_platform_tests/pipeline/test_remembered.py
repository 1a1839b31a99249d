import pytest

from ml_platform.pipeline.remembered import Remembered
from ml_platform.pipeline.scoring.monitoring import materialize_monitoring
from ml_platform.pipeline.scoring.watched import read_watched
from ml_platform_tests.pipeline.monitored_world import PROBLEM, World, days_from

TRAINED = "2013-01-15"


def test_a_thing_is_made_once_and_the_one_used_longest_ago_is_forgotten():
    made = []
    kept = Remembered(most=2)
    for key in ("a", "b", "a", "c", "a", "b"):
        assert kept.get(key, lambda key=key: made.append(key) or key.upper()) == key.upper()
    assert made == ["a", "b", "c", "b"]
    assert [key in kept for key in "abc"] == [True, True, False]


def watched(world, day):
    workspace = world.workspace(day)
    return read_watched(workspace, workspace.project.problem(PROBLEM), [day], at=workspace.lake.versions.newest_commit())


def test_a_champion_is_read_once_and_a_day_is_counted_once(tmp_path):
    world = World(tmp_path)
    world.train(TRAINED)
    days = days_from(TRAINED, 9)
    world.score(days)
    before, after = watched(world, days[-2]), watched(world, days[-1])
    (model,) = before.champions
    assert after.champions[model] is before.champions[model]
    shared = before.profiles[model].keys() & after.profiles[model].keys()
    assert len(shared) == 6
    assert all(after.profiles[model][day] is before.profiles[model][day] for day in shared)


@pytest.mark.slow
def test_what_is_remembered_of_one_lake_is_not_taken_for_another_one_s(tmp_path):
    found = []
    days = days_from(TRAINED, 9)
    for number, folder in enumerate(("one", "other", "one again")):
        world = World(tmp_path / folder, seed=number % 2)
        world.train(TRAINED)
        world.score(days)
        materialize_monitoring(world.workspace(days[-1]), PROBLEM, days, report="never")
        found.append(world.lake.versions.heads(world.workspace(days[-1]).table("monitoring", PROBLEM)))
    one, other, again = ([v.data_hash for v in heads.values()] for heads in found)
    assert one == again
    assert not set(one) & set(other)


def test_a_day_that_grew_is_counted_anew(tmp_path):
    world = World(tmp_path)
    world.train(TRAINED)
    days = days_from(TRAINED, 9)
    world.score(days)
    before = watched(world, days[-1])
    world.shift = {"temp": (days[-1], 1.0)}
    world.score(days[-1:])
    after = watched(world, days[-1])
    (model,) = before.champions
    profiles = [w.profiles[model][days[-1]] for w in (before, after)]
    assert profiles[1].mean("temp") - profiles[0].mean("temp") > 0.5
