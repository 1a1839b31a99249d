from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta

import polars as pl
import pytest

from ml_platform.core.intervals import day_start, shift_day
from ml_platform.pipeline.outcome import CheckOutcome
from ml_platform.pipeline.training import training_set
from ml_platform.pipeline.training.training_rows import choose_rows, read_rows
from ml_platform.pipeline.training.training_set import materialize_training
from ml_platform.tables.declared.contract import Column
from ml_platform.training.problem import GridSpine, Label, RowsSpine, Training
from ml_platform_tests import flights_like as like

HOUR, DAY = like.HOUR, like.DAY
T = "2013-02-08"
US = timedelta(microseconds=1)


def made(world, *dates, **changes):
    return materialize_training(world.workspace, "late_arrival", dates or (T,))


def rows_of(world, outcome, number=0):
    return world.workspace.lake.versions.read([outcome.partitions[number].version]).pl()


def check(outcome, name):
    return next(c for c in outcome.checks if c.name == name)


def project_with(tmp_path, *, tables=(like.SCHEDULE, like.ARRIVALS), **changes):
    return like.project(tmp_path, tables=tables, problem=replace(like.LATE_ARRIVAL, **changes))


def flown(landed=40, per_day=24):
    return pl.concat([like.flights(day, per_day) for day in like.days(landed)])


def brute_force(frame, date=T):
    """Split and label of each flight by a loop."""
    training, end = like.LATE_ARRIVAL.training, day_start(date) - 36 * HOUR
    test, start = end - training.test, day_start(date) - training.look_back
    validate = test - training.validate
    expected = {}
    for f in frame.iter_rows(named=True):
        c = f["scheduled_at"] - 2 * HOUR
        if not (start <= c <= end and f["published_at"] < c) or f["cancelled"] or not c <= f["landed_at"] < c + 36 * HOUR:
            continue
        until = c + 36 * HOUR
        split = "test" if c >= test else "validate" if c >= validate and until <= test else "train" if until <= validate else None
        if split:
            expected[f["flight_id"]] = (split, float(f["arr_delay"] > 15))
    return expected


@pytest.mark.slow
def test_rows_splits_and_labels_equal_a_loop_over_all_flights(tmp_path):
    world = like.world(tmp_path)
    outcome = made(world)
    rows = rows_of(world, outcome)
    assert {r[0]: r[1:] for r in rows.select("flight_id", "_split", "_label").iter_rows()} == brute_force(flown())
    assert rows.columns[:6] == ["flight_id", "origin", "dest", "_cutoff", "_split", "_label"]
    numbers = outcome.partitions[0].numbers
    assert [numbers[f"rows_{s}"] for s in ("train", "validate", "test")] == [
        (rows["_split"] == s).sum() for s in ("train", "validate", "test")
    ]
    assert numbers["positive_share"] == rows["_label"].mean()
    assert all(c.passed for c in outcome.checks)


@pytest.mark.slow
def test_features_are_what_was_available_at_the_cutoff(tmp_path):
    world = like.world(tmp_path)
    rows = rows_of(world, made(world))
    landed = flown().filter(~pl.col("cancelled"))
    for row in rows.gather_every(23).iter_rows(named=True):
        refreshed = row["_cutoff"].replace(minute=0)
        seen = landed.filter(pl.col("landed_at") < refreshed, pl.col("landed_at") >= refreshed - 7 * DAY, pl.col("origin") == row["origin"])
        assert row["origin_late_share_7d"] == pytest.approx((seen["arr_delay"] > 15).mean())


@pytest.mark.slow
def test_several_dates_at_once_are_what_each_is_alone_and_name_the_same_inputs(tmp_path):
    dates = ("2013-02-01", "2013-02-04", T)
    together, alone = like.world(tmp_path / "a"), like.world(tmp_path / "b")
    at_once = made(together, *dates)
    one_by_one = [made(alone, date).partitions[0] for date in dates]

    def inputs(world, version):
        return [(v.table, v.partition) for v in world.workspace.lake.lineage.inputs(version.id)]

    for one, other in zip(at_once.partitions, one_by_one, strict=True):
        assert one.version.data_hash == other.version.data_hash
        assert inputs(together, one.version) == inputs(alone, other.version)
        assert one.numbers == other.numbers
    # Nothing of the day T or later, but the flights of T that had been published before.
    assert max(p for t, p in inputs(alone, one_by_one[0].version) if t.endswith("arrivals")) == "2013-01-31"
    assert max(p for _, p in inputs(alone, one_by_one[0].version)) == "2013-02-01"


