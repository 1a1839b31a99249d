"""What counts of rows that were delivered more than once, and from when: told as stories, then held against a loop."""

from datetime import timedelta

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ml_platform.tables.declared.contract import Column, Contract
from ml_platform.tables.declared.table import Availability
from ml_platform_tests.effort import examples
from ml_platform_tests.tables.judged_deliveries import at, delivery, judged, table

CONTRACT = Contract(
    (Column("id", "string"), Column("a", "int32"), Column("b", "int32"), Column("t", "timestamp"), Column("u", "timestamp")), key=("id",)
)
TWO = (Availability("t"), Availability("u", ("b", "u")))
LATE_AFTER = timedelta(days=1)
ORDERS = table(CONTRACT, availability=TWO, late_after=LATE_AFTER)


def text(time):
    return "NA" if time is None else time.isoformat()


def row(id_, a=1, b=None, t=10.0, u=None):
    return {"id": id_, "a": str(a), "b": "NA" if b is None else str(b), "t": text(at(t)), "u": text(None if u is None else at(u))}


def counted(*deliveries, orders=ORDERS):
    _, kept, _ = judged(orders, [r for d in deliveries for r in d])
    return {k["id"]: k for k in kept}


def times(kept):
    return (kept["_available_at"], kept["_available_at_2"])


def test_what_is_delivered_again_unchanged_keeps_its_availability_and_its_place():
    again = counted(delivery([row("1")], file="a", time=at(12)), delivery([row("0"), row("1")], file="b", time=at(100)))
    assert again["1"]["_available_at"] == at(10)
    assert (again["1"]["_file"], again["1"]["_row"]) == ("a", 0)


def test_a_correction_is_known_from_its_delivery():
    found = counted(delivery([row("1")], file="a", time=at(12)), delivery([row("1", a=2)], file="b", time=at(15)))
    assert found["1"]["a"] == 2
    assert found["1"]["_available_at"] == at(15)
    assert found["1"]["_file"] == "b"


def test_a_correction_before_its_declared_time_is_known_from_that():
    found = counted(delivery([row("1", t=20)], file="a", time=at(12)), delivery([row("1", a=2, t=20)], file="b", time=at(15)))
    assert found["1"]["_available_at"] == at(20)


def test_going_back_to_an_earlier_value_is_a_correction_too():
    first, second = delivery([row("1")], file="a", time=at(12)), delivery([row("1", a=2)], file="b", time=at(15))
    found = counted(first, second, delivery([row("1")], file="c", time=at(18)))
    assert (found["1"]["a"], found["1"]["_available_at"]) == (1, at(18))


def test_filling_in_what_becomes_known_later_moves_neither_group():
    found = counted(delivery([row("1")], file="a", time=at(11)), delivery([row("1", b=7, u=14)], file="b", time=at(15)))
    assert (found["1"]["b"], times(found["1"])) == (7, (at(10), at(14)))


def test_a_correction_of_one_group_leaves_the_other_alone():
    found = counted(delivery([row("1", b=7, u=14)], file="a", time=at(15)), delivery([row("1", b=8, u=14)], file="b", time=at(17)))
    assert times(found["1"]) == (at(10), at(17))


def test_a_new_row_of_a_later_file_keeps_its_time_unless_it_is_late():
    found = counted(
        delivery([row("1")], file="a", time=at(12)),
        delivery([row("2")], file="b", time=at(33)),
        delivery([row("3")], file="c", time=at(60)),
    )
    assert found["2"]["_available_at"] == at(10)
    assert found["3"]["_available_at"] == at(60)


def test_a_history_that_is_loaded_at_once_keeps_its_times():
    years_later = at(24 * 1000)
    found = counted(
        delivery([row("1")], file="a", time=years_later), delivery([row("2")], file="b", time=years_later + timedelta(minutes=1))
    )
    assert found["1"]["_available_at"] == found["2"]["_available_at"] == at(10)


