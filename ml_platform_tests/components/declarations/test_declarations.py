"""Wrong declarations fail at load, each with one message that names file, cause and what exists."""

from __future__ import annotations

import itertools
import json
import os
import re
import subprocess
import sys
from datetime import timedelta
from pathlib import Path

import jsonschema
import pytest
from pydantic import TypeAdapter

from ml_platform.components.declarations.feature_view import FeatureView
from ml_platform.components.opening import open_project
from ml_platform.components.project_definitions import declared_below, projects_of
from ml_platform.core.errors import DeclarationError
from ml_platform.pipeline.declared_code import feature_code_version, raw_code_version, table_code_version
from ml_platform_tests.components.shop import DECLARATIONS, tree_of, write_project

_NUMBER = itertools.count()

GRID = """spine: {each: customer, every: 1d, active: {in: orders, within: 28d}}
  label: {from: orders, match: [customer], sql: count(*) > 0, horizon: 7d, without_rows: zero}
  features: [spending]"""
OF_ROWS = """spine: {rows_of: orders, cutoff: ordered_at + interval 1 hour}
  label: {from: orders, match: [MATCH], sql: count(*) > 0, horizon: 7d, without_rows: zero}
  features: [spending, orders.amount]"""
# What an order amounts to is known a day after it was placed; its customer at once.
PAID_LATER = DECLARATIONS.replace(
    "  available_at: ordered_at\n",
    "  available_at:\n    ordered_at: [order_id, customer, country, ordered_at]\n    ordered_at + interval 1 day: [amount]\n",
).replace('end: "2024-03-01"}', 'end: "2024-03-01", after: 2}')

