"""Whatever a folder holds, `ml-platform init` writes what loads, or says in a sentence what is missing."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml

from ml_platform.cli import main
from ml_platform_tests.commands.start.corpus import FOLDERS, MISSING

pytestmark = pytest.mark.slow
# Through dg itself, which takes long to load: of each kind of file, of name, of time and of question.
BY_DG = {"one_csv", "odd_headers", "reserved_words", "two_roles", "nested_json", "hive", "days_with_gaps", "forecast", "three_classes",
         "looked_up", "coded", "no_header", "cyrillic", "without_times"}  # fmt: skip


@pytest.fixture(scope="module")
def drafted(tmp_path_factory) -> Iterator[tuple[Path, dict[str, dict]]]:
    """Every folder of the corpus, drafted as a project of its own in one code location; what the command told of each."""
    base = tmp_path_factory.mktemp("corpus")
    home = base / "home"
    home.mkdir()
    told = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(home)
        patch.syspath_prepend(str(home))
        for name, write in FOLDERS.items():
            (base / name).mkdir()
            write(base / name)
            told[name] = _told(["init", str(base / name), "--name", name, "--json"])
        yield home, told
    # Python loads each name once: others draft projects of the same names elsewhere.
    for module in [m for m in sys.modules if m.partition(".")[0] == "one_csv_platform"]:
        del sys.modules[module]


def _told(arguments: list[str]) -> dict:
    from contextlib import redirect_stderr, redirect_stdout
    from io import StringIO

    with redirect_stdout(StringIO()) as out, redirect_stderr(StringIO()) as err:
        code = main(arguments)
    assert code == 0, err.getvalue()
    return json.loads(out.getvalue())


def test_all_of_it_compiles(drafted):
    from dagster.components.core.component_tree import ComponentTree

    from ml_platform.components.project_definitions import projects_of

    home, told = drafted
    projects = {name: project for name, (project, _) in projects_of(ComponentTree.for_project(home)).items()}
    assert set(projects) == set(FOLDERS)
    assert {n: set(p.problems) for n, p in projects.items()} == {n: {q["problem"] for q in t["questions"]} for n, t in told.items()}


def test_all_of_it_loads(drafted):
    from ml_platform.components.code_location import load_definitions

    home, told = drafted
    keys = {tuple(key.path[:2]) for key in load_definitions(home).resolve_asset_graph().get_all_asset_keys()}
    assert {name for name, _ in keys} == set(FOLDERS)
    assert {name for name, layer in keys if layer == "models"} == {name for name, answer in told.items() if answer["questions"]}


@pytest.mark.slow
def test_dg_accepts_what_is_drafted(drafted, tmp_path):
    """The command that a user is told to run next, over a project of each kind at once; it ends with 1 where anything is wrong."""
    home = Path(shutil.copytree(drafted[0], tmp_path / "home", symlinks=True))
    for other in [folder for folder in home.glob("*/defs/*") if folder.is_dir() and folder.name not in BY_DG]:
        shutil.rmtree(other)
    folder = Path(sys.executable).parent
    environment = {**os.environ, "PATH": f"{folder}{os.pathsep}{os.environ['PATH']}", "NO_COLOR": "1", "COLUMNS": "300"}
    environment |= {"PYTHONPATH": os.pathsep.join([str(home), *sys.path]), "DAGSTER_DISABLE_TELEMETRY": "1"}
    command = [str(folder / "dg"), "check", "defs", "--use-active-venv"]
    done = subprocess.run(command, cwd=home, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    assert "All definitions loaded successfully" in done.stdout
    assert {file.parent.name for file in home.glob("*/defs/*/defs.yaml")} == BY_DG


@pytest.mark.parametrize("name", [n for n in FOLDERS if n not in MISSING])
def test_a_question_is_drafted(drafted, name):
    home, told = drafted
    assert told[name]["left_out"] == []
    assert told[name]["questions"], declarations(home, name)


@pytest.mark.parametrize("name", MISSING)
def test_what_is_missing_is_said_in_a_sentence(drafted, name):
    home, told = drafted
    text = " ".join(line.strip().removeprefix("#").strip() for line in declarations(home, name).splitlines())
    assert MISSING[name] in " ".join([*told[name]["left_out"], text])


def declarations(home: Path, name: str) -> str:
    (file,) = home.glob(f"*/defs/{name}/defs.yaml")
    return file.read_text()


def declared(home: Path, name: str) -> dict[str, dict]:
    return {d["attributes"]["name"]: d["attributes"] for d in yaml.safe_load_all(declarations(home, name))}


def contract(home: Path, name: str, table: str) -> dict:
    (file,) = home.glob(f"*/defs/{name}/{table}.contract.yaml")
    return yaml.safe_load(file.read_text())


def test_what_names_something_is_text_and_never_averaged(drafted):
    home, _ = drafted
    columns = contract(home, "codes", "orders")["columns"]
    assert (columns["zip"]["type"], columns["product_upc"]["type"]) == ("string", "string")
    features = declared(home, "codes")["orders_recent"]["features"]
    assert [f.get("column") for f in features] == ["amount", None]


def test_a_column_that_some_files_lack_is_optional(drafted):
    home, _ = drafted
    columns = contract(home, "column_added", "sales")["columns"]
    assert [name for name, body in columns.items() if body.get("optional")] == ["card"]


def test_a_priority_is_asked_for_as_one_of_three_classes(drafted):
    home, told = drafted
    (asked,) = [q for q in told["priorities"]["questions"] if q["problem"] == "priority_of_tickets"]
    assert asked["asks"] == "Which priority will it be?"
    assert declared(home, "priorities")["priority_of_tickets"]["task"] == "multiclass"
    # What it was before is learnt from: by window, how often it was each of the classes.
    shares = [f for f in declared(home, "priorities")["tickets_recent"]["features"] if f["functions"] == ["share"]]
    assert {f["name"]: f["sql"] for f in shares} == {f"priority_{c}": f"priority = '{c}'" for c in ("high", "normal", "low")}


def test_codes_are_told_apart_by_value_and_never_added_up(drafted):
    home, told = drafted
    found = declared(home, "coded")
    # Of an outcome and a priority the outcome is meant.
    assert told["coded"]["questions"][0]["problem"] == "outcome_of_orders"
    features = found["orders_recent"]["features"]
    shares = {f["name"] for f in features if f["functions"] == ["share"]}
    assert {"outcome_kept", "priority_low", "shipvia_1"} <= shares, "a share of each answer, of the first eight"
    averaged = {f["column"] for f in features if {"mean", "sum"} & set(f["functions"])}
    assert averaged == {"Quantity", "Freight"}, "an amount of 1 to 3 is none, though a small table has just these keys"
    assert "orders.ShipVia" in found["outcome_of_orders"]["features"]
    # Rows with times finer than a microsecond would break the contract.
    assert contract(home, "coded", "orders")["columns"]["ShippedDate"]["format"] == "cut_to_us"
    assert "format" not in contract(home, "coded", "orders")["columns"]["OrderDate"]
    assert found["orders"]["partitions"]["start"] != found["payments"]["partitions"]["start"], "and dg accepts that: see above"


def test_where_a_history_pauses_a_model_is_chosen_on_more_days(drafted):
    training = declared(drafted[0], "paused")["customer_comes_back"]["training"]
    assert (training["validate"], training["test"]) == ("70d", "70d")
    assert declared(drafted[0], "one_csv")["customer_comes_back"]["training"]["validate"] == "5d"


def test_what_happens_seldom_has_windows_of_years_and_may_be_silent(drafted):
    """A table that ends before another is silent as long as it was before; windows are of the time in which something comes again."""
    found = declared(drafted[0], "seldom")
    matches, shootouts = found["matches"], found["shootouts"]
    assert (matches["missing_days"], "longest_silence" in matches) == ("are_empty", False)
    assert (shootouts["missing_days"], int(shootouts["longest_silence"].removesuffix("d")) >= 40) == ("are_empty", True)
    assert (found["matches_recent"]["windows"], found["matches_recent"]["store"]) == (["91d", "365d", "1825d"], False)
    assert "shootouts_recent" in found["result_of_matches"]["features"]
    assert declared(drafted[0], "one_csv")["orders_recent"]["windows"] == ["1d", "7d", "28d"]


def test_references_are_those_that_the_values_bear_out(drafted):
    home, _ = drafted
    found = {(*r["columns"], r["in"]) for r in contract(home, "two_roles", "games")["references"]}
    assert found == {("home_team", "teams"), ("away_team", "teams")}
    found = {(*r["columns"], r["in"]) for r in contract(home, "part_of_a_key", "redemptions")["references"]}
    assert found == {("campaign_id", "campaign_descriptions")}  # not every household was in every campaign
    found = {(*r["columns"], r["in"], *r["to"]) for r in contract(home, "database_export", "order_items")["references"]}
    assert found == {("order_id", "orders", "id"), ("product_id", "products", "product_id")}


def test_what_is_looked_up_by_a_key_is_drafted_as_a_feature(drafted):
    home, _ = drafted
    found = declared(home, "looked_up")
    looked_up = {
        name: [f for f in body["features"] if "." in f and not f.startswith("sales.")] for name, body in found.items() if "spine" in body
    }
    # Neither a zip code, an article's number or a name, nor a total up to today, of which a past day knew nothing.
    products = ["products.price", "products.colour"]
    assert looked_up["returned_of_sales"] == ["customers.country", "customers.member", *products]
    assert looked_up["customer_comes_back"] == ["customers.country", "customers.member"]
    assert (found["customers"]["key"], contract(home, "looked_up", "customers")["columns"]["customer_id"]["was"]) == (["customer_id"], "id")
    assert declared(home, "births")["patient_comes_back"]["features"] == ["visits_recent", "patients.sex"]
    for name in FOLDERS:
        tables = {n: d for n, d in declared(home, name).items() if "contract" in d}
        for problem in (d for d in declared(home, name).values() if "spine" in d):
            for table, column in (f.split(".") for f in problem["features"] if "." in f):
                assert column in contract(home, name, table)["columns"]
                assert not set(tables[table]["key"]) & {column}


def test_rows_find_their_day_by_the_time_at_which_they_came_about(drafted):
    home, _ = drafted
    visits, patients = (declared(home, "births")[name] for name in ("visits", "patients"))
    assert (visits["event_time"], "partitions" in patients) == ("visit_date", False)
    # A date is known when its day is over: the next midnight sees it.
    assert visits["available_at"] == "visit_date + interval 1 day - interval 1 second"
    assert "birthdate (1950-03-02 to 1973-03-02) was not taken as the time of the row" in declarations(home, "births")
    orders = declared(home, "two_times")["orders"]
    assert orders["event_time"] == "ordered_at"
    assert "delivered_at" in orders["available_at"]["ordered_at"]
    assert "Several columns are times. Taken as when it happened: ordered_at" in declarations(home, "two_times")


@pytest.mark.parametrize(
    ("name", "table", "pattern", "start"),
    [
        ("one_csv", "orders", "orders.csv", "2024-01-01"),
        ("hive", "orders", "orders/year=*/month=*/*.parquet", "2024-01-01"),
        ("months", "orders", "orders_*.csv", "2024-01-01"),
        ("hours", "orders", "orders/{day}*.csv", "2024-01-01"),
        ("days_with_gaps", "orders", "orders/{day}.csv", "2024-01-01"),
        ("compact_days", "orders", "export/orders_*.csv", "2024-01-01"),
        ("exported_each_day", "orders", "orders_*.csv", "2024-01-01"),
        ("old_times", "matches", "matches.csv", "1872-11-30"),
    ],
)
def test_files_are_found_whatever_their_names_say_of_days(drafted, name, table, pattern, start):
    attributes = declared(drafted[0], name)[table]
    assert (attributes["source"]["files"], attributes["partitions"]["start"]) == (f"{name}/{pattern}", start)
    assert ("missing_days" in attributes) == (name == "days_with_gaps")


def test_times_are_read_as_they_are_written(drafted):
    home, _ = drafted
    assert contract(home, "epoch_numbers", "clicks")["columns"]["ts"]["format"] == "epoch_s"
    assert contract(home, "compact_dates", "sales")["columns"]["date"] | {"nullable": 0} == {
        "type": "date",
        "format": "%Y%m%d",
        "nullable": 0,
    }
    assert contract(home, "day_first", "sales")["columns"]["sold"]["format"] == "%d.%m.%Y %H:%M"
    assert contract(home, "date_and_time_apart", "orders")["columns"]["order_date_time"]["made_of"] == ["order_date", "order_time"]
    assert declared(home, "date_and_time_apart")["orders"]["event_time"] == "order_date_time"


def test_numbers_with_a_decimal_comma_are_numbers(drafted):
    columns = contract(drafted[0], "decimal_commas", "ums_tze")["columns"]
    assert (columns["betrag_eur"]["type"], columns["betrag_eur"]["format"]) == ("float64", "1.234,5")
    assert contract(drafted[0], "mixed_types", "orders")["columns"]["amount"]["type"] == "string"


@pytest.mark.parametrize(
    ("name", "encoding"),
    [
        ("latin_1", "cp1252"), ("windows", "cp1252"), ("cyrillic", "cp1251"), ("utf_16_without_a_mark", "utf-16-le"),
        ("utf_16", None), ("utf_16_with_a_mark_and_other_letters", None), ("byte_order_mark", None), ("decimal_commas", None),
    ],
)  # fmt: skip
def test_files_are_read_in_the_letters_that_they_are_written_in(drafted, name, encoding):
    home, _ = drafted
    (table,) = [d for d in declared(home, name).values() if "source" in d and "contract" in d]
    assert table["source"].get("encoding") == encoding
    letters = {"latin_1": "by words such as: käufer, Müller", "cyrillic": "Москва"}
    assert letters.get(name, "") in declarations(home, name).replace("\n  #   ", " ")


def test_columns_without_names_are_called_by_their_position(drafted):
    home, _ = drafted
    orders = declared(home, "no_header")["orders"]
    assert orders["source"]["names"] == list(contract(home, "no_header", "orders")["columns"]) == [f"column_{n}" for n in range(1, 5)]
    assert (orders["key"], orders["event_time"]) == (["column_1"], "column_4")
    assert "has no line with the names of its columns: they are called by their position" in declarations(home, "no_header")


def test_columns_get_names_that_need_no_quotes(drafted):
    columns = contract(drafted[0], "odd_headers", "order_lines_all")["columns"]
    assert {n: c.get("was") for n, c in columns.items()} == {
        "order_id": "Order ID", "customer_name": "Customer.Name", "unit_price": "Unit Price [€]", "ordered_at": "Ordered At",
        "grosse": "größe", "column_2024": "2024",
    }  # fmt: skip


def test_a_series_is_asked_for_its_next_values_and_an_outcome_for_its_classes(drafted):
    home, _ = drafted
    problem = declared(home, "forecast")["store_sales_next_7d"]
    assert problem["spine"] == {"each": "store", "every": "1d", "steps": 7, "active": {"in": "stores", "within": "4d"}}
    assert declared(home, "panel")["store_nbr_item_units_next_7d"]["spine"]["each"] == ["store_nbr", "item"]
    problem = declared(home, "three_classes")["outcome_of_tickets"]
    assert (problem["task"], problem["label"]["sql"]) == ("multiclass", "max(outcome)")
    tickets = declared(home, "three_classes")["tickets"]["available_at"]
    assert tickets == {"opened_at - interval 1 hour": [], "opened_at": ["amount", "outcome"]}
    assert declared(home, "yes_and_no")["churned_of_contracts"]["label"]["sql"] == "max(churned) = 'Yes'"
