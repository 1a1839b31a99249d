"""One file with a time column: its rows find their day, and only the days that a new delivery changes are made again."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from ml_platform.components.runs.driver import Driver
from ml_platform.core.clock import FixedClock
from ml_platform.core.errors import DeclarationError
from ml_platform.core.intervals import day_start, shift_day
from ml_platform.lake.reading.lake_lineage import LakeLineage
from ml_platform.pipeline.delivery.raw import materialize_raw
from ml_platform.pipeline.feature_tables.feature_events import last_known_day
from ml_platform.pipeline.feature_tables.feature_table import materialize_features
from ml_platform.pipeline.feature_tables.feature_values import features_at
from ml_platform.pipeline.remembered import Remembered
from ml_platform.pipeline.standing.tables import table_standing
from ml_platform.pipeline.tables import split, split_table
from ml_platform.pipeline.tables.acceptance import accept_delivery
from ml_platform.pipeline.tables.presence import NOT_DELIVERED, Presence, day_number
from ml_platform.pipeline.tables.table import materialize_table
from ml_platform.pipeline.workspace import Workspace
from ml_platform.project.asked_features import resolve_features
from ml_platform_tests.components.made_project import MadeProject, copied, make_project

START, END = "2024-01-01", "2024-03-01"
DAYS = [shift_day(START, n) for n in range(31)]
# Nobody bought on the 7th; the last row is of the 12th.
BOUGHT = [day for day in DAYS[1:12] if day != "2024-01-07"]
LOADED = "2024-01-13"

DECLARATIONS = """
type: ml_platform.Table
attributes:
  name: purchases
  source: {files: "purchases.csv"}
  partitions: {start: "2024-01-01", end: "2024-03-01"}
  contract: purchases.contract.yaml
  key: [id]
  event_time: bought
  available_at: bought + interval 1 day
---
type: ml_platform.FeatureView
attributes:
  name: recent
  source: purchases
  entities: [[customer]]
  windows: [3d]
  features:
    - {column: amount, functions: [sum]}
"""
CONTRACT = """
columns:
  id: {type: int64, nullable: false}
  customer: {type: string, nullable: false}
  bought: {type: date}
  amount: {type: float64}
max_rejected: 0.2
"""
Row = tuple[str, str, str, str]


def history() -> list[Row]:
    """Return the rows of the first delivery: three a day, one before the table's start, one without a time, one that is no time."""
    rows = [(str(n), f"c{n % 3}", day, str(n)) for n, day in enumerate(sorted(BOUGHT * 3))]
    return [*rows, ("900", "c0", "2023-12-31", "1"), ("901", "c0", "", "1"), ("902", "c0", "soon", "1")]


def written(rows: list[Row]) -> str:
    """Return the file of some rows."""
    return "\n".join(["id,customer,bought,amount", *(",".join(row) for row in rows)]) + "\n"


def deliver(project: MadeProject, rows: list[Row], day: str) -> None:
    """Export the whole table at the start of a day."""
    project.land("purchases.csv", written(rows), day)
    project.set_clock(day)


def take_in(project: MadeProject, days: list[str] = DAYS) -> tuple[Workspace, dict[str, str | None]]:
    """Take the delivery in as the assets do; return what became of the days: what is made, or why not (None: it stayed)."""
    workspace = project.open().workspace
    materialize_raw(workspace, "purchases", [None])
    outcome = materialize_table(workspace, "purchases", days)
    found = {}
    for one in outcome.partitions:
        if one.version is None:
            found[str(one.partition)] = one.stopped or one.waiting
        elif not one.version.reused:
            found[str(one.partition)] = "made"
    return workspace, found


def rows_of(workspace: Workspace, days: list[str] | None = None) -> pl.DataFrame:
    """Return the table's rows."""
    return workspace.lake.read(workspace.table("tables", "purchases"), days, partition_column="day").pl().sort("id")


@pytest.fixture(scope="module")
def empty(tmp_path_factory: pytest.TempPathFactory) -> MadeProject:
    project = make_project(tmp_path_factory.mktemp("one_file"), "shop")
    project.declare(DECLARATIONS, purchases=CONTRACT)
    return project