MEASURES = "  monitor: {drift: {measures: "
WRONG = [
    (
        "features of a table without days",
        ('"orders/{day}.csv"}\n  partitions: {start: "2024-01-01", end: "2024-03-01"}', "orders.csv}"),
        r"defs\.yaml:\d+.*feature view 'spending' reads table 'orders' by time.*no `partitions`, so it has no days\. Declare",
    ),
    (
        "silence of a feed with a file every day",
        ("  key: [order_id]", "  longest_silence: 3d\n  key: [order_id]"),
        "longest_silence.*Say `missing_days: are_empty` too",
    ),
    (
        "a silence shorter than a day",
        ("  key: [order_id]", "  missing_days: are_empty\n  longest_silence: 3h\n  key: [order_id]"),
        "longest_silence.*3h is less than a day",
    ),
    ("another word for days that are missing", ("  key: [order_id]", "  missing_days: empty\n  key: [order_id]"), r"'empty'.*'are_empty'"),
    (
        "a lost day outside of the partitions",
        ("  key: [order_id]", '  lost_days: ["2025-01-01"]\n  key: [order_id]'),
        r"defs\.yaml:\d+.*lost_days names 2025-01-01, which lies outside",
    ),
    (
        "an accepted leak of a feature that does not exist",
        ("  features: [spending]", "  features: [spending]\n  leakage: {allow: {customer_amuont_sum_7d: it is known}}"),
        r"defs\.yaml:\d+.*leakage\.allow names feature 'customer_amuont_sum_7d'.*Did you mean 'customer_amount_sum_7d'",
    ),
    (
        "an accepted leak without a reason",
        ("  features: [spending]", '  features: [spending]\n  leakage: {allow: {"customer_*": " "}}'),
        r"defs\.yaml:\d+.*leakage\.allow of 'customer_\*' has no reason",
    ),
    ("unknown table in a view", ("source: orders\n", "source: ordres\n"), r"defs\.yaml:\d+.*'ordres'.*Did you mean 'orders'"),
    ("unknown table of a label", ("from: orders", "from: ordrs"), r"defs\.yaml:\d+.*label.*'ordrs'.*Did you mean 'orders'"),
    ("unknown column", ("{column: amount,", "{column: amout,"), r"defs\.yaml:\d+.*'amout'.*Did you mean 'amount'"),
    ("unknown column in SQL", ("amount > 100", "amuont > 100"), r"defs\.yaml:\d+.*'amuont'.*Did you mean 'amount'"),
    ("unknown function", ("[sum, mean]", "[sum, avg]"), r"defs\.yaml:\d+.*no function 'avg'.*What exists: .*mean"),
    (
        "a window without unit",
        ("[7d, 28d]", "[7, 28d]"),
        r"(?s)defs\.yaml:17 \(FeatureView 'spending'\): windows is \[7, 28d\], .* needs a unit.*Write windows: \[7d, 28d\]\n +17 \|   win",
    ),
    ("a window with another unit", ("[7d, 28d]", "[7 days, 28d]"), r"defs\.yaml:\d+.*'7 days' cannot be read.*unit: '3h', '28d'"),
    (
        "a label without horizon",
        (" horizon: 7d,", ""),
        r"(?s)defs\.yaml:\d+.*Problem 'buys_again'\): label needs the field `horizon`\. How long after the cutoff.* Write horizon: 7d",
    ),
    ("a horizon of nothing", ("horizon: 7d", "horizon: 0d"), r"defs\.yaml:\d+.*horizon must be longer than nothing, e\.g\. horizon: 36h"),
    (
        "a column that cannot be joined",
        ("features: [spending]", "features: [spending, orders.amount]"),
        r"defs\.yaml:\d+.*orders\.amount cannot be joined: its key \(order_id\) is not in the spine, which has customer",
    ),
    (
        "a label that is known as soon as the row that is predicted for",
        (GRID, OF_ROWS.replace("MATCH", "order_id")),
        r"defs\.yaml:\d+.*the label `count\(\*\) > 0` is taken from the very row that is predicted for and reads no column",
    ),
    (
        "a feature that is known later than its row",
        (DECLARATIONS, PAID_LATER.replace(GRID, OF_ROWS.replace("MATCH", "customer"))),
        r"defs\.yaml:\d+.*orders\.amount is not known at the cutoff: it becomes available later than the row itself",
    ),
    (
        "a cutoff at which no row is known",
        (GRID, OF_ROWS.replace("MATCH", "customer").replace("+ interval 1 hour", "- interval 2 hours")),
        r"defs\.yaml:\d+.*no row of the spine's table 'orders' is known at its own cutoff: `ordered_at - interval 2 hours` is never after",
    ),
    (
        "a word that is not known",
        ("  windows: [7d, 28d]", "  windows: [7d, 28d]\n  refrsh: 1h"),
        r"(?s)defs\.yaml:\d+.*FeatureView 'spending'\): a FeatureView has no field `refrsh`\. What exists: .*Did you mean 'refresh'",
    ),
    (
        "a comma in SQL without quotes",
        ("sql: amount > 100,", "sql: round(coalesce(amount, 0), 1) > 100,"),
        r"(?s)defs\.yaml:20 .*'spending'\): features\[1\]\.sql is cut: .*Write sql: \"round\(coalesce\(amount, 0\), 1\) > 100\"\n +20 \| ",
    ),
    (
        "a comma in the SQL of a contract without quotes",
        ("\ncolumns:\n", "\nrules: [{name: some, sql: coalesce(amount, 0) > 0}]\ncolumns:\n"),
        r"orders\.contract\.yaml:2 .*rules\[0\]: .*comma.*Write sql: \"coalesce\(amount, 0\) > 0\"",
    ),
    (
        "an environment variable that is not set",
        ("source: orders\n", 'source: "{{ env.NOT_SET_ANYWHERE }}"\n'),
        r"(?s)defs\.yaml:\d+ \(FeatureView 'spending'\): '\{\{ env\.NOT_SET_ANYWHERE \}\}' has no value: .* NOT_SET_ANYWHERE is not set",
    ),
    (
        "a template of an unknown name",
        ("source: orders\n", 'source: "{{ enw.SOURCE }}"\n'),
        r"(?s)defs\.yaml:\d+ .*'enw' is undefined.*Names that exist: env",
    ),
    (
        "a word of a part that is not known",
        ("without_rows: zero", "without_row: zero"),
        r"(?s)defs\.yaml:\d+.*label has no field `without_row`\. What exists: from, horizon, match, sql, without_rows",
    ),
    (
        "two features of one name",
        ("    - {name: large,", "    - {name: large, sql: amount > 200, functions: [share]}\n    - {name: large,"),
        r"defs\.yaml:\d+.*two features of view 'spending' are named 'customer_large_share_7d'.*Give one of them another `name`",
    ),
    (
        "NO in a set",
        ('["NO", "SE", "DK"]', "[NO, SE, DK]"),
        r"orders\.contract\.yaml.*'country', one_of: False is not a string.*YAML reads NO.*in quotes",
    ),
    (
        "a column that nothing says the availability of",
        ("  available_at: ordered_at\n", ""),
        r"defs\.yaml:\d+.*nothing says when it is known",
    ),
    (
        "an unknown trainer",
        ("  training: {every", "  model: {trainer: lightgmb}\n  training: {every"),
        r"defs\.yaml:\d+.*'lightgmb'.*Did you mean 'lightgbm'",
    ),
    ("a look-back too short", ("look_back: 40d", "look_back: 20d"), r"defs\.yaml:\d+.*look_back.*leaves nothing"),
    ("an unknown selection", ("  training: {every", "  selection: {method: some}\n  training: {every"), r"selection 'some'.*all, auto"),
    ("a selection of all at times", ("  training: {every", "  selection: {method: all, every: 7d}\n  training: {every"), "Leave .every"),
    (
        "an unknown selector",
        ("  training: {every", "  selection: {selectors: [l1, gian]}\n  training: {every"),
        r"selector 'gian'.*mean 'gain'",
    ),
    ("an unknown metric", ("  training: {every", "  metrics: [auk]\n  training: {every"), r"metric 'auk'.*Did you mean 'auc'"),
    ("a metric of numbers", ("  training: {every", "  metrics: [rmse]\n  training: {every"), r"'rmse' is of regression.*auc, gini"),
    (
        "an unknown measure",
        ("  training: {every", f"{MEASURES}{{psy: 0.2}}}}}}\n  training: {{every"),
        r"measures: 'psy'.*mean 'psi'",
    ),
    (
        "a size of nothing",
        ("  training: {every", f"{MEASURES}{{psi: 0}}}}}}\n  training: {{every"),
        r"psi is 0; write the size",
    ),
    ("a share of 5", ("  training: {every", "  monitor: {drift: {alpha: 5}}\n  training: {every"), r"drift\.alpha is 5; it is a share"),
    ("a selector twice", ("  training: {every", "  selection: {selectors: [l1, l1]}\n  training: {every"), "each once"),
    ("no selector", ("  training: {every", "  selection: {selectors: []}\n  training: {every"), "one or more selectors"),
    ("an age without unit", ("  training: {every", "  selection: {every: 28 days}\n  training: {every"), r"selection\.every.*unit"),
    ("an unknown feature", ("features: [spending]", "features: [spendings]"), r"'spendings'.*Did you mean 'spending'"),
    (
        "an unknown key",
        ("key: [order_id]", "key: [order]"),
        r"defs\.yaml:8 .*'order', which .*orders\.contract\.yaml does not have.*Did you mean 'order_id'",
    ),
    ("a pattern with another placeholder", ("orders/{day}.csv", "orders/{date}.csv"), r"defs\.yaml:\d+.*\{date\}.*\{day\} \(YYYY-MM-DD\)"),
    (
        "two sources",
        ('source: {files: "orders/{day}.csv"}', 'source: {files: "orders/{day}.csv", sql: select 1}'),
        r"defs\.yaml:\d+.*exactly one of files, asset, python, sql and kind",
    ),
    (
        "a pace of files",
        ('source: {files: "orders/{day}.csv"}', 'source: {files: "orders/{day}.csv", every: 1h}'),
        r"defs\.yaml:\d+.*`every` says how often a `python` source, or one of another",
    ),
    (
        "no pace at all",
        ('source: {files: "orders/{day}.csv"}', 'source: {python: "feed.py:orders", every: 0h}'),
        r"defs\.yaml:\d+.*every '0h' needs a length of time above zero",
    ),
    (
        "a name that SQL cannot hold",
        ("name: spending", "name: Spending"),
        r"defs\.yaml:\d+.*'Spending' cannot be the name of a feature view.*Write spending",
    ),
    (
        "an unknown way to publish",
        ("  key: [order_id]", "  publish: strikt\n  key: [order_id]"),
        r"defs\.yaml:\d+.*'strikt'.*mean 'strict'",
    ),
    (
        "a missing contract",
        ("contract: orders.contract.yaml", "contract: order.contract.yaml"),
        r"defs\.yaml:\d+.*not beside the declaration",
    ),
]


