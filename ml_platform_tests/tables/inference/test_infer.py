from datetime import date

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from ml_platform.core.errors import SourceError
from ml_platform.tables.declared.parse import parse_contract
from ml_platform.tables.delivered.file_names import group_files
from ml_platform.tables.inference.infer import infer_table
from ml_platform_tests.tables.judged_deliveries import delivery, judged, table


def write_orders(folder, days=("2024-01-05", "2024-01-06", "2024-01-07")):
    (folder / "orders").mkdir()
    number = 0
    for day in days:
        lines = ["order_id,customer,amount,items,paid,country,zip,ordered_at,note"]
        for i in range(100):
            number += 1
            note = "NA" if i % 3 else "gift"
            lines.append(f"{number},c{i % 7},{i / 4},{i % 5},{'true' if i % 2 else 'false'},{('NO', 'SE', 'DK')[i % 3]},0{i % 10}50,"
                         f"{day} {i % 24:02d}:30:00,{note}")  # fmt: skip
        (folder / "orders" / f"{day}.csv").write_text("\n".join(lines) + "\n")
    return folder


def inferred(folder, name):
    return infer_table(group_files(folder)[name], folder)


def test_a_folder_of_days_becomes_a_daily_table(tmp_path):
    found = inferred(write_orders(tmp_path), "orders")
    assert (found.name, found.pattern, found.key, found.event_time, found.rows) == (
        "orders", "orders/{day}.csv", ("order_id",), "ordered_at", 300,
    )  # fmt: skip
    assert found.partitions == {"start": date(2024, 1, 5)}
    columns = found.contract["columns"]
    assert {n: c["type"] for n, c in columns.items()} == {
        "order_id": "int64", "customer": "string", "amount": "float64", "items": "int64", "paid": "bool", "country": "string",
        "zip": "string", "ordered_at": "timestamp", "note": "string",
    }  # fmt: skip
    assert columns["country"]["one_of"] == ["DK", "NO", "SE"]
    assert "one_of" not in columns["customer"]
    assert "nullable" not in columns["note"]
    assert columns["amount"]["nullable"] is False
    assert found.comments["ordered_at"].startswith("no zone in the files")
    assert found.comments["zip"].startswith("digits with leading zeros")


def test_what_is_inferred_accepts_the_rows_that_it_was_inferred_from(tmp_path):
    found = inferred(write_orders(tmp_path), "orders")
    contract = parse_contract(found.contract, key=found.key, where="draft")
    text = (tmp_path / "orders" / "2024-01-05.csv").read_text().splitlines()
    rows = [dict(zip(text[0].split(","), line.split(","), strict=True)) for line in text[1:]]
    _, kept, rejected = judged(table(contract, daily=False), delivery(rows, day=""))
    assert (len(kept), rejected) == (100, [])


def test_parquet_brings_its_types(tmp_path):
    pq.write_table(
        pa.table({"id": [1, 2], "at": pa.array([1, 2], pa.timestamp("ms")), "tags": [["a"], []], "gone": pa.nulls(2)}),
        tmp_path / "x.parquet",
    )
    found = inferred(tmp_path, "x")
    assert {n: c["type"] for n, c in found.contract["columns"].items()} == {"id": "int64", "at": "timestamp", "gone": "string"}
    assert found.contract["extra_columns"] == "ignore"
    assert "tags" in found.questions[0]
    # One file holds all days: its rows find theirs by their time.
    assert found.partitions == {"start": date(1970, 1, 1)}


@pytest.mark.parametrize(
    ("names", "table_name", "pattern"),
    [
        (["31-01-2024.csv", "01-02-2024.csv"], "table", "*.csv"),
        (["sales_1_31_2024.csv", "sales_12_1_2023.csv"], "sales", "sales_*.csv"),
        (["orders_2024-01-05.csv", "orders_2024-01-06.csv"], "orders", "orders_{day}.csv"),
        (["2024-01-05/orders.csv", "2024-01-06/orders.csv"], "orders", "{day}/orders.csv"),
        (["sales/2024-01-05-00.csv", "sales/2024-01-05-06.csv"], "sales", "sales/{day}*.csv"),
        (["Order Lines.csv"], "order_lines", "Order Lines.csv"),
        (["2024-01-05/orders-2024-01-05.csv", "2024-01-06/orders-2024-01-06.csv"], "orders", "{day}/orders-{day}.csv"),
        (["2024-01-06/orders-2024-01-05.csv", "2024-01-07/orders-2024-01-06.csv"], "orders", "{day}/orders-*.csv"),
        (["orders_2024-01-05.csv", "orders_2024-02-30.csv"], "orders", "orders_{day}.csv"),
    ],
)
def test_names_of_files_say_table_and_day(tmp_path, names, table_name, pattern):
    for number, name in enumerate(names):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(f"id,at\n{number},2024-01-05T10:00:00Z\n")
    groups = group_files(tmp_path)
    assert list(groups) == [table_name]
    assert infer_table(groups[table_name], tmp_path).pattern == pattern


