from __future__ import annotations

from dataclasses import replace

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from ml_platform.core.errors import DeclarationError, FeatureError
from ml_platform.features.declared.inputs import leaves
from ml_platform.features.declared.view import FeatureColumn, FeatureView
from ml_platform.features.engine.expressions import evaluate_expression
from ml_platform.pipeline.feature_tables.feature_table import materialize_features
from ml_platform.pipeline.feature_tables.feature_values import features_at
from ml_platform.pipeline.models.candidates import candidates_of, read_candidates
from ml_platform.pipeline.training.problem_rows import spine_columns
from ml_platform.pipeline.training.training_set import materialize_training
from ml_platform.project.asked_features import resolve_features
from ml_platform.project.carried import with_carried
from ml_platform.tables.declared.table import Availability
from ml_platform_tests import flights_like as like
from ml_platform_tests.pipeline.feature_world import AIRPORTS, DELAYS, spine, world

DAYS = like.days(8)
PACE = FeatureView(
    "pace",
    (),
    request={"distance": "double"},
    inputs=("airports.altitude", "delays.origin_arr_delay_mean_2d", "delays.carrier_arr_delay_mean_2d"),
    features=(
        FeatureColumn("climb", (), sql="altitude / distance"),
        FeatureColumn("against", (), sql="origin_arr_delay_mean_2d - carrier_arr_delay_mean_2d"),
    ),
    where="flights_like/pace.yaml:1",
)
PROBLEM = replace(like.LATE_ARRIVAL, features=("delays.origin_arr_delay_mean_1d", "pace", "schedule.carrier"))


@pytest.fixture
def made(tmp_path):
    found = world(tmp_path)
    project = like.project(tmp_path, tables=(like.SCHEDULE, like.ARRIVALS, AIRPORTS), views=(DELAYS, PACE), problem=like.LATE_ARRIVAL)
    return like.World(replace(found.workspace, project=project))


def asked() -> pl.DataFrame:
    return spine(DAYS[3]).with_columns(distance=pl.int_range(pl.len(), dtype=pl.Int32) * 7 + 100)


@pytest.mark.slow
def test_the_same_expression_gives_the_same_in_training_and_in_serving(made):
    """Training computes it at the spine; serving has the inputs' values at hand, and asks row by row with what the caller gives."""
    definitions = resolve_features(made.workspace.project, ["pace"])
    trained, inputs = features_at(made.workspace, asked(), definitions)
    assert trained.columns == [*asked().columns, "climb", "against"]
    assert {v.table for v in inputs} == {"flights/tables/airports", "flights/tables/arrivals"}
    held, _ = features_at(made.workspace, spine(DAYS[3]), leaves(definitions))
    served = [
        evaluate_expression(held[n].with_columns(distance=pl.lit(float(weight))), definitions)
        for n, weight in enumerate(asked()["distance"])
    ]
    assert_frame_equal(trained.select("climb", "against"), pl.concat(served), check_exact=True)
    assert trained["climb"].null_count() == 0
    assert trained["against"].n_unique() > 10


def test_values_are_the_inputs_put_together(made):
    names = ["airports.altitude", "delays.origin_arr_delay_mean_2d", "delays.carrier_arr_delay_mean_2d"]
    values, _ = features_at(made.workspace, asked(), resolve_features(made.workspace.project, ["pace", *names]))
    by_hand = values.select(
        climb=pl.col("altitude") / pl.col("distance"), against=pl.col("origin_arr_delay_mean_2d") - pl.col("carrier_arr_delay_mean_2d")
    )
    assert_frame_equal(values.select("climb", "against"), by_hand, check_exact=True)


@pytest.mark.slow
def test_inputs_are_read_from_feature_tables_where_these_are_up_to_date(made):
    definitions = resolve_features(made.workspace.project, ["pace"])
    computed, _ = features_at(made.workspace, asked(), definitions)
    for entity in made.workspace.project.view("delays").entities:
        materialize_features(made.workspace, "delays", entity, DAYS)
    stored, inputs = features_at(made.workspace, asked(), definitions)
    assert_frame_equal(stored, computed, check_exact=True)
    assert {v.table for v in inputs if "/features/" in v.table} == {"flights/features/delays__origin", "flights/features/delays__carrier"}


