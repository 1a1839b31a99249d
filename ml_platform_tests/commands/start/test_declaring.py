import json
from datetime import date, timedelta
from pathlib import Path

import pytest
import yaml

from ml_platform.cli import main

FIRST = date(2024, 1, 1)


def run(capsys, *arguments: str) -> tuple[int, str, str]:
    code = main(arguments)
    captured = capsys.readouterr()
    return code, captured.out, captured.err


@pytest.fixture
def files(tmp_path) -> Path:
    """Ten days of orders with a set that YAML would misread, visits that know only their date, and a reference table."""
    folder = tmp_path / "My sales"
    (folder / "visits").mkdir(parents=True)
    for number in range(10):
        day = FIRST + timedelta(days=number)
        rows = [f"{number * 30 + i},c{i % 7},{('NO', 'SE', 'on')[i % 3]},{i}.5,{day}T{i % 24:02}:15:00Z" for i in range(30)]
        (folder / f"orders_{day}.csv").write_text("\n".join(["order_id,customer_id,country,amount,ordered_at", *rows]) + "\n")
        visits = [json.dumps({"visit_id": number * 5 + i, "customer_id": f"c{i}", "day": str(day), "Pages seen": i}) for i in range(5)]
        (folder / "visits" / f"{day}.jsonl").write_text("\n".join(visits) + "\n")
    (folder / "customers.csv").write_text("customer_id,segment\n" + "\n".join(f"c{i},{'AB'[i % 2]}" for i in range(7)) + "\n")
    return folder


@pytest.fixture
def home(tmp_path, monkeypatch) -> Path:
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.chdir(home)
    monkeypatch.syspath_prepend(str(home))
    return home


@pytest.mark.slow
def test_a_folder_becomes_a_project_that_loads_and_runs(files, home, capsys):
    code, out, err = run(capsys, "init", str(files))
    assert (code, err) == (0, "")
    assert [line.split("#")[0].strip() for line in out.splitlines()[-4:]] == [
        "pip install -e .", "dg check defs", "ml-platform run PROBLEM", "dg dev",
    ]  # fmt: skip
    folder = home / "my_sales_platform" / "defs" / "my_sales"
    tables = {d["attributes"]["name"]: d["attributes"] for d in yaml.safe_load_all((folder / "defs.yaml").read_text())}
    assert set(tables) == {"customers", "orders", "visits", "orders_recent", "visits_recent"}
    assert tables["orders"]["source"] == {"files": "my_sales/orders_{day}.csv"}
    assert (tables["orders"]["key"], tables["orders"]["available_at"]) == (["order_id"], "ordered_at")
    # A date is known at the end of its day, before the next midnight at which it can be asked for.
    assert (tables["visits"]["available_at"], tables["visits"]["partitions"]) == (
        '"day" + interval 1 day - interval 1 second', {"start": "2024-01-01"},
    )  # fmt: skip
    assert tables["orders_recent"]["entities"] == [["customer_id"]]
    contract = yaml.safe_load((folder / "orders.contract.yaml").read_text())
    assert contract["columns"]["country"]["one_of"] == ["NO", "SE", "on"]
    assert contract["references"] == [{"columns": ["customer_id"], "in": "customers", "to": ["customer_id"], "severity": "warn"}]
    assert (home / "data" / "landing" / "my_sales").resolve() == files

    from ml_platform.components.opening import open_project
    from ml_platform.pipeline.delivery.raw import materialize_raw
    from ml_platform.pipeline.tables.table import materialize_table

    workspace = open_project(home).workspace
    days = [str(FIRST + timedelta(days=n)) for n in range(10)]
    for name, partitions in (("customers", [None]), ("orders", days), ("visits", days)):
        materialize_raw(workspace, name, partitions)
        outcome = materialize_table(workspace, name, partitions)
        assert [p.stopped for p in outcome.partitions] == [None] * len(partitions), name
    assert workspace.lake.read("my_sales/tables/orders").rows == 300
    assert workspace.lake.read("my_sales/tables/visits").rows == 50


@pytest.mark.slow
def test_inside_a_project_only_declarations_are_written_and_nothing_over_others(files, home, capsys):
    (home / "pyproject.toml").write_text('[tool.dg]\ndirectory_type = "project"\n[tool.dg.project]\nroot_module = "ours"\n')
    landing = home / "data" / "landing" / "incoming"
    landing.parent.mkdir(parents=True)
    files.rename(landing)
    code, out, _ = run(capsys, "init", str(landing), "--name", "shop", "--json")
    assert code == 0
    *written, instance, executor = json.loads(out)["written"]
    assert all(name.startswith("ours/defs/shop/") for name in written)
    # What others made is left as it is; what a new project has and this one lacks stands beside it.
    assert (instance, executor) == ("dagster.yaml", "ours/defs/executor.py")
    assert "incoming/orders_{day}.csv" in (home / "ours" / "defs" / "shop" / "defs.yaml").read_text()
    assert sorted(p.name for p in home.iterdir()) == ["dagster.yaml", "data", "ours", "pyproject.toml"]
    code, _, err = run(capsys, "init", str(landing), "--name", "shop")
    assert code == 2
    assert "is there already and was left as it is" in err