@pytest.fixture(scope="module")
def loaded(empty: MadeProject, tmp_path_factory: pytest.TempPathFactory) -> MadeProject:
    """The shop with its history taken in."""
    project = copied(empty, tmp_path_factory.mktemp("loaded"))
    deliver(project, history(), LOADED)
    take_in(project)
    return project


@pytest.fixture
def again(loaded: MadeProject, tmp_path: Path) -> Callable[[list[Row], str], tuple[Workspace, dict[str, str | None]]]:
    """Deliver the whole again, to a copy of the shop, and say what became of the days."""
    project = copied(loaded, tmp_path)

    def exported(rows: list[Row], day: str) -> tuple[Workspace, dict[str, str | None]]:
        deliver(project, rows, day)
        return take_in(project)

    return exported


def test_a_history_is_cut_into_days(loaded: MadeProject) -> None:
    workspace = loaded.open().workspace
    heads = workspace.lake.versions.heads(workspace.table("tables", "purchases"))
    assert {day: version.rows for day, version in heads.items()} == dict.fromkeys(BOUGHT, 3), "a day without rows needs no version"
    rows = rows_of(workspace)
    assert (rows["day"] == rows["bought"].cast(pl.String)).all()
    assert rows["_available_at"].to_list() == [day_start(shift_day(day, 1)) for day in rows["day"]]
    quarantine = workspace.lake.read(workspace.table("quarantine", "purchases")).pl().sort("id")
    assert quarantine.select("id", pl.col("_rules").list.join(",")).rows() == [
        ("900", "within_partitions"), ("901", "available_at_known,day_known"), ("902", "type_of_bought"),
    ]  # fmt: skip
    (raw,) = workspace.lake.versions.resolve(workspace.table("raw", "purchases"))
    assert (raw.partition, raw.rows) == (None, len(history()))
    assert [v.id for v in workspace.lake.lineage.inputs(heads["2024-01-05"].id)] == [raw.id], "lineage leads to the file that holds the day"


def test_what_a_delivery_says_of_days(loaded: MadeProject) -> None:
    workspace = replace(loaded.open().workspace, clock=FixedClock(day_start("2024-01-20")))
    presence = Presence.of(workspace, "purchases")
    by_day = {day: presence.absent(np.array([day_number(day)])).get(day) for day in DAYS[:13]}
    assert by_day["2024-01-12"] is None
    for day in ("2024-01-01", "2024-01-07"):
        assert by_day[day] is not None
        assert by_day[day].empty, "between the first row (before the start) and the last nothing happened"
    after = by_day["2024-01-13"]
    assert after is not None
    assert (after.reason, after.says) == (NOT_DELIVERED, "its rows go from 2024-01-01 to 2024-01-12")


def test_rows_before_the_start_say_that_the_first_days_were_without_any(empty: MadeProject, tmp_path: Path) -> None:
    project = copied(empty, tmp_path)
    deliver(project, [("1", "c0", "2023-06-01", "1"), ("2", "c0", "2024-01-03", "1")], LOADED)
    workspace, found = take_in(project)
    assert [day for day, what in found.items() if what == "made"] == DAYS[2:3]
    nothing = "Nothing happened on it"
    assert [str(found[day]).split(":")[0] for day in DAYS[:4]] == [nothing, nothing, "made", "It is not delivered"]
    assert rows_of(workspace)["id"].to_list() == [2]


def test_only_days_that_hold_something_else_are_made_again(again) -> None:
    rows = history()
    rows[0] = (*rows[0][:3], "99")
    rows.append(("50", "c1", "2024-01-13", "5"))
    workspace, found = again(list(reversed(rows)), "2024-01-15")
    assert found["2024-01-14"] == "It is not delivered: the rows that are delivered go from 2024-01-01 to 2024-01-13."
    assert {day for day, what in found.items() if what == "made"} == {"2024-01-02", "2024-01-13"}
    rows_now = rows_of(workspace)
    corrected, new = (rows_now.filter(pl.col("id") == n).row(0, named=True) for n in (0, 50))
    assert (corrected["amount"], corrected["_available_at"]) == (99, day_start("2024-01-15")), "a correction is known from its delivery"
    assert new["_available_at"] == day_start("2024-01-14"), "what comes within late_after is known when it says so"
    others = rows_now.filter(~pl.col("id").is_in([0, 50]))
    assert others["_available_at"].to_list() == [day_start(shift_day(day, 1)) for day in others["day"]]


