"""What a materialization will take is read off the most similar of its newest runs."""

import dagster as dg
import pytest

from ml_platform.components.runs.past_cost import past_seconds
from ml_platform_tests.components.instances import local_instance

KEY = dg.AssetKey("a")


def run(instance: dg.DagsterInstance, days: list[str], seconds: float | None) -> None:
    """Materialize days as one run that took so long."""

    @dg.asset(key=KEY, partitions_def=dg.StaticPartitionsDefinition([f"d{n}" for n in range(10)]))
    def a(context: dg.AssetExecutionContext) -> None:
        metadata = {} if seconds is None else {"seconds": seconds}
        metadata |= {"partitions_of_the_run": len(days)} if len(days) > 1 else {}
        for day in days[1:]:
            context.log_event(dg.AssetMaterialization(KEY, partition=day, metadata=metadata))
        context.add_asset_metadata(metadata)

    assert dg.materialize([a], partition_key=days[0], instance=instance).success


@pytest.mark.slow
def test_many_partitions_cost_what_many_did_and_one_what_one_did() -> None:
    with local_instance() as instance, local_instance() as empty:
        assert past_seconds([instance], KEY, 3) is None
        instance.report_runless_asset_event(dg.AssetMaterialization(KEY, partition="d9"))
        assert past_seconds([instance], KEY, 3) is None, "what was reported without a run says nothing of its cost"
        run(instance, [f"d{n}" for n in range(8)], 4.0)
        assert past_seconds([instance], KEY, 100) == pytest.approx(50)
        run(instance, ["d8"], 2.0)
        assert past_seconds([empty, instance], KEY, 1) == pytest.approx(2)
        assert past_seconds([empty, instance], KEY, 16) == pytest.approx(8)
