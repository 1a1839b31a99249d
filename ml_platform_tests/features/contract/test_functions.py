"""What every function of windows keeps to, run for each that is registered: a new one is checked without a line here.

Its values are those of a loop (where the loop knows it) and of its own SQL, whichever way they are computed.
"""

from __future__ import annotations

from datetime import timedelta

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

from ml_platform.core.intervals import Interval
from ml_platform.features.at_scale.long_history import compute_thinned, compute_with_totals, is_thinned, is_totalled
from ml_platform.features.declared.definition import FeatureDefinition
from ml_platform.features.declared.explain import statement
from ml_platform.features.declared.functions.registry import FUNCTIONS, WINDOW_FUNCTIONS, code_of_functions, find_function, function_of
from ml_platform.features.declared.kinds import HandmadeFeature
from ml_platform.features.declared.view import FeatureColumn
from ml_platform.features.engine.change_points import change_points, read_at
from ml_platform.features.engine.engine import TIMES, compute
from ml_platform.features.nested.picked import Picked
from ml_platform.features.nested.segments import Segments
from ml_platform.features.timeline.event_rows import to_events
from ml_platform.pipeline.layer_code import layer_modules
from ml_platform.sql.duck import connect
from ml_platform.testing import FunctionContract, isolated_registries
from ml_platform_docs.functions import functions_page
from ml_platform_tests.features.at_scale.bucketed import TYPES, bucketed
from ml_platform_tests.features.brute_force import brute_force, knows
from ml_platform_tests.features.declared_views import SPECS, a_view, definitions_of, hours
from ml_platform_tests.features.worlds import T0, check, random_world
from ml_platform_tests.installed import install

NAMES = [*FUNCTIONS, "p90"]
COLUMNS = {"arr_delay": ("BIGINT", None), "temp": ("DOUBLE", None), "remark": ("VARCHAR", None), "late": ("BOOLEAN", "arr_delay > 15")}
KINDS = {"BIGINT": pl.Int64(), "DOUBLE": pl.Float64(), "VARCHAR": pl.String(), "BOOLEAN": pl.Boolean()}
SCALE = 1e10


def definitions(name: str, **more) -> tuple[FeatureDefinition, ...]:
    function = FUNCTIONS.get(name) or FUNCTIONS["median"]
    features = [FeatureColumn(c, (name,), sql=sql, ttl=hours(6)) for c, (kind, sql) in COLUMNS.items() if function.takes(kind)]
    features += [FeatureColumn("rows", (name,))] if function.of_rows else []
    return definitions_of(a_view(*features, **{"windows": SPECS, **more}))


@pytest.fixture(scope="module")
def world() -> tuple[pl.DataFrame, pl.DataFrame]:
    events, spine = random_world(11, events=50, asked=20)
    nobody = pl.DataFrame({"origin": ["LGA", None], "dest": [None, None], "_cutoff": [T0, None]}, schema=spine.schema)
    return events.with_columns(late=pl.col("arr_delay") > 15), pl.concat([spine, nobody])


@pytest.mark.parametrize("name", NAMES)
def test_the_engine_gives_what_the_loop_and_the_sql_give(world, name):
    events, spine = world
    asked = definitions(name)
    values = compute(events, spine, asked)
    if knows(name):
        check(values, brute_force(events, spine, asked), SCALE)
    with connect() as con:
        con.register("events", events.to_arrow())
        con.register("spine", spine.with_row_index("_row").to_arrow())
        check(values, {d.name: con.sql(statement(d, source="events")).pl()[d.name].to_list() for d in asked}, SCALE)


@pytest.mark.parametrize("name", NAMES)
def test_values_have_the_declared_types_and_nothing_has_its_own_value(world, name):
    events, spine = world
    asked = definitions(name)
    typed = to_events(events, TYPES, asked)
    nothing = compute(typed.clear(), spine.tail(2), asked)
    for definition in asked:
        assert compute(typed, spine, [definition]).schema[definition.name] == KINDS[definition.type]
        assert nothing[definition.name].to_list() == [function_of(definition).empty, None]
        assert definition.description.endswith("from arrivals; refreshed hourly.")


@pytest.mark.parametrize("name", NAMES)
def test_values_read_from_change_points_are_the_same(world, name):
    events, spine = world
    asked = definitions(name)
    history = change_points(events, asked, Interval(T0 - timedelta(days=9), T0 + timedelta(days=9)))
    assert_frame_equal(read_at(history, spine, asked), compute(events, spine, asked), rel_tol=1e-9, abs_tol=1e-6)