@pytest.mark.slow
def test_a_second_run_writes_nothing_and_what_lands_later_changes_nothing(tmp_path):
    world = like.world(tmp_path, landed=38)
    first = made(world)
    assert made(world).commit.created == 0
    world.deliver(like.days(50)[38:])
    again = made(world.at("2013-02-20"))
    assert again.partitions[0].version.data_hash == first.partitions[0].version.data_hash
    assert made(world.at("2013-03-20")).commit.created == 0


@pytest.mark.slow
def test_everything_is_read_at_one_commit_whatever_is_published_meanwhile(tmp_path, monkeypatch):
    calm, busy = like.world(tmp_path / "a"), like.world(tmp_path / "b")
    expected = made(calm).partitions[0].version.data_hash
    features_at = training_set.features_at

    def meanwhile(*args, **named):
        busy.deliver(like.days(40), seed=9)
        return features_at(*args, **named)

    monkeypatch.setattr(training_set, "features_at", meanwhile)
    assert made(busy).partitions[0].version.data_hash == expected
    assert made(busy).partitions[0].version.data_hash != expected


@pytest.mark.slow
def test_dates_that_allow_no_training_are_stopped_with_the_reason_and_the_others_are_made(tmp_path):
    world = like.world(tmp_path)
    outcome = made(world, "2013-01-09", T, "2013-03-01")
    early, fine, late = outcome.partitions
    assert "the train split" in early.stopped
    assert "Take a later training date" in early.stopped
    assert fine.stopped is None
    assert late.stopped == "The training date lies ahead: it is 2013-02-10 00:00 UTC."
    assert (early.version, late.version) == (None, None)
    rows = check(outcome, "training_rows")
    assert not rows.passed
    assert [r["training_date"] for r in rows.rows] == ["2013-01-09", T, "2013-03-01"]


def test_a_project_without_data_says_so(tmp_path):
    outcome = made(like.world(tmp_path, landed=0, now=T))
    assert "No row of its whole window can be used" in outcome.partitions[0].stopped
    assert outcome.commit is None


def test_a_label_of_one_answer_is_stopped(tmp_path):
    label = replace(like.LATE_ARRIVAL.label, sql="max(arr_delay) > 10000")
    world = like.world(tmp_path, project_=project_with(tmp_path, label=label))
    assert "the label of each is 0: nothing can be learned" in made(world).partitions[0].stopped


@pytest.mark.slow
def test_max_rows_is_a_sample_that_depends_on_the_rows_alone(tmp_path):
    training = replace(like.LATE_ARRIVAL.training, max_rows=200)
    whole = rows_of(world := like.world(tmp_path / "a"), made(world))
    small = like.world(tmp_path / "b", project_=project_with(tmp_path, training=training))
    sample = rows_of(small, outcome := made(small))
    assert sample.height == 200
    assert outcome.partitions[0].numbers["sampled_share"] == pytest.approx(200 / whole.height)
    assert sample.equals(whole.filter(pl.col("flight_id").is_in(sample["flight_id"].implode())))
    # The same flights, landed in the opposite order and in another commit each.
    other = like.world(tmp_path / "c", project_=project_with(tmp_path, training=training), landed=0, now="2013-02-10")
    for day in reversed(like.days(40)):
        other.deliver([day])
    assert made(other).partitions[0].version.data_hash == outcome.partitions[0].version.data_hash
    # Of the rows that two dates share, both take the same ones as far as their number allows.
    before = rows_of(small, made(small, "2013-02-07"))["flight_id"]
    assert len(set(before) & set(sample["flight_id"])) > 150


@pytest.mark.slow
def test_tail_numbers_that_are_missing_only_for_cancelled_flights_are_flagged(tmp_path):
    contract = replace(like.SCHEDULE.contract, columns=(*like.SCHEDULE.contract.columns, Column("tailnum", "string")))
    schedule = replace(like.SCHEDULE, contract=contract)
    project = project_with(tmp_path, tables=(schedule, like.ARRIVALS), features=("delays", "schedule.tailnum"))
    world = like.world(tmp_path, project_=project, landed=0, now="2013-02-10")
    for leaky, passed in ((False, True), (True, False)):
        gone = pl.when(pl.col("cancelled") & leaky).then(None).otherwise("tailnum").alias("tailnum")
        like.deliver(world.workspace.lake, project, {d: like.flights(d, 60).with_columns(gone) for d in like.days(40)})
        verdict = check(made(world), "leakage")
        assert verdict.passed is passed, verdict.summary
    assert [r["feature"] for r in verdict.rows] == ["tailnum"]
    assert "Where tailnum is missing" in verdict.summary
    assert "there is no label row in 100.0% of the rows" in verdict.summary


def test_the_guards_do_not_look_at_test_rows(tmp_path):
    world = like.world(tmp_path)
    problem = world.workspace.project.problem("late_arrival")
    chosen = choose_rows(problem, read_rows(world.workspace, problem, [T], at=world.workspace.lake.versions.newest_commit()), T)
    assert chosen.guard["_cutoff"].max() < chosen.split.bounds.test
    # But at rows without label they do.
    assert chosen.guard["_label"].null_count() > 0


