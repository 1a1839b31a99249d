"""Raw assets of other assets' files and of functions are requested by themselves: the one follows its upstream, the other the clock."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import dagster as dg
import pytest

from ml_platform.components.runs.in_process import execute_assets
from ml_platform.components.settings import project_clock
from ml_platform.monitoring.decision import Decision
from ml_platform_tests.components.landed_shop import DAYS, LandedShop, key, landed_shop, orders

FILES = '{files: "orders/{day}.csv"}'
UPSTREAM = dg.AssetKey(["dlt", "orders"])


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as made:
        yield made


class Ticks:
    """A sensor that is ticked again and again: it keeps its cursor."""

    def __init__(self, shop: LandedShop, instance: dg.DagsterInstance, name: str) -> None:
        self.root, self.definitions, self.instance, self.name = shop.root, shop.definitions(), instance, name
        self.cursor: str | None = None

    def tick(self, now: datetime | None = None) -> list[list[str | None]]:
        """Return the first and last day of each run that a tick asks for."""
        return [_days(request) for request in self.requests(now)]

    def requests(self, now: datetime | None = None) -> list[dg.RunRequest]:
        """Return what a tick asks for."""
        if now is not None:
            project_clock(self.root).move(now)
        resources = {"platform": (self.definitions.resources or {})["platform"]}
        with dg.build_sensor_context(self.instance, cursor=self.cursor, definitions=self.definitions, resources=resources) as context:
            result = self.definitions.resolve_sensor_def(self.name).evaluate_tick(context)
        self.cursor = result.cursor or self.cursor
        return list(result.run_requests or [])


def _days(request: dg.RunRequest) -> list[str | None]:
    ends = [request.tags.get(f"dagster/asset_partition_range_{end}") for end in ("start", "end")]
    return ends if ends[0] else [request.partition_key]


@pytest.mark.slow
def test_a_table_from_another_assets_files_follows_that_asset(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, instance: dg.DagsterInstance
) -> None:
    shop = landed_shop(tmp_path, monkeypatch, swap=(FILES, '{asset: dlt/orders, path: "orders/{day}.csv"}'))
    sensor = Ticks(shop, instance, "shop_landing")
    assert sensor.tick() == [], "the files may be half written: nobody has said that they are there"
    instance.report_runless_asset_event(dg.AssetMaterialization(UPSTREAM))
    assert sensor.tick() == [[DAYS[0], DAYS[-1]]]
    shop.run(instance, ["raw/orders"], DAYS)
    assert sensor.tick() == []
    changed = shop.root / "data" / "landing" / "orders" / f"{DAYS[2]}.csv"
    changed.write_text(orders(DAYS[2], count=21))
    assert sensor.tick() == [], "its own files have changed, but the asset has not been materialized since"
    instance.report_runless_asset_event(dg.AssetObservation(UPSTREAM))
    assert sensor.tick() == [[DAYS[2]]]
    instance.report_runless_asset_event(dg.AssetMaterialization(UPSTREAM))
    assert sensor.tick() == [], "it was made again, and its files are as they were asked for"


def test_files_are_not_read_while_their_asset_is_being_made(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, instance: dg.DagsterInstance
) -> None:
    shop = landed_shop(tmp_path, monkeypatch, swap=(FILES, '{asset: dlt/orders, path: "orders/{day}.csv"}'))
    sensor = Ticks(shop, instance, "shop_landing")
    instance.report_runless_asset_event(dg.AssetMaterialization(UPSTREAM))
    ticked: list[list[list[str | None]]] = []

    @dg.asset(key=UPSTREAM)
    def sync() -> None:
        ticked.append(sensor.tick())

    dg.materialize([sync], instance=instance)
    assert ticked == [[]]
    assert sensor.tick() == [[DAYS[0], DAYS[-1]]]


def test_a_day_that_is_not_over_is_asked_for_when_it_is(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, instance: dg.DagsterInstance
) -> None:
    today = datetime.now(UTC).date().isoformat()
    shop = landed_shop(tmp_path, monkeypatch, swap=(', end: "2024-03-01"', ""))
    (shop.root / "data" / "landing" / "orders" / f"{today}.csv").write_text(orders(today))
    sensor = Ticks(shop, instance, "shop_landing")
    assert sensor.tick() == [[DAYS[0], DAYS[-1]]]
    assert today not in str(sensor.cursor)


FEED = """
def orders(day):
    from pathlib import Path
    file = Path(__file__).parent / f"{day}.csv"
    if not file.exists():
        return None
    import pandas as pd
    return pd.read_csv(file)