def test_files_that_the_pattern_does_not_find_are_named(tmp_path):
    for day, at in (("2024-01-05", "2024-01-05T10:00:00Z"), ("2024-02-30", "never")):
        (tmp_path / f"x_{day}.csv").write_text(f"id,at\n1,{at}\n")
    found = inferred(tmp_path, "x")
    assert (found.pattern, found.rows, found.event_time) == ("x_{day}.csv", 1, "at")
    assert found.questions[0] == "The pattern does not find x_2024-02-30.csv: name them as the others are, or leave them out."


def test_other_files_are_left_alone(tmp_path):
    (tmp_path / ".git").mkdir()
    for name in ("readme.md", ".hidden.csv", "a.csv", "b.csv.tmp", ".git/c.csv"):
        (tmp_path / name).write_text("id\n1\n")
    assert list(group_files(tmp_path)) == ["a"]


def test_rows_beside_their_files_day_widen_its_bounds(tmp_path):
    for day, times in {"2024-01-05": ["2024-01-04T23:00:00Z", "2024-01-05T10:00:00Z"], "2024-01-06": ["2024-01-07T02:00:00Z"]}.items():
        (tmp_path / f"visits_{day}.csv").write_text("at,station\n" + "".join(f"{t},{n}\n" for n, t in enumerate(times)))
    assert inferred(tmp_path, "visits").partitions == {"start": date(2024, 1, 5), "first": -1, "after": 2}


def test_a_pair_of_columns_can_be_the_key(tmp_path):
    rows = [f"{s},2024-01-05T{h:02d}:00:00Z,{t}" for s in "AB" for h, t in ((1, 5), (2, 5))]
    (tmp_path / "weather.csv").write_text("\n".join(["station,observed_at,temp", *rows]) + "\n")
    assert inferred(tmp_path, "weather").key == ("station", "observed_at")


def test_what_cannot_be_known_is_asked(tmp_path):
    (tmp_path / "x.csv").write_text("a,b\n1,x\n1,x\n")
    (tmp_path / "y_20240105.csv").write_text("a\n1\n")
    assert any("name the key" in q for q in inferred(tmp_path, "x").questions)
    assert any("No column is a time" in q for q in inferred(tmp_path, "x").questions)
    assert any("not written as YYYY-MM-DD" in q for q in infer_table([tmp_path / "y_20240105.csv"], tmp_path).questions)


def test_a_file_that_cannot_be_read_is_left_out_and_named(tmp_path):
    (tmp_path / "x_2024-01-05.csv").write_text("a,b\n1,x\n")
    (tmp_path / "x_2024-01-06.csv").write_text("")
    found = inferred(tmp_path, "x")
    assert (found.rows, found.pattern) == (1, "x_{day}.csv")
    assert "Nothing was guessed from a file that cannot be read: x_2024-01-06.csv is empty (0 bytes)" in found.questions[0]
    with pytest.raises(SourceError, match=r"x_2024-01-06\.csv is empty"):
        infer_table([tmp_path / "x_2024-01-06.csv"])


def test_files_of_several_tables_are_no_table(tmp_path):
    pq.write_table(pa.table({"a": [1]}), tmp_path / "x_2024-01-05.parquet")
    pq.write_table(pa.table({"a": ["z"]}), tmp_path / "x_2024-01-06.parquet")
    with pytest.raises(SourceError, match="do not hold the same columns"):
        inferred(tmp_path, "x")
    with pytest.raises(SourceError, match="There are no files"):
        infer_table([])
