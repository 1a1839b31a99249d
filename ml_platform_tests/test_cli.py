import json
import re
import subprocess
import sys
from datetime import timedelta
from pathlib import Path
from types import SimpleNamespace

import pyarrow as pa
import pytest

from ml_platform.audit.explained_value import Why, WhyRow
from ml_platform.cli import build_parser, main
from ml_platform.core.intervals import from_micros
from ml_platform.features.declared.kinds import WindowFeature
from ml_platform.lake.lake import Lake
from ml_platform.registry.pointer import Judgement, to_arrow


@pytest.fixture
def project(tmp_path, monkeypatch) -> Path:
    (tmp_path / "pyproject.toml").write_text('[tool.dg]\ndirectory_type = "project"\n')
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def lake(project) -> Lake:
    """Two commits of a small table, a file of a model, and a table whose name stands in two layers."""
    lake = Lake.open(project / "data" / "lake")
    for number in (1, 2):
        rows = pa.table({"key": [1, 2], "note": ["[red]a[/red]", None], "value": [0.5, float(number)], "at": [from_micros(0)] * 2})
        lake.writing.publish([lake.writing.stage("shop/tables/orders", "2024-01-01", rows, key=["key"])], run_id="run-of-orders")
    file = {"name": "orders/2024-01-01.csv", "sha256": "ab" * 32, "delivered_at": "2024-01-02T00:00:00+00:00", "size": 10}
    raw = lake.writing.publish(
        [lake.writing.stage("shop/raw/orders", "2024-01-01", pa.table({"key": ["1"]}), properties={"files": [file]})]
    )
    training = lake.writing.publish([lake.writing.stage("shop/training/churn", "2024-02-01", pa.table({"key": [1]}), inputs=raw.versions)])
    properties = {
        "training_date": "2024-02-01",
        "trainer": "lightgbm",
        "baseline": "logistic",
        "metrics": {"auc": {"value": 0.71, "lower": 0.7, "upper": 0.72}},
        "baseline_metrics": {"auc": {"value": 0.65, "lower": None, "upper": None}},
        "features": ["customer_count_7d"],
    }
    model = lake.writing.stage_artifact(
        "shop/models/churn", "2024-02-01", {"model.txt": b"tree"}, inputs=training.versions, properties=properties
    )
    lake.writing.publish([model])
    lake.writing.publish([lake.writing.stage(f"shop/{layer}/churn", None, pa.table({"n": [1]})) for layer in ("predictions", "outcomes")])
    return lake


def run(capsys, *arguments: str) -> tuple[int, str, str]:
    code = main(arguments)
    captured = capsys.readouterr()
    return code, captured.out, captured.err


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["init", "nowhere.csv"], "nowhere.csv"),
        (["history", "orders"], "There is no lake at"),
    ],
)
def test_what_cannot_be_done_is_one_message_and_no_traceback(arguments, message, project, capsys):
    code, out, err = run(capsys, *arguments)
    assert (code, out) == (2, "")
    assert err.startswith("ml-platform: ")
    assert message in err
    assert err.count("\n") == 1


