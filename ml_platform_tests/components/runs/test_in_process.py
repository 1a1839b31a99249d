"""Which runs materialize a selection: assets with the same days share one, in the graph's order."""

from __future__ import annotations

import dagster as dg
import pytest

from examples.flights.definitions import defs
from ml_platform.components.runs.in_process import execute_assets, keep_subsets, runs_of, select_assets
from ml_platform.core.errors import MlPlatformError
from ml_platform_tests.components.instances import local_instance

DAYS = ["2013-06-01", "2013-06-02"]


@pytest.fixture(scope="module")
def flights() -> dg.Definitions:
    return defs()


def names(keys: list[dg.AssetKey]) -> list[str]:
    return ["/".join(key.path[1:]) for key in keys]


@pytest.mark.slow
def test_assets_are_selected_by_name_by_pattern_and_in_dagsters_own_words(flights: dg.Definitions) -> None:
    assert names(select_assets(flights, ["tables/planes", "flights/raw/planes"])) == ["raw/planes", "tables/planes"]
    assert len(select_assets(flights, ["features/delays__*"])) == 5
    assert names(select_assets(flights, ["group:flights_champion"])) == ["champion/late_arrival"]
    assert "tables/planes" in names(select_assets(flights, ['key:"flights/raw/planes"+']))
    for wrong in ("tables/plains", "group:nothing"):
        with pytest.raises(MlPlatformError, match=f"No asset is called '{wrong}'.*tables/planes"):
            select_assets(flights, ["raw/planes", wrong])


def test_assets_without_partitions_have_runs_of_their_own_and_nothing_runs_before_what_it_stands_on(flights: dg.Definitions) -> None:
    wanted = ["predictions/late_arrival", "champion/late_arrival", "models/late_arrival", "raw/planes", "raw/arrivals", "tables/arrivals"]
    runs = [(names(keys), list(days)) for keys, days in runs_of(flights, select_assets(flights, wanted), DAYS)]
    assert sorted(name for keys, _ in runs for name in keys) == sorted(wanted)
    at = {name: n for n, (keys, _) in enumerate(runs) for name in keys}
    assert (
        at["raw/arrivals"]
        == at["tables/arrivals"]
        <= at["models/late_arrival"]
        < at["champion/late_arrival"]
        < at["predictions/late_arrival"]
    )
    for keys, days in runs:
        assert days == ([] if {"champion/late_arrival", "raw/planes"} & set(keys) else DAYS)


def test_days_that_are_not_there_are_refused(flights: dg.Definitions) -> None:
    keys = select_assets(flights, ["tables/arrivals"])
    with pytest.raises(MlPlatformError, match="flights/tables/arrivals has partitions: say which"):
        list(runs_of(flights, keys, []))
    with pytest.raises(MlPlatformError, match="has no partition '2012-01-01': its partitions go from 2013-01-01 to 2013-12-31"):
        list(runs_of(flights, keys, ["2012-01-01"]))
    assert list(runs_of(flights, select_assets(flights, ["raw/planes"]), [])) == [([dg.AssetKey(["flights", "raw", "planes"])], ())]


@pytest.mark.slow
def test_runs_of_the_same_assets_share_what_was_made_of_the_job() -> None:
    @dg.asset
    def one() -> None: ...

    @dg.asset(deps=[one])
    def two() -> None: ...

    job = keep_subsets(dg.Definitions(assets=[one, two]).resolve_implicit_global_asset_job_def())
    with local_instance() as instance:
        runs = [execute_assets(job, instance, keys) for keys in ([one.key], [one.key], [two.key], [two.key, one.key])]
        made = [sorted(event.asset_key.path[0] for event in run.get_asset_materialization_events()) for run in runs]
        assert made == [["one"], ["one"], ["two"], ["one", "two"]]
        assert runs[0].job_def is runs[1].job_def
        assert len({id(run.job_def) for run in runs}) == 3
        again = instance.get_run_by_id(runs[1].run_id)
        assert again is not None
        assert (again.asset_selection, again.run_id != runs[0].run_id) == ({one.key}, True)