def test_what_comes_late_counts_from_its_delivery(again) -> None:
    workspace, found = again([*history(), ("60", "c2", "2024-01-07", "5"), ("61", "c2", "2024-01-14", "5")], "2024-01-20")
    assert {day for day, what in found.items() if what == "made"} == {"2024-01-07", "2024-01-14"}
    late = rows_of(workspace).filter(pl.col("id") >= 60)
    assert late["_available_at"].to_list() == [day_start("2024-01-20")] * 2


def test_a_withdrawn_row_is_gone_from_its_day_and_kept_as_delivered(again) -> None:
    workspace, found = again(history()[1:], "2024-01-15")
    assert [day for day, what in found.items() if what == "made"] == ["2024-01-02"]
    assert 0 not in rows_of(workspace)["id"]
    raw = workspace.lake.read(workspace.table("raw", "purchases")).pl()
    assert raw.filter(pl.col("id") == "0")["_withdrawn_at"].to_list() == [day_start("2024-01-15")]


def test_an_export_of_the_last_days_withdraws_nothing_before_them(again) -> None:
    workspace, found = again([row for row in history() if "2024-01-09" <= row[2] < "2024-02"], "2024-01-15")
    not_delivered = {day for day, what in found.items() if str(what).startswith("It is not delivered")}
    assert not_delivered == set(DAYS[12:]), "the days before were spoken of by the delivery before"
    presence = Presence.of(workspace, "purchases")
    assert all(missing.empty for day, missing in presence.absent(np.array([day_number(day) for day in DAYS[:8]])).items())
    assert set(rows_of(workspace)["day"]) == set(BOUGHT)


@pytest.mark.slow
def test_a_cut_file_stops_the_days_that_it_lost(again) -> None:
    rows = [row for row in history() if row[2] <= "2024-01-11"]
    workspace, found = again(rows, "2024-01-15")
    assert "3 of 3 keys (100.0%)" in str(found["2024-01-12"])
    assert "made" not in found.values()
    assert "2024-01-12" in set(rows_of(workspace)["day"]), "what was readable stays so"
    _, found = again([*rows, ("70", "c0", "2024-01-10", "1")], "2024-01-16")
    assert "3 of 3 keys" in str(found["2024-01-12"]), "another export that has not the rows either is not news of that day"
    accept_delivery(workspace, "purchases", "2024-01-12", by="ana", reason="cancelled")
    assert "2024-01-12" not in set(rows_of(workspace)["day"])
    _, found = again([*rows, ("71", "c0", "2024-01-10", "1"), ("70", "c0", "2024-01-10", "1")], "2024-01-17")
    assert [day for day, what in found.items() if what == "made"] == ["2024-01-10"]


def test_a_time_that_is_read_wrongly_stops_the_whole_delivery(again) -> None:
    unread = [(i, c, day if n < 23 else "the 5th", a) for n, (i, c, day, a) in enumerate(history())]
    workspace, found = again(unread, "2024-01-15")
    assert str(found["None"]).startswith("10 of 33 rows (30.3%) have no bought that can be read as a time")
    assert "made" not in found.values()
    assert rows_of(workspace).height == 3 * len(BOUGHT)


def test_a_table_without_a_key_knows_its_rows_again(loaded: MadeProject, tmp_path: Path) -> None:
    project = make_project(tmp_path, "plain")
    project.declare(DECLARATIONS.replace("  key: [id]\n", ""), purchases=CONTRACT)
    twice = [("1", "c0", "2024-01-05", "2"), ("1", "c0", "2024-01-05", "2"), ("2", "c1", "2024-01-06", "3")]
    deliver(project, twice, "2024-01-07")
    take_in(project)
    deliver(project, [*twice[::-1], ("1", "c0", "2024-01-05", "2")], "2024-01-20")
    workspace, found = take_in(project)
    assert [day for day, what in found.items() if what == "made"] == ["2024-01-05"]
    assert rows_of(workspace, ["2024-01-05"])["_available_at"].sort().to_list() == [
        day_start("2024-01-06"), day_start("2024-01-06"), day_start("2024-01-20"),
    ]  # fmt: skip


