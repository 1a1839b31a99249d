import json
from datetime import UTC, datetime, timedelta

import pyarrow as pa
import pytest

from ml_platform.lake.lake import Lake
from ml_platform.lake.retention import rules as retention
from ml_platform_tests.components.shop import write_project

TABLE = "shop/tables/customers"


def people(*names):
    return pa.table({"customer": list(names), "n": list(range(len(names)))})


@pytest.fixture
def lake(tmp_path, monkeypatch):
    (tmp_path / "pyproject.toml").write_text('[tool.dg]\ndirectory_type = "project"\n')
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(retention, "MINIMUM_AGE", timedelta(0))
    opened = Lake.open(tmp_path / "data" / "lake")
    for number in range(3):
        version = opened.writing.publish([opened.writing.stage(TABLE, "d1", people("ann", "bob", f"c{number}"))]).versions[0]
    opened.writing.publish([opened.writing.stage_artifact("shop/models/churn", "d1", {"m.txt": b"tree"}, inputs=[version])])
    yield opened
    opened.close()


@pytest.mark.slow
def test_gc_shows_first_then_marks_then_deletes(lake, run):
    code, out, _ = run("lake", "gc", "--versions", "1", "--dry-run", "--json")
    shown = json.loads(out)
    assert (code, shown["dry_run"], [(line["table"], line["versions"]) for line in shown["marked"]]) == (0, True, [(TABLE, 2)])
    assert len(lake.read(TABLE, at=1).arrow()) == 3
    assert json.loads(run("lake", "gc", "--versions", "1", "--json")[1])["collected"] == []
    lake.tag("kept", at=2)
    done = lake.retention.collect([retention.Rule("*", versions=1)], now=datetime.now(UTC) + timedelta(days=3))
    assert [line.versions for line in done.collected] == [1]
    assert [line["versions"] for line in json.loads(run("lake", "gc", "--versions", "1", "--json")[1])["held"]] == [1]
    code, out, err = run("show", "customers", "--at", "1")
    assert (code, "were deleted by retention" in err, "no longer read" in err) == (2, True, True)
    assert run("show", "customers", "--at", "kept")[0] == 0
    assert run("lake", "verify")[0] == 0


def test_without_a_rule_nothing_goes(lake, run):
    assert "  superseded for 30d or longer (rule for *)" in run("lake", "gc", "--superseded-for", "30d")[1]


def test_the_declared_rules_are_used_where_none_is_given(tmp_path, run, monkeypatch):
    monkeypatch.setattr(retention, "MINIMUM_AGE", timedelta(0))
    package = "gc_shop"
    root = write_project(tmp_path / package, package=package)
    monkeypatch.syspath_prepend(str(root))
    monkeypatch.chdir(root)
    Lake.open(root / "data" / "lake").versions.newest_commit()
    code, _, err = run("lake", "gc")
    assert (code, "without a rule everything is kept for ever" in err) == (2, True)
    declarations = root / package / "defs" / "shop" / "defs.yaml"
    declarations.write_text(
        declarations.read_text() + "\n---\ntype: ml_platform.Retention\nattributes: {versions: 1, layers: {raw: forever}}\n"
    )
    with_history = Lake.open(root / "data" / "lake")
    for layer in ("raw", "tables"):
        for number in range(2):
            with_history.writing.publish([with_history.writing.stage(f"shop/{layer}/orders", "2024-01-01", people(f"c{number}"))])
    with_history.close()
    shown = json.loads(run("lake", "gc", "--dry-run", "--json")[1])
    assert [(line["table"], line["versions"]) for line in shown["marked"]] == [("shop/tables/orders", 1)]
    assert shown["rules"] == ["never (rule for shop/raw/*)", "no longer read (rule for shop/*)"]
    code, _, err = run("lake", "gc", "--tables", "shop/tables/*")
    assert (code, "add --superseded-for or --versions" in err) == (2, True)


def test_an_entity_is_forgotten_everywhere_and_the_lake_says_so(lake, run):
    shown = json.loads(run("lake", "forget", "--entity", "customer=ann", "--dry-run", "--json")[1])
    assert (shown["tables"], shown["rows"]) == ([{"table": TABLE, "versions": 3, "rows": 3}], 3)
    assert [a["partition"] for a in shown["artifacts"]] == ["d1"]
    code, out, _ = run("lake", "forget", "--entity", "customer=ann", "--reason", "request 17")
    assert (code, "Keep this salt" in out, "backups" in out) == (0, True, True)
    for at in (1, 2, 3):
        assert "ann" not in lake.read(TABLE, at=at).arrow().column("customer").to_pylist()
    code, out, _ = run("lake", "verify")
    assert (code, "request 17" in out) == (0, True)


def test_that_nobody_was_found_is_no_success(lake, run):
    lake.writing.publish([lake.writing.stage("shop/tables/others", "d1", pa.table({"Customer": ["ann"], "customer_no": [17.0]}))])
    head = lake.versions.newest_commit()
    code, out, _ = run("lake", "forget", "--entity", "customer=ANN", "--reason", "request 17")
    assert (code, "NOTHING WAS FORGOTTEN" in out, "Keep this salt" in out) == (1, True, False)
    assert "Close to it, and not touched" in out
    code, out, _ = run("lake", "forget", "--entity", "customer=ANN", "--dry-run", "--json")
    shown = json.loads(out)
    assert (code, shown["near"]) == (1, [{"table": TABLE, "column": "customer", "value": "ann", "rows": 3}])
    assert {"table": "shop/tables/others", "column": "Customer"} in shown["alike"]
    shown = json.loads(run("lake", "forget", "--entity", "customer=ann", "--dry-run", "--json")[1])
    assert shown["near"] == [{"table": "shop/tables/others", "column": "Customer", "value": "the same", "rows": 1}]
    assert (run("lake", "forget", "--entity", "customer_no=17", "--reason", "asked for")[0], lake.versions.newest_commit()) == (0, head + 1)


def test_a_backup_loses_what_was_forgotten_and_says_so(lake, run, tmp_path):
    assert run("lake", "backup", str(tmp_path / "kept"))[0] == 0
    run("lake", "forget", "--entity", "customer=ann", "--reason", "request 17")
    code, out, _ = run("lake", "backup", str(tmp_path / "kept"))
    assert (code, "3 files" in out, "with rows that were forgotten since were deleted" in out) == (0, True, True)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--reason", "x"], "Say whom"),
        (["--where", "n = 1", "--reason", "x"], "about one table"),
        (["--entity", "customer=ann"], "Say why with --reason"),
        (["--entity", "ann", "--reason", "x"], "'ann' is no COLUMN=VALUE"),
    ],
)
def test_half_a_request_changes_nothing(lake, run, arguments, said):
    code, _, err = run("lake", "forget", *arguments)
    assert (code, said in err) == (2, True)
    assert lake.retention.redactions() == []
