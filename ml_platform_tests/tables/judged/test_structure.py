import pytest

from ml_platform.tables.declared.contract import Column, Contract
from ml_platform.tables.judged.structure import kind_of, structure_problems

CONTRACT = Contract((Column("flight", "int32"), Column("landed_at", "timestamp")))
GOOD = {"flight": "int64", "landed_at": "timestamp[ns, tz=UTC]"}


@pytest.mark.parametrize("delivered", [GOOD, {"flight": "string", "landed_at": "string"}, {"flight": "null", "landed_at": "date32[day]"}])
def test_what_can_be_judged_row_by_row_is_no_problem(delivered):
    assert structure_problems(CONTRACT, delivered) == []


@pytest.mark.parametrize(
    ("delivered", "message"),
    [
        ({"flight": "int64"}, "column 'landed_at' is missing. What exists: flight."),
        ({**GOOD, "gate": "string"}, "column 'gate' is not declared. Declare"),
        ({**GOOD, "gate": "string", "stand": "string"}, "columns 'gate', 'stand' are not declared"),
        ({**GOOD, "landed_at": "int64"}, "column 'landed_at' was delivered as int64, but is declared as timestamp"),
        ({"Flight": "int64", "landed_at": "string"}, "column 'flight' is missing. What exists: Flight, landed_at. Did you mean 'Flight'?"),
    ],
)
def test_what_stops_a_delivery_is_named(delivered, message):
    assert message in " ".join(structure_problems(CONTRACT, delivered))


def test_extra_columns_can_be_left_out():
    ignoring = Contract(CONTRACT.columns, extra_columns="ignore")
    assert structure_problems(ignoring, {**GOOD, "gate": "list<item: int64>"}) == []


def test_kinds_that_are_read_together():
    assert {kind_of(t) for t in ("int8", "int64", "uint16", "double", "float")} == {"number"}
    assert kind_of("null") == "null"
    assert kind_of("decimal128(9, 2)") != kind_of("decimal128(12, 2)")
