import hashlib
import json
import os
import signal
import subprocess
import sys
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import polars as pl
import pytest

from ml_platform.audit import reproduction_plan as planning
from ml_platform.audit.reproduce import Reproduction, reproduce
from ml_platform.audit.reproduction_plan import plan_reproduction
from ml_platform.audit.rerun import Rerun
from ml_platform.audit.verdict import DIFFERS, IDENTICAL, WITHIN
from ml_platform.core.clock import FixedClock
from ml_platform.core.errors import ReproductionError
from ml_platform.core.intervals import to_micros
from ml_platform.features.kernels.sums import ColumnSums
from ml_platform.lake.ledger import ledger_tables as book
from ml_platform.lake.ledger.version import Version
from ml_platform.pipeline.delivery.raw import materialize_raw
from ml_platform.pipeline.models.champion import current_champion, materialize_champion
from ml_platform.pipeline.models.model import materialize_model
from ml_platform.pipeline.models.selected import materialize_selected
from ml_platform.pipeline.tables.table import materialize_table
from ml_platform.pipeline.workspace import Workspace
from ml_platform.training.problem import Model
from ml_platform_tests import flights_like as like
from ml_platform_tests.pipeline import landed_world as story
from ml_platform_tests.pipeline import modelled_world
from ml_platform_tests.pipeline.landed_world import CORRECTED, DECLARED, FIRST, PROBLEM, SECOND, landed

LAYERS = ["raw", "tables", "features", "training", "selected", "models"]


@pytest.fixture
def workspace(tmp_path) -> Workspace:
    return landed(tmp_path)


def model(workspace: Workspace, day: str = FIRST) -> Version:
    return workspace.lake.versions.heads(workspace.table("models", PROBLEM))[day]


def again(workspace: Workspace, version: Version | None = None, *, from_landing: bool = False, keep_branch: bool = False) -> Reproduction:
    plan = plan_reproduction(workspace, PROBLEM, version or model(workspace), from_landing=from_landing)
    return reproduce(workspace, plan, keep_branch=keep_branch)


def verdicts(found: Reproduction) -> dict[str, str]:
    return {asset.asset: asset.verdict for asset in found.assets}


@pytest.mark.slow
def test_a_model_is_made_again_bit_for_bit_and_nothing_is_written(workspace):
    number = workspace.lake.versions.newest_commit()
    found = again(workspace)
    assert set(verdicts(found).values()) == {IDENTICAL}
    assert [asset.read_otherwise for asset in found.assets] == [0] * len(found.assets)
    assert found.verdict == IDENTICAL
    assert found.first_difference is None
    assert (
        found.summary == f"{PROBLEM}@{model(workspace).id} is bit-identical: 177 versions of 10 assets, the model's files and its figures."
    )
    assert list(dict.fromkeys(asset.partition("/")[0] for asset in verdicts(found))) == LAYERS[1:]
    assert found.model is not None
    assert {row["apart"] for row in found.model.figures} == {0.0}
    # What comes out as it was repeats what is there: no commit, no version, no file.
    assert (workspace.lake.versions.newest_commit(), workspace.lake.branches.all()) == (number, [])
    assert found.made == model(workspace)


@pytest.mark.slow
def test_it_really_computes(workspace, monkeypatch):
    """Nothing of what is compared was read from what it is compared with: without the kept files all comes out the same."""
    version = model(workspace)
    for kept in workspace.lake.lineage.closure([version]):
        if kept.id != version.id and not kept.table.startswith("flights/raw/"):
            for file in kept.files:
                (workspace.lake._opened.root / file.path).unlink(missing_ok=True)
    found = again(workspace)
    assert found.verdict == IDENTICAL
    assert found.made is not None
    assert {asset.count(IDENTICAL) for asset in found.assets} == {len(asset.partitions) for asset in found.assets}