@pytest.mark.parametrize("name", NAMES)
def test_values_of_buckets_and_of_a_long_history_are_the_same(world, name, tmp_path):
    events, spine = world
    asked = definitions(name)
    typed = to_events(events, TYPES, asked)
    expected = compute(typed, spine, asked)
    assert_frame_equal(bucketed(tmp_path, events, spine, asked), expected, rel_tol=1e-9, abs_tol=1e-6)
    start = pl.Series([T0 - hours(4)]).cast(TIMES).to_physical().item()
    later = spine.filter(pl.col("_cutoff") >= T0 + hours(2))
    pieces = list(typed.iter_slices(7))
    for some, how in ((is_totalled, compute_with_totals), (is_thinned, compute_thinned)):
        wanted = [d for d in asked if some(d)]
        for cutoffs in (later, spine.tail(2).with_columns(_cutoff=pl.lit(T0 + hours(1)).cast(TIMES))):
            if wanted:
                extra = () if how is compute_with_totals else (1e12,)
                found = how(pieces, typed.schema, cutoffs, wanted, start, *extra)
                assert_frame_equal(found, compute(typed, cutoffs, wanted), rel_tol=1e-9, abs_tol=1e-6)


@pytest.mark.parametrize("name", [name for name, function in FUNCTIONS.items() if function.reduce is not None])
def test_values_of_listed_rows_are_the_same(world, name):
    """Rows of features of features, which stand together by query: reduced, where a function says how."""
    events = world[0].sort("origin", maintain_order=True)
    keys = events["origin"].unique(maintain_order=True)
    spine = pl.DataFrame({"origin": keys, "_cutoff": pl.Series([T0 + hours(30)] * keys.len()).cast(TIMES)})
    asked = [d for d in definitions(name, windows=[timedelta(days=300)], refresh=None) if d.value != "remark"]
    typed = to_events(events, TYPES, asked)
    codes = events["origin"].rank("dense").cast(pl.Int64).to_numpy() - 1
    columns = {c: Picked(typed[c]) for c in {str(d.value) for d in asked if d.value is not None}}
    micros = typed["_available_at"].to_physical().to_numpy()
    cutoffs = spine["_cutoff"].to_physical().to_numpy().astype(np.int64)
    found = Segments(columns, codes, micros, cutoffs).answer(asked, timedelta(days=300))
    assert found.keys() == {d.name for d in asked}
    got = pl.DataFrame([found[d.name].alias(d.name) for d in asked])
    assert_frame_equal(got, compute(typed, spine, asked), rel_tol=1e-9, abs_tol=1e-6, check_dtypes=False)


def test_every_function_has_its_row_in_the_docs():
    page = functions_page()
    assert [name for name in FUNCTIONS if f"| `{name}` |" not in page] == []


def test_the_code_of_every_function_is_part_of_what_a_feature_table_remembers():
    modules = layer_modules("features")
    assert [f.name for f in FUNCTIONS.values() if type(f).__module__.removeprefix("ml_platform.") not in modules] == []


def test_a_function_of_python_may_be_called_like_one_of_windows():
    """Only what a window counts from the cutoff is stored as a time."""
    own = HandmadeFeature("time_since", ("origin",), "DOUBLE", view="own", function="time_since", code="def time_since(): ...")
    assert (own.stored_name, own.stored_type) == ("time_since", "DOUBLE")


@pytest.mark.slow
class TestBuiltIn(FunctionContract):
    names = (*FUNCTIONS, "p90")


OWN = """
from ml_platform.extensions import NUMBERS, Function


class Count(Function):
    def answer_one(self, request, definition):
        window = request.window(definition.span)
        return request.spread(definition.name, request.present(definition.value, window))


MANY = Count(name="many", of=NUMBERS, words="Values of {value}", sql="count(e._value)", returns="BIGINT", empty=0)
"""


def test_a_function_of_an_installed_package_is_computed_and_its_code_is_code(tmp_path, monkeypatch, world):
    monkeypatch.syspath_prepend(str(tmp_path))
    assert find_function("many") is None
    with isolated_registries():
        install(tmp_path, "ext_many", {"ml_platform.functions": ["many = ext_many:MANY"]}, OWN)
        asked = definitions_of(a_view(FeatureColumn("arr_delay", ("many", "count")), windows=[hours(3)]))
        values = compute(*world, asked)
        assert values[asked[0].name].to_list() == values[asked[1].name].to_list()
        assert code_of_functions(asked) == [WINDOW_FUNCTIONS.code("many")] != [""]
        assert code_of_functions(asked[1:]) == []
