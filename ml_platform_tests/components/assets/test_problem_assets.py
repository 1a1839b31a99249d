"""The checks of a training asset, as Dagster stores them."""

from __future__ import annotations

import dagster as dg
import pytest

from ml_platform.core.intervals import shift_day
from ml_platform.features.timeline import event_columns
from ml_platform_tests.components.landed_shop import key, landed_shop

DAYS = [shift_day("2024-01-01", n) for n in range(50)]
T = "2024-02-18"


@pytest.fixture
def shop(tmp_path, monkeypatch):
    made = landed_shop(tmp_path, monkeypatch, swap=("sql: count(*) > 0", "sql: sum(amount) > 2500"))
    made.land(DAYS)
    return made


@pytest.mark.slow
def test_a_leak_turns_the_asset_check_future_red(shop, monkeypatch):
    """The same run twice: with the engine as it is, and with one that counts a microsecond too much."""
    with dg.DagsterInstance.ephemeral() as instance:
        assert shop.run(instance, days=DAYS).success
        honest = _future(shop, instance)
        assert honest.passed
        assert "was changed: none of" in honest.description
        times = event_columns.EventColumns.times

        def early(self, columns):
            micros, known = times(self, columns)
            return (micros - 1, known) if columns[0].startswith("_available_at") else (micros, known)

        monkeypatch.setattr(event_columns.EventColumns, "times", early)
        red = _future(shop, instance)
        assert not red.passed
        assert red.severity == dg.AssetCheckSeverity.ERROR
        assert "it knows the future" in red.description


def _future(shop, instance):
    result = shop.run(instance, ["training/buys_again"], [T])
    assert result.success
    found = result.get_asset_check_evaluations()
    assert {e.check_name for e in found} >= {"leakage", "training_rows", "future"}
    assert all(e.asset_key == key("training/buys_again") for e in found)
    return next(e for e in found if e.check_name == "future")