@pytest.mark.slow
def test_also_after_the_world_has_moved_on(tmp_path, workspace):
    version = model(workspace)
    # Later corrections of what it read, down to the features ...
    for day in (CORRECTED, "2013-01-25"):
        story.land_day(tmp_path, day, seed=9, delivered=SECOND)
        story.correct(workspace, day)
    # ... a register by which rows would be rejected today ...
    story.land(tmp_path, "airlines.csv", pl.DataFrame({"carrier": like.CARRIERS[:2]}), SECOND)
    for materialize in (materialize_raw, materialize_table):
        story.check(materialize(workspace, "airlines", [None]))
    # ... another champion, and views that were declared anew, with new tables of them.
    materialize_champion(workspace, PROBLEM)
    delays = replace(like.DELAYS, windows=(3 * like.DAY,), entities=(("origin",), ("dest",)))
    moved = replace(workspace, project=story.project(tmp_path, delays=delays))
    story.features(moved, like.days(33))
    champion = current_champion(moved, PROBLEM)
    assert champion is not None
    assert champion.version != version

    before = {table: moved.lake.versions.heads(table) for table in moved.lake.tables()}
    found = again(moved, version)
    assert found.verdict == IDENTICAL, found.summary
    assert {table: moved.lake.versions.heads(table) for table in moved.lake.tables()} == before
    assert moved.lake.branches.all() == []
    assert {row.asset for row in found.plan.code if row.is_carried} == {
        "features/delays__carrier", "features/delays__origin", "features/delays__origin_dest", "training/late_arrival",
    }  # fmt: skip
    assert "Declared anew since, so the model's own definitions were used: features/delays__carrier" in found.summary
    # The champion of now is made again from what *it* was made from.
    assert again(moved, champion.version).verdict == IDENTICAL


@pytest.mark.slow
def test_a_choice_of_features_that_was_kept_is_kept_again_whatever_is_declared_today(tmp_path, workspace):
    seldom = replace(DECLARED, selection=replace(DECLARED.selection, every=timedelta(days=28)))
    keeping = replace(workspace, project=story.project(tmp_path, problem=seldom))
    for materialize in (materialize_selected, materialize_model):
        story.check(materialize(keeping, PROBLEM, [SECOND]))
    version = model(workspace, SECOND)
    (kept,) = (v for v in workspace.lake.lineage.closure([version]) if "kept_from" in v.properties)
    assert kept.properties["kept_from"] == FIRST
    for declared in (keeping, workspace):
        found = again(declared, version)
        assert (found.verdict, found.made) == (IDENTICAL, version)
    # The choice that was not kept is made anew where keeping is declared today.
    assert again(keeping, model(workspace)).verdict == IDENTICAL


@pytest.mark.slow
def test_two_versions_of_one_partition_are_each_read_where_they_were_read(tmp_path, workspace):
    # The same rows, judged by a newer register: a new version, from which the features that exist need not be made again.
    story.land(tmp_path, "airlines.csv", pl.DataFrame({"carrier": [*like.CARRIERS, "ZZ"]}), SECOND)
    for materialize in (materialize_raw, materialize_table):
        story.check(materialize(workspace, "airlines", [None]))
    story.check(materialize_table(workspace, "arrivals", ["2013-01-24"]))
    story.train(workspace, SECOND)
    version = model(workspace, SECOND)
    both = [v for v in workspace.lake.lineage.closure([version]) if (v.table, v.partition) == ("flights/tables/arrivals", "2013-01-24")]
    assert len({v.id for v in both}) == 2
    assert len({v.data_hash for v in both}) == 1
    found = again(workspace, version)
    assert found.verdict == IDENTICAL
    assert [asset.read_otherwise for asset in found.assets] == [0] * len(found.assets)


