import random
from datetime import timedelta

import pyarrow as pa
import pytest

from ml_platform.tables.declared.contract import Column, Contract, Reference, RowRule
from ml_platform.tables.declared.parse import parse_contract
from ml_platform.tables.declared.table import Availability
from ml_platform_tests.tables.judged_deliveries import DAY, at, delivery, judged, table

CONTRACT = Contract(
    (
        Column("id", "string", nullable=False),
        Column("origin", "string", one_of=("EWR", "JFK")),
        Column("tail", "string", matches="N[0-9]+"),
        Column("delay", "int16", minimum=-100, maximum=2000),
        Column("planned_at", "timestamp", nullable=False),
        Column("landed_at", "timestamp"),
    ),
    key=("id",),
    rules=(
        RowRule("lands_later", "landed_at > planned_at"),
        RowRule("unlucky", "delay <> 13", severity="warn"),
        RowRule("counted", "CAST(tail[2:] AS INTEGER) < 1000", description="planes are numbered below 1000"),
    ),
)
ORDERS = table(
    CONTRACT, event_time="planned_at", availability=(Availability("planned_at"), Availability("landed_at", ("delay", "landed_at")))
)
GOOD = {"id": "1", "origin": "EWR", "tail": "N14", "delay": "5", "planned_at": "2013-01-05T10:00:00Z", "landed_at": "2013-01-05T12:00:00Z"}


def broken(row, **others):
    judgement, kept, rejected = judged(ORDERS, delivery([{**GOOD, **row}, {**GOOD, "id": "other", **others}]))
    rules = {b.rule.name: sum(b.rows.values()) for b in judgement.broken}
    assert len(kept) + len(rejected) == 2
    return rules, rejected


def test_a_good_row_is_typed_and_known_from_its_availability():
    judgement, kept, rejected = judged(ORDERS, delivery([GOOD]))
    assert (judgement.rows, judgement.rejected, judgement.broken, rejected) == ({DAY: 1}, {DAY: 0}, (), [])
    assert kept[0]["delay"] == 5
    assert (kept[0]["_available_at"], kept[0]["_available_at_2"]) == (at(10), at(12))
    assert (kept[0]["_file"], kept[0]["_row"]) == ("a.csv", 0)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("row", "rule"),
    [
        ({"delay": "12.5"}, "type_of_delay"),
        ({"delay": "late"}, "type_of_delay"),
        ({"planned_at": "yesterday"}, "type_of_planned_at"),
        ({"planned_at": "NA"}, "not_null_planned_at"),
        ({"id": ""}, "not_null_id"),
        ({"delay": "-101"}, "range_delay"),
        ({"delay": "2001"}, "range_delay"),
        ({"origin": "XXX"}, "one_of_origin"),
        ({"tail": "n14"}, "matches_tail"),
        ({"tail": "N14 "}, "matches_tail"),
        ({"landed_at": "2013-01-05T10:00:00Z"}, "lands_later"),
        ({"tail": "N1000"}, "counted"),
        ({"tail": "N99999999999"}, "counted"),  # overflows: what cannot be computed keeps no rule
        ({"planned_at": "2013-01-03T10:00:00Z"}, "other_day"),
        ({"landed_at": "2013-01-07T00:00:00Z"}, "other_day"),
    ],
)
def test_a_broken_rule_rejects_its_row_alone(row, rule):
    rules, rejected = broken(row)
    assert rules == {rule: 1}
    assert [r["_rules"] for r in rejected] == [[rule]]
    assert rejected[0] | row == rejected[0]
    assert (rejected[0]["_file"], rejected[0]["_row"]) == ("a.csv", 0)


@pytest.mark.parametrize(
    "row", [{"delay": "-100"}, {"delay": "2000"}, {"planned_at": "2013-01-04T00:00:00Z"}, {"landed_at": "2013-01-06T23:59:59.999999Z"}]
)
def test_the_ends_of_a_range_belong_to_it_and_the_end_of_a_day_does_not(row):
    assert broken(row) == ({}, [])