def test_outside_a_project_it_says_where_to_go(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    assert "No dg project found" in run(capsys, "history", "orders")[2]


def test_history_is_newest_first(lake, capsys):
    code, out, _ = run(capsys, "history", "orders", "--json")
    assert code == 0
    answer = json.loads(out)
    assert answer["table"] == "shop/tables/orders"
    assert [v["commit"] for v in answer["versions"]] == [2, 1]
    assert {v["partition"] for v in answer["versions"]} == {"2024-01-01"}
    code, out, _ = run(capsys, "history", "orders", "2024-01-01", "--limit", "1")
    assert "History of shop/tables/orders" in out
    assert "2 versions in all" in out


def test_rows_are_shown_as_of_a_commit_and_values_are_not_markup(lake, capsys):
    code, out, _ = run(capsys, "show", "orders", "--at", "1", "--json")
    assert code == 0
    assert [row["value"] for row in json.loads(out)["rows"]] == [0.5, 1.0]
    code, out, _ = run(capsys, "show", "orders", "--columns", "note", "value", "--limit", "1")
    assert "[red]a[/red]" in out
    assert "1 of 2 rows" in out
    assert "1970" not in out


def test_a_wide_table_shows_the_columns_that_fit_and_names_the_others(lake, capsys):
    wide = pa.table({f"a_rather_long_name_of_a_column_{n}": [1000 + n] for n in range(40)})
    lake.writing.publish([lake.writing.stage("shop/tables/wide", None, wide)])
    out = run(capsys, "show", "wide")[1]
    shown = [n for n in range(40) if str(1000 + n) in out]
    assert shown == list(range(len(shown)))
    assert 3 <= len(shown) < 10
    assert f"{40 - len(shown)} more columns: a_rather_long_name_of_a_column_{len(shown)}, " in out
    assert "--json has them all." in out
    assert len(json.loads(run(capsys, "show", "wide", "--json")[1])["rows"][0]) == 40


def test_an_artifact_shows_its_files(lake, capsys):
    answer = json.loads(run(capsys, "show", "models/churn", "--json")[1])
    assert [f["file"] for f in answer["files"]] == ["model.txt"]


def test_an_unknown_and_an_ambiguous_table_say_what_exists(lake, capsys):
    assert "Did you mean 'orders'?" in run(capsys, "show", "ordres")[2]
    message = run(capsys, "show", "churn")[2]
    assert "'churn' is the name of 4 tables. Say which:" in message
    assert "shop/predictions/churn" in message


def test_a_difference_tells_changed_rows_by_the_key(lake, capsys):
    code, out, _ = run(capsys, "diff", "orders", "1", "2", "--key", "key", "--json")
    assert code == 0
    (part,) = json.loads(out)["partitions"]
    assert (part["status"], part["rows changed"], part["rows added"], part["rows removed"]) == ("changed", 1, 0, 0)
    code, out, _ = run(capsys, "diff", "orders", "1", "1", "--key", "key")
    assert "1 partitions are the same." in out


def test_a_model_is_explained_down_to_the_landed_files(lake, capsys):
    version = lake.history("shop/models/churn")[0].id
    code, out, _ = run(capsys, "explain", f"churn@{version}", "--json")
    assert code == 0
    answer = json.loads(out)
    assert answer["training_date"] == "2024-02-01"
    assert answer["metrics"] == [{"metric": "auc", "model": "0.7100 [0.7000, 0.7200]", "baseline": "0.6500"}]
    assert [s["table"] for s in answer["made_from"]] == ["shop/raw/orders", "shop/training/churn"]
    assert [f["name"] for f in answer["landed_files"]] == ["orders/2024-01-01.csv"]
    code, out, _ = run(capsys, "explain", f"churn@{version}")
    assert "2 versions, down to 1 landing file of 10 bytes" in out
    assert "customer_count_7d" in out


def test_without_a_version_the_champion_is_explained(lake, capsys):
    assert (
        f"No model of 'shop/models/churn' was promoted yet. Name one of its versions: @{lake.history('shop/models/churn')[0].id}"
        in (run(capsys, "explain", "churn")[2])
    )
    version = lake.history("shop/models/churn")[0].id
    assert json.loads(run(capsys, "explain", f"churn@{version}", "--json")[1])["serves"] == "no"
    because = '{"reasons": ["It is better.", "And simpler."]}'
    judged = Judgement(from_micros(0), "2024-02-01", version, "promoted", version, 0.1, 0.05, 0.15, because, "baseline")
    lake.writing.publish([lake.writing.stage("shop/champion/churn", None, to_arrow([judged]))])
    answer = json.loads(run(capsys, "explain", "churn", "--json")[1])
    assert (answer["model"], answer["serves"]) == (f"churn@{version}", "yes: logistic (baseline), since 1970-01-01 00:00:00")
    assert answer["verdicts"] == [
        {
            "decided at": from_micros(0).isoformat(),
            "judged": "baseline",
            "verdict": "promoted",
            "by": "the rules",
            "reasons": ["It is better.", "And simpler."],
        }
    ]
    assert "And simpler." in run(capsys, "explain", "churn")[1]


def test_a_decision_about_a_held_model_needs_who_why_and_a_version(lake, capsys):
    with pytest.raises(SystemExit, match="2"):
        main(["approve", "churn@1"])
    assert "--by, --reason are missing. Write ml-platform approve --by NAME" in capsys.readouterr().err
    code, _, err = run(capsys, "reject", "churn", "--by", "Ada", "--reason", "no")
    assert (code, err) == (
        2, "ml-platform: 'churn' names no version. Write PROBLEM@VERSION; see versions with: ml-platform history models/churn\n",
    )  # fmt: skip


@pytest.mark.parametrize(("version", "message"), [("best", "'best' is no version"), ("999", "has no model version 999. It has:")])
def test_a_wrong_model_version_says_what_there_is(version, message, lake, capsys):
    code, _, err = run(capsys, "explain", f"churn@{version}")
    assert (code, message in err) == (2, True)


def test_why_tells_the_rows_that_counted_and_those_that_wait(monkeypatch, capsys):
    definition = WindowFeature(
        "customer_amount_mean_7d", ("customer",), "orders", value="amount", function="mean", window=timedelta(days=7)
    )

    def row(amount: float, known: int) -> WhyRow:
        return WhyRow(
            "orders", {"key": 1, "amount": amount}, from_micros(known), from_micros(known + 1), "orders/1.csv", 7, "1970-01-01", 3, 2
        )

    found = Why(definition, {"customer": "a"}, from_micros(10), from_micros(10), from_micros(0), 2.5, (row(2.5, 5),), 4, (row(9.0, 12),))
    monkeypatch.setattr("ml_platform.audit.why.why", lambda *_: found)
    monkeypatch.setattr("ml_platform.components.opening.open_project", lambda _: SimpleNamespace(workspace=None))
    code, out, _ = run(capsys, "why", "churn", "--row", "1", "--feature", "customer_amount_mean_7d")
    assert code == 0
    assert "customer_amount_mean_7d = 2.5 for customer a at the cutoff 1970-01-01 00:00:00 UTC" in out
    assert "\n1 row. 4 more in the window have no value." in out
    assert out.index("Counted") < out.index("Not available yet at that time") < out.rindex("9")
    answer = json.loads(run(capsys, "why", "churn", "--row", "1", "--feature", "customer_amount_mean_7d", "--json")[1])
    assert [r["row"] for r in answer["counted"]] == [7]
    assert answer["waiting"][0]["available_at"] == from_micros(12).isoformat()


def test_verify_says_that_all_is_well_and_what_is_not(lake, capsys):
    code, out, _ = run(capsys, "lake", "verify")
    assert (code, "is whole" in out) == (0, True)
    file = next((lake._opened.root / "data").rglob("*.parquet"))
    file.chmod(0o644)
    file.write_bytes(file.read_bytes()[:-1])
    code, out, _ = run(capsys, "lake", "verify", "--json")
    assert code == 1
    assert json.loads(out)["problems"]


def test_every_command_names_a_function_that_exists():
    import importlib

    def commands(parser):
        for action in parser._actions:
            if hasattr(action, "choices") and isinstance(action.choices, dict):
                for child in action.choices.values():
                    yield from commands(child)
        if parser.get_default("command"):
            yield parser.get_default("command")

    names = set(commands(build_parser()))
    assert {
        "start.declaring:infer",
        "branches.branch:merge",
        "branches.branch_run:dev",
        "lake.resync:resync",
        "run.plan:plan",
    } < names
    for name in names:
        module, function = name.split(":")
        assert callable(getattr(importlib.import_module(f"ml_platform.commands.{module}"), function)), name


def test_the_command_line_imports_nothing_heavy():
    code = (
        "import sys; from ml_platform.cli import main\ntry:\n main(['--help'])\nexcept SystemExit: pass\n"
        "heavy = {'dagster', 'polars', 'pandas', 'pyarrow', 'duckdb', 'sqlalchemy', 'rich', 'numpy'}\n"
        "print(sorted(heavy & set(sys.modules)), file=sys.stderr)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == "[]"
    assert "why a feature has its value" in " ".join(done.stdout.split())


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (
            ["histroy", "orders"],
            "there is no command 'histroy'. What exists: accept-delivery, .*Did you mean 'history'\\? See: ml-platform --help",
        ),
        (["land"], "there is no command 'land'. What exists: accept-delivery, "),  # what lands is the business of who delivers
        (["lake", "verfy"], "there is no command 'verfy'. What exists: adopt, .*Did you mean 'verify'\\? See: ml-platform lake --help"),
        (
            ["history"],
            "TABLE is missing. Write ml-platform history \\[--limit LIMIT\\] TABLE \\[PARTITION\\]. See: ml-platform history --help",
        ),
        (
            ["show", "orders", "--colums", "a"],
            "there is no option --colums. What exists: --at, .*Did you mean --columns\\? See: ml-platform show",
        ),
        (["lake", "gc", "--dry"], "there is no option --dry. .*Did you mean --dry-run\\?"),
        (["show", "orders", "2013"], "'2013' is one word too many. Write ml-platform show "),
        (["show", "orders", "--limit", "ten"], "--limit is 'ten'; it must be a whole number above zero"),
        (["commits", "--limit", "-1"], "--limit is '-1'; it must be a whole number above zero"),
        (["show", "orders", "--at"], "--at needs one value"),
        (
            ["approve", "m@1", "--by", "a", "--reason", "b", "--serve", "mdl"],
            "--serve is 'mdl', which does not exist. .*Did you mean 'model'",
        ),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_arguments_that_cannot_be_read_are_told_like_all_other_errors(arguments, message, capsys):
    with pytest.raises(SystemExit) as left:
        main(arguments)
    assert left.value.code == 2
    err = capsys.readouterr().err
    assert re.match(f"ml-platform: {message}", err), err
    assert len(err.splitlines()) == 1


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["check", "--project", "shopp"], "--project 'shopp' is neither a folder nor a project of .*Did you mean 'shop'"),
        (["lake", "gc", "--superseded-for", "30"], "--superseded-for '30' cannot be read"),
    ],
)
def test_what_is_not_there_is_told_with_what_is(arguments, message, project, capsys):
    (project / project.name / "defs" / "shop").mkdir(parents=True)
    code, _, err = run(capsys, *arguments)
    assert code == 2
    assert re.search(message, err), err