def test_a_spine_without_the_requests_column_is_told(made):
    with pytest.raises(FeatureError, match=r"no column 'distance' \(DOUBLE\), which the caller gives at request time"):
        features_at(made.workspace, spine(DAYS[3]), resolve_features(made.workspace.project, ["pace"]))


@pytest.mark.slow
def test_a_training_set_takes_the_request_from_the_spine(tmp_path):
    views = (replace(like.DELAYS, windows=(2 * like.DAY,)), replace(PACE, inputs=PACE.inputs[1:], features=(
        FeatureColumn("far", (), sql="distance > 1000"), PACE.features[1])))  # fmt: skip
    project = like.project(tmp_path, views=views, problem=replace(PROBLEM, features=("pace", "schedule.carrier")))
    assert project.problem("late_arrival").request == ("distance",)
    assert spine_columns(project.problem("late_arrival"))["distance"] == "_available_at"
    made = like.world(tmp_path, project_=project, landed=32)
    outcome = materialize_training(made.workspace, "late_arrival", ["2013-02-01"])
    assert outcome.partitions[0].stopped is None
    rows = made.workspace.lake.read("flights/training/late_arrival").pl()
    assert rows["far"].to_list() == (rows["distance"] > 1000).to_list()
    assert rows["against"].null_count() < rows.height / 2
    assert made.workspace.lake.versions.resolve("flights/training/late_arrival")[0].properties["features"] == ["far", "against", "carrier"]


@pytest.mark.parametrize(
    ("spine_table", "request_", "message"),
    [
        (like.SCHEDULE, {"bag_weight": "double"}, r"takes 'bag_weight' from the request.*the spine has no column 'bag_weight'"),
        (like.SCHEDULE, {"distance": "string"}, r"takes 'distance' as VARCHAR from the request, but in 'schedule' it is INTEGER"),
        (
            replace(like.SCHEDULE, availability=(Availability("published_at", ()), Availability("scheduled_at", ("distance",)))),
            {"distance": "double"},
            r"'distance' of 'schedule' is known later than the row itself",
        ),
    ],
)
def test_a_request_column_that_training_cannot_know_is_refused_at_load(tmp_path, spine_table, request_, message):
    view = FeatureView("pace", (), request=request_, features=(FeatureColumn("x", (), sql=next(iter(request_))),), where="pace.yaml:1")
    with pytest.raises(DeclarationError, match=message):
        like.project(tmp_path, tables=(spine_table, like.ARRIVALS), views=(view,), problem=replace(PROBLEM, features=("pace",)))


def test_a_model_carries_its_expressions_with_what_they_are_made_of(made):
    """After the views have moved on, the same definitions still give the same values, and everything below them is kept as well."""
    project = made.workspace.project
    problem = replace(
        project.problem("late_arrival"), problem=replace(PROBLEM, features=("pace",)), table_columns=(),
        view_entities=(("pace", project.view("pace").entities[0]),),
    )  # fmt: skip
    kept = candidates_of(project, problem)
    kept = read_candidates(kept.to_bytes())
    assert {d.view for d in kept.features} == {"pace", "delays"}
    before, _ = features_at(made.workspace, asked(), resolve_features(project, ["pace"]))
    moved = like.project(
        made.workspace.project.root, tables=tuple(project.tables.values()), views=(replace(DELAYS, windows=(like.HOUR,)),),
        problem=replace(PROBLEM, features=("delays",)),
    )  # fmt: skip
    carried = with_carried(moved, "late_arrival", kept.features, resolve_features(project, ["pace"]))
    assert carried.problem("late_arrival").request == ("distance",)
    later = like.World(replace(made.workspace, project=carried))
    after, _ = features_at(later.workspace, asked(), resolve_features(carried, carried.problem("late_arrival")))
    assert_frame_equal(after, before, check_exact=True)
