from ml_platform.core.intervals import shift_day
from ml_platform.monitoring.incidents import Incident, follow


def lived_through(alarms):
    incident, found = None, []
    for number, kinds in enumerate(alarms):
        incident = follow(incident, kinds, problem="flights/monitoring/late", day=shift_day("2013-12-01", number))
        found.append(incident)
    return found


def test_one_incident_opens_goes_on_and_closes():
    found = lived_through([(), ("drift",), ("drift",), (), ("error", "drift"), (), (), (), ("drift",)])
    assert [i and i.state for i in found] == [None, "open", "continuing", "continuing", "continuing", "continuing", "closed", None, "open"]
    assert len({i.id for i in found[1:7]}) == 1
    assert found[8].id != found[1].id
    assert [i.since for i in found if i] == ["2013-12-02"] * 6 + ["2013-12-09"]
    assert found[6].causes == ("drift", "error")


def test_an_alarm_on_the_day_after_closing_is_a_new_incident():
    found = lived_through([("drift",), (), (), ("drift",)])
    assert [i.state for i in found] == ["open", "continuing", "closed", "open"]


def test_an_incident_survives_its_record():
    (found,) = lived_through([("drift",)])
    assert Incident.from_mapping(found.to_mapping()) == found
