from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ml_platform.core.errors import LakeError
from ml_platform.lake.retention.rules import MINIMUM_AGE, Entry, Heads, Retention, Rule, State, due_ids, rule_for

DAY = 86_400_000_000


def entries(*days, rejected=(), branch=0, first=1, partition="d1"):
    """One version per day of publication, in order."""
    return [Entry(first + n, partition, first + n in rejected, branch, day * DAY) for n, day in enumerate(days)]


def due(found, retention, now, dropped=None):
    return sorted(due_ids(found, retention, dropped or {}, now * DAY))


def test_a_version_is_due_when_it_was_superseded_long_enough():
    rule = Retention(timedelta(days=30))
    assert due(entries(0, 10, 20), rule, 39) == []
    assert due(entries(0, 10, 20), rule, 40) == [1]
    assert due(entries(0, 10, 20), rule, 50) == [1, 2]
    assert due(entries(0, 10, 20), rule, 9_999) == [1, 2]


def test_the_newest_versions_stay_and_both_conditions_must_hold():
    assert due(entries(0, 1, 2, 3), Retention(versions=2), 100) == [1, 2]
    assert due(entries(0, 1, 2, 3), Retention(versions=1), 100) == [1, 2, 3]
    assert due(entries(0, 1, 2, 3), Retention(timedelta(days=98), 2), 100) == [1, 2]
    assert due(entries(0, 1, 2, 3), Retention(timedelta(days=99), 2), 100) == [1]
    assert due(entries(0, 1, 2, 3), Retention(timedelta(days=98), 3), 100) == [1]
    assert due(entries(0, 1), Retention(versions=2), 100) == []


def test_nothing_is_due_without_a_rule():
    assert due(entries(0, 1, 2), Retention(), 9_999) == []


def test_a_rejected_version_is_over_when_anything_follows_it():
    rule = Retention(timedelta(days=5))
    assert due(entries(0, 10, rejected={2}), rule, 100) == []
    assert due(entries(0, 10, 20, rejected={2}), rule, 100) == [1, 2]
    assert due(entries(0, 10, 20, rejected={2}), rule, 24) == []
    # A rejected one supersedes nothing that is read.
    assert due(entries(0, 10, 20, rejected={2, 3}), rule, 100) == [2]
    assert due(entries(0, 10, 20, rejected={1, 2}), Retention(versions=1), 100) == [1]


def test_what_is_younger_than_a_day_or_from_the_future_is_never_due():
    assert timedelta(days=1) == MINIMUM_AGE
    assert due(entries(10, 10), Retention(versions=1), 10.9) == []
    assert due(entries(10, 10), Retention(versions=1), 11) == [1]
    assert due(entries(10, 11), Retention(versions=1), 5) == []


def test_a_dropped_branch_holds_nothing_by_itself():
    found = [*entries(0, 1), *entries(2, 3, branch=1, first=3)]
    assert due(found, Retention(timedelta(days=10), 2), 100) == []
    assert due(found, Retention(timedelta(days=10), 2), 100, {1: 50 * DAY}) == [3, 4]
    assert due(found, Retention(timedelta(days=10), 2), 59, {1: 50 * DAY}) == [3]
    assert due(found, Retention(timedelta(days=10)), 55, {1: 50 * DAY}) == [1, 3]


def test_the_first_rule_that_matches_decides():
    rules = [Rule("p/raw/a"), Rule("p/raw/*", versions=1), Rule("p/*", timedelta(days=3)), Rule("q/tables/x", versions=2)]
    assert rule_for("p/raw/a", rules) is None
    assert rule_for("p/raw/b", rules) == rules[1]
    assert rule_for("p/tables/b", rules) == rules[2]
    assert rule_for("q/tables/y", rules) is None


def test_rules_are_told_in_words():
    assert Rule("p/*", timedelta(days=30), 2).words == (
        "superseded for 30d or longer and not among the newest 2 of its partition (rule for p/*)"
    )
    assert Rule("p/*", versions=1).words == "no longer read (rule for p/*)"
    assert Retention().words == "never"


@pytest.mark.parametrize("wrong", [{"versions": 0}, {"superseded_for": timedelta(days=-1)}])
def test_impossible_rules_are_refused(wrong):
    with pytest.raises(LakeError, match=r"give (1|zero) or more"):
        Retention(**wrong)


VERSIONS = st.lists(st.tuples(st.sampled_from("xy"), st.booleans(), st.integers(0, 2)), max_size=14)
LIMITS = st.lists(st.tuples(st.integers(0, 2), st.integers(0, 15)), min_size=1, max_size=3, unique_by=lambda pair: pair[0])


@given(VERSIONS, LIMITS)
def test_a_head_is_the_largest_id_that_is_seen_of_its_partition(versions, limits):
    found = [Entry(n, partition, rejected, branch, 0) for n, (partition, rejected, branch) in enumerate(versions, start=1)]
    seen = [e for e in found if not e.rejected and any(e.branch == branch and e.id <= limit for branch, limit in limits)]
    expected = {max(e.id for e in seen if e.partition == partition) for partition in {e.partition for e in seen}}
    heads = Heads(found)
    assert heads.read_in(State("s", tuple(limits))) == expected