"""


def at(day: str, hour: int = 6) -> datetime:
    """Return an hour of a day, in UTC."""
    return datetime.fromisoformat(f"{day}T{hour:02}:00:00+00:00")


@pytest.mark.slow
def test_a_function_is_called_at_its_pace(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, instance: dg.DagsterInstance) -> None:
    shop = landed_shop(tmp_path, monkeypatch, swap=(FILES, '{python: "feed.py:orders", every: 6h}'))
    (folder,) = (path.parent for path in shop.root.glob("*/defs/shop/defs.yaml"))
    (folder / "feed.py").write_text(FEED)
    for day in DAYS[:2]:
        (folder / f"{day}.csv").write_text(orders(day))
    sensor = Ticks(shop, instance, "shop_fetching")
    assert sensor.tick(at(DAYS[1])) == [[DAYS[0]]], "a history is loaded by a backfill; what is asked for is the newest day that is over"
    shop.run(instance, ["raw/orders"], [DAYS[0]])
    assert sensor.tick(at(DAYS[1], 11)) == [], "not due"
    assert sensor.tick(at(DAYS[1], 12)) == [[DAYS[0]]], "due: the newest day once more, should it have changed"
    assert sensor.tick(at(DAYS[4])) == [[DAYS[1], DAYS[3]]], "nobody ticked for days: what came since is made up for"
    shop.run(instance, ["raw/orders"], DAYS[1:4])
    for day in (DAYS[2], DAYS[4]):
        (folder / f"{day}.csv").write_text(orders(day))
    assert sensor.tick(at(DAYS[5])) == [[DAYS[2], DAYS[4]]], "days that gave nothing are asked for again"
    shop.run(instance, ["raw/orders"], DAYS[2:5])
    assert sensor.tick(at(DAYS[5], 18)) == [[DAYS[3], DAYS[4]]]
    assert sensor.tick(at("2024-05-01")) == [["2024-02-29"]], (
        "beyond the declared end nothing is asked for, and of a long pause the last day"
    )


@pytest.mark.slow
def test_what_is_fetched_flows_on(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, instance: dg.DagsterInstance) -> None:
    shop = landed_shop(tmp_path, monkeypatch, swap=(FILES, '{python: "feed.py:orders", every: 1d}'))
    (folder,) = (path.parent for path in shop.root.glob("*/defs/shop/defs.yaml"))
    (folder / "feed.py").write_text(FEED)
    (folder / f"{DAYS[0]}.csv").write_text(orders(DAYS[0]))
    definitions = shop.definitions()
    first = dg.evaluate_automation_conditions(definitions, instance, asset_selection=dg.AssetSelection.assets(key("tables/orders")))
    shop.run(instance, ["raw/orders"], [DAYS[0]])
    second = dg.evaluate_automation_conditions(
        definitions, instance, asset_selection=dg.AssetSelection.assets(key("tables/orders")), cursor=first.cursor
    )
    assert first.total_requested == 0
    assert second.get_requested_partitions(key("tables/orders")) == {DAYS[0]}


def launched(instance: dg.DagsterInstance, request: dg.RunRequest, sensor: str, status: dg.DagsterRunStatus) -> dg.DagsterRun:
    """Let a run of a request be there as the daemon makes it, and end."""
    tags = {**request.tags, "dagster/sensor_name": sensor, "dagster/run_key": str(request.run_key)}
    if request.partition_key:
        tags["dagster/partition"] = request.partition_key
    run = dg.DagsterRun("job", run_id=str(uuid4()), status=status, tags=tags, asset_selection=frozenset(request.asset_selection or ()))
    return instance.add_run(run)


@pytest.mark.slow
@pytest.mark.parametrize("source", ['{asset: dlt/orders, path: "orders/{day}.csv"}', FILES])
def test_what_a_crashed_run_was_to_make_is_asked_for_again_three_times(
    source: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, instance: dg.DagsterInstance
) -> None:
    shop = landed_shop(tmp_path, monkeypatch, swap=(FILES, source))
    sensor = Ticks(shop, instance, "shop_landing")
    instance.report_runless_asset_event(dg.AssetMaterialization(UPSTREAM))
    (asked,) = sensor.requests()
    assert sensor.requests() == [], "it was asked for"
    for time in range(1, 4):
        crashed = launched(instance, asked, sensor.name, dg.DagsterRunStatus.FAILURE)
        (asked,) = sensor.requests()
        assert _days(asked) == [DAYS[0], DAYS[-1]]
        assert asked.run_key == f"{crashed.run_id}/{time}"
        assert {key.to_user_string() for key in asked.asset_selection or ()} == {"shop/raw/orders", "shop/tables/orders"}
    launched(instance, asked, sensor.name, dg.DagsterRunStatus.FAILURE)
    assert sensor.requests() == [], "three times is enough"


def test_a_crashed_fetch_is_asked_for_again_but_not_beside_its_next_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, instance: dg.DagsterInstance
) -> None:
    shop = landed_shop(tmp_path, monkeypatch, swap=(FILES, '{python: "feed.py:orders", every: 6h}'))
    (folder,) = (path.parent for path in shop.root.glob("*/defs/shop/defs.yaml"))
    (folder / "feed.py").write_text(FEED)
    sensor = Ticks(shop, instance, "shop_fetching")
    (asked,) = sensor.requests(at(DAYS[1]))
    crashed = launched(instance, asked, sensor.name, dg.DagsterRunStatus.FAILURE)
    # Long before it is due again: the source is asked at its pace, and what crashed asked for nothing of it.
    (again,) = sensor.requests(at(DAYS[1], 7))
    assert (_days(again), again.run_key) == ([DAYS[0]], f"{crashed.run_id}/1")
    assert {key.to_user_string() for key in again.asset_selection or ()} == {"shop/raw/orders", "shop/tables/orders"}
    launched(instance, again, sensor.name, dg.DagsterRunStatus.FAILURE)
    assert sensor.tick(at(DAYS[1], 12)) == [[DAYS[0]]], "due again: one run fetches it, not one more for the crashed one"
    assert sensor.tick(at(DAYS[4])) == [[DAYS[3]], [DAYS[0]]], "what is due now is another day"
    launched(instance, again, "somebody", dg.DagsterRunStatus.SUCCESS)
    assert sensor.tick(at(DAYS[4], 7)) == []


def test_a_crashed_retraining_is_asked_for_again_while_its_decision_stands(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, instance: dg.DagsterInstance
) -> None:
    shop = landed_shop(tmp_path, monkeypatch)
    sensor = Ticks(shop, instance, "shop_retraining")
    standing = [Decision("d-1", True, ("drift",), (), DAYS[3], at(DAYS[3]))]
    monkeypatch.setattr("ml_platform.pipeline.scoring.monitoring.pending_decisions", lambda *_: (standing, []))
    (asked,) = sensor.requests(at(DAYS[4]))
    assert (asked.run_key, asked.partition_key) == ("d-1", DAYS[3])
    for time in range(1, 4):
        crashed = launched(instance, asked, sensor.name, dg.DagsterRunStatus.FAILURE)
        # The decision's own request has the key that it always had, of which Dagster makes no second run.
        served, asked = sensor.requests(at(DAYS[4], 6 + time))
        assert served.run_key == "d-1"
        assert (asked.run_key, asked.partition_key) == (f"{crashed.run_id}/{time}", DAYS[3])
        assert asked.tags["ml_platform/decision"] == "d-1"
        assert asked.asset_selection == sorted(served.asset_selection or ())
    launched(instance, asked, sensor.name, dg.DagsterRunStatus.FAILURE)
    assert [request.run_key for request in sensor.requests(at(DAYS[5]))] == ["d-1"], "three times is enough"
    standing.clear()
    instance.wipe()
    launched(instance, asked, sensor.name, dg.DagsterRunStatus.FAILURE)
    assert sensor.requests(at(DAYS[5], 7)) == [], "somebody has trained meanwhile: nothing is to be made any more"


def test_a_run_that_another_follows_or_that_dagster_starts_again_is_left_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, instance: dg.DagsterInstance
) -> None:
    shop = landed_shop(tmp_path, monkeypatch)
    sensor = Ticks(shop, instance, "shop_landing")
    (asked,) = sensor.requests()
    retried = launched(instance, asked, sensor.name, dg.DagsterRunStatus.FAILURE)
    instance.add_run_tags(retried.run_id, {"dagster/will_retry": "true"})
    assert sensor.requests() == []
    instance.add_run_tags(retried.run_id, {"dagster/will_retry": "false"})
    assert len(sensor.requests()) == 1
    launched(instance, asked, "somebody", dg.DagsterRunStatus.STARTED)
    assert sensor.requests() == []


@pytest.mark.slow
def test_a_run_of_which_a_step_failed_is_not_asked_for_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, instance: dg.DagsterInstance
) -> None:
    shop = landed_shop(tmp_path, monkeypatch)
    for day in DAYS:
        (shop.root / "data" / "landing" / "orders" / f"{day}.csv").write_text("")
    sensor = Ticks(shop, instance, "shop_landing")
    (asked,) = sensor.requests()
    job = shop.definitions().resolve_implicit_global_asset_job_def()
    tags = {**asked.tags, "dagster/sensor_name": sensor.name}
    result = execute_assets(job, instance, asked.asset_selection or (), DAYS, tags)
    assert not result.success
    assert sensor.requests() == []