@pytest.mark.slow
def test_a_population_that_exists_because_of_what_came_later_is_refused(tmp_path):
    # Where the declaration alone does not tell that no row is known in time.
    spine = RowsSpine("arrivals", "landed_at - CASE WHEN arr_delay < -5000 THEN interval 0 hours ELSE interval 3 hours END")
    label = replace(like.LATE_ARRIVAL.label, match=("origin", "dest"))
    world = like.world(tmp_path, project_=project_with(tmp_path, spine=spine, label=label, features=("delays",)))
    stopped = made(world).partitions[0].stopped
    assert "rows of 'arrivals' in the window were first known at or after their own cutoff" in stopped
    assert "Take a table that is known before" in stopped


@pytest.mark.slow
def test_rows_that_are_known_late_and_end_badly_are_left_out_and_reported(tmp_path):
    # Extra flights that are put into the schedule only once they turn out late.
    world = like.world(tmp_path, landed=0, now="2013-02-10")
    extra = (pl.col("arr_delay") > 15) & ~pl.col("cancelled") & (pl.col("carrier") == "B6")
    later = pl.when(extra).then(pl.col("scheduled_at") + HOUR).otherwise("published_at").alias("published_at")
    frames = {d: like.flights(d, 60).with_columns(later) for d in like.days(40)}
    like.deliver(world.workspace.lake, world.workspace.project, frames)
    outcome = made(world)
    late = pl.concat(list(frames.values())).filter(extra)["flight_id"]
    assert not set(rows_of(world, outcome)["flight_id"]) & set(late)
    assert outcome.partitions[0].numbers["unknown_at_cutoff_share"] > 0.05
    verdict = check(outcome, "leakage")
    assert not verdict.passed
    assert [r["rule"] for r in verdict.rows] == ["population"]
    assert "label 1: 100% of them" in verdict.summary


@pytest.mark.slow
def test_a_feed_of_answers_that_has_stopped_makes_no_row_without_answer(tmp_path):
    world = like.world(tmp_path, landed=30)
    schedule_only = replace(world.workspace.project, tables={"schedule": like.SCHEDULE})
    like.deliver(world.workspace.lake, schedule_only, {d: like.flights(d) for d in like.days(40)[30:]})
    for without_rows in ("exclude", "zero"):
        label = replace(like.LATE_ARRIVAL.label, without_rows=without_rows)
        project = project_with(tmp_path, label=label)
        late = like.World(replace(world.workspace, project=project)).at("2013-02-10")
        rows = rows_of(late, outcome := made(late, "2013-02-08"))
        # Arrivals are there up to the end of 30 January; what would have answered later is not mature.
        assert rows["_cutoff"].max() <= like.utc("2013-01-31 00:00") - 36 * HOUR
        assert outcome.partitions[0].numbers["immature"] > 150
        truth = {f["flight_id"]: float(f["arr_delay"] > 15) if not f["cancelled"] else 0.0 for f in flown().iter_rows(named=True)}
        assert all(truth[i] == y for i, y in rows.select("flight_id", "_label").iter_rows())


@pytest.mark.slow
def test_a_day_that_was_never_delivered_stops_the_training_and_is_named(tmp_path):
    world = like.world(tmp_path, landed=0, now="2013-02-10")
    world.deliver([d for d in like.days(40) if d != "2013-01-20"])
    outcome = made(world)
    (partition,) = outcome.partitions
    assert "1 day of table arrivals, reached by the label of late_arrival and delays (2013-01-20), was not delivered" in partition.stopped
    assert "lost_days" in partition.stopped
    assert not check(outcome, "training_rows").passed
    assert outcome.commit is None


@pytest.mark.slow
def test_a_day_that_is_declared_lost_is_gone_on_without_and_named(tmp_path):
    lost = frozenset([date(2013, 1, 20)])
    tables = (like.SCHEDULE, replace(like.ARRIVALS, lost_days=lost))
    world = like.world(tmp_path, landed=0, now="2013-02-10", project_=like.project(tmp_path, tables=tables))
    world.deliver([d for d in like.days(40) if d != "2013-01-20"])
    outcome = made(world)
    rows = check(outcome, "training_rows")
    assert rows.passed
    assert "2 days are not there and were gone on without: arrivals 2013-01-20, schedule 2013-01-20." in rows.summary
    (partition,) = outcome.partitions
    assert partition.numbers["unobserved"] > 24
    # Nobody knows how the flights ended that may have landed in that day's file.
    cutoffs = rows_of(world, outcome)["_cutoff"]
    assert not cutoffs.is_between(like.utc("2013-01-18 12:01"), like.utc("2013-01-22 23:59")).any()
    assert 0 < partition.numbers["coverage"] < 1
    assert [(t["table"], t["gone on without"]) for t in partition.version.properties["coverage"] if t["gone on without"]]


