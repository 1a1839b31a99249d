"""What `init` lets a model learn from the past: earlier outcomes, money of databases, and times longer than a month."""

import json
from datetime import date, datetime, timedelta
from decimal import Decimal
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
import yaml

from ml_platform.cli import main

START = datetime(2023, 1, 1)
ROWS = 1200


def drafted(home: Path, files: Path, name: str, monkeypatch, capsys) -> tuple[dict[str, dict], list[dict]]:
    """Return the declarations that `init` writes for a file or folder, by name, once they have been loaded, and its problems."""
    home.mkdir()
    monkeypatch.chdir(home)
    monkeypatch.syspath_prepend(str(home))
    assert main(["init", str(files), "--name", name, "--json"]) == 0
    problems = json.loads(capsys.readouterr().out)["questions"]
    assert main(["check"]) == 0, capsys.readouterr()
    texts = yaml.safe_load_all(next(home.rglob("defs.yaml")).read_text())
    return {d["attributes"]["name"]: d["attributes"] for d in texts}, problems


@pytest.mark.parametrize(
    ("column", "answers", "shares"),
    [
        ("missed_payment", ("no", "Yes"), {"missed_payment_yes": "missed_payment = 'Yes'"}),
        ("result", ("a-b", "a b", None, "c"), {"result_a_b": "result = 'a b'", "result_c": "result = 'c'"}),
        ("grade", (1, 2, -3), {"grade_1": "grade = 1", "grade_2": "grade = 2", "grade_minus_3": "grade = -3"}),
        ("outcome", ("A", "a", "x" * 90), {"outcome_a": "outcome = 'A'", "outcome_a_2": "outcome = 'a'"}),
        ("is_late", ("false", "true"), None),
    ],
)
def test_a_model_may_learn_from_how_rows_turned_out_before(column, answers, shares, tmp_path, monkeypatch, capsys):
    lines = [f"invoice,customer_no,issued_at,amount,{column}"]
    for n in range(ROWS):
        answer = answers[n * 7 % len(answers)]
        time = START + timedelta(hours=n * 14)
        lines.append(f"i{n:05},00{n % 23:02},{time.isoformat()},{n % 97}.5,{'' if answer is None else answer}")
    file = tmp_path / "invoices.csv"
    file.write_text("\n".join(lines) + "\n")
    found, problems = drafted(tmp_path / "home", file, f"shop_{column}", monkeypatch, capsys)
    assert problems[0]["problem"] == f"{column}_of_invoices"
    features = found["invoices_recent"]["features"]
    if shares is None:
        assert {"column": column, "functions": ["share"]} in features
    else:
        said = {f["name"]: f["sql"] for f in features if "name" in f}
        assert shares.items() <= said.items(), said
        assert all(f["functions"] == ["share"] for f in features if "name" in f)
    # The outcome is known when it is known, and no feature sees the row's own.
    assert column in list(found["invoices"]["available_at"].values())[1]
    assert found["invoices_recent"]["windows"] == ["1d", "7d", "28d", "182d"]


def test_money_of_a_database_is_an_amount_and_a_kind_is_none(tmp_path, monkeypatch, capsys):
    n = range(ROWS)
    table = pa.table({
        "tx_id": pa.array(n),
        "account_id": pa.array([i * 5 % 40 for i in n]),
        "kind": pa.array([i % 5 + 1 for i in n]),
        "amount": pa.array([Decimal(i % 31) / 4 for i in n], pa.decimal128(12, 2)),
        "booked_at": pa.array([START + timedelta(hours=i * 6) for i in n], pa.timestamp("us", "UTC")),
    })  # fmt: skip
    (tmp_path / "bank").mkdir()
    pq.write_table(table, tmp_path / "bank" / "transactions.parquet")
    found, problems = drafted(tmp_path / "home", tmp_path / "bank", "bank_money", monkeypatch, capsys)
    amount, kind, rows = found["transactions_recent"]["features"]
    assert (amount["column"], kind, "column" in rows) == ("amount", {"column": "kind", "functions": ["distinct"]}, False)
    assert found["account_amount_next_14d"]["label"]["sql"] == "sum(amount)"
    # Ten months are no time to look back half a year and be judged as well.
    assert found["transactions_recent"]["windows"][-1] == "91d"
    assert not [p["asks"] for p in problems if " a account" in p["asks"]]


def test_yes_or_no_is_one_answer_for_a_call_from_python_too(tmp_path):
    from ml_platform.commands.start.draft.asked import Asked, question_asked
    from ml_platform.commands.start.draft.roles import draft_tables
    from ml_platform.tables.inference.infer import infer_table

    file = tmp_path / "visits.csv"
    rows = [f"{n},c{n % 9},{date(2024, 1, 1) + timedelta(days=n // 3)},{('nein', 'ja')[n % 3 == 0]}" for n in range(300)]
    file.write_text("\n".join(["visit_id,customer_id,visited_on,bought", *rows]) + "\n")
    tables = draft_tables({"visits": infer_table([file])})
    asked = yaml.safe_load(question_asked(Asked("bought"), tables["visits"], tables).text)["attributes"]
    assert (asked["label"]["sql"], asked.get("task")) == ("max(bought) = 'ja'", None)
    three = yaml.safe_load(question_asked(Asked("bought", task="multiclass"), tables["visits"], tables).text)["attributes"]
    assert (three["label"]["sql"], three["task"]) == ("max(bought)", "multiclass")