def test_rows_ahead_of_the_clock_wait_and_say_nothing_of_the_days_between(again) -> None:
    planned = ("80", "c0", "2024-01-25", "1")
    workspace, found = again([*history(), planned], "2024-01-15")
    assert "made" not in [what for day, what in found.items() if day != "2024-01-25"]
    assert "not delivered" in str(found["2024-01-14"])
    assert workspace.lake.read(workspace.table("raw", "purchases")).pl().height == len(history()) + 1


def test_dagster_s_command_line_takes_a_range_of_both_assets(empty: MadeProject) -> None:
    graph = empty.definitions().resolve_asset_graph()
    policies = {key.path[1]: graph.get(key).backfill_policy for key in graph.materializable_asset_keys}
    assert policies["raw"] == policies["tables"] == dg.BackfillPolicy.single_run()


@pytest.fixture
def driven(empty: MadeProject, tmp_path: Path) -> Iterator[tuple[MadeProject, Driver, list[tuple[list[str], list[str]]]]]:
    """A copy of the shop under its own sensors, and the runs that they have asked for: assets and days."""
    project = copied(empty, tmp_path)
    runs: list[tuple[list[str], list[str]]] = []
    with warnings.catch_warnings(), dg.DagsterInstance.ephemeral() as instance:
        warnings.simplefilter("ignore")
        driver = Driver(project.definitions(), instance, "shop", say=lambda _: None)
        run = driver.run

        def noted(keys, days=(), tags=None):
            runs.append((["/".join(key.path[1:]) for key in keys], list(days)))
            return run(keys, days, tags)

        driver.run = noted
        driver.settle()
        yield project, driver, runs


@pytest.mark.slow
def test_the_sensors_take_a_delivery_in_once_and_carry_what_it_changed(driven) -> None:
    project, driver, runs = driven
    deliver(project, history(), LOADED)
    driver.live()
    assert [assets for assets, _ in runs] == [["raw/purchases", "tables/purchases"], ["features/recent__customer"]]
    assert runs[1][1] == DAYS[1:12]
    runs.clear()
    driver.live()
    assert not runs
    rows = history()
    rows[0] = (*rows[0][:3], "99")
    deliver(project, rows, "2024-01-15")
    driver.live()
    assert runs[1] == (["features/recent__customer"], DAYS[1:7]), "the day that was corrected, and those whose windows reach it"
    made = driver.instance.fetch_materializations(dg.AssetKey(["shop", "tables", "purchases"]), limit=50).records
    assert [r.partition_key for r in made].count("2024-01-02") == 2
    assert len(made) == len(BOUGHT) + 1
    runs.clear()
    rows.append(("51", "c1", "2024-01-13", "5"))
    deliver(project, rows, "2024-01-15")
    materialize_raw(project.open().workspace, "purchases", [None])
    driver.live()
    assert runs[0] == (["tables/purchases"], ["2024-01-13"]), "raw rows that were made by hand are followed"


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("  event_time: bought\n", "", "one delivery of table 'purchases' holds many days .* declare `event_time: COLUMN`"),
        (
            '  partitions: {start: "2024-01-01", end: "2024-03-01"}\n',
            "",
            "feature view 'recent' reads table 'purchases' by time: .*no `partitions`",
        ),
    ],
)
def test_what_cannot_have_days_says_what_to_write(tmp_path: Path, old: str, new: str, told: str) -> None:
    project = make_project(tmp_path, "wrong")
    project.declare(DECLARATIONS.replace(old, new), purchases=CONTRACT)
    with pytest.raises(DeclarationError, match=told):
        project.open()


def test_the_days_on_which_a_row_can_be_known_are_read_off_the_declaration(loaded: MadeProject) -> None:
    days = loaded.open().workspace.project.table("purchases").partitions
    assert days is not None
    assert (days.first, days.after) == (0, 2)
    assert datetime(2024, 1, 2, tzinfo=UTC) == day_start("2024-01-02")


