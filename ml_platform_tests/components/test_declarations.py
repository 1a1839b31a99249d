"""Wrong declarations fail at load, each with one message that names file, cause and what exists."""

from __future__ import annotations

import itertools
import re
from datetime import timedelta
from pathlib import Path

import pytest

from ml_platform.components.project_definitions import projects_of
from ml_platform_tests.components.shop import tree_of, write_project

_NUMBER = itertools.count()

WRONG = [
    ("unknown table in a view", ("source: orders\n", "source: ordres\n"), r"defs\.yaml:\d+.*'ordres'.*Did you mean 'orders'"),
    ("unknown table of a label", ("from: orders", "from: ordrs"), r"defs\.yaml:\d+.*label.*'ordrs'.*Did you mean 'orders'"),
    ("unknown column", ("{column: amount,", "{column: amout,"), r"'?amout'?.*amount"),
    ("unknown column in SQL", ("amount > 100", "amuont > 100"), r"amuont.*amount"),
    ("unknown function", ("[sum, mean]", "[sum, avg]"), r"'avg'.*mean"),
    ("a window without unit", ("[7d, 28d]", "[7, 28d]"), r"(?s)window.*(unit|valid string)"),
    ("a window with another unit", ("[7d, 28d]", "[7 days, 28d]"), r"'7 days'.*unit"),
    ("a label without horizon", (" horizon: 7d,", ""), r"(?s)horizon"),
    ("a horizon of nothing", ("horizon: 7d", "horizon: 0d"), r"horizon must be longer"),
    ("a column that is the label's own row", ("features: [spending]", "features: [spending, orders.amount]"), r"orders\.amount"),
    (
        "two features of one name",
        ("    - {name: large,", "    - {name: large, sql: amount > 200, functions: [share]}\n    - {name: large,"),
        r"named 'customer_large_share_7d'",
    ),
    ("NO in a set", ('["NO", "SE", "DK"]', "[NO, SE, DK]"), r"(?s)country.*NO"),
    ("a column that nothing says the availability of", ("  available_at: ordered_at\n", ""), r"(?s)(available|known)"),
    ("an unknown trainer", ("  training: {every", "  model: {trainer: lightgmb}\n  training: {every"), r"'lightgmb'.*lightgbm"),
    ("a look-back too short", ("look_back: 40d", "look_back: 20d"), r"look_back.*leaves nothing"),
    ("an unknown selection", ("  training: {every", "  selection: {method: some}\n  training: {every"), r"selection 'some'.*all, auto"),
    ("a selection of all at times", ("  training: {every", "  selection: {method: all, every: 7d}\n  training: {every"), "Leave .every"),
    ("an age without unit", ("  training: {every", "  selection: {every: 28 days}\n  training: {every"), r"selection\.every.*unit"),
    ("an unknown feature", ("features: [spending]", "features: [spendings]"), r"'spendings'.*Did you mean 'spending'"),
    ("an unknown key", ("key: [order_id]", "key: [order]"), r"'order'.*order_id"),
    ("a pattern without its day", ("orders/{day}.csv", "orders/all.csv"), r"no \{day\}"),
    ("two sources", ('source: {files: "orders/{day}.csv"}', 'source: {files: "orders/{day}.csv", sql: select 1}'), r"exactly one of"),
    ("a name that SQL cannot hold", ("name: spending", "name: Spending"), r"'Spending' cannot be the name"),
    ("a missing contract", ("contract: orders.contract.yaml", "contract: order.contract.yaml"), r"not beside the declaration"),
]  # fmt: skip


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


@pytest.mark.parametrize(("swap", "told"), [w[1:] for w in WRONG], ids=[w[0] for w in WRONG])
def test_a_wrong_declaration_fails_at_load(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, swap: tuple[str, str], told: str) -> None:
    with pytest.raises(Exception, match=r"(?s).*") as caught:
        compile_bent(tmp_path, monkeypatch, swap)
    assert re.search(told, chain(caught.value)), chain(caught.value)
