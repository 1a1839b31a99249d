"""What Featuretools finds in declared tables, and what is refused, when, and with which words."""

from __future__ import annotations

import json
import subprocess
import sys
import warnings
from dataclasses import replace
from datetime import timedelta

import polars as pl
import pytest

from ml_platform.core.errors import DeclarationError, UnknownNameError
from ml_platform.features.declared.definition import FeatureDefinition, definition_hash
from ml_platform.features.declared.kinds import definition_from
from ml_platform.features.nested.declaration import Discovery, Relationship
from ml_platform.features.nested.evaluate import evaluate
from ml_platform.features.nested.schema import compile_schema
from ml_platform.features.nested.search import discovered
from ml_platform.features.nested.tree import Aggregate, from_code, walk
from ml_platform.tables.declared.contract import Column, Contract, Reference
from ml_platform.tables.declared.sources.files import FileSource
from ml_platform.tables.declared.table import Availability, Table
from ml_platform_tests.features.nested import worlds as w

HOUR = w.HOUR


def table(name: str, key: tuple[str, ...], references: tuple[Reference, ...] = (), *, timed: bool = True, **types: str) -> Table:
    columns = tuple(Column(c, kind) for c, kind in types.items())
    return Table(
        name, FileSource("-"), Contract(columns, key=key, references=references), event_time="at" if timed else None,
        availability=(Availability("at"),) if timed else (), timeless=not timed, where=f"{name}.yaml:1",
    )  # fmt: skip


AIRPORTS = table("airports", ("faa",), timed=False, faa="string", alt="int32")
FLIGHTS = table(
    "flights", ("carrier", "number"),
    (Reference(("origin",), "airports", ("faa",)), Reference(("dest",), "airports", ("faa",)), Reference(("dest",), "airports", ("alt",))),
    carrier="string", number="int32", origin="string", dest="string", at="timestamp", distance="int32",
)  # fmt: skip
LEGS = table(
    "legs", (), (Reference(("carrier", "number"), "flights", ("carrier", "number")),),
    carrier="string", number="int32", at="timestamp", delay="float64", cause="string",
)  # fmt: skip
TABLES = {t.name: t for t in (AIRPORTS, FLIGHTS, LEGS)}
WORDS = {"tables": ("legs", "airports"), "aggregations": ("count", "mean")}
WIDE = {"tables": ("airports", "flights", "legs")}


def found(spine_table: str = "flights", spine_key: tuple[str, ...] | None = None, **words) -> dict[str, FeatureDefinition]:
    schema = compile_schema(
        Discovery(**{**WORDS, **words}), TABLES, spine_table=spine_table, spine_key=spine_key, where="problem.yaml:3"
    )  # fmt: skip
    return {d.name: d for d in discovered(schema).features}


def test_references_lead_from_table_to_table_also_by_keys_of_several_columns_and_twice():
    definitions = found()
    assert {"count_legs", "mean_legs_delay", "airports_origin_alt", "airports_dest_alt", "distance"} <= set(definitions)
    # Two relationships between the same tables are two features; a reference to something that is no key is not followed.
    assert {"airports_origin_count_flights_origin", "airports_dest_count_flights_dest"} <= set(definitions)
    legs = from_code(definitions["count_legs"].code)
    assert legs.key == ("carrier", "number")
    assert isinstance(legs.node, Aggregate)
    assert legs.node.path[0].via == ("carrier", "number")
    # Columns that Featuretools needs to stand for a row's number or a key of several columns never are features.
    assert not [d for d in definitions.values() if "_key" in d.code.replace('"key"', "") or '"_row' in d.code]