@pytest.mark.parametrize("column", ["origin", "tail", "delay", "landed_at"])
def test_no_value_keeps_every_rule(column):
    assert broken({column: "NA"}) == ({}, [])


def test_what_is_not_known_yet_has_no_availability():
    _, kept, _ = judged(ORDERS, delivery([{**GOOD, "landed_at": "NA", "delay": "NA"}]))
    assert (kept[0]["_available_at"], kept[0]["_available_at_2"]) == (at(10), None)


def test_an_availability_of_the_row_must_be_known():
    by_tail = table(CONTRACT, availability=(Availability("planned_at + to_hours(CAST(tail[2:] AS INTEGER))"),))
    judgement, kept, _ = judged(by_tail, delivery([{**GOOD, "tail": "NA"}, {**GOOD, "id": "2", "tail": "N3"}]))
    assert [b.rule.name for b in judgement.broken] == ["available_at_known"]
    assert judgement.broken[0].samples == ("a.csv row 0: planned_at='2013-01-05T10:00:00Z', tail='NA'",)
    assert kept[0]["_available_at"] == at(13)


def test_a_warning_keeps_the_row_and_names_it():
    judgement, kept, rejected = judged(ORDERS, delivery([{**GOOD, "delay": "13"}]))
    assert [(b.rule.name, b.rule.severity, b.samples) for b in judgement.broken] == [("unlucky", "warn", ("a.csv row 0: delay='13'",))]
    assert (len(kept), rejected) == (1, [])


@pytest.mark.parametrize("known_early", ["warn", "reject", "allow"])
def test_a_row_that_is_known_before_it_happened_is_counted_set_aside_or_right_as_declared(known_early):
    said = {} if known_early == "warn" else {"known_early": known_early}
    contract = parse_contract(
        {"columns": {"id": "string", "happened_at": "timestamp", "told_at": "timestamp"}, **said},
        key=["id"], where="orders.contract.yaml",
    )  # fmt: skip
    rows = [
        {"id": str(n), "happened_at": "2013-01-05T10:00:00Z", "told_at": f"2013-01-05T{hour}:00:00Z"} for n, hour in enumerate(("10", "09"))
    ]
    judgement, kept, rejected = judged(table(contract, event_time="happened_at", availability=(Availability("told_at"),)), delivery(rows))
    expected = [] if known_early == "allow" else [("known_before_it_happened", known_early, {DAY: 1})]
    assert [(b.rule.name, b.rule.severity, b.rows) for b in judgement.broken] == expected
    assert (len(kept), len(rejected)) == ((1, 1) if known_early == "reject" else (2, 0))
    # An expression over the time alone, and times of single columns, say themselves what is known ahead.
    for available in ((Availability("happened_at - interval 1 hour"),), (Availability("told_at"), Availability("happened_at", ("id",)))):
        assert not judged(table(contract, event_time="happened_at", availability=available), delivery(rows))[0].broken


def test_an_exact_repetition_is_kept_once():
    judgement, kept, rejected = judged(ORDERS, delivery([GOOD, {**GOOD, "id": "2"}, GOOD, GOOD]))
    assert [(r["_row"], r["_rules"]) for r in rejected] == [(2, ["exact_duplicate"]), (3, ["exact_duplicate"])]
    assert [k["_row"] for k in kept] == [0, 1]
    assert judgement.rejected == {DAY: 2}


def test_rows_that_contradict_each_other_are_all_rejected():
    _, kept, rejected = judged(ORDERS, delivery([GOOD, {**GOOD, "delay": "6"}, GOOD, {**GOOD, "id": "2"}]))
    assert [(r["_row"], r["_rules"]) for r in rejected] == [(n, ["key_unique"]) for n in (0, 1, 2)]
    assert [k["id"] for k in kept] == ["2"]


def test_the_same_key_on_another_day_is_another_row():
    _, kept, rejected = judged(ORDERS, delivery([GOOD]) + delivery([GOOD], day="2013-01-06"))
    assert (len(kept), rejected) == (2, [])