@pytest.mark.parametrize("gap", [2, 4, 9])
def test_stored_features_are_read_over_days_on_which_nothing_happened(empty, tmp_path, gap):
    """Nothing is made of a day that no row reaches, so nothing is missing on it: what was made is read, and says what computing says."""
    project = copied(empty, tmp_path)
    days = DAYS[:: gap + 1]
    deliver(project, [(str(n), f"c{n % 2}", day, str(n + 1)) for n, day in enumerate(days)], shift_day(DAYS[-1], 1))
    workspace, _ = take_in(project)
    definitions = resolve_features(workspace.project, ["recent"])
    cutoffs = [day_start(day) + timedelta(hours=hours) for day in DAYS[: DAYS.index(days[-1])] for hours in (0, 7)]
    spine = pl.DataFrame({"customer": ["c0", "c1", "c2"] * len(cutoffs), "_cutoff": sorted(cutoffs * 3)})
    computed, _ = features_at(workspace, spine, definitions)
    # A day that was not made although rows reach it is missing.
    for made, read in (([day for day in DAYS if day != days[1]], "tables"), ([days[1]], "features")):
        materialize_features(workspace, "recent", ("customer",), made)
        values, inputs = features_at(workspace, spine, definitions)
        assert {v.table.split("/")[1] for v in inputs} == {read}
        assert_frame_equal(values, computed, check_exact=True)
    assert (len(inputs) < DAYS.index(days[-1]) - 1) == (gap > 4)


class Counted(dict):
    """Counts how often it is gone through."""

    times = 0

    def items(self):
        """Return the items, counted."""
        self.times += 1
        return super().items()


def test_what_a_delivery_says_is_gone_through_once_for_all_of_its_days(loaded: MadeProject, monkeypatch) -> None:
    """Asked of each of its days whether it lies before the first, a history of 16,000 days took minutes to find unchanged."""
    workspace = loaded.open().workspace
    table = workspace.project.table("purchases")
    cut = split_table.split(workspace, table, head := split_table.raw_head(workspace, table))
    delivered = Counted(cut.delivered)
    monkeypatch.setattr(split_table, "said_of_days", lambda *_: replace(cut, delivered=delivered))
    assert split_table.changed_days(workspace, table, head) == []
    assert delivered.times <= 4
    # Of nightly exports each speaks of nearly the same days.
    nightly = replace(cut, spans=[(DAYS[0], DAYS[n]) for n in range(2, 12)] + [(DAYS[20], DAYS[22])])
    assert nightly.empty_days("2024-12-31") == replace(cut, spans=[(DAYS[0], DAYS[11]), (DAYS[20], DAYS[22])]).empty_days("2024-12-31")


def test_a_delivery_is_cut_once_for_all_who_ask_how_its_days_stand(loaded: MadeProject, monkeypatch) -> None:
    cuts, cut_into_days = [], split.split
    monkeypatch.setattr(split, "_SAID", Remembered(2))
    monkeypatch.setattr(split, "split", lambda *given: cuts.append(given) or cut_into_days(*given))
    for _ in range(2):
        workspace = loaded.open().workspace
        assert table_standing(workspace, "purchases").due == {}
        assert last_known_day(workspace, "purchases") == max(BOUGHT)
        assert Presence.of(workspace, "purchases").absent(np.array([day_number("2024-01-07")]))["2024-01-07"].empty
    assert len(cuts) == 1
    table = workspace.project.table("purchases")
    assert split.said_of_days(workspace, table, split.raw_head(workspace, table)).rows.num_rows == 0, "rows are not kept in memory"


def test_whether_days_lose_rows_is_asked_of_the_ledger_once_for_all_of_them(again, monkeypatch) -> None:
    asked, edges = [], LakeLineage.edges
    monkeypatch.setattr(LakeLineage, "edges", lambda lineage, ids: asked.append(len(ids := list(ids))) or edges(lineage, ids))
    _, found = again([(n, customer, day, "9") for n, customer, day, _ in history()], "2024-01-14")
    assert list(found.values()).count("made") == len(BOUGHT)
    assert [count for count in asked if count] == [len(BOUGHT)]