def test_keys_of_several_columns_find_their_rows():
    at, times = w.START, pl.Datetime("us", "UTC")
    flights = {"carrier": ["A", "A", "B"], "number": [1, 2, 1], "origin": ["X", "Y", None], "dest": ["Y", "Y", "X"], "distance": [1, 2, 3]}
    legs = {"carrier": ["A", "A", "B", None], "number": [1] * 4, "delay": [1.0, 3.0, 5.0, 7.0], "cause": ["p", "q", "p", "p"]}
    frames = {
        "flights": pl.DataFrame(flights).with_columns(_available_at=pl.lit(at).cast(times)),
        "legs": pl.DataFrame(legs).with_columns(_available_at=pl.Series([at, at + HOUR, at, at]).cast(times)),
        "airports": pl.DataFrame({"faa": ["X", "Y"], "alt": [10, 20]}),
    }
    cutoffs = [at + HOUR, at + 2 * HOUR, at + HOUR, at + HOUR, at + HOUR]
    spine = pl.DataFrame({"carrier": ["A", "B", "A", "A", None], "number": [1, 1, 2, 9, 1], "_cutoff": pl.Series(cutoffs).cast(times)})
    definitions = found(transforms=("is_null",))
    names = ["count_legs", "mean_legs_delay", "airports_origin_alt", "airports_dest_count_flights_dest", "is_null_distance"]
    values = evaluate(frames, spine, [from_code(definitions[n].code) for n in names])
    assert [v.to_list() for v in values] == [
        [1, 1, 0, 0, None],
        [1.0, 5.0, None, None, None],
        [10, None, 20, None, None],
        [2, 1, 2, 0, None],
        [False, False, False, None, None],
    ]


def test_each_feature_that_aggregates_is_there_once_per_window():
    definitions = found(windows=(HOUR, timedelta(days=2)))
    assert {"mean_legs_delay_1h", "mean_legs_delay_2d", "airports_dest_alt"} <= set(definitions)
    assert "airports_dest_alt_1h" not in definitions
    windows = {n.window for n in walk(from_code(definitions["mean_legs_delay_2d"].code).node) if isinstance(n, Aggregate)}
    assert windows == {timedelta(days=2)}
    assert definitions["mean_legs_delay_2d"].description == "MEAN(legs.delay) as Featuretools calls it, of the last 2d."


def test_a_limit_keeps_or_drops_all_windows_of_a_feature():
    words = {"windows": (HOUR, timedelta(days=2)), "transforms": ("is_null",)}
    every = list(found(**words))
    first = next(n for n, name in enumerate(every) if name.endswith("_1h"))
    assert every[first + 1] == every[first].removesuffix("1h") + "2d"
    assert list(found(**words, max_features=first + 1)) == every[:first]
    assert list(found(**words, max_features=first + 2)) == every[: first + 2]
    assert list(found(**words, max_features=len(every))) == every
    cut = discovered(
        compile_schema(Discovery(**WORDS, **words, max_features=first + 1), TABLES, spine_table="flights", spine_key=None, where="p.yaml:3")
    )
    assert list(cut.left_out) == every[first:]


@pytest.mark.parametrize(
    ("words", "name"),
    [
        ({"aggregations": ("mean", "num_peaks"), "transforms": ("absolute",)}, "num_peaks"),
        ({"transforms": ("modulo_by_feature",)}, "modulo_by_feature"),
    ],
)
def test_featuretools_own_functions_are_computed_to_depth_2(words, name):
    """MAX_CONSECUTIVE_ZEROS says 1 of floats and NA of nullable numbers; which of them it is handed at depth 3 is not settled."""
    assert found("flights", ("faa",), **WIDE, **words)
    with pytest.raises(DeclarationError, match=rf"{name} is Featuretools' own function.*computed to depth 2 only; say `max_depth: 2`"):
        found("flights", ("faa",), **WIDE, **words, max_depth=3)


def test_interesting_values_are_conditions():
    definitions = found(where=("count",), interesting_values={"legs.cause": ("p", "q")})
    assert {"count_legs_where_cause_is_p", "count_legs_where_cause_is_q"} <= set(definitions)