def compile_bent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, swap: tuple[str, str] | None) -> object:
    """Write the shop bent in one place and build all its definitions."""
    package = f"shop_{next(_NUMBER)}"
    root = write_project(tmp_path / package, package=package, swap=swap)
    monkeypatch.syspath_prepend(str(root))
    return tree_of(root).build_defs()


def chain(error: BaseException | None) -> str:
    """Return the messages of an exception and all its causes."""
    told = []
    while error is not None:
        told.append(str(error))
        error = error.__cause__ or error.__context__
    return "\n".join(told)


def test_a_selection_is_one_word_or_says_how_often_it_is_made(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for text, every in (("all", None), ("auto", None), ("{every: 28d}", timedelta(days=28))):
        package = f"shop_{next(_NUMBER)}"
        root = write_project(tmp_path / package, package=package, swap=("  training: {every", f"  selection: {text}\n  training: {{every"))
        monkeypatch.syspath_prepend(str(root))
        (problem,) = projects_of(tree_of(root))["shop"][0].problems.values()
        assert (problem.problem.selection.method, problem.problem.selection.every) == ("all" if text == "all" else "auto", every)


def test_the_shop_itself_loads(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    definitions = compile_bent(tmp_path, monkeypatch, None)
    keys = {k.to_user_string() for k in definitions.resolve_asset_graph().get_all_asset_keys()}
    assert {"shop/raw/orders", "shop/tables/orders", "shop/features/spending__customer", "shop/champion/buys_again"} <= keys


PYTHON = """
---
type: ml_platform.Table
attributes:
  name: rates
  source: {python: "code/feeds.py:rates"}
  partitions: {start: "2024-01-01", end: "2024-03-01"}
  contract: {columns: {customer: {type: string}, rate: {type: float64}, known_at: {type: timestamp}}}
  key: [customer]
  available_at: known_at
---
type: ml_platform.Table
attributes:
  name: large_orders
  source: {python: "code/feeds.py:large", reads: {orders: 0d}}
  partitions: {start: "2024-01-01", end: "2024-03-01"}
  contract: {columns: {order_id: {type: int64}, customer: {type: string}}}
  key: [order_id]
---
type: ml_platform.FeatureView
attributes:
  name: habits
  python: "code/feeds.py:habits"
  reads: {orders: 7d}
  entities: [[customer]]
  features: [{name: biggest}]
"""
FEEDS = """
def rates(day):
    return None


def large(tables):
    return tables["orders"].head(0).select("order_id", "customer")


def habits(tables, cutoff):
    return tables["orders"].group_by("customer").agg(biggest=tables["orders"]["amount"].max())
"""
OWN_CODE = ("shop/raw/rates", "shop/tables/large_orders", "shop/features/habits__customer")


def code_versions(root: Path, monkeypatch: pytest.MonkeyPatch, feeds: str) -> dict[str, str]:
    """Write the shop with functions of its own into a folder and return the code version of every asset, and of what the lake stores."""
    package = f"shop_{next(_NUMBER)}"
    write_project(root, package=package)
    folder = root / package / "defs" / "shop"
    with (folder / "defs.yaml").open("a") as declarations:
        declarations.write(PYTHON)
    (folder / "code").mkdir()
    (folder / "code" / "feeds.py").write_text(feeds)
    monkeypatch.syspath_prepend(str(root))
    specs = tree_of(root).build_defs().resolve_all_asset_specs()
    found = {spec.key.to_user_string(): str(spec.code_version) for spec in specs}
    session = open_project(root)
    project = session.project
    found |= {
        "lake raw/rates": raw_code_version(project.table("rates"), project.root),
        "lake tables/large_orders": table_code_version(project.table("large_orders"), project.root),
        "lake features/habits": feature_code_version(project, project.view("habits"), ("customer",)),
    }
    return found


@pytest.mark.slow
def test_a_project_that_is_moved_keeps_its_code_versions_and_an_edited_function_changes_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    here = code_versions(tmp_path / "here", monkeypatch, FEEDS)
    there = code_versions(tmp_path / "somewhere" / "else", monkeypatch, FEEDS)
    assert set(OWN_CODE) <= set(here)
    assert there == here
    edited = code_versions(tmp_path / "edited", monkeypatch, FEEDS.replace(".max()", ".min()"))
    changed = {name for name in here if edited[name] != here[name]}
    assert changed == {*OWN_CODE, "lake raw/rates", "lake tables/large_orders", "lake features/habits"}


@pytest.mark.slow
@pytest.mark.parametrize(("swap", "told"), [w[1:] for w in WRONG], ids=[w[0] for w in WRONG])
def test_a_wrong_declaration_fails_at_load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, swap: tuple[str, str], told: str) -> None:
    with pytest.raises(Exception, match=r"(?s).*") as caught:
        compile_bent(tmp_path, monkeypatch, swap)
    assert re.search(told, chain(caught.value)), chain(caught.value)


AS_WRITTEN = ['"amount"', '("amount")', "'7'", "1.10", "None", "[amount]", "(amount)", "{'a': amount}", "1_000", "'it''s'"]


def test_texts_of_a_declaration_arrive_as_they_were_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LEAST", "'100'")
    texts = [*AS_WRITTEN, "{{ env.LEAST }}", "amount > {{ env.LEAST }}"]
    features = "".join(
        f"    - {json.dumps({'name': f'f{n}', 'sql': text, 'where': text, 'functions': ['last']})}\n" for n, text in enumerate(texts)
    )
    package = f"shop_{next(_NUMBER)}"
    large = "    - {name: large, sql: amount > 100, functions: [share]}\n"
    root = write_project(tmp_path / package, package=package, swap=(large, features))
    monkeypatch.syspath_prepend(str(root))
    view = next(one for one in declared_below(tree_of(root))["shop"] if isinstance(one, FeatureView))
    written = [*AS_WRITTEN, "'100'", "amount > '100'"]
    assert [(f.sql, f.where) for f in view.features[1:]] == [(text, text) for text in written]


def test_a_quoted_name_is_a_column_and_not_what_the_quotes_hold(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A column may be called as SQL's own words are: ``at``, ``order``."""
    package = f"shop_{next(_NUMBER)}"
    root = write_project(tmp_path / package, package=package)
    folder = root / package / "defs" / "shop"
    for file in ("defs.yaml", "orders.contract.yaml"):
        text = (folder / file).read_text().replace("available_at: ordered_at", "available_at: '\"at\"'").replace("ordered_at", "at")
        (folder / file).write_text(text)
    monkeypatch.syspath_prepend(str(root))
    assert projects_of(tree_of(root))["shop"][0].table("orders").availability[0].sql == '"at"'


def test_several_faults_are_told_at_once_each_with_its_own_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    twice = DECLARATIONS.replace("functions: [sum, mean]}", "functions: [sum, mean], windos: [1d]}").replace(
        "every: 7d, look", "evry: 7d, look"
    )
    with pytest.raises(
        DeclarationError, match=r"(?s)defs\.yaml:19.*features\[0\] has no field `windos`.*defs\.yaml:28.*training has no field `evry`"
    ):
        compile_bent(tmp_path, monkeypatch, (DECLARATIONS, twice))
    copied = DECLARATIONS + "---\n" + DECLARATIONS.split("---\n")[1]
    with pytest.raises(
        DeclarationError, match=r"defs\.yaml:32 .*second feature view 'spending'; the first stands in defs/shop/defs\.yaml:14 "
    ):
        compile_bent(tmp_path, monkeypatch, (DECLARATIONS, copied))


def test_the_published_schema_names_the_wrong_word() -> None:
    """Editors judge by it, without us."""
    validator = jsonschema.Draft202012Validator(TypeAdapter(FeatureView.get_model_cls()).json_schema())

    def told(feature: dict[str, object], **more: object) -> list[tuple[list[object], str]]:
        errors = validator.iter_errors({"name": "spending", "source": "orders", "features": [{"column": "amount"}, feature], **more})
        return [(list(error.absolute_path), error.message) for error in errors]

    assert told({"column": "amount", "functions": ["sum"]}, windows=["7d"], store=True, ttl=None) == []
    assert told({"column": "amount"}, windows="{{ env.WINDOWS }}") == []
    assert told({"column": 7}) == [(["features", 1, "column"], "7 is not of type 'string', 'null'")]
    assert told({"column": "amount"}, windows=[7]) == [(["windows", 0], "7 is not of type 'string'")]
    unknown = told({"column": "amount", "functon": ["sum"]})
    assert {tuple(path) for path, _ in unknown} == {("features", 1)}
    assert any("'functon' is not one of ['column', 'name', 'sql'" in message for _, message in unknown)
    assert any("put the SQL in quotes" in message for _, message in told({"name": "a", "sql": "coalesce(x", "0) > 1": None}))


@pytest.mark.slow
def test_a_failed_declaration_is_one_message(tmp_path: Path) -> None:
    package = f"shop_{next(_NUMBER)}"
    root = write_project(tmp_path / package, package=package, swap=("sql: amount > 100", "sql: coalesce(amount, 0) > 100"))
    seen = {
        "schema": _run(root, "dg", "check", "defs", "--use-active-venv"),
        "load": _run(root, "dg", "check", "defs", "--use-active-venv", "--no-check-yaml"),
        "list": _run(root, "dg", "list", "defs"),
        "ours": _run(root, "ml-platform", "features", "explain", "spending.customer_large_share_7d"),
    }
    line = "20 |     - {name: large, sql: coalesce(amount, 0) > 100, functions: [share]}"
    assert [name for name, text in seen.items() if line not in text] == []
    assert 'Write sql: "coalesce(amount, 0) > 100"' in seen["schema"]
    for name in ("load", "list", "ours"):
        assert seen[name].count('Write sql: "coalesce(amount, 0) > 100"') == 1
        assert "caused by" not in seen[name]
        assert "During handling" not in seen[name]
        assert re.search(r"Traceback|Stack Trace|frames hidden|File \"", seen[name]) is None, seen[name]
    assert len(seen["ours"].splitlines()) == 2


def _run(root: Path, program: str, *arguments: str) -> str:
    """Run a program of this environment in the project; return what it wrote after it failed."""
    folder = Path(sys.executable).parent
    paths = os.pathsep.join([str(root), *sys.path])
    env = {**os.environ, "PATH": f"{folder}{os.pathsep}{os.environ['PATH']}", "PYTHONPATH": paths, "NO_COLOR": "1"}
    env |= {"DAGSTER_DISABLE_TELEMETRY": "1", "COLUMNS": "300"}
    done = subprocess.run([str(folder / program), *arguments], cwd=root, env=env, capture_output=True, text=True, check=False)
    assert done.returncode != 0
    return done.stdout + done.stderr