def test_a_table_without_a_key_keeps_repetitions():
    free = table(Contract(CONTRACT.columns))
    _, kept, rejected = judged(free, delivery([GOOD, GOOD]))
    assert (len(kept), rejected) == (2, [])


@pytest.mark.parametrize("severity", ["warn", "reject"])
def test_a_reference_must_lead_somewhere(severity):
    referring = table(Contract(CONTRACT.columns, ("id",), references=(Reference(("tail",), "planes", ("tailnum",), severity),)))
    rows = delivery([GOOD, {**GOOD, "id": "2", "tail": "N15"}, {**GOOD, "id": "3", "tail": "NA"}])
    judgement, kept, rejected = judged(referring, rows, references={"planes": pa.table({"tailnum": ["N14"]})})
    assert [(b.rule.name, b.samples) for b in judgement.broken] == [("tail_in_planes", ("a.csv row 1: tail='N15'",))]
    assert len(kept) == (3 if severity == "warn" else 2)
    assert [r["_rules"] for r in rejected] == ([] if severity == "warn" else [["tail_in_planes"]])


def test_a_reference_over_two_columns():
    there = pa.table({"a": ["EWR", "JFK"], "b": ["N14", "N15"]})
    referring = table(Contract(CONTRACT.columns, ("id",), references=(Reference(("origin", "tail"), "pairs", ("a", "b"), "reject"),)))
    _, kept, rejected = judged(referring, delivery([GOOD, {**GOOD, "id": "2", "tail": "N15"}]), references={"pairs": there})
    assert [k["id"] for k in kept] == ["1"]
    assert [r["id"] for r in rejected] == ["2"]


def test_a_table_that_is_not_there_yet_is_not_looked_up():
    referring = table(Contract(CONTRACT.columns, references=(Reference(("tail",), "planes", ("tailnum",)),)))
    judgement, kept, _ = judged(referring, delivery([GOOD]))
    assert judgement.unchecked == ("tail_in_planes: planes has no rows yet, so nothing was looked up",)
    assert len(kept) == 1


@pytest.mark.slow
def test_rows_stay_in_the_order_in_which_they_were_delivered():
    rows = delivery([{**GOOD, "id": str(n)} for n in random.Random(1).sample(range(60_000), 60_000)])
    _, kept, _ = judged(table(CONTRACT), rows)
    assert [k["_row"] for k in kept] == list(range(60_000))


def test_a_clean_table_asks_nothing_twice(monkeypatch):
    asked = []
    monkeypatch.setattr("ml_platform.tables.judged.check._count_broken", lambda *_: asked.append(1))
    judged(ORDERS, delivery([GOOD]))
    assert asked == []


def test_an_unpartitioned_table_has_no_other_day():
    whole = table(CONTRACT, daily=False, event_time="planned_at", availability=(Availability("planned_at"),))
    judgement, kept, _ = judged(whole, delivery([{**GOOD, "planned_at": "1999-01-01"}], day=""))
    assert judgement.rows == {"": 1}
    assert len(kept) == 1


def test_a_delay_is_added_to_every_availability():
    later = table(CONTRACT, availability=ORDERS.availability, delay=timedelta(minutes=90))
    _, kept, _ = judged(later, delivery([GOOD]))
    assert (kept[0]["_available_at"], kept[0]["_available_at_2"]) == (at(11.5), at(13.5))


@pytest.mark.parametrize("name", ["it's", "select", "Größe", "a b", 'x"y', "größe %s {}"])
def test_a_column_may_have_any_name(name):
    odd = table(Contract((Column(name, "string", one_of=("it's", 'x"y')),), key=(name,)))
    judgement, kept, rejected = judged(odd, delivery([{name: "it's"}, {name: "other"}, {name: 'x"y'}, {name: 'x"y'}]))
    assert [k[name] for k in kept] == ["it's", 'x"y']
    assert [(r[name], r["_rules"]) for r in rejected] == [("other", [f"one_of_{name}"]), ('x"y', ["exact_duplicate"])]
    assert judgement.broken[0].samples == (f"a.csv row 1: {name}='other'",)