def test_a_grid_of_keys_that_no_table_has_is_a_target_of_its_own():
    definitions = found("legs", ("carrier",), tables=("legs",), windows=(HOUR,))
    assert "mean_legs_delay_1h" in definitions
    definition = definitions["mean_legs_delay_1h"]
    assert (definition.table, definition.entity) == ("", ("carrier",))
    frame = pl.DataFrame({"carrier": ["A", "A", None], "delay": [1.0, 3.0, 9.0], "_available_at": [w.START, w.START + HOUR, w.START]})
    frame = frame.with_columns(pl.col("_available_at").cast(pl.Datetime("us", "UTC")))
    spine = pl.DataFrame({"carrier": ["A", "B", None], "_cutoff": [w.START + HOUR] * 3}).with_columns(
        pl.col("_cutoff").cast(pl.Datetime("us", "UTC"))
    )
    assert evaluate({"legs": frame}, spine, [from_code(definition.code)])[0].to_list() == [1.0, None, None]


def test_a_grid_of_a_tables_keys_has_that_table_as_target():
    definitions = found("flights", ("faa",), tables=("flights", "airports"))
    assert definitions["alt"].table == "airports"


def test_saved_definitions_load_with_their_windows(tmp_path):
    definitions = saved(tmp_path)
    loaded = found(tables=("flights", "airports"), definitions=definitions, windows=(HOUR,))
    assert set(loaded) == {"airports_count_flights_last_2_hours", "airports_alt", "hour_at"}
    (node,) = [n for n in walk(from_code(loaded["airports_count_flights_last_2_hours"].code).node) if isinstance(n, Aggregate)]
    assert node.window == 2 * HOUR
    assert definition_hash(loaded.values()) == definition_hash(definition_from(d.to_dict()) for d in loaded.values())