@pytest.mark.slow
def test_a_change_of_code_differs_and_its_layer_is_named(workspace, monkeypatch):
    real = ColumnSums.mean
    monkeypatch.setattr(ColumnSums, "mean", lambda self, window: (real(self, window)[0] + 1, real(self, window)[1]))
    number, heads = workspace.lake.versions.newest_commit(), workspace.lake.versions.heads("flights/features/delays__origin")
    found = again(workspace)
    assert found.verdict == DIFFERS
    assert {asset: verdict for asset, verdict in verdicts(found).items() if asset.startswith(("tables", "features/busy"))} == dict.fromkeys(
        ("tables/airlines", "tables/arrivals", "tables/schedule", "features/busy__origin"), IDENTICAL
    )
    first = found.first_difference
    assert first is not None
    assert first.asset == "features/delays__carrier"
    # A share is a mean too.
    assert set(first.columns) == {f"carrier_{name}_{window}" for name in ("arr_delay_mean", "late_share") for window in ("1d", "7d")}
    assert first.rows_differing > 0
    assert first.largest > 1e-3
    assert (
        f"not the same: it differs from features/delays__carrier ({len(first.partitions)} of {len(first.partitions)}) on" in found.summary
    )
    assert "training/late_arrival" in found.summary
    # What differs was written, to the branch that is gone.
    assert workspace.lake.versions.newest_commit() > number
    assert workspace.lake.branches.all() == []
    assert workspace.lake.versions.heads("flights/features/delays__origin") == heads
    assert workspace.lake.health.verify() == []


@pytest.mark.slow
def test_a_last_bit_is_equal_within_tolerance(workspace, monkeypatch):
    real = ColumnSums.mean
    monkeypatch.setattr(ColumnSums, "mean", lambda self, window: (real(self, window)[0] * (1 + 2**-52), real(self, window)[1]))
    found = again(workspace)
    assert found.verdict == WITHIN, found.summary
    assert verdicts(found)["features/delays__origin"] == verdicts(found)["training/late_arrival"] == WITHIN
    assert verdicts(found)["tables/arrivals"] == verdicts(found)["features/busy__origin"] == IDENTICAL
    assert found.first_difference is not None
    assert 0 < found.first_difference.largest < 1e-15
    assert "equal within tolerance (1e-09 relative, floats only); not bit for bit from features/delays__carrier" in found.summary


@pytest.mark.slow
def test_a_contract_that_changed_is_named_and_used(tmp_path, workspace):
    columns = tuple(replace(c, maximum=60) if c.name == "arr_delay" else c for c in story.ARRIVALS.contract.columns)
    arrivals = replace(story.ARRIVALS, contract=replace(story.ARRIVALS.contract, columns=columns))
    stricter = replace(workspace, project=story.project(tmp_path, arrivals=arrivals))
    found = again(stricter, model(workspace))
    assert found.verdict == DIFFERS
    assert found.first_difference is not None
    assert found.first_difference.asset == "tables/arrivals"
    likeness = found.first_difference.partitions[0].likeness
    assert likeness is not None
    assert (likeness.rows_added, likeness.rows_removed) == (0, likeness.rows_before - likeness.rows_after)
    assert likeness.rows_removed > 0
    assert "Code or declaration is not that of then: tables/arrivals." in found.summary


@pytest.mark.slow
def test_another_trainer_differs_in_the_model_only(tmp_path, workspace):
    declared = replace(DECLARED, model=Model(baseline="constant", params={"max_trees": 21}))
    found = again(replace(workspace, project=story.project(tmp_path, problem=declared)), model(workspace))
    assert [asset.asset for asset in found.assets if asset.verdict != IDENTICAL] == ["models/late_arrival"]
    assert found.model is not None
    assert found.verdict == found.model.verdict == DIFFERS
    assert {row["file"]: row["same"] for row in found.model.files} == {
        **dict.fromkeys(["baseline_model.json", "candidates.json", "constant_model.json", "definitions.json"], True),
        **dict.fromkeys(["golden.json", "model.json", "model.txt", "reference.parquet"], False),
    }
    assert "model.txt: other parameters, 20 trees then and 21 here, 1 of them differ" in found.model.parts
    assert found.model.scores is not None
    assert found.model.scores > 1e-6


