from datetime import date

import pytest
import yaml

from ml_platform.core.errors import DeclarationError, UnknownNameError
from ml_platform.tables.declared.parse import parse_contract

TEXT = """
columns:
  flight_id: string
  origin: {type: string, one_of: [EWR, JFK, LGA], nullable: false}
  tailnum: {type: string, matches: "[A-Z0-9]+", description: painted on the tail}
  arr_delay: {type: int16, min: -120, max: 2000, was: [delay, late_by]}
  fare: {type: "decimal(9,2)", min: 0.5}
  day: {type: date, min: 2013-01-01}
  landed_at: {type: timestamp, zone: America/New_York, max: 2030-01-01}
  scheduled_at: {type: timestamp, was: planned_at}
rules:
  - {name: lands_after_departure, sql: landed_at > scheduled_at}
  - {name: early, sql: arr_delay > -100, severity: warn, description: hardly ever so early}
references:
  - {columns: tailnum, in: planes}
  - {columns: [origin], in: airports, to: [faa], severity: reject}
max_rejected: 0.01
min_rows: 10
extra_columns: ignore
"""


def parse(swap=None, **keys):
    mapping = yaml.safe_load(TEXT.replace(*swap) if swap else TEXT)
    return parse_contract({**mapping, **keys}, key=["flight_id"], where="arrivals.contract.yaml")


def test_a_contract_is_read():
    contract = parse()
    assert contract.key == ("flight_id",)
    assert contract.column("flight_id").nullable is False
    assert contract.column("arr_delay").minimum == -120
    assert contract.column("day").minimum == date(2013, 1, 1)
    assert (contract.column("arr_delay").was, contract.column("scheduled_at").was) == (("delay", "late_by"), ("planned_at",))
    assert contract.rules[1].severity == "warn"
    assert contract.references[0].to_columns == ("tailnum",)
    assert (contract.max_rejected, contract.min_rows, contract.extra_columns) == (0.01, 10, "ignore")


@pytest.mark.parametrize(
    ("swap", "message"),
    [
        (("[EWR, JFK, LGA]", "[EWR, NO]"), "column 'origin', one_of: False is not a string.*YAML reads NO"),
        (("was: planned_at", "was: delay"), "among names and former names.*'delay' stands there twice"),
        (("was: planned_at", "was: Day"), "among names and former names.*'day' stands there twice"),
        (("was: planned_at", "was: no"), "was: a column is called False"),
        (
            ("{columns: tailnum, in", "{columns: delay, in"),
            r"names the column 'delay', which is not declared\. It is called 'arr_delay' now",
        ),
        (("[EWR, JFK, LGA]", "[12:00]"), "one_of: 720 is not a string.*12:00"),
        (("[EWR, JFK, LGA]", "[]"), "one_of lists nothing"),
        (("type: int16", "type: int61"), "'int61' is not the type of a column.*Did you mean 'int64'"),
        (("min: -120", "minimum: -120"), "a column has no field 'minimum'.*What exists: .*min"),
        (("min: -120", "min: 3000"), "min 3000 is above max 2000"),
        (('"[A-Z0-9]+"', '"[A-Z"'), r"matches '\[A-Z' is not a regular expression"),
        (("America/New_York", "America/Newark"), "'America/Newark' is not a time zone"),
        (("landed_at > scheduled_at", "landed_at > sheduled_at"), "rule 'lands_after_departure'.*Did you mean 'scheduled_at'"),
        (("landed_at > scheduled_at", "arr_delay + 1"), r"rule .* is a smallint|is a integer .*not a condition"),
        (("landed_at > scheduled_at", "yes"), "needs 'sql:', a condition"),
        (("severity: warn", "severity: warning"), "severity is reject or warn, got 'warning'"),
        (("name: early", "name: lands_after_departure"), "'lands_after_departure' stands there twice"),
        (("name: early", "name: range_arr_delay"), "'range_arr_delay' stands there twice"),
        (("to: [faa]", "to: [faa, name]"), "1 columns cannot refer to 2"),
        (("columns: tailnum", "columns: tail"), "names the column 'tail', which is not declared.*Did you mean 'tailnum'"),
        (("max_rejected: 0.01", "max_rejected: 5"), r"a share from 0 to 1 \(or from 0% to 100%\), got 5"),
        (("min_rows: 10", "min_rows: 1.5"), "a whole number of rows"),
        (("extra_columns: ignore", "extra_columns: drop"), "extra_columns is stop or ignore"),
        (("extra_columns", "extra_colums"), "a contract has no field 'extra_colums'.*Did you mean 'extra_columns'"),
        (("  origin:", "  on:"), "a column is called True.*quote the name"),
        (("  origin:", "  _origin:"), "starts with an underscore"),
        (("flight_id: string", "flight_id: {type: string, nullable: true}"), "belongs to the key"),
        (("nullable: false", "nullable: never"), "nullable is true or false"),
        (("flight_id: string", "flight_id: {nullable: false}"), "has no type"),
        (("tailnum: {", "tailnum: {min: 3, "), "3 is not a string"),
        (("type: string, matches", "type: int8, matches"), "only text can be matched"),
        (("type: date,", "type: date, zone: UTC,"), "Only a timestamp has one"),
    ],
)
def test_a_wrong_contract_fails_with_file_cause_and_what_exists(swap, message):
    with pytest.raises(DeclarationError, match=message) as failure:
        parse(swap)
    assert str(failure.value).startswith("arrivals.contract.yaml")


def test_text_and_truth_have_no_range():
    with pytest.raises(DeclarationError, match="is a string, which has no min and max"):
        parse_contract({"columns": {"x": {"type": "string", "min": "a"}}}, where="w")


def test_the_key_must_be_declared():
    with pytest.raises(UnknownNameError, match=r"the key names the column 'flight'.*Did you mean 'flight_id'"):
        parse_contract(yaml.safe_load(TEXT), key=["flight"], where="w")


@pytest.mark.parametrize("mapping", [None, [], {"columns": {}}, {"columns": ["a"]}])
def test_a_contract_needs_columns(mapping):
    with pytest.raises(DeclarationError, match=r"a contract (is a mapping|needs 'columns:')"):
        parse_contract(mapping, where="w")


def test_letter_case_does_not_tell_columns_apart():
    with pytest.raises(DeclarationError, match="'x' stands there twice"):
        parse_contract({"columns": {"x": "string", "X": "string"}}, where="w")
