from datetime import UTC, datetime, timedelta

from ml_platform.core.intervals import day_start, shift_day
from ml_platform.monitoring.decision import Policy, Record, decide
from ml_platform.monitoring.replay import replay


def past(days, drifted_from):
    return [Record(shift_day("2013-01-01", i), 1, {"temp": 0.4} if i >= drifted_from else {}) for i in range(days)]


def test_a_policy_is_lived_through_again():
    records = past(60, drifted_from=20)
    found = replay("flights", "late", Policy(), records, trained_before=["2013-01-01"])
    # The windows that end on 21 and 28 January have drifted; after that the cool-down of 7 days decides.
    assert found.retrainings == ("2013-01-29", "2013-02-05", "2013-02-12", "2013-02-19", "2013-02-26")
    assert len(found.decisions) == 60
    assert found.to_rows()[0]["reasons"].startswith("drift: 1 column with 40%")


def test_a_calendar_only():
    policy = Policy(drift_weight=2.0, at_least_every=timedelta(days=20))
    assert replay("flights", "late", policy, past(60, 0), trained_before=["2013-01-01"]).retrainings == (
        "2013-01-21",
        "2013-02-10",
        "2013-03-02",
    )


def test_the_replay_of_what_happened_is_what_happened():
    recorded = []
    for record in past(50, drifted_from=5):
        now = day_start(record.day) + timedelta(days=1)
        made = decide("flights", "late", Policy(), [*recorded, record], trained=["2013-01-01"], now=now)
        recorded.append(Record(record.day, record.champion, record.drifted, record.error, made))
    found = replay("flights", "late", Policy(), recorded, trained_before=["2013-01-01"])
    assert found.decisions == tuple(r.decision for r in recorded)
    assert found.decisions[0].decided_at == datetime(2013, 1, 2, tzinfo=UTC)


def test_no_past_no_decisions():
    assert replay("flights", "late", Policy(), []).decisions == ()
