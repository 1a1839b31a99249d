from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest

from ml_platform.core.errors import EmptySampleError
from ml_platform.core.intervals import shift_day
from ml_platform.monitoring.decision import Decision, Policy, Record, decide, windows_running
from ml_platform.monitoring.error_test import ErrorTest

NOW = datetime(2013, 12, 2, 3, tzinfo=UTC)
POLICY = Policy()
DAY = "2013-12-01"
HEAVY = {"temp": 0.3}
LIGHT = {"temp": 0.02, "wind": 0.03}


def error(value=0.25, best=0.2, worse=True):
    return ErrorTest(value, 0.004, 12_000, 14, best, 0.004, best, 0.004, (value - best) / 0.0057, worse)


def record(back=0, drifted=None, champion=1, found=None, decision=None):
    return Record(shift_day(DAY, -back), champion, drifted or {}, found, decision)


def decided(records, trained=("2013-11-10",), policy=POLICY):
    return decide("flights", "late", policy, records, trained=trained, now=NOW)


def retrained(back):
    day = shift_day(DAY, -back)
    return Decision("x", True, ("drift",), (), shift_day(day, 1), NOW)


DRIFTED_TWICE = [record(7, HEAVY), record(0, HEAVY)]

TABLE = {
    "quiet": ([record()], ["2013-11-10"], False, (), "drift: 1 of 2 windows"),
    "one window": ([record(0, HEAVY)], ["2013-11-10"], False, (), "drift: 1 of 2 windows"),
    "yesterday is the same window": ([record(1, HEAVY), record(0, HEAVY)], ["2013-11-10"], False, (), "drift: 1 of 2 windows"),
    "two windows": (DRIFTED_TWICE, ["2013-11-10"], True, ("drift",), "error: too few days"),
    "an older record stands in": ([record(10, HEAVY), record(0, HEAVY)], ["2013-11-10"], True, ("drift",), "error"),
    "too old to stand in": ([record(14, HEAVY), record(0, HEAVY)], ["2013-11-10"], False, (), "drift: 1 of 2 windows"),
    "another column": ([record(7, {"wind": 0.5}), record(0, HEAVY)], ["2013-11-10"], False, (), "drift: 0 columns with 0%"),
    "another champion": ([record(7, HEAVY, champion=9), record(0, HEAVY)], ["2013-11-10"], False, (), "drift: 1 of 2 windows"),
    "harmless columns": ([record(7, LIGHT), record(0, LIGHT)], ["2013-11-10"], False, (), "drift: 2 columns with 5%"),
    "worse": ([record(0, found=error())], ["2013-11-10"], True, ("error",), "drift: 1 of 2 windows"),
    "not worse": ([record(0, found=error(0.21, 0.2, worse=False))], ["2013-11-10"], False, (), "error: 21.0% on 12,000"),
    "old": ([record()], ["2013-11-04"], True, (), "drift"),
    "not old enough": ([record()], ["2013-11-05"], False, (), "age: the last training is of 2013-11-05, 27d"),
    "cool-down": ([record(0, found=error())], ["2013-11-26"], False, ("error",), "held back: the last training is of 2013-11-26, 6d ago"),
    "cool-down is over": ([record(0, found=error())], ["2013-11-25"], True, ("error",), "drift"),
    "refused challengers count": ([record(0, found=error())], ["2013-10-01", "2013-11-30"], False, ("error",), "held back"),
    "decided before": ([record(3, decision=retrained(3)), record(0, found=error())], ["2013-10-01"], False, ("error",), "held back"),
    "learnt already": (
        [record(0, found=error())],
        ["2013-12-02"],
        False,
        ("error",),
        "held back: a model of 2013-12-02 has learnt from this",
    ),
    "learnt already, nothing fired": ([record()], ["2013-12-20"], False, (), "drift"),
    "never trained": ([record()], [], False, (), "drift"),
}


@pytest.mark.parametrize("case", TABLE)
def test_decision_table(case):
    records, trained, retrain, alarms, why_not = TABLE[case]
    found = decided(records, trained)
    assert found.retrain is retrain
    assert found.alarms == alarms
    assert any(text.startswith(why_not) for text in found.why_not)
    assert all(not text.startswith("held back") for text in found.why_not[1:])
    assert found.training_date == "2013-12-02"
    assert bool(found.reasons) == (retrain or bool(alarms))


def test_everything_is_said_once():
    found = decided([record(7, HEAVY), record(0, HEAVY, found=error())], ["2013-11-04"])
    assert [text.split(":")[0] for text in found.reasons] == ["drift", "error", "age"]
    assert found.why_not == ()
    assert "1 column with 30% of the model's importance drifted in 2 windows of 7d running: temp" in found.reasons[0]
    assert "25.0% on 12,000 matured rows of 14 days, the best so far 20.0% (+5.0 points, z 8.8)" in found.reasons[1]


def test_the_longer_bound_holds():
    for policy in (Policy(every=timedelta(days=14)), Policy(cool_down=timedelta(days=14))):
        found = decided([record(0, found=error())], ["2013-11-20"], policy)
        assert not found.retrain
        assert "14d" in found.why_not[0]


def test_one_window_is_enough_where_the_policy_says_so():
    assert decided([record(0, HEAVY)], policy=Policy(persistence=1)).retrain


def test_windows_shorter_than_a_day_are_days():
    policy = Policy(window=timedelta(hours=6))
    assert [r.day for r in windows_running(policy, [record(1), record(0)])] == ["2013-11-30", "2013-12-01"]


def test_the_same_day_has_the_same_id_whatever_was_found():
    quiet, loud = decided([record()]), decided(DRIFTED_TWICE)
    assert quiet.id == loud.id
    assert decided([record(1)]).id != quiet.id
    assert decide("flights", "other", POLICY, [record()], trained=(), now=NOW).id != quiet.id
    assert decide("trains", "late", POLICY, [record()], trained=(), now=NOW).id != quiet.id


def test_the_clock_decides_nothing():
    late = decide("flights", "late", POLICY, DRIFTED_TWICE, trained=["2013-11-10"], now=NOW + timedelta(days=900))
    assert replace(late, decided_at=NOW) == decided(DRIFTED_TWICE)


def test_a_decision_survives_its_record():
    found = decided(DRIFTED_TWICE)
    assert Decision.from_mapping(found.to_mapping()) == found
    assert found.day == DAY


def test_no_record_no_decision():
    with pytest.raises(EmptySampleError, match="Nothing was monitored for problem 'late'"):
        decided([])