@pytest.mark.slow
def test_what_cannot_be_made_says_why_and_so_does_what_needs_it(tmp_path, workspace):
    arrivals = replace(story.ARRIVALS, contract=replace(story.ARRIVALS.contract, min_rows=10_000))
    found = again(replace(workspace, project=story.project(tmp_path, arrivals=arrivals)), model(workspace))
    assert (found.verdict, found.model, found.made) == (DIFFERS, None, None)
    by_asset = {asset.asset: asset for asset in found.assets}
    assert verdicts(found)["tables/schedule"] == IDENTICAL
    assert "min_rows" in by_asset["tables/arrivals"].reasons[0] or "10,000" in by_asset["tables/arrivals"].reasons[0]
    assert "tables/arrivals of 2013-01-" in by_asset["training/late_arrival"].reasons[0]
    assert by_asset["models/late_arrival"].reasons == (f"{FIRST}: training/late_arrival of {FIRST} could not be made",)
    assert workspace.lake.branches.all() == []


def test_rows_that_were_redacted_are_a_reason_to_refuse(workspace):
    raw = workspace.lake.versions.heads("flights/raw/arrivals")["2013-01-15"]
    row = {"version_id": raw.id, "number": 1, "time": to_micros(raw.created), "reason": "request 17", "entity": "e", "rows_removed": 3}
    with workspace.lake._opened.ledger.writing() as connection:
        connection.execute(book.redactions.insert(), {**row, "rows": raw.rows - 3, "bytes": 1, "data_hash": "h"})
    number = workspace.lake.versions.newest_commit()
    with pytest.raises(
        ReproductionError, match=r"version \d+ of 'flights/raw/arrivals', partition '2013-01-15' \(3 rows on .*: request 17\)"
    ):
        again(workspace)
    assert (workspace.lake.versions.newest_commit(), workspace.lake.branches.all()) == (number, [])


def collect(workspace: Workspace, version: Version) -> None:
    for file in version.files:
        (workspace.lake._opened.root / file.path).unlink()
    with workspace.lake._opened.ledger.writing() as connection:
        connection.execute(
            book.collected.insert(), {"version_id": version.id, "time": to_micros(version.created), "rule": "older than 30d", "bytes": 1}
        )


def test_raw_rows_that_were_collected_are_a_reason_to_refuse(workspace):
    collect(workspace, workspace.lake.versions.heads("flights/raw/schedule")["2013-01-15"])
    with pytest.raises(
        ReproductionError, match=r"retention has deleted 1 of .* 'flights/raw/schedule', partition '2013-01-15' .*older than 30d"
    ):
        again(workspace)


@pytest.mark.slow
def test_a_training_set_that_was_collected_is_made_again(workspace):
    collect(workspace, workspace.lake.versions.heads("flights/training/late_arrival")[FIRST])
    assert again(workspace).verdict == IDENTICAL


@pytest.mark.slow
def test_from_the_landed_files_where_they_are_as_they_were(tmp_path, workspace):
    found = again(workspace, from_landing=True)
    assert found.verdict == IDENTICAL
    raw = next(asset for asset in found.assets if asset.asset == "raw/arrivals")
    # The first delivery of the corrected day was overwritten in the landing zone.
    assert raw.reasons == (f"{CORRECTED}: its files are not in the landing zone as they were; the kept rows were read",)
    (tmp_path / "landing" / "schedule" / "2013-01-15.csv").unlink()
    (tmp_path / "landing" / "schedule" / "2013-01-16.csv").write_text("torn")
    found = again(workspace, from_landing=True)
    assert found.verdict == IDENTICAL
    schedule = next(asset for asset in found.assets if asset.asset == "raw/schedule")
    assert [reason[:10] for reason in schedule.reasons] == ["2013-01-15", "2013-01-16"]


@pytest.mark.slow
def test_a_reader_that_changed_shows_in_the_raw_rows(workspace, monkeypatch):
    from ml_platform.audit import rerun

    real = rerun.joined_rows
    monkeypatch.setattr(rerun, "joined_rows", lambda timed, rows: real(timed, [part.slice(1) for part in rows]))
    found = again(workspace, from_landing=True)
    assert found.first_difference is not None
    assert found.first_difference.asset == "raw/airlines"
    assert found.first_difference.rows_differing == 4  # three stand where another one stood, and the last place is empty