@pytest.mark.slow
@pytest.mark.parametrize("without_rows", ["exclude", "null", "zero"])
def test_flights_that_never_land_are_what_the_declaration_says(tmp_path, without_rows):
    label = replace(like.LATE_ARRIVAL.label, without_rows=without_rows)
    world = like.world(tmp_path, project_=project_with(tmp_path, label=label))
    rows = rows_of(world, outcome := made(world))
    never = set(flown().filter("cancelled")["flight_id"])
    found = rows.filter(pl.col("flight_id").is_in(list(never)))
    expected = brute_force(flown().with_columns(cancelled=pl.lit(False)))
    in_window = never & set(expected)
    assert in_window
    assert set(found["flight_id"]) == (in_window if without_rows == "zero" else set())
    assert set(found["_label"]) <= {0.0}
    assert rows["_label"].null_count() == 0
    assert outcome.partitions[0].numbers["without_label_rows_share"] == len(in_window) / len(expected)


@pytest.mark.slow
def test_a_correction_counts_for_training_dates_after_its_delivery_only(tmp_path):
    world = like.world(tmp_path)
    flight = brute_force(flown())
    corrected = next(i for i, (split, y) in flight.items() if split == "train" and y == 0.0)
    day = corrected[:10]
    lake, project = world.workspace.lake, world.workspace.project
    name = project.lake_table("tables", "arrivals")
    old = lake.read(name, [day]).pl()
    known = like.utc("2013-02-06 12:00")
    is_it = pl.col("flight_id") == corrected
    new = old.with_columns(
        pl.when(is_it).then(pl.lit(99, pl.Int16)).otherwise("arr_delay").alias("arr_delay"),
        pl.when(is_it).then(pl.lit(known).cast(pl.Datetime("us", "UTC"))).otherwise("_available_at").alias("_available_at"),
    )
    lake.writing.publish([lake.writing.stage(name, day, new.to_arrow(), key=["flight_id"], schema=lake.versions.heads(name)[day].schema)])
    before, after = (rows_of(world, made(world, date)).filter(is_it)["_label"].to_list() for date in ("2013-02-06", "2013-02-07"))
    assert (before, after) == ([], [1.0])


@pytest.mark.slow
def test_grid_of_active_carriers_with_a_number_to_predict(tmp_path):
    spine = GridSpine(("carrier",), "arrivals", 6 * HOUR, DAY)
    label = Label("arrivals", ("carrier",), "sum(arr_delay)", DAY, "zero")
    training = Training(look_back=20 * DAY, validate=4 * DAY, test=4 * DAY)
    project = project_with(tmp_path, spine=spine, label=label, training=training, features=("delays",))
    world = like.world(tmp_path, project_=project)
    rows = rows_of(world, outcome := made(world))
    assert rows.columns[:4] == ["carrier", "_cutoff", "_split", "_label"]
    assert outcome.partitions[0].version.properties["task"] == "regression"
    landed = flown().filter(~pl.col("cancelled"))
    expected = set()
    for n in range(20 * 4 + 1):
        c = day_start(shift_day(T, -20)) + n * 6 * HOUR
        for carrier in like.CARRIERS:
            mine = landed.filter(pl.col("carrier") == carrier)
            active = mine.filter(pl.col("landed_at") >= c - DAY, pl.col("landed_at") < c).height
            if active and c <= day_start(T) - DAY:
                ahead = mine.filter(pl.col("landed_at") >= c, pl.col("landed_at") < c + DAY)
                expected.add((carrier, c, float(ahead["arr_delay"].sum())))
    got = set(rows.select("carrier", "_cutoff", "_label").iter_rows())
    assert got <= expected
    assert len(expected) - len(got) == outcome.partitions[0].numbers["purged"]


@pytest.mark.slow
def test_a_set_is_published_after_all_of_its_checks_and_carries_what_they_found(tmp_path, monkeypatch):
    def broken(*_args, **_more):
        raise ZeroDivisionError("the check broke")

    def failing(*_args, **_more):
        return CheckOutcome("future", False, "error", "delay knows the future.")

    world = like.world(tmp_path)
    with monkeypatch.context() as patched:
        patched.setattr(training_set, "check_future", broken)
        with pytest.raises(ZeroDivisionError, match="the check broke"):
            made(world)
    assert "flights/training/late_arrival" not in world.workspace.lake.tables()
    monkeypatch.setattr(training_set, "check_future", failing)
    (partition,) = made(world).partitions
    # The judgement of the model that is trained on it reads that, and refuses.
    assert partition.version.properties["leakage"] == ["delay knows the future."]
