import json
from datetime import UTC, datetime

from ml_platform.monitoring.decision import Decision, Record
from ml_platform.monitoring.error_test import ErrorTest
from ml_platform.monitoring.incidents import Incident
from ml_platform.monitoring.monitored_day import MonitoredDay

NOW = datetime(2013, 12, 2, 3, tzinfo=UTC)


def test_a_day_survives_its_properties():
    decision = Decision("abc", True, ("drift",), ("age",), "2013-12-02", NOW, ("drift",))
    error = ErrorTest(0.2, 0.01, 500, 7, 0.18, 0.01, 0.18, 0.01, 1.4, False)
    full = MonitoredDay(
        Record("2013-12-01", 7, {"temp": 0.3}, error, decision),
        Incident("i1", "open", "2013-12-01", ("drift",)),
        ("temp", "_score"),
        {"rows": 500},
        {"training_date": "2013-11-01"},
    )
    empty = MonitoredDay(Record("2013-12-01", 7))
    for day in (full, empty):
        assert MonitoredDay.from_properties(day.day, json.loads(json.dumps(day.to_properties()))) == day