@pytest.mark.slow
def test_a_branch_can_be_kept_and_is_let_go_when_something_breaks(workspace, monkeypatch):
    kept = again(workspace, keep_branch=True)
    (branch,) = workspace.lake.branches.all()
    assert branch.name == kept.branch
    assert workspace.lake.on(branch.name).read("flights/training/late_arrival", partition=FIRST).rows > 0
    workspace.lake.branches.drop(branch.name)

    def broken(self, step):
        raise RuntimeError("power cut")

    monkeypatch.setattr(Rerun, "run", broken)
    with pytest.raises(RuntimeError, match="power cut"):
        again(workspace)
    assert workspace.lake.branches.all() == []


@pytest.mark.slow
def test_a_model_of_tables_that_nothing_was_recorded_of(tmp_path):
    made = modelled_world.modelled(tmp_path)
    version = made.lake.versions.heads("flights/models/late_arrival")[modelled_world.FIRST]
    plan = plan_reproduction(made, PROBLEM, version.id)
    assert {v.table for v in plan.pinned} == {"flights/tables/arrivals", "flights/tables/schedule"}
    found = reproduce(made, plan)
    assert found.verdict == IDENTICAL
    assert [asset.asset for asset in found.assets] == ["training/late_arrival", "selected/late_arrival", "models/late_arrival"]


@pytest.mark.slow
def test_a_model_from_before_candidates_were_kept(tmp_path, workspace, monkeypatch):
    monkeypatch.setattr(planning, "CANDIDATES", "not-kept.json")
    assert again(workspace).verdict == IDENTICAL
    anew = replace(workspace, project=story.project(tmp_path, delays=replace(like.DELAYS, windows=(3 * like.DAY,))))
    with pytest.raises(ReproductionError, match=r"declares other features today\. Check out the declarations of then"):
        again(anew, model(workspace))


def test_what_is_no_model_is_refused(workspace):
    training = workspace.lake.versions.heads("flights/training/late_arrival")[FIRST]
    with pytest.raises(ReproductionError, match=r"No model of 'late_arrival': version .* Name a version of 'flights/models/late_arrival'"):
        plan_reproduction(workspace, PROBLEM, training)
    with pytest.raises(ReproductionError, match="No model of 'late_arrival' was promoted yet"):
        plan_reproduction(workspace, PROBLEM)


def test_the_environment_is_told_before_anything_runs(workspace):
    plan = plan_reproduction(workspace, PROBLEM, model(workspace))
    rows = {row["what"]: row for row in plan.environment}
    assert {"python", "machine", "polars", "lightgbm", "seed", "threads"} <= set(rows)
    assert {row["same"] for what, row in rows.items() if what != "cpus"} == {True}
    code = {row.asset: row for row in plan.code}
    assert all(row.is_same and not row.is_carried for row in plan.code)
    assert sum(code["tables/arrivals"].then.values()) == 31


def in_another_process(workspace: Workspace, code: str, **environment: str) -> subprocess.CompletedProcess[str]:
    """Run code in a process of its own, with the workspace as ``w`` and the model's version as ``version``."""
    root, version = workspace.project.root, model(workspace).id
    workspace.lake.close()
    lines = (
        "import os, signal, sys",
        "from pathlib import Path",
        "from ml_platform.audit.reproduce import reproduce",
        "from ml_platform.audit.reproduction_plan import plan_reproduction",
        "from ml_platform_tests.pipeline import landed_world as s",
        "w, version = s.opened(Path(sys.argv[1])), int(sys.argv[2])",
        code,
    )
    command = [sys.executable, "-c", "\n".join(lines), str(root), str(version)]
    return subprocess.run(
        command, capture_output=True, text=True, check=False, env={**os.environ, **environment}, cwd=Path(__file__).parents[2]
    )


@pytest.mark.slow
@pytest.mark.parametrize("threads", ["1", "3"])
def test_neither_the_order_of_sets_nor_the_number_of_threads_leaves_a_trace(workspace, threads):
    counts = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "POLARS_MAX_THREADS"), threads)
    code = "print(reproduce(w, plan_reproduction(w, s.PROBLEM, version)).verdict)"
    done = in_another_process(workspace, code, PYTHONHASHSEED=str(40 + int(threads)), **counts)
    assert done.stdout.strip() == IDENTICAL, done.stderr


