"""The asset graph of the demo: its specs, what it costs to build, and how a landed day flows down it."""

from __future__ import annotations

import json
import subprocess
import sys
from functools import cache
from pathlib import Path
from uuid import uuid4

import dagster as dg
import pytest

from examples.flights.definitions import defs
from ml_platform.core.intervals import shift_day
from ml_platform_tests.components.asset_specs import GOLDEN, describe
from ml_platform_tests.components.instances import instance_in, local_instance, told_together

DAYS = [shift_day("2013-01-01", n) for n in range(26)]
HEAVY = {"pandas", "sklearn", "lightgbm", "evidently", "featuretools", "matplotlib", "pandera", "polars", "pyarrow", "sqlalchemy", "numpy"}


def test_asset_specs_are_those_of_the_golden_file() -> None:
    assert describe() == json.loads(GOLDEN.read_text(encoding="utf-8")), "write it anew: python -m ml_platform_tests.components.asset_specs"


@pytest.mark.slow
def test_building_all_definitions_loads_no_heavy_module() -> None:
    code = (
        "import sys; from examples.flights.definitions import defs; defs().resolve_asset_graph(); "
        f"print(sorted(set({sorted(HEAVY)!r}) & set(sys.modules)))"
    )
    run = subprocess.run([sys.executable, "-W", "ignore", "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


@pytest.fixture(autouse=True)
def _no_lake(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A demo that was made in this folder is none of these tests' business: what it holds would be asked which days are ripe."""
    monkeypatch.setenv("ML_PLATFORM_LAKE", str(tmp_path / "nowhere"))


@cache
def flights() -> dg.Definitions:
    """The demo's definitions, loaded once."""
    return defs()


class Graph:
    """The demo's graph with an instance that is told what was materialized, and nothing that runs."""

    def __init__(self, instance: dg.DagsterInstance) -> None:
        self.definitions, self.instance, self.cursor = flights(), instance, None
        self.graph = self.definitions.resolve_asset_graph()

    def report(self, layer: str, name: str, *days: str | None, content: str | None = None) -> None:
        """Tell the instance that an asset was materialized, with content that it never had unless that is given."""
        with told_together(self.instance):
            for day in days:
                tags = {"dagster/data_version": content or uuid4().hex}
                self.instance.report_runless_asset_event(
                    dg.AssetMaterialization(dg.AssetKey(["flights", layer, name]), partition=day, tags=tags)
                )

    def report_layers(self, layers: set[str], days: list[str]) -> None:
        """Tell the instance that whole layers were materialized."""
        for key in self.graph.materializable_asset_keys:
            if key.path[1] in layers:
                self.report(*key.path[1:], *(days if self.graph.get(key).partitions_def else [None]))

    def ticks(self) -> list[dict[str, list[str]]]:
        """Tick until nothing is asked for any more."""
        found = []
        while requested := self.tick():
            found.append(requested)
        return found

    def tick(self) -> dict[str, list[str]]:
        """Evaluate all conditions once; what is requested is materialized. Returns asset to requested days."""
        result = dg.evaluate_automation_conditions(self.definitions, instance=self.instance, cursor=self.cursor)
        self.cursor = result.cursor
        requested = {}
        for key in self.graph.materializable_asset_keys:
            if self.graph.get(key).partitions_def is not None and (days := result.get_requested_partitions(key)):
                requested["/".join(key.path[1:])] = sorted(d for d in days if d)
                self.report(*key.path[1:], *requested["/".join(key.path[1:])])
        return requested


@pytest.fixture(scope="module")
def history(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The instance in which the days before were materialized, closed: to be copied."""
    home = tmp_path_factory.mktemp("history") / "home"
    with instance_in(home) as instance:
        Graph(instance).report_layers({"raw", "tables", "features"}, DAYS)
    return home


@pytest.mark.slow
def test_a_landed_day_flows_to_predictions_and_no_further_day_does(history: Path) -> None:
    with local_instance(history) as instance:
        graph = Graph(instance)
        day = shift_day(DAYS[-1], 1)
        for layer in ("raw", "tables"):
            graph.report(layer, "schedule", day)
        assert graph.tick() == {}, "what was there before is taken note of and not asked for again"
        for feed in ("departures", "arrivals", "weather"):
            graph.report("raw", feed, day)
        graph.report("raw", "schedule", shift_day(day, 1))
        tables, rest = graph.ticks()
        assert tables == {
            "tables/arrivals": [day], "tables/departures": [day], "tables/weather": [day],
            "tables/schedule": [shift_day(day, 1)],
        }, "whether anything is new is known when the tables are there; the plan of tomorrow is a table today"  # fmt: skip
        assert rest["features/delays__origin"] == [day]
        assert rest["predictions/late_arrival"] == [DAYS[-1], day], "the plan of tomorrow can hold cutoffs of yesterday evening"
        assert rest["monitoring/late_arrival"][-1] == day
        assert "training/late_arrival" not in rest, "training is asked for by a decision, not by a day"


@pytest.mark.slow
def test_a_late_correction_touches_exactly_the_landed_days_whose_window_it_reaches(history: Path) -> None:
    with local_instance(history) as instance:
        graph = Graph(instance)
        graph.tick()
        graph.report("raw", "weather", DAYS[20])
        assert graph.tick() == {"tables/weather": [DAYS[20]]}
        requested = graph.tick()
        # A file of day F holds times of [F, F + 2) days, and the view keeps a value for six hours.
        assert requested["features/weather_now__origin"] == DAYS[20:23]
        assert not any(name.startswith("features/delays") for name in requested)


@pytest.mark.slow
def test_what_holds_what_it_held_is_no_update_and_what_holds_it_again_is(history: Path) -> None:
    with local_instance(history) as instance:
        graph = Graph(instance)
        graph.tick()
        graph.report("tables", "weather", DAYS[20], content="A")
        assert "features/weather_now__origin" in graph.tick()
        graph.report("tables", "weather", *DAYS[20:21], content="A")
        assert graph.ticks() == [], "a backfill made it again, and it is what it was"
        for content in ("B", "A"):
            graph.report("tables", "weather", DAYS[20], content=content)
            assert graph.tick()["features/weather_now__origin"] == DAYS[20:23], content
            assert graph.ticks() == []


@pytest.mark.slow
def test_a_promotion_makes_no_prediction_run_again(history: Path) -> None:
    with local_instance(history) as instance:
        graph = Graph(instance)
        graph.report_layers({"predictions"}, DAYS)
        graph.tick()
        graph.report("champion", "late_arrival", None)
        assert graph.tick() == {}
