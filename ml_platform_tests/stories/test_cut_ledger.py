"""A ledger whose server cuts the connection off while a step publishes: the step is tried again, and nothing is there twice."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import dagster as dg
import pytest

from ml_platform.components.assets import asset_plan
from ml_platform.core.errors import LakeError, LedgerUnavailableError
from ml_platform.lake.writing.lake_writing import LakeWriting
from ml_platform_tests.components.landed_shop import DAYS, failure, key, landed_shop

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("is_published", [False, True])
def test_a_step_is_tried_again_and_publishes_once(is_published: bool, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asset_plan, "RETRIES", dg.RetryPolicy(max_retries=3, delay=0))
    shop = landed_shop(tmp_path, monkeypatch)
    publish = LakeWriting.publish
    calls = []

    def cut(lake: LakeWriting, *given: Any, **more: Any) -> Any:
        calls.append(given)
        if len(calls) == 1:
            if is_published:
                publish(lake, *given, **more)
            raise LedgerUnavailableError("The ledger failed to write: server closed the connection unexpectedly.")
        return publish(lake, *given, **more)

    monkeypatch.setattr(LakeWriting, "publish", cut)
    with dg.DagsterInstance.ephemeral() as instance:
        result = shop.run(instance, ["raw/orders"], DAYS[:2])
        assert result.success
        assert len(calls) == (1 if is_published else 2)
        assert instance.get_materialized_partitions(key("raw/orders")) == set(DAYS[:2])
    assert {day: len(shop.lake.history("shop/raw/orders", day)) for day in DAYS[:2]} == dict.fromkeys(DAYS[:2], 1)


def test_what_is_wrong_is_not_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(asset_plan, "RETRIES", dg.RetryPolicy(max_retries=3, delay=0))
    shop = landed_shop(tmp_path, monkeypatch)
    calls = []

    def full(*given: Any, **_: Any) -> Any:
        calls.append(given)
        raise LakeError("The ledger failed to write: database or disk is full.")

    monkeypatch.setattr(LakeWriting, "publish", full)
    with dg.DagsterInstance.ephemeral() as instance:
        result = shop.run(instance, ["raw/orders"], DAYS[:2])
    assert "disk is full" in failure(result)
    assert len(calls) == 1