@pytest.mark.slow
def test_a_process_that_is_killed_leaves_a_branch_and_nothing_else(workspace):
    heads = {table: workspace.lake.versions.heads(table) for table in workspace.lake.tables()}
    code = (
        "from ml_platform.features.kernels.sums import ColumnSums\n"
        "from ml_platform.pipeline.models import selected\n"
        "real = ColumnSums.mean\n"
        "ColumnSums.mean = lambda self, window: (real(self, window)[0] + 1, real(self, window)[1])\n"
        "selected.materialize_selected = lambda *_: os.kill(os.getpid(), signal.SIGKILL)\n"
        "reproduce(w, plan_reproduction(w, s.PROBLEM, version))"
    )
    assert in_another_process(workspace, code).returncode == -signal.SIGKILL
    assert {table: workspace.lake.versions.heads(table) for table in workspace.lake.tables()} == heads
    (branch,) = workspace.lake.branches.all()
    assert workspace.lake.on(branch.name).branches.changes()
    workspace.lake.branches.drop(branch.name)
    assert (workspace.lake.branches.all(), workspace.lake.health.verify()) == ([], [])
    assert again(workspace).verdict == IDENTICAL


def test_what_a_model_was_made_with_is_recorded_once(workspace, monkeypatch):
    from ml_platform.pipeline.models import model as subject

    version = model(workspace, SECOND)
    here = version.properties["environment"]
    card = json.loads(workspace.lake.versions.artifact(version, "card.json"))
    assert card["environment"] == here
    assert here["packages"]["polars"] == pl.__version__
    # Somewhere else the very same model comes out: it keeps what it was first made with, and nothing is published.
    elsewhere = {**here, "python": "3.14.0", "git": {"commit": "f" * 40, "dirty": False}}
    monkeypatch.setattr(subject, "environment_here", lambda root, **_: elsewhere)
    number = workspace.lake.versions.newest_commit()
    subject.materialize_model(workspace, PROBLEM, [SECOND])
    assert workspace.lake.versions.newest_commit() == number
    # Another model is another version, made there.
    other = replace(
        workspace, project=story.project(workspace.project.root, problem=replace(DECLARED, model=Model("logistic", baseline="constant")))
    )
    subject.materialize_model(other, PROBLEM, [SECOND])
    assert model(workspace, SECOND).properties["environment"] == elsewhere
    assert "| git commit | ffffffffffff |" in workspace.lake.versions.artifact(model(workspace, SECOND), "card.md").decode()
    kept = {file.name: file.sha256 for file in version.files}
    assert kept["card.json"] == hashlib.sha256(workspace.lake.versions.artifact(version, "card.json")).hexdigest()


@pytest.mark.slow
def test_up_to_when_answers_were_complete_is_read_as_it_was(tmp_path, workspace):
    """A day of the label's table was never delivered, and a later one, which no row was read from, said that the feed lives."""
    for day in ("2013-02-03", "2013-02-04"):
        story.land_day(tmp_path, day)
    (tmp_path / "landing" / "arrivals" / "2013-02-03.parquet").unlink()
    lost = replace(story.ARRIVALS, lost_days=frozenset([date(2013, 2, 3)]))
    later = replace(workspace, clock=FixedClock(like.day_start("2013-02-05")), project=story.project(tmp_path, arrivals=lost))
    for table, days in (("schedule", ["2013-02-03", "2013-02-04"]), ("arrivals", ["2013-02-04"])):
        story.check(materialize_raw(later, table, days))
        story.check(materialize_table(later, table, days))
    story.train(later, "2013-02-04")
    version = model(later, "2013-02-04")
    read = {v.partition for v in later.lake.lineage.closure([version]) if v.table == "flights/tables/arrivals"}
    assert not {"2013-02-03", "2013-02-04"} & read
    found = again(later, version)
    assert found.verdict == IDENTICAL, found.summary
    assert found.plan.training.properties["splits"]["end"] == "2013-02-02T12:00:00+00:00"