def test_a_rejected_row_replaces_nothing():
    found = counted(delivery([row("1")], file="a", time=at(12)), delivery([{**row("1"), "a": "x"}], file="b", time=at(15)))
    assert (found["1"]["a"], found["1"]["_available_at"]) == (1, at(10))


def test_a_file_that_was_replaced_remembers_but_does_not_count():
    before = delivery([row("1"), row("2"), row("3")], time=at(12), current=False)
    found = counted(before, delivery([row("1"), row("2", a=5)], time=at(40)))
    assert set(found) == {"1", "2"}
    assert (found["1"]["_available_at"], found["2"]["_available_at"]) == (at(10), at(40))


def test_without_declared_times_a_row_is_known_from_the_delivery_that_brought_it():
    undeclared = table(CONTRACT)
    first, second = (
        delivery([row("1"), row("2")], file="a", time=at(12)),
        delivery([row("1"), row("2", a=2), row("3")], file="b", time=at(15)),
    )
    found = counted(first, second, orders=undeclared)
    assert {k: v["_available_at"] for k, v in found.items()} == {"1": at(12), "2": at(15), "3": at(15)}


def test_without_a_key_every_row_counts():
    keyless = table(Contract(CONTRACT.columns), availability=TWO)
    _, kept, _ = judged(keyless, delivery([row("1")], file="a", time=at(12)) + delivery([row("1")], file="b", time=at(60)))
    assert [k["_available_at"] for k in kept] == [at(10), at(60)]


def by_hand(deliveries):
    """Return what counts by walking through the deliveries in their order, one row at a time."""
    first = min(time for _, time, _, _ in deliveries)
    seen = {}
    for _, time, current, rows in sorted(deliveries, key=lambda d: (d[1], d[2], d[0])):
        for one in rows:
            seen.setdefault(one["id"], []).append((time, current, one))
    counted = {}
    for id_, history in seen.items():
        while history and not history[-1][1]:
            history.pop()
        if not history:
            continue
        known = []
        for content, declared in ((("a", "t"), "t"), (("b", "u"), "u")):
            since, before, last = None, False, None
            for time, _, one in history:
                now = tuple(one[c] for c in content)
                if now != last:
                    before = before or (last is not None and last[-1] != "NA")
                    since, last = time, now
            known.append(_known(history[-1][2][declared], since, before, first))
        counted[id_] = (history[-1][2]["a"], history[-1][2]["b"], *known)
    return counted


def _known(declared, since, corrected, first):
    if declared == "NA":
        return None
    declared = at(0).fromisoformat(declared)
    if corrected:
        return max(declared, since)
    return since if since > declared + LATE_AFTER and since > first + LATE_AFTER else declared


HOURS = st.sampled_from([10.0, 11.0, 34.0, 35.0, 36.0, 60.0])
ROWS = st.builds(
    row,
    st.sampled_from("123"),
    a=st.sampled_from([1, 2]),
    b=st.sampled_from([None, 7, 8]),
    t=st.sampled_from([9.0, 10.0, 11.0]),
    u=st.sampled_from([None, 10.0, 12.0]),
)
FILES = st.lists(
    st.tuples(HOURS, st.booleans(), st.lists(ROWS, min_size=1, max_size=3, unique_by=lambda r: r["id"])), min_size=1, max_size=5
)


@pytest.mark.slow
@settings(max_examples=examples(60))
@given(FILES)
def test_any_history_of_deliveries_counts_as_it_does_by_hand(files):
    deliveries = [(f"f{n}", at(hour), current, rows) for n, (hour, current, rows) in enumerate(files)]
    found = counted(*(delivery(rows, file=file, time=time, current=current) for file, time, current, rows in deliveries))
    kept = {k: (str(v["a"]), "NA" if v["b"] is None else str(v["b"]), *times(v)) for k, v in found.items()}
    assert kept == by_hand(deliveries)