def test_files_that_cannot_be_read_are_left_out_and_the_others_declared(files, home, capsys):
    (files / "readme.txt").write_text("hello")
    (files / "orders_2024-01-20.csv").write_bytes(b"order_id,customer_id\n1,\x00\x01\xff\xfe\x81\n")
    code, out, _ = run(capsys, "init", str(files), "--name", "sales", "--json")
    answer = json.loads(out)
    assert code == 0
    assert [t["table"] for t in answer["tables"]] == ["customers", "orders", "visits"]
    assert [reason.split()[0] for reason in answer["left_out"]] == ["readme.txt"]
    drafted = next(home.rglob("defs.yaml")).read_text()
    assert (
        "# ? Nothing was guessed from a file that cannot be read: orders_2024-01-20.csv cannot be read as CSV: it is not written" in drafted
    )
    nothing = files.parent / "nothing"
    nothing.mkdir()
    (nothing / "a.csv").write_text("")
    assert "that can be read. a.csv is empty" in run(capsys, "init", str(nothing))[2]


def test_what_is_found_is_told_and_what_is_missing_for_a_question(files, home, capsys):
    _, out, _ = run(capsys, "init", str(files), "--name", "sales")
    assert "data/landing/sales is a link to" in out
    assert "No question was drafted. orders spans 10 days, the longest of all tables: a model needs about 25 days" in out
    drafted = next(home.rglob("defs.yaml")).read_text()
    assert "# ? orders spans 10 days" in drafted
    # What names things is no amount, and what other tables name is looked up.
    assert "about" in out
    assert "- {column: amount, functions: [mean, sum, last]}" in drafted


@pytest.mark.slow
def test_what_a_person_has_edited_stays_and_new_tables_are_added(files, home, capsys):
    run(capsys, "init", str(files), "--name", "sales")
    defs = next(home.rglob("defs.yaml"))
    edited = defs.read_text().replace("name: visits_recent", "name: what_they_look_at")
    defs.write_text(edited)
    code, _, err = run(capsys, "init", str(files), "--name", "sales")
    assert (code, defs.read_text()) == (2, edited)
    assert "is there already and was left as it is" in err
    (files / "returns.csv").write_text(
        "return_id,customer_id,returned_at\n" + "".join(f"{i},c{i % 5},2024-01-0{i % 9 + 1}T10:00:00Z\n" for i in range(40))
    )
    code, out, _ = run(capsys, "init", str(files), "--name", "sales", "--json")
    assert (code, defs.read_text().startswith(edited)) == (0, True)
    assert [Path(p).name for p in json.loads(out)["written"]] == ["returns.contract.yaml", "defs.yaml"]
    from ml_platform.components.opening import open_project

    assert set(open_project("sales").project.tables) == {"customers", "orders", "visits", "returns"}


def test_one_file_is_a_project_too(files, home, capsys):
    code, _, err = run(capsys, "init", str(files / "orders_2024-01-03.csv"), "--name", "orders")
    assert (code, err) == (0, "")
    assert (home / "data" / "landing" / "orders" / "orders_2024-01-03.csv").resolve() == files / "orders_2024-01-03.csv"
    assert "orders/orders_{day}.csv" in next(home.rglob("defs.yaml")).read_text()
    assert not (home / "data" / "landing" / "orders" / "customers.csv").exists()


def test_a_project_is_not_written_among_the_files(files, monkeypatch, capsys):
    monkeypatch.chdir(files)
    assert "would hold the project among your files. Go to an empty folder" in run(capsys, "init", ".")[2]
    assert not (files / "pyproject.toml").exists()


@pytest.mark.slow
def test_what_cannot_be_started_says_so_and_writes_nothing(files, home, tmp_path, capsys):
    empty = tmp_path / "empty"
    empty.mkdir()
    assert "is no folder and no file" in run(capsys, "init", "nowhere")[2]
    assert "holds no CSV, Parquet or JSON lines files" in run(capsys, "init", str(empty))[2]
    assert "cannot be the name of a project" in run(capsys, "init", str(files), "--name", "2024")[2]
    assert list(home.iterdir()) == []
    (home / "pyproject.toml").write_text("[project]\n")
    assert "belongs to a project that Dagster does not know" in run(capsys, "init", str(files))[2]


def test_a_contract_is_written_as_yaml_that_reads_back(files, capsys):
    code, out, _ = run(capsys, "contract", "infer", *map(str, sorted(files.glob("orders_*.csv"))))
    assert code == 0
    assert yaml.safe_load(out)["columns"]["amount"] == {"type": "float64", "nullable": False}
    code, out, _ = run(capsys, "contract", "infer", str(files / "customers.csv"), "--json")
    assert json.loads(out)["key"] == ["customer_id"]
    code, _, err = run(capsys, "contract", "infer", "absent.csv")
    assert (code, "There is no file absent.csv" in err) == (2, True)