def saved(tmp_path, time_index: str = "at", primitive: str = "hour") -> str:
    """Save features of flights as somebody with Featuretools would."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import featuretools as ft
        import pandas as pd

        es = ft.EntitySet("theirs")
        times = pd.to_datetime(["2024-01-01", "2024-01-02"])
        flights = pd.DataFrame({"row": [1, 2], "origin": ["X", "Y"], "at": times, "made": times, "distance": [1, 2]})
        es.add_dataframe(
            dataframe_name="flights", dataframe=flights, index="row", time_index=time_index, logical_types={"origin": "Categorical"}
        )
        es.add_dataframe(dataframe_name="airports", dataframe=pd.DataFrame({"faa": ["X", "Y"], "alt": [1, 2]}), index="faa")
        es.add_relationship("airports", "faa", "flights", "origin")
        count = ft.Feature(
            es["flights"].ww["row"], parent_dataframe_name="airports", primitive=ft.primitives.Count, use_previous=ft.Timedelta(2, "h")
        )
        there = [ft.Feature(count, "flights"), ft.Feature(ft.Feature(es["airports"].ww["alt"]), "flights")]
        local = ft.Feature(
            es["flights"].ww["at" if primitive == "hour" else "distance"], primitive=ft.primitives.get_transform_primitives()[primitive]
        )
        ft.save_features([*there, local], str(tmp_path / "features.json"))
    return (tmp_path / "features.json").read_text()


def test_saved_definitions_that_mean_something_else_here_are_refused(tmp_path):
    with pytest.raises(DeclarationError, match=r"time index 'made' of flights.*become available by at"):
        found(tables=("flights", "airports"), definitions=saved(tmp_path, "made"))
    with pytest.raises(DeclarationError, match=r"1 features.*CUM_SUM\(distance\): cum_sum looks at other rows"):
        found(tables=("flights", "airports"), definitions=saved(tmp_path, primitive="cum_sum"))
    with pytest.raises(DeclarationError, match=r"cannot read discover.definitions"):
        found(tables=("flights", "airports"), definitions="{}")
    only = {**TABLES, "flights": replace(FLIGHTS, contract=replace(FLIGHTS.contract, references=()))}
    other = Relationship("airports", ("faa",), "flights", ("dest",))
    discovery = Discovery(tables=("airports",), definitions=saved(tmp_path), relationships=(other,))
    schema = compile_schema(discovery, only, spine_table="flights", spine_key=None, where="problem.yaml:3")
    with pytest.raises(DeclarationError, match=r"flights.origin is not declared to name rows of airports.faa"):
        discovered(schema)


NO_KEY = Relationship("airports", ("alt",), "flights", ("distance",))
ITSELF = Relationship("flights", ("carrier", "number"), "flights", ("origin", "distance"))
NO_COLUMN = Relationship("airports", ("faa",), "legs", ("cuase",))


@pytest.mark.parametrize(
    ("words", "error", "says"),
    [
        ({"transforms": ("cum_sum", "haversine")}, DeclarationError, "cum_sum looks at other rows.*haversine takes places"),
        ({"aggregations": ("maen",)}, DeclarationError, "maen is no standard aggregation.*Did you mean 'mean'"),
        ({"max_depth": 4}, DeclarationError, "max_depth is 4"),
        ({"where": ("max",)}, DeclarationError, "names 'max', which is not among its aggregations"),
        ({"windows": (timedelta(0),)}, DeclarationError, "more than none"),
        ({"tables": ()}, DeclarationError, "needs `tables`"),
        ({"tables": ("legz",)}, UnknownNameError, "names table 'legz'.*Did you mean 'legs'"),
        ({"types": {"legs.delay": "NaturalLanguage"}}, DeclarationError, "legs.delay .DOUBLE. the type 'NaturalLanguage'"),
        ({"types": {"legs.cuase": "URL"}}, UnknownNameError, "discover.types names 'legs.cuase'.*Did you mean 'legs.cause'"),
        ({"interesting_values": {"legs.x": (1,)}}, UnknownNameError, "interesting_values names 'legs.x'"),
        ({"relationships": (NO_KEY,)}, DeclarationError, "must lead to the key of airports"),
        ({"relationships": (ITSELF,)}, DeclarationError, "the same table"),
        ({"relationships": (NO_COLUMN,)}, UnknownNameError, "legs.cuase.*Did you mean 'cause'"),
    ],
)  # fmt: skip
def test_declarations_that_cannot_be_right_say_so_at_load(words, error, says):
    with pytest.raises(error, match=says):
        compile_schema(Discovery(**{**WORDS, **words}), TABLES, spine_table="flights", spine_key=None, where="problem.yaml:3")


def test_a_table_that_nothing_leads_to_is_said():
    alone = {**TABLES, "legs": replace(LEGS, contract=replace(LEGS.contract, references=()))}
    with pytest.raises(DeclarationError, match=r"no relationship leads from the spine \(flights\) to legs"):
        compile_schema(Discovery(**WORDS), alone, spine_table="flights", spine_key=None, where="problem.yaml:3")


def test_a_declaration_is_checked_without_featuretools():
    code = "import sys; import ml_platform.features.nested.search, ml_platform.project.compile; print('featuretools' in sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "False"


def test_texts_have_the_type_that_is_declared():
    definitions = found(transforms=("num_words", "url_to_domain"), types={"legs.cause": "NaturalLanguage"}, aggregations=("mean",))
    assert "mean_legs_num_words_cause" in definitions
    frame = pl.DataFrame({"carrier": ["A"] * 3, "number": [1] * 3, "cause": ["late crew", None, "fog and ice"], "delay": [0.0] * 3})
    frame = frame.with_columns(at=pl.lit(w.START).cast(pl.Datetime("us", "UTC"))).with_columns(_available_at="at")
    flights = pl.DataFrame({"carrier": ["A"], "number": [1]}).with_columns(_available_at=pl.lit(w.START).cast(pl.Datetime("us", "UTC")))
    spine = pl.DataFrame({"carrier": ["A"], "number": [1]}).with_columns(_cutoff=pl.lit(w.START + HOUR).cast(pl.Datetime("us", "UTC")))
    tree = from_code(definitions["mean_legs_num_words_cause"].code)
    assert evaluate({"legs": frame, "flights": flights}, spine, [tree])[0].to_list() == [2.5]
    assert json.loads(definitions["mean_legs_num_words_cause"].code)["node"]["inputs"][0]["primitive"] == "num_words"
