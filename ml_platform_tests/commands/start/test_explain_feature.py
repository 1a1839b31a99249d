"""``ml-platform features explain``: what a feature is, what it is made from, and a statement of it."""

from __future__ import annotations

import json

from ml_platform.cli import main
from ml_platform_tests.components.declarations.test_feature_view import write


def run(capsys, *arguments: str) -> tuple[int, str]:
    code = main(arguments)
    captured = capsys.readouterr()
    return code, captured.out + captured.err


def test_a_window_feature_says_its_columns_its_window_and_its_delay(tmp_path, monkeypatch, capsys):
    root = str(write(tmp_path, monkeypatch))
    code, told = run(capsys, "features", "explain", "customer_amount_mean_7d", "--project", root)
    assert code == 0
    assert "Mean of amount within the 7d before the cutoff, per customer, from orders" in told
    code, told = run(capsys, "features", "explain", "customer_amount_mean_7d", "--project", root, "--json")
    data = json.loads(told)
    assert data["reads"] == [
        {
            "feature": "customer_amount_mean_7d",
            "table": "orders",
            "columns": "customer, amount",
            "window": "within the 7d before the cutoff",
            "known": "ordered_at",
        }
    ]
    assert 'avg(e._value) AS "customer_amount_mean_7d"' in data["sql"]


def test_an_expression_says_what_the_caller_gives(tmp_path, monkeypatch, capsys):
    root = str(write(tmp_path, monkeypatch))
    code, told = run(capsys, "features", "explain", "basket.against_usual", "--project", root)
    assert code == 0
    assert "amount / customer_amount_mean_7d, per customer" in told
    assert "the request" in told
    assert "amount (DOUBLE)" in told
    assert 'CAST(s."amount" AS DOUBLE) AS "amount"' in told


def test_an_unknown_feature_names_what_is_near(tmp_path, monkeypatch, capsys):
    code, told = run(capsys, "features", "explain", "customer_amont_mean_7d", "--project", str(write(tmp_path, monkeypatch)))
    assert code != 0
    assert "Near to it: customer_amount_mean_7d" in told
