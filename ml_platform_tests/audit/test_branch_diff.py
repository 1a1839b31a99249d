"""What a branch would change: rows by their declared key, features by their definitions, models beside the parent's champion, bytes."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import polars as pl
import pytest

from ml_platform.audit.branch_diff import diff_branch
from ml_platform.pipeline.feature_tables.feature_table import materialize_features
from ml_platform.pipeline.models.champion import current_champion, materialize_champion
from ml_platform.pipeline.models.model import materialize_model
from ml_platform.pipeline.row_key import row_key
from ml_platform.pipeline.workspace import Workspace
from ml_platform_tests.flights_like import DAY, DELAYS, World, project
from ml_platform_tests.pipeline.modelled_world import DECLARED, FIRST, PROBLEM, SECOND, modelled

DAYS = ["2013-02-01", "2013-02-02"]


@pytest.fixture(scope="module")
def workspace(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """The modelled world with a champion, a week of features and a branch on which a window was added and a model trained."""
    main = modelled(tmp_path_factory.mktemp("branch_diff"))
    materialize_champion(main, PROBLEM)
    materialize_features(main, "delays", ("origin",), DAYS)
    main.lake.branches.create("pr/windows")
    return main


def on_branch(main: Workspace, windows: tuple[timedelta, ...] = DELAYS.windows, **params: object) -> Workspace:
    declared = replace(DECLARED, model=replace(DECLARED.model, params={**DECLARED.model.params, **params}))
    bent = project(main.project.root, views=[replace(DELAYS, windows=windows)], problem=declared)
    return replace(main, project=bent, lake=main.lake.on("pr/windows"))


@pytest.mark.slow
def test_a_branch_beside_its_parent(workspace: Workspace) -> None:
    before = {(t, k): v.id for t in workspace.lake.tables() for k, v in workspace.lake.versions.heads(t).items()}
    champion = current_champion(workspace, PROBLEM)
    assert champion is not None
    files = {p: p.stat().st_size for p in workspace.lake._opened.root.rglob("data/**/*") if p.is_file()}
    branch = on_branch(workspace, windows=(DAY, 14 * DAY))
    materialize_features(branch, "delays", ("origin",), [DAYS[0], "2013-02-03"])
    materialize_model(on_branch(workspace, learning_rate=0.2), PROBLEM, [SECOND])
    materialize_champion(on_branch(workspace), PROBLEM)

    found = diff_branch(workspace.lake, "pr/windows", {"flights": branch.project})
    assert [t.table for t in found.tables] == [
        "flights/champion/late_arrival",
        "flights/features/delays__origin",
        "flights/models/late_arrival",
    ]
    assert found.branch.parent == "main"
    features = found.tables[1]
    assert (features.partitions("added"), features.partitions("changed"), features.partitions("same")) == (1, 1, 0)
    assert features.diff.key == ("origin", "valid_from")
    assert set(features.diff.columns_added) == {f"origin_{n}_14d" for n in ("arr_delay_mean", "arr_delay_max", "late_share")}
    assert set(features.diff.columns_removed) == {f"origin_{n}_7d" for n in ("arr_delay_mean", "arr_delay_max", "late_share")}
    old, new = (w.lake.read("flights/features/delays__origin", [DAYS[0]]).pl() for w in (workspace, branch))
    keys = ["origin", "valid_from"]
    part = next(part for part in features.diff.partitions if part.partition == DAYS[0])
    assert part.rows_added == new.join(old, on=keys, how="anti").height
    assert part.rows_removed == old.join(new, on=keys, how="anti").height
    assert {(f.feature, f.change) for f in found.features} == {
        (f"origin_{n}_{w}", what)
        for n in ("arr_delay_mean", "arr_delay_max", "late_share")
        for w, what in (("14d", "added"), ("7d", "removed"))
    }
    auc = next(m for m in found.models if m.metric == "auc")
    assert (auc.training_date, auc.champion_version) == (SECOND, champion.version.id)
    assert auc.value["value"] == branch.lake.versions.heads("flights/models/late_arrival")[SECOND].properties["metrics"]["auc"]["value"]
    assert auc.champion_value == champion.version.properties["metrics"]["auc"]
    assert auc.value["value"] != auc.champion_value["value"]
    ((_, judged),) = found.verdicts
    assert judged.model_version == auc.version
    assert judged.verdict in ("promoted", "held")

    added = {p: p.stat().st_size for p in workspace.lake._opened.root.rglob("data/**/*") if p.is_file() and p not in files}
    assert found.bytes == sum(added.values()), "what the branch costs is what came to the disk"
    assert sum(t.own.files for t in found.tables) == len(added)
    assert before == {(t, k): v.id for t in workspace.lake.tables() for k, v in workspace.lake.versions.heads(t).items()}
    assert current_champion(workspace, PROBLEM) == champion, "whatever was promoted on the branch serves there"


def test_a_changed_definition_and_a_filter(workspace: Workspace) -> None:
    workspace.lake.branches.create("pr/hourly")
    bent = project(workspace.project.root, views=[replace(DELAYS, refresh=DAY)], problem=DECLARED)
    materialize_features(replace(workspace, project=bent, lake=workspace.lake.on("pr/hourly")), "delays", ("origin",), DAYS[:1])
    found = diff_branch(workspace.lake, "pr/hourly", {"flights": bent})
    assert {f.change for f in found.features} == {"changed"}
    assert len(found.features) == 6
    assert diff_branch(workspace.lake, "pr/hourly", {"flights": bent}, lambda table: "models" in table).tables == ()


def test_the_parent_that_goes_on_is_no_difference_but_a_conflict(tmp_path) -> None:
    main = modelled(tmp_path)
    main.lake.branches.create("dev/x")
    branch = replace(main, lake=main.lake.on("dev/x"))
    World(branch).deliver([FIRST], seed=3)
    World(main).deliver([FIRST, SECOND], seed=4)
    tables = {t.table: t for t in diff_branch(main.lake, "dev/x", {"flights": main.project}).tables}
    assert set(tables) == {"flights/tables/arrivals", "flights/tables/schedule"}
    schedule = tables["flights/tables/schedule"]
    assert [part.partition for part in schedule.diff.partitions] == [FIRST], "what only the parent has changed is not told"
    assert (schedule.conflicts, schedule.diff.key, schedule.rows("changed")) == (1, ("flight_id",), 24)
    # The keys of rows come from today's declarations; one that older rows lack is not compared by.
    keyed = replace(main.project.table("schedule").contract, key=("flight_id", "new"))
    bent = replace(main.project, tables={**main.project.tables, "schedule": replace(main.project.table("schedule"), contract=keyed)})
    tables = {t.table: t for t in diff_branch(main.lake, "dev/x", {"flights": bent}).tables}
    assert tables["flights/tables/schedule"].diff.key == ()


def test_declared_keys_of_stored_tables(workspace: Workspace) -> None:
    declared = workspace.project
    assert row_key(declared, "flights/tables/arrivals") == ("flight_id",)
    assert row_key(declared, "flights/features/delays__origin_dest") == ("origin", "dest", "valid_from")
    assert row_key(declared, "flights/training/late_arrival") == ("_cutoff", "flight_id")
    for table in ("flights/raw/arrivals", "other/tables/arrivals", "flights/features/gone__origin", "flights/models/late_arrival"):
        assert row_key(declared, table) == ()
    training = workspace.lake.read("flights/training/late_arrival", [FIRST]).pl()
    assert training.select(pl.struct(row_key(declared, "flights/training/late_arrival")).is_unique().all()).item()
